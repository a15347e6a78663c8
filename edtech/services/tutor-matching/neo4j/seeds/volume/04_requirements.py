# seedbed: table=(:Skill)-[:REQUIRES]->(:Skill)
"""3 000 requirements without a circle: a skill requires earlier ones only, most of them near.

The same ones at every load: the numbers come from a generator with a fixed seed.
"""

from random import Random

SKILLS, REQUIREMENTS = 600, 3000


def rows():
    random = Random(20261123)
    found = set()
    while len(found) < REQUIREMENTS:
        skill = random.randrange(1, SKILLS)
        before = skill - 1 - min(int(random.expovariate(1 / 40)), skill - 1)
        if (skill, before) not in found:
            found.add((skill, before))
            yield {
                "from.slug": f"volume-{skill}",
                "to.slug": f"volume-{before}",
                "strength": round(1 - (skill - before) / SKILLS, 2),
            }
