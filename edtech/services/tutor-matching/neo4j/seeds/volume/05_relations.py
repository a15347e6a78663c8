# seedbed: table=(:Skill)-[:RELATED]->(:Skill)
"""36 400 pairs of skills that the same students learned, a few skills in most of them: with those of 03 and 04, 40 000.

The same ones at every load: the numbers come from a generator with a fixed seed.
"""

from random import Random

SKILLS, RELATIONS = 600, 36_400


def rows():
    random = Random(20261124)
    found = set()
    while len(found) < RELATIONS:
        # Half of all draws fall on a sixth of the skills.
        one = int(SKILLS * random.random() ** 2.6)
        other = random.randrange(SKILLS)
        if one != other and (one, other) not in found:
            found.add((one, other))
            yield {
                "from.slug": f"volume-{one}",
                "to.slug": f"volume-{other}",
                "students": 1 + int(random.paretovariate(1.2)),
            }
