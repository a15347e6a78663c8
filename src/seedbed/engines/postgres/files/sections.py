"""The sections of an SQL file, and the directives above them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from seedbed.engines.kit.marks import Marks
from seedbed.engines.postgres.files.header import (
    MigrationHeader,
    looks_like_directives,
    read_header,
)
from seedbed.engines.postgres.files.scanner import SqlToken, SqlTokenKind
from seedbed.engines.postgres.files.text import MigrationText
from seedbed.model.directives import directive_lines

MARKS = Marks("--")
_MEANT = re.compile(r"(?<=:)\s*(?:up|down)\b")


class Section(Struct, frozen=True):
    """`-- migrate:<name>` on `line`; its text is the bytes from `start` up to `end`."""

    name: str
    line: int
    start: int
    end: int
    is_transaction: bool


class _Mark(Struct, frozen=True):
    token: SqlToken
    line: int
    name: str
    options: str


def cut(text: MigrationText, tokens: Iterable[SqlToken]) -> tuple[MigrationHeader, list[Section]]:
    """Return what the directives above the sections say, and the sections: an up, its down, and so on."""
    comments = [each for each in tokens if each.kind is not SqlTokenKind.PARAMETER]
    marks = _marks(text, comments)
    _require_pairs(text, marks)
    first = marks[0].token.start
    _require_nothing_before(text, comments, first)
    sections = [_section(text, mark, end) for mark, end in zip(marks, _ends(text, marks), strict=True)]
    header = text.attempt(lambda: read_header(text, _directives_above(text, comments, first)))
    return header or MigrationHeader(is_read=False), sections


def _marks(text: MigrationText, comments: Iterable[SqlToken]) -> list[_Mark]:
    marks: list[_Mark] = []
    for token in comments:
        if token.kind is not SqlTokenKind.LINE_COMMENT:
            continue
        comment = text.data[token.start : token.end]
        if b"migrate" not in comment.lower() or not text.begins_line(token.start):
            continue
        comment_text, line = comment.decode().rstrip(), text.line(token.start)
        found = MARKS.exact(comment_text)
        if found and (token.start == 0 or text.data[token.start - 1] == ord("\n")):
            marks.append(_Mark(token, line, found[1], found[2] or ""))
        elif found or MARKS.is_nearly_one(comment_text):
            text.note(MARKS.nearly(text, line, comment_text))
            if meant := _MEANT.search(comment_text.lower()):  # what follows is read as what it was meant for
                marks.append(_Mark(token, line, meant[0].strip(), ""))
    return marks


def _ends(text: MigrationText, marks: Sequence[_Mark]) -> list[int]:
    return [*(each.token.start for each in marks[1:]), len(text.data)]


def _require_pairs(text: MigrationText, marks: Sequence[_Mark]) -> None:
    """Require an up, and one down at most after it; where there are several ups, a down after each."""
    ups = [each for each in marks if each.name == "up"]
    if not ups:
        text.require_none()  # what is nearly one is named
        raise MARKS.missing(text, text.text)
    if marks[0].name != "up":
        raise MARKS.down_first(text, marks[0].line)
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        if following and mark.name == following.name == "down":
            raise text.error(
                following.line,
                "there are two sections `-- migrate:down` after one `-- migrate:up`",
                f"the first one begins on line {mark.line}",
                "make one of them",
            )
        if len(ups) > 1 and mark.name == "up" and (following is None or following.name == "up"):
            raise text.error(
                mark.line,
                "this `-- migrate:up` has no `-- migrate:down`",
                "the file has several of them, and each is reverted by its own",
                "write the down of each below it, or make one section of them",
            )


def _require_nothing_before(text: MigrationText, comments: Iterable[SqlToken], end: int) -> None:
    """Refuse anything but comments before the first section: it would belong to none."""
    position = 0
    for token in (
        *(each for each in comments if each.end <= end),
        SqlToken(SqlTokenKind.LINE_COMMENT, end, end),
    ):
        gap = text.data[position : token.start]
        if gap.strip():
            offset = position + len(gap) - len(gap.lstrip())
            text.note(MARKS.before_the_first(text, text.line(offset)))
            return
        position = token.end


def _directives_above(
    text: MigrationText, comments: Iterable[SqlToken], end: int
) -> Iterator[tuple[int, str]]:
    """Yield the lines of directives above the first section at `end`; refuses any that stand below."""
    for token in comments:
        comment_text = text.data[token.start : token.end]
        if b"seedbed:" not in comment_text or token.kind is not SqlTokenKind.LINE_COMMENT:
            continue
        if token.start < end:
            yield from directive_lines([(text.line(token.start), comment_text.decode())], "--")
        elif looks_like_directives(comment_text.decode()) and text.begins_line(token.start):
            text.note(MARKS.directives_below(text, text.line(token.start)))


def _section(text: MigrationText, mark: _Mark, end: int) -> Section:
    transaction = "true"
    for option in mark.options.split():
        key, _, value = option.partition(":")
        if key != "transaction" or value not in {"true", "false"}:
            wrong = text.error(
                mark.line,
                f"a section has no option {option!r}",
                "it may say `transaction:true` or `transaction:false`",
            )
            text.note(wrong)
            break
        transaction = value
    return Section(mark.name, mark.line, mark.token.end, end, transaction == "true")
