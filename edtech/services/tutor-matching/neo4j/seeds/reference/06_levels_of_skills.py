# seedbed: table=(:Level)-[:OF]->(:Skill)
"""Whose rungs those of 05_levels.py are."""

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
        for code in RUNGS:
            yield {"from.id": f"{skill}:{code}", "to.slug": skill}
