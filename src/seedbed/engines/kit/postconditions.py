"""What a data migration expects of its end: asked after its last batch, before it is recorded as applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seedbed.errors import Location, StepFailed, UsageError
from seedbed.model.migration import Direction, Migration, Postcondition, Work
from seedbed.model.verification import QueryRow
from seedbed.support.phrases import one_line

_SHOWN = 3  # rows in an error

Rows = Callable[[str, int], Sequence[QueryRow]]


def postconditions(work: Work) -> tuple[Postcondition, ...]:
    """Return what `work` has to end with: nothing where it goes back."""
    return work.migration.postconditions if work.direction is Direction.UP else ()


def require_postconditions(work: Work, rows: Rows) -> None:
    """Raise StepFailed for a query of `work` that has rows, or that the server does not answer.

    `rows`: what a session has by that name.
    """
    for each in postconditions(work):
        try:
            found = rows(each.query, _SHOWN + 1)
        except (UsageError, StepFailed) as error:
            raise _failed(
                work.migration,
                each,
                f"a query of {work.migration.label} has no answer: {error.what}",
                error.because,
                "its batches are done and stay: correct the query, and run the same command again, which asks anew",
            ) from None
        if found:
            raise _failed(
                work.migration,
                each,
                f"{work.migration.label} ended otherwise than it expects: {each.because or one_line(each.query)}",
                f"the query has {_many(len(found))}: {'; '.join(map(_text, found[:_SHOWN]))}",
                "its batches are done and stay: correct these rows, or the query, and run the same command again",
            )


def _failed(migration: Migration, each: Postcondition, what: str, because: str, try_: str) -> StepFailed:
    return StepFailed(what, because=because, try_=try_, at=Location(migration.path, each.line))


def _many(rows: int) -> str:
    return f"more than {_SHOWN} rows" if rows > _SHOWN else f"{rows} row{'s' * (rows > 1)}"


def _text(row: QueryRow) -> str:
    return ", ".join(f"{name} {'nothing' if value is None else value}" for name, value in row.items())
