# seedbed: table=Subject key=slug
"""Twelve subjects for the 600 skills of 02_skills.py."""

SUBJECTS = 12


def rows():
    for number in range(SUBJECTS):
        yield {"slug": f"volume-{number}", "name": f"Subject {number}"}
