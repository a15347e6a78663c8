"""The reference engine's language: one statement a line, and what the server is asked to do for it. Pure.

::

    create users                          a table
    drop users
    put users 1 {"name": "ana"}           insert or change the row with the key 1
    add users {"name": "ana"}             insert a row under the next free key, every time it runs
    delete users 1
    set users active true                 one column, in every row
    increment users visits 1
    sleep 0.5                             the server takes its time
    wait door                             the server waits until somebody opens the door
    fail "because I say so"
    slow create users 0.5                 outside of any transaction, after a pause: seconds or a door
    mystery put users 1 {} 0.5            the same, and nobody can find out whether it took effect

`slow` takes `create` and `drop`, whose effect can be looked up; `mystery` takes any statement.
"""

from __future__ import annotations

import json
import re
from typing import Any

from msgspec import Struct

from seedbed.errors import Location, SeedFileError
from seedbed.model.seed import Script

Op = list[Any]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Misread(ValueError):
    """A line that is not a statement; the message says why."""


class Statement(Struct, frozen=True):
    """One line: what the server does, and, outside of transactions, the pause before it.

    `until` is None for a statement that commits with its history, else seconds or the name of a door.
    """

    line: int
    text: str
    op: Op
    until: float | str | None = None
    is_provable: bool = True

    @property
    def is_atomic(self) -> bool:
        return self.until is None

    @property
    def kind(self) -> str:
        return str(self.op[0])


def read(text: str, first_line: int = 1) -> list[Statement]:
    """Return the statements in `text`; blank lines and `#` comments are nothing.

    Raises Misread with (message, line).
    """
    statements = []
    for line, raw in enumerate(text.split("\n"), first_line):
        stripped = raw.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            statements.append(_statement(stripped, line))
        except Misread as error:
            raise Misread(str(error), line) from None
    return statements


def script_statements(script: Script) -> list[Statement]:
    """Return the statements of a seed. Raises SeedFileError."""
    try:
        return read(script.source.data.decode())
    except (Misread, UnicodeDecodeError) as error:
        line = error.args[1] if isinstance(error, Misread) else 0
        raise SeedFileError(
            "this is no seed of this engine", because=str(error.args[0]), at=Location(script.path, line)
        ) from error


def _statement(text: str, line: int) -> Statement:
    word, _, rest = text.partition(" ")
    if word not in {"slow", "mystery"}:
        return Statement(line, text, _op(text))
    inner, _, until = rest.rpartition(" ")
    if not inner:
        raise Misread(f"`{word}` needs a statement and a pause: `{word} create users 0.5`")
    op = _op(inner)
    if word == "slow" and op[0] not in {"create", "drop"}:
        raise Misread(f"`slow` takes create and drop, whose effect can be looked up, not {op[0]!r}")
    return Statement(line, text, op, _pause(until), is_provable=word == "slow")


def _op(text: str) -> Op:
    word, _, rest = text.partition(" ")
    match word, rest.split(None, 2):
        case (("create" | "drop"), [table]):
            return [word, _name(table)]
        case "put", [table, key, row]:
            return ["put", _name(table), _key(key), _row(row)]
        case "add", [table, *row]:
            return ["add", _name(table), _row(" ".join(row))]
        case "delete", [table, key]:
            return ["delete", _name(table), _key(key)]
        case (("set" | "increment"), [table, column, value]):
            return [word, _name(table), _name(column), _json(value)]
        case "sleep", [seconds]:
            return ["pause", _seconds(seconds)]
        case "wait", [door]:
            return ["pause", _name(door)]
        case "fail", _:
            return ["fail", str(_json(rest))]
        case _:
            raise Misread(f"{text!r} is not a statement of this language")


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise Misread(f"{text!r} is not a name: letters, digits and _ make one")
    return text


def _key(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _pause(text: str) -> float | str:
    return text if _NAME.match(text) else _seconds(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise Misread(f"{text!r} is no pause: seconds, or the name of a door")
    return seconds


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Misread(f"{text!r} is not JSON") from None


def _row(text: str) -> dict[str, Any]:
    row = _json(text)
    if not isinstance(row, dict):
        raise Misread(f"{text!r} is no row: a JSON object makes one")
    return row
