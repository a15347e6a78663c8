"""What a step sends, statement by statement, each on one line."""

from __future__ import annotations

from seedbed.engines.neo4j.files.lexer import COMMENTS, scan
from seedbed.engines.neo4j.files.split import Statement, statements_of
from seedbed.engines.neo4j.files.steps import undone_by
from seedbed.model.migration import Migration, Step, StepText
from seedbed.support.phrases import flat_without


def step_text(migration: Migration, step: Step) -> StepText:
    """Return the text of `step`, with a semicolon at its end; of a derived one, what it undoes."""
    if (number := undone_by(step.body)) is not None:
        undone = step_text(migration, migration.up[number])
        lines = tuple(f"undo {each}" for each in undone.statements)
        return StepText("".join(f"// {each}\n" for each in lines), lines, "//")
    return StepText(f"{step.body};", statement_lines(step.body), "//")


def statement_lines(text: str) -> tuple[str, ...]:
    """Return each statement in `text` whole, on one line, without its comments. Raises LexError."""
    tokens = tuple(scan(text))
    comments = [(each.start, each.end) for each in tokens if each.kind in COMMENTS]
    return tuple(_line(each, comments) for each in statements_of(text, tokens))


def _line(statement: Statement, comments: list[tuple[int, int]]) -> str:
    return flat_without(
        statement.text,
        [
            (start - statement.start, end - statement.start)
            for start, end in comments
            if statement.start <= start < statement.end
        ],
    )
