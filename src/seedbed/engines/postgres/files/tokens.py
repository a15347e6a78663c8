"""The tokens of SQL that matter here, and what is not SQL at all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import islice

from seedbed.engines.postgres.files.grammar import parse
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.scanner import COMMENTS, SqlToken, SqlTokenKind, is_scannable, scan
from seedbed.engines.postgres.files.text import LONGEST_NAME, MigrationText
from seedbed.engines.postgres.rules.refusals import COPY_IN
from seedbed.errors import MigrationFileError
from seedbed.support.phrases import one_line

_LOOKS_LIKE_META = re.compile(rb"^[ \t]*(\\)[a-zA-Z!?]", re.MULTILINE)
_LOOKS_LIKE_PARAMETER = re.compile(rb"\$\d")
_LOOKS_LONG = re.compile(rb'[\w$\x80-\xff]{64}|"(?:[^"]|""){64}')
_MOST_CANDIDATES = 100  # each is looked at from the beginning of the file
_UNICODE_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6})|(\\))")
_COPY = re.compile(
    rb"^[ \t]*(copy)\s[^;]{0,2000}?\bfrom\s+stdin\b[^;]{0,2000};[^\n]*\n", re.IGNORECASE | re.MULTILINE
)
_END_OF_ROWS = re.compile(rb"^\\\.[ \t]*$", re.MULTILINE)
_UNCLOSED = (
    ("unterminated quoted identifier", "quoted name"),
    ("unterminated /* comment", "comment"),
    ("unterminated dollar-quoted string", "dollar-quoted string"),
    ("unterminated", "string"),
)


def scanned(text: MigrationText) -> list[SqlToken]:
    """Return the comments and parameters of `text`; notes what no statement of PostgreSQL could hold.

    What is for psql alone is blanked out once it is noted: rows behind a COPY, and what begins with a backslash.
    """
    kinds = set(COMMENTS)
    if b"\\" in text.data:
        kinds.add(SqlTokenKind.BACKSLASH)
    if _LOOKS_LIKE_PARAMETER.search(text.data):
        kinds.add(SqlTokenKind.PARAMETER)
    if _LOOKS_LONG.search(text.data):
        kinds |= {SqlTokenKind.IDENTIFIER, SqlTokenKind.UNICODE_IDENTIFIER}
    tokens = _tokens(text, kinds)
    _require_different_names(text, tokens)
    return [each for each in tokens if each.kind in COMMENTS or each.kind is SqlTokenKind.PARAMETER]


def _tokens(text: MigrationText, kinds: Collection[SqlTokenKind]) -> list[SqlToken]:
    _blank_copied_rows(text)
    while True:
        try:
            tokens = list(scan(text.data, kinds))
        except GrammarError as error:
            _blank_meta_command(text, error)
            continue
        commands = [each for each in tokens if each.kind is SqlTokenKind.BACKSLASH]
        if not commands:
            return tokens
        _note_meta_command(text, commands[0].start)


def _blank_copied_rows(text: MigrationText) -> None:
    """Blank the rows that follow a COPY … FROM STDIN, up to their end; the COPY itself stays, and is refused."""
    if not (_COPY.search(text.data) and _END_OF_ROWS.search(text.data)):
        return
    position = 0
    while copy := _COPY.search(text.data, position):
        position = copy.end()
        end = _END_OF_ROWS.search(text.data, position)
        if end and is_scannable(text.data[: copy.start()]) and _is_copy(copy[0]):
            text.note(text.error(text.line(copy.start(1)), COPY_IN.what, COPY_IN.because, COPY_IN.try_))
            text.blank([(copy.start(), end.end())])


def _is_copy(sql: bytes) -> bool:
    try:
        return [each.kind for each in parse(sql)] == ["CopyStmt"]
    except GrammarError:
        return False


def _blank_meta_command(text: MigrationText, error: GrammarError) -> None:
    """Blank the command of psql that makes `text` unreadable: it has quotes of its own. Raises where there is none."""
    offset = error.offset
    for match in islice(_LOOKS_LIKE_META.finditer(text.data, 0, offset), _MOST_CANDIDATES):
        if is_scannable(text.data[: match.start(1)]):
            _note_meta_command(text, match.start(1))
            return
    for message, what in _UNCLOSED:
        if error.message.startswith(message):
            raise text.error_at(
                offset,
                f"unclosed {what}",
                "it begins here, and the file ends inside of it",
                "close it; a quote inside of a string is doubled: 'it''s'"
                if what == "string"
                else "close it",
            )
    raise syntax_error(text, error)


def _note_meta_command(text: MigrationText, offset: int) -> None:
    end = text.data.find(b"\n", offset)
    end = len(text.data) if end < 0 else end
    line = text.data[offset:end].decode()
    is_dump = line.startswith((r"\restrict", r"\unrestrict"))
    wrong = text.error(
        text.line(offset),
        f"{one_line(line)} is not SQL",
        "what begins with a backslash is for psql, and no server understands it",
        "delete the line: pg_dump put it there for psql alone"
        if is_dump
        else "say it in SQL, or leave it out",
    )
    text.note(wrong)
    text.blank([(offset, end)])


def _require_different_names(text: MigrationText, tokens: Iterable[SqlToken]) -> None:
    """Refuse two names that the server makes one of. One that it merely cuts is the same wherever it is written."""
    seen: dict[bytes, tuple[str, int]] = {}
    for token in tokens:
        if token.kind not in {SqlTokenKind.IDENTIFIER, SqlTokenKind.UNICODE_IDENTIFIER}:
            continue
        name, line = _name(text, token), text.line(token.start)
        data = name.encode(errors="replace")
        if len(data) <= LONGEST_NAME:
            continue
        cut = data[:LONGEST_NAME].decode(errors="ignore").encode()
        first, at = seen.setdefault(cut, (name, line))
        if first != name:
            wrong = text.error(
                line,
                f"{one_line(name)} and a name on line {at} are one to PostgreSQL",
                f"it cuts names after {LONGEST_NAME} bytes, and they differ only behind",
                "shorter names, or names that differ earlier",
            )
            text.note(wrong)


def _name(text: MigrationText, token: SqlToken) -> str:
    """Return the name that an identifier means, before it is cut."""
    name = text.data[token.start : token.end].decode()
    if token.kind is SqlTokenKind.UNICODE_IDENTIFIER:
        return _UNICODE_ESCAPE.sub(_unescaped, name[3:-1].replace('""', '"'))
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _unescaped(match: re.Match[str]) -> str:
    number = int(match[1] or match[2] or "5c", 16)
    return chr(number) if number < 0x110000 else "?"


def syntax_error(
    text: MigrationText, error: GrammarError, start: int = 0, end: int | None = None, line: int = 0
) -> MigrationFileError:
    """Return the error for what the grammar refuses from byte `start` up to `end`;
    on `line`, if its position is unknown.
    """
    if not error.is_placed:
        return text.error(line, one_line(error.message), error.because)
    # what ends too early ends after its last word, not on the line of the next section
    offset = min(start + error.offset, len(text.data[:end].rstrip()))
    return text.error_at(offset, one_line(error.message), error.because)
