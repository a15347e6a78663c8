# seedbed: table=Level key=id
"""Three rungs for every skill of 02_Skill.csv (story 7): the ladder is there before anybody stands on it."""

SKILLS = (
    "arithmetic",
    "fractions",
    "equations",
    "functions",
    "geometry",
    "probability",
    "calculus",
    "statistics",
    "variables-and-loops",
    "data-structures",
    "python",
    "algorithms",
    "databases",
    "web-pages",
    "grammar",
    "essays",
    "storytelling",
    "voice",
    "radio-plays",
    "editing",
    "pronunciation",
    "conversation",
    "notation",
    "harmony",
    "mechanics",
    "electricity",
)
RUNGS = ("beginner", "intermediate", "advanced")


def rows():
    for skill in SKILLS:
        for rank, code in enumerate(RUNGS, 1):
            yield {"id": f"{skill}:{code}", "code": code, "rank": rank}
