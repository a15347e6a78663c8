"""The sections of a file, and the directives above them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from seedbed.engines.neo4j.files.header import CypherHeader, looks_like_directives, read_header
from seedbed.engines.neo4j.files.lexer import COMMENTS, Token, TokenKind
from seedbed.engines.neo4j.files.text import CypherText
from seedbed.errors import MigrationFileError
from seedbed.model.directives import directive_lines
from seedbed.model.headers import Header

_MARK = re.compile(r"//\s*migrate:(up|down)(?:\s+(.*))?")
_NEARLY_A_MARK = re.compile(r"//+\s*migrate\s*:\s*(?:up|down)\b|//\s*migrate:\w", re.IGNORECASE)
_HIDDEN = re.compile(r"^//\s*migrate:up\b", re.MULTILINE)
_OTHER_LANGUAGE = re.compile(r"^\s*(?:--|#)\s*migrate:(?:up|down)\b", re.MULTILINE)


class CypherSection(Struct, frozen=True):
    """`// migrate:<name>` on `line`; its text is the characters from `start` up to `end`."""

    name: str
    line: int
    start: int
    end: int


class _SectionMark(Struct, frozen=True):
    token: Token
    line: int
    name: str


def cut(text: CypherText, tokens: Sequence[Token]) -> tuple[CypherHeader, list[CypherSection]]:
    """Return the directives above the sections as a header, and the sections: up first."""
    comments = [each for each in tokens if each.kind is TokenKind.LINE_COMMENT]
    marks = list(_marks(text, comments))
    _require_up_and_down(text, marks)
    first = marks[0].token.start
    _require_nothing_before(text, tokens, first)
    header = text.attempt(lambda: read_header(text, _directives_above(text, comments, first)))
    ends = [*(each.token.start for each in marks[1:]), len(text.text)]
    return header or CypherHeader(Header(), {}, is_read=False), [
        CypherSection(mark.name, mark.line, mark.token.end, end)
        for mark, end in zip(marks, ends, strict=True)
    ]


def _marks(text: CypherText, comments: Iterable[Token]) -> Iterator[_SectionMark]:
    for token in comments:
        comment = token.value.rstrip()
        if "migrate" not in comment.lower() or not text.begins_line(token.start):
            continue
        found, line = _MARK.fullmatch(comment), text.line(token.start)
        if found and (token.start == 0 or text.text[token.start - 1] == "\n") and not token.depth:
            _require_no_options(text, line, found[2] or "")
            yield _SectionMark(token, line, found[1])
        elif found or _NEARLY_A_MARK.match(comment):
            wrong = text.error(
                line,
                f"`{comment}` is nearly the mark of a section",
                "a mark is between two statements, at the start of its line, and written exactly",
                "// migrate:up or // migrate:down",
            )
            text.note(wrong)


def _require_no_options(text: CypherText, line: int, options: str) -> None:
    if options:
        wrong = text.error(
            line,
            f"a section has no option {options.split(maxsplit=1)[0]!r}",
            "what goes into a transaction of its own follows from the statements themselves",
        )
        text.note(wrong)


def _require_up_and_down(text: CypherText, marks: Sequence[_SectionMark]) -> None:
    names = [each.name for each in marks]
    for index, mark in enumerate(marks):
        if mark.name in names[:index]:
            before = marks[names.index(mark.name)]
            raise text.error(
                mark.line,
                f"there are two sections `// migrate:{mark.name}`",
                f"the first one begins on line {before.line}",
                "one file is one migration",
            )
    if "up" not in names:
        text.require_none()  # what is nearly one is named
        raise _without_up(text)
    if names[0] != "up":
        raise text.error(
            marks[0].line, "`// migrate:down` comes before `// migrate:up`", "", "put `// migrate:up` first"
        )


def _without_up(text: CypherText) -> MigrationFileError:
    if hidden := _HIDDEN.search(text.text):
        return text.error(
            text.line(hidden.start()),
            "the file has no `// migrate:up` that counts",
            "this one is inside a string or a comment",
        )
    if other := _OTHER_LANGUAGE.search(text.text):
        offset = other.end() - len(other[0].lstrip())
        return text.error(
            text.line(offset), "the file has no `// migrate:up`", "Cypher's comments begin with //"
        )
    return text.error(
        0, "the file has no `// migrate:up`", "", "begin with that line, and the statements after it"
    )


def _require_nothing_before(text: CypherText, tokens: Iterable[Token], first: int) -> None:
    """Refuse anything but comments before the first section: it would belong to none."""
    for token in tokens:
        if token.start < first and token.kind not in COMMENTS:
            wrong = text.error(
                text.line(token.start),
                "there is a statement before `// migrate:up`",
                "it would never run: only comments may be there",
                "move it into a section",
            )
            text.note(wrong)
            return


def _directives_above(text: CypherText, comments: Iterable[Token], first: int) -> Iterator[tuple[int, str]]:
    """Yield the lines of directives above the first section; notes those below it."""
    for token in comments:
        if token.start < first:
            yield from directive_lines([(text.line(token.start), token.value)], "//")
        elif looks_like_directives(token.value) and text.begins_line(token.start):
            wrong = text.error(
                text.line(token.start),
                "directives have no effect here",
                "they are read above `// migrate:up`, and nowhere else",
                "move them there",
            )
            text.note(wrong)
