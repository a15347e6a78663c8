"""What a step sends, statement by statement, each on one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from seedbed.engines.postgres.files.grammar import ParsedStatement, parse
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.scanner import SqlToken, scan
from seedbed.model.migration import Step, StepText, text_by_line
from seedbed.support.phrases import flat


def step_text(step: Step) -> StepText:
    """Return the text of `step`, which is SQL, with a semicolon at its end."""
    sql = step.body.encode()
    try:
        comments = tuple(scan(sql))
        found = parse(sql, comments)
    except GrammarError:  # a part of a file that is right, and yet: then its lines are what there is to show
        return text_by_line(step)
    return StepText(_ended(step.body, sql, comments), tuple(statement_lines(sql, found, comments)), "--")


def statement_lines(
    sql: bytes, found: Iterable[ParsedStatement], comments: Sequence[SqlToken]
) -> Iterator[str]:
    """Yield each of the statements `found` in `sql` whole, on one line, without its comments."""
    position = 0
    for each in found:
        inside = []
        while position < len(comments) and comments[position].end <= each.end:
            if comments[position].start >= each.start:
                inside.append(comments[position])
            position += 1
        yield _line(sql, each.start, each.end, inside)


def _line(sql: bytes, start: int, end: int, comments: list[SqlToken]) -> str:
    kept = []
    for comment in comments:
        kept.append(sql[start : comment.start])
        start = comment.end
    return flat(b" ".join((*kept, sql[start:end])).decode())


def _ended(body: str, sql: bytes, comments: tuple[SqlToken, ...]) -> str:
    """Return `body` with a semicolon, on a line of its own where the last one ends in a comment."""
    return f"{body}\n;" if comments and comments[-1].end == len(sql) else f"{body};"
