# Profiles hold a copy of the tutor's name, so that the directory is one query. The user service has split its own
# (story 1) and its events carry the two parts; copies that no event has touched since are split here by the same rule.
# seedbed: phase=migrate table=tutor_profiles from=1 to=2
# seedbed: after=user/postgres:20260316090000
"""tutor_profiles.name -> given_name and family_name."""

# The same list as in user's 20260316090000: a copy that is split in another way is a wrong copy.
LEADING = "af al bin da das de del della den der di do dos du el la le ten ter van von zu"
PARTS = ("given_name", "family_name")
PARTICLES = frozenset(LEADING.split())


def split(name: str) -> list[str]:
    """Return given and family name, or one name only; joined by one blank they are `name` again."""
    words = name.split(" ")  # not split(): two blanks in a row have to survive the round trip
    if len(words) == 1:
        return words
    border = len(words) - 1
    while border > 1 and words[border - 1].lower() in PARTICLES:
        border -= 1
    return [" ".join(words[:border]), " ".join(words[border:])]


def up(item: dict) -> dict:
    item.update(zip(PARTS, split(item.pop("name")), strict=False))
    return item


def down(item: dict) -> dict:
    item["name"] = " ".join(item.pop(part) for part in PARTS if part in item)
    return item
