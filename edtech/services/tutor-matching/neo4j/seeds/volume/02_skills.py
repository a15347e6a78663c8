# seedbed: table=Skill key=slug
"""600 skills, as a curriculum of several countries has them."""

SKILLS = 600
WORDS = ("linear", "spoken", "modern", "applied", "early", "digital", "visual", "written", "exact", "free")
NOUNS = ("systems", "forms", "proofs", "voices", "models", "signals", "games", "worlds")


def rows():
    for number in range(SKILLS):
        name = f"{WORDS[number % len(WORDS)]} {NOUNS[number % len(NOUNS)]} {number}"
        yield {"slug": f"volume-{number}", "name": name.capitalize(), "aliases": [name, f"unit {number}"]}
