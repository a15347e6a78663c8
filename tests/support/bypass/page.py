"""docs/reference/what-is-refused.md: what came of every way round, as tables, and what of it is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.bypass.matrix import NOTHING, Cell, Tried
from tests.support.bypass.verbs import LOOKS, VERBS
from tests.support.bypass.ways import WAYS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "what-is-refused.md"

Shown = Mapping[tuple[str, str], str]  # cells as they are shown, by command and way

BY_TASK, DIRECT = "Reached by a task", "Reached from here"
NO_RELEASE = "Without `[release]`, by a task"
NO_RELEASE_DIRECT = "Without `[release]`, from here"

_EMERGENCY, _OWN, _REGION, _PASSWORD, _MANIFEST, _DECISION, _RELEASE = "abcdefg"
NOTES = {
    _EMERGENCY: "For emergencies. The command says so, and a run by a task has its words in its record. What `apply` "
    "and `revert` leave says so, too: behind who did it, the history or the audit has the word `unreviewed`.",
    _OWN: "Its record, or an approval in the caller's own name, is all that it writes.",
    _REGION: "Where it leads is what the manifest says; the variable is not asked.",
    _PASSWORD: "No account is asked: the way to the database is its password.",
    _MANIFEST: "Nothing but the manifest says that an environment is protected. Whoever has the password of a database "
    "may have any manifest; a task has that of its image.",
    _DECISION: "A person's decision, with its reason in the audit.",
    _RELEASE: "With the plan that was reviewed: where there are releases, of the step that is taken, and that another person "
    "approved than who opened it.",
}
_ANY = "*"
# What is meant to pass: by table, command and way, the note that says why. _ANY stands for all of them.
_MEANT: Sequence[tuple[str, str, str, str]] = (
    (_ANY, "*", "`--unreviewed`", _EMERGENCY),
    (_ANY, "revert", "as meant", _EMERGENCY),
    (_ANY, "restore", "as meant", _EMERGENCY),
    (_ANY, "repair VERSION", "as meant", _DECISION),
    (_ANY, "repair --bind", "as meant", _DECISION),
    *((_ANY, f"release {each}", "*", _OWN) for each in ("open", "approve", "back", "abandon")),
    (_ANY, "release next", "as meant", _RELEASE),
    (_ANY, "*", "as meant", _RELEASE),
    (_ANY, "*", "other region", _REGION),
    (DIRECT, "*", "other account", _PASSWORD),
    (NO_RELEASE_DIRECT, "*", "other account", _PASSWORD),
    (DIRECT, "*", "`protected = false`", _MANIFEST),
    (NO_RELEASE_DIRECT, "*", "`protected = false`", _MANIFEST),
    (DIRECT, "*", "no `[release]`", _MANIFEST),
    (DIRECT, "repair --bind", "other database", _DECISION),
    (NO_RELEASE_DIRECT, "repair --bind", "other database", _DECISION),
)


def note_of(table: str, cell: Cell) -> str:
    """Return the note on what passes, empty where it is not meant to."""
    return next(
        (
            note
            for where, verb, way, note in _MEANT
            if where in {_ANY, table} and verb in {_ANY, cell.verb} and way in {_ANY, cell.way}
        ),
        "",
    )


def not_meant(table: str, cells: Sequence[Cell]) -> list[str]:
    """Return what passed and should not have."""
    return [
        f"{table}: {cell.verb}, {cell.way}: {' '.join(one.words)} ended with {one.code}, changed {one.touched}:\n{one.said}"
        for cell in cells
        for one in cell.tried
        if one.touched and not note_of(table, cell)
    ]


def page(tables: Mapping[str, Shown], looks: Mapping[str, str]) -> str:
    """Return the page of some tables, each as `shown` has it. `looks`: exit codes of what only looks, by command."""
    return "\n".join(_lines(tables, looks)) + "\n"


def _lines(tables: Mapping[str, Shown], looks: Mapping[str, str]) -> Iterator[str]:
    yield "<!-- Written by `UPDATE_GOLDEN=1 make soak-bypass`, which tries all of it. -->"
    yield "# What is refused"
    yield ""
    yield from _HEAD.strip().splitlines()
    yield ""
    yield "| column | what is tried |"
    yield "|---|---|"
    yield from (f"| {each.title} | {each.text} |" for each in WAYS)
    for name, cells in tables.items():
        yield ""
        yield f"## {name}"
        yield ""
        yield from _table(cells)
    yield ""
    yield "## What passes, and why"
    yield ""
    yield "| note | |"
    yield "|---|---|"
    yield from (f"| {name} | {text} |" for name, text in NOTES.items())
    yield ""
    yield "## What changes nothing"
    yield ""
    yield "Those with an exit code were called, too, and touched nothing."
    yield ""
    yield "| command | why | exit code |"
    yield "|---|---|---|"
    yield from (f"| `{name}` | {why} | {looks.get(name, NOTHING)} |" for name, why in LOOKS.items())


def _table(cells: Shown) -> Iterator[str]:
    ways = [
        each.title
        for each in WAYS
        if any(way == each.title for (_, way), text in cells.items() if text != NOTHING)
    ]
    yield "| command | " + " | ".join(ways) + " |"
    yield "|---" * (len(ways) + 1) + "|"
    for verb in dict.fromkeys(verb for verb, _ in cells):
        yield f"| `{verb}` | " + " | ".join(cells.get((verb, way), NOTHING) for way in ways) + " |"


def _shown(table: str, cell: Cell) -> str:
    return f"{cell.text} {note_of(table, cell)}" if cell.passes else cell.text


def listed_commands(text: str) -> set[str]:
    """Return the commands that a page has a row of."""
    _, _, tables = text.partition("\n## ")  # before it are the columns
    found = re.findall(r"^\| `([^`]+)` \|", tables, re.MULTILINE)
    names = {each.name: " ".join(each.path) for each in VERBS}
    return {names.get(each, each) for each in found}


def cells_of(text: str, table: str) -> Shown:
    """Return the cells of a table of a page, by command and way."""
    lines = text.partition(f"## {table}\n")[2].partition("\n## ")[0].strip().splitlines()
    ways = [each.strip() for each in lines[0].strip("|").split("|")][1:]
    found: dict[tuple[str, str], str] = {}
    for line in lines[2:]:
        verb, *row = (each.strip() for each in line.strip("|").split("|"))
        found |= {(verb.strip("`"), way): each for way, each in zip(ways, row, strict=True)}
    return found


def looked(looks: Sequence[Tried]) -> Mapping[str, str]:
    """Return the exit codes of what only looks, by command."""
    return {" ".join(each.words[: each.words.index("-e")]): str(each.code) for each in looks}


def shown(table: str, cells: Sequence[Cell]) -> Shown:
    """Return cells as a page shows them, by command and way."""
    return {(each.verb, each.way): _shown(table, each) for each in cells}


_HEAD = """
Every command that changes an environment, against every way round that is known, in a protected environment. None of
the cells is typed: each is what the command exited with, when it was tried on real databases and on an emulated
account that refuses what AWS refuses. Before and after, all that it could have touched was compared: the database and
another environment's, the records of releases, the bucket, the stacks.

A number is an [exit code](errors-and-exit-codes.md): 2 and 3 are refusals, 4 and 6 wait for something, and nothing was
touched. **Bold** is what changed something; the letter beside it says [why that is meant](#what-passes-and-why). — is
where there is nothing to try. `as meant` shows which commands would have done something at all. Where it is not bold,
a cell beside it shows less: the account has no bootstrap of the CDK, so that `deploy` ends before its first stack; the
plan has migrations that `seed` waits for; no snapshot was taken, and `runs stop` has no run. Tests of these commands
show how they refuse where all of that is there.
"""
