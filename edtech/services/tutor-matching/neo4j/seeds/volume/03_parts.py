# seedbed: table=(:Skill)-[:PART_OF]->(:Subject)
"""Each of the 600 skills is part of one of the twelve subjects: the first 600 of 40 000 relationships."""

SKILLS, SUBJECTS = 600, 12


def rows():
    for number in range(SKILLS):
        yield {"from.slug": f"volume-{number}", "to.slug": f"volume-{number % SUBJECTS}"}
