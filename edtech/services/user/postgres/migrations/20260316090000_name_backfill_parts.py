# Split the names of the users that nobody has touched since the parts came (story 1). Row by row in Python,
# because the rule has a list of particles in it and is easier to read, test and correct here than in SQL.
# The way back empties exactly the parts that the rule would make again; a border drawn by a person stays
# where it is.
# seedbed: phase=migrate
# seedbed: backfill=users.id batch=500
"""Fill users.given_name and users.family_name from users.name."""

# Words that lead a family name. The trigger users_keep_names() holds the same list: change both or neither.
LEADING = "af al bin da das de del della den der di do dos du el la le ten ter van von zu"
PARTICLES = frozenset(LEADING.split())


def split(name: str) -> tuple[str, str | None]:
    """Return given and family name; a single word is a given name. Joined by one blank they are `name` again."""
    words = name.split(" ")  # not split(): two blanks in a row have to survive the round trip
    if len(words) == 1:
        return name, None
    border = len(words) - 1
    while border > 1 and words[border - 1].lower() in PARTICLES:
        border -= 1
    return " ".join(words[:border]), " ".join(words[border:])


def up(row: dict) -> dict | None:
    if row["given_name"] is not None or row["family_name"] is not None:
        return None  # written by new code, or by old code through the trigger
    given, family = split(row["name"])
    return {"given_name": given, "family_name": family}


def down(row: dict) -> dict | None:
    if (row["given_name"], row["family_name"]) != split(row["name"]):
        return None
    return {"given_name": None, "family_name": None}
