"""The sections of a file, and the directives above them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from seedbed.engines.kit.marks import Marks
from seedbed.engines.neo4j.files.header import CypherHeader, looks_like_directives, read_header
from seedbed.engines.neo4j.files.lexer import COMMENTS, Token, TokenKind
from seedbed.engines.neo4j.files.text import CypherText
from seedbed.model.directives import directive_lines
from seedbed.model.headers import Header

MARKS = Marks("//")


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
        found, line = MARKS.exact(comment), text.line(token.start)
        if found and (token.start == 0 or text.text[token.start - 1] == "\n") and not token.depth:
            _require_no_options(text, line, found[2] or "")
            yield _SectionMark(token, line, found[1])
        elif found or MARKS.is_nearly_one(comment):
            text.note(MARKS.nearly(text, line, comment))


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
        raise MARKS.missing(text, text.text)
    if names[0] != "up":
        raise MARKS.down_first(text, marks[0].line)


def _require_nothing_before(text: CypherText, tokens: Iterable[Token], first: int) -> None:
    """Refuse anything but comments before the first section: it would belong to none."""
    for token in tokens:
        if token.start < first and token.kind not in COMMENTS:
            text.note(MARKS.before_the_first(text, text.line(token.start)))
            return


def _directives_above(text: CypherText, comments: Iterable[Token], first: int) -> Iterator[tuple[int, str]]:
    """Yield the lines of directives above the first section; notes those below it."""
    for token in comments:
        if token.start < first:
            yield from directive_lines([(text.line(token.start), token.value)], "//")
        elif looks_like_directives(token.value) and text.begins_line(token.start):
            text.note(MARKS.directives_below(text, text.line(token.start)))
