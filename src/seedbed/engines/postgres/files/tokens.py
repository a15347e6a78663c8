"""The tokens of SQL that matter here, and what is not SQL at all."""

from __future__ import annotations

import re

from seedbed.engines.postgres.files.grammar import COMMENTS, GrammarError, SqlToken, SqlTokenKind, scan
from seedbed.engines.postgres.files.text import LONGEST_NAME, MigrationText
from seedbed.errors import MigrationFileError
from seedbed.support.phrases import one_line

_LOOKS_LIKE_META = re.compile(rb"^[ \t]*(\\)[a-zA-Z!?]", re.MULTILINE)
_LOOKS_LIKE_PARAMETER = re.compile(rb"\$\d")
_LOOKS_LONG = re.compile(rb'[\w$\x80-\xff]{64}|"(?:[^"]|""){64}')
_UNICODE_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6})|(\\))")
_UNCLOSED = (
    ("unterminated quoted identifier", "quoted name"),
    ("unterminated /* comment", "comment"),
    ("unterminated dollar-quoted string", "dollar-quoted string"),
    ("unterminated", "string"),
)


def scanned(text: MigrationText) -> list[SqlToken]:
    """Return the comments and parameters of `text`; refuses what no statement of PostgreSQL could hold."""
    kinds = set(COMMENTS)
    if b"\\" in text.data:
        kinds.add(SqlTokenKind.BACKSLASH)
    if _LOOKS_LIKE_PARAMETER.search(text.data):
        kinds.add(SqlTokenKind.PARAMETER)
    if _LOOKS_LONG.search(text.data):
        kinds |= {SqlTokenKind.IDENTIFIER, SqlTokenKind.UNICODE_IDENTIFIER}
    try:
        tokens = list(scan(text.data, kinds))
    except GrammarError as error:
        raise _unscannable(text, error) from None
    for token in tokens:
        if token.kind is SqlTokenKind.BACKSLASH:
            raise _meta_command(text, token.start)
        if token.kind in {SqlTokenKind.IDENTIFIER, SqlTokenKind.UNICODE_IDENTIFIER}:
            _require_short_name(text, token)
    return [each for each in tokens if each.kind in COMMENTS or each.kind is SqlTokenKind.PARAMETER]


def _unscannable(text: MigrationText, error: GrammarError) -> MigrationFileError:
    """Return the error for text that is not even a row of tokens; psql's commands have quotes of their own."""
    offset = error.offset
    for match in _LOOKS_LIKE_META.finditer(text.data, 0, offset):
        if _is_scannable(text.data[: match.start(1)]):
            return _meta_command(text, match.start(1))
    for message, what in _UNCLOSED:
        if error.message.startswith(message):
            return text.error(
                text.line(offset),
                f"unclosed {what}",
                "it begins here, and the file ends inside of it",
                "close it; a quote inside of a string is doubled: 'it''s'"
                if what == "string"
                else "close it",
                column=text.column(offset),
            )
    return syntax_error(text, error)


def _is_scannable(sql: bytes) -> bool:
    try:
        scan(sql)
    except GrammarError:
        return False
    return True


def _meta_command(text: MigrationText, offset: int) -> MigrationFileError:
    line = text.data[offset:].split(b"\n", 1)[0].decode()
    is_dump = line.startswith((r"\restrict", r"\unrestrict"))
    return text.error(
        text.line(offset),
        f"{one_line(line)} is not SQL",
        "what begins with a backslash is for psql, and no server understands it",
        "delete the line: pg_dump put it there for psql alone"
        if is_dump
        else "say it in SQL, or leave it out",
    )


def _require_short_name(text: MigrationText, token: SqlToken) -> None:
    if token.end - token.start <= LONGEST_NAME:
        return
    name = text.data[token.start : token.end].decode()
    if token.kind is SqlTokenKind.UNICODE_IDENTIFIER:
        name = _UNICODE_ESCAPE.sub(_unescaped, name[3:-1].replace('""', '"'))
    elif name.startswith('"'):
        name = name[1:-1].replace('""', '"')
    length = len(name.encode(errors="replace"))
    if length > LONGEST_NAME:
        raise text.error(
            text.line(token.start),
            f"{one_line(name)} is longer than a name may be: {length} bytes",
            f"PostgreSQL would silently cut it to {LONGEST_NAME} bytes",
            "a shorter name",
        )


def _unescaped(match: re.Match[str]) -> str:
    number = int(match[1] or match[2] or "5c", 16)
    return chr(number) if number < 0x110000 else "?"


def syntax_error(
    text: MigrationText, error: GrammarError, start: int = 0, end: int | None = None, line: int = 0
) -> MigrationFileError:
    """Return the error for what the grammar refuses from byte `start` up to `end`;
    on `line`, if its position is unknown.
    """
    because = "PostgreSQL's own grammar refuses it"
    if not error.is_placed:
        return text.error(line, one_line(error.message), because)
    # what ends too early ends after its last word, not on the line of the next section
    offset = min(start + error.offset, len(text.data[:end].rstrip()))
    return text.error(text.line(offset), one_line(error.message), because, column=text.column(offset))
