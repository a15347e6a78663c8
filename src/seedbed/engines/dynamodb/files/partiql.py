"""PartiQL of an expectation: one SELECT, whose table has the name that it has in every environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from msgspec import Struct

from seedbed.engines.kit.rows import would_write
from seedbed.errors import StepFailed

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z0-9_.$-]+|\S""")
_WRITES = {"INSERT", "UPDATE", "DELETE"}
_AGGREGATES = {"COUNT", "SUM", "AVG", "MIN", "MAX"}


class Select(Struct, frozen=True):
    """A SELECT, as it is sent, and the table that it reads, by its name in tables.toml."""

    text: str
    table: str
    reads_index: bool


def select(query: str, physical: Callable[[str], str]) -> Select:
    """Return the SELECT in `query`. `physical`: the name of a table in this environment.

    Raises UsageError for what writes, StepFailed for what is no SELECT from one table.
    """
    text = query.strip().rstrip(";").rstrip()
    tokens = list(_TOKEN.finditer(text))
    words = [each[0].upper() for each in tokens]
    if words and words[0] in _WRITES:
        raise would_write(f"it begins with {tokens[0][0]}")
    if not words or words[0] != "SELECT" or words.count("FROM") != 1 or words[-1] == "FROM":
        raise StepFailed(
            "the query is not a SELECT from one table",
            because="an expectation asks DynamoDB in PartiQL, which knows neither joins nor subqueries",
            try_="SELECT course_id FROM courses WHERE title IS MISSING",
        )
    if called := [word for word, behind in pairwise(words) if word in _AGGREGATES and behind == "("]:
        raise StepFailed(
            f"the query calls {called[0]}",
            because="PartiQL of DynamoDB has no aggregates",
            try_="SELECT the items; where numbers are compared, by `equal`, those that it finds are counted",
        )
    name = tokens[words.index("FROM") + 1]
    table, index = _names(name[0])
    rest = text[name.end() :]
    sent = f'{text[: name.start()]}"{physical(table)}"{index}{rest}'
    return Select(sent, table, bool(index) or rest.lstrip().startswith("."))


def _names(written: str) -> tuple[str, str]:
    """Return table and index of courses, "courses" or courses.by_teacher: the index as it is sent, or nothing."""
    if written.startswith('"'):
        return written[1:-1].replace('""', '"'), ""
    table, _, index = written.partition(".")
    return table, f'."{index}"' if index else ""
