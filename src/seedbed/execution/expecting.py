"""Expectations: their queries are asked, each database by itself, and what comes back is judged.

Two databases have no common moment: numbers that are compared are as they were when each was asked, at about the same
time. What may have happened in between is for the tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

from seedbed.engines.verification import SupportsQueries
from seedbed.errors import Interrupted, SeedbedError, StepFailed, UsageError
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext
from seedbed.execution.threads import side_by_side
from seedbed.model.event import QueryAsked
from seedbed.model.platform import DatabaseId, Expectation, Query
from seedbed.model.verification import ExpectationResult, QueryRow, Verdict

MOST = 100  # rows that are counted; a hundred say as well as a million that it is broken
SAMPLES = 20  # of them that are kept

_Answer = Sequence[QueryRow] | Decimal | SeedbedError
_Questions = Sequence[tuple[Expectation, Query]]


def verify(
    expectations: Sequence[Expectation],
    connected: Sequence[ConnectedTarget],
    failed: Mapping[str, SeedbedError],
    context: RunContext,
) -> Sequence[ExpectationResult]:
    """Return what is found of each of `expectations`, in their order. Raises Interrupted.

    `failed`: the errors of the databases that did not answer. An expectation whose query has no answer is unverified.
    """
    questions: dict[DatabaseId, list[tuple[Expectation, Query]]] = {}
    for each in expectations:
        for query in each.queries:
            questions.setdefault(query.database, []).append((each, query))
    targets = {each.id: each for each in connected}
    calls = [
        partial(_answers, failed[database] if database in failed else targets[database], those, context)
        for database, those in questions.items()
    ]
    answers: dict[tuple[Expectation, Query], _Answer] = {}
    for found in side_by_side(calls):
        if isinstance(found, BaseException):
            raise found
        answers |= found
    return [_result(each, [answers[each, query] for query in each.queries]) for each in expectations]


def _answers(
    target: ConnectedTarget | SeedbedError, questions: _Questions, context: RunContext
) -> dict[tuple[Expectation, Query], _Answer]:
    """Return what one database answers to each of `questions`."""
    if isinstance(target, SeedbedError):
        return dict.fromkeys(questions, target)
    found: dict[tuple[Expectation, Query], _Answer] = {}
    with context.stop.watching(target.session):
        for expectation, query in questions:
            context.stop.check()
            context.emit(QueryAsked(target.id, expectation.name))
            try:
                found[expectation, query] = _answer(target, expectation, query)
            except SeedbedError as caught:
                error = caught
                if isinstance(error, Interrupted):
                    context.stop.check()  # else the server ended it by itself, when its time was over
                    error = StepFailed(
                        error.what, because=error.because, try_="let it take longer, or ask for less"
                    )
                error.target = target.id
                error.at = expectation.at
                error.what = f"{expectation.name}: {error.what}"
                found[expectation, query] = error
    return found


def _answer(target: ConnectedTarget, expectation: Expectation, query: Query) -> _Answer:
    session = target.session
    if not isinstance(session, SupportsQueries):
        raise UsageError(f"{target.database.engine} answers no queries", because=f"of {target.id}")
    return session.number(query.text) if expectation.is_equality else session.rows(query.text, MOST + 1)


def _result(expectation: Expectation, answers: Sequence[_Answer]) -> ExpectationResult:
    for each in answers:
        if isinstance(each, SeedbedError):
            return ExpectationResult(expectation, Verdict.UNVERIFIED, error=each)
    if expectation.is_equality:
        numbers = [each for each in answers if isinstance(each, Decimal)]
        return ExpectationResult(expectation, _equality(expectation, numbers), numbers=numbers)
    (rows,) = answers
    assert isinstance(rows, Sequence)
    return ExpectationResult(
        expectation,
        Verdict.BROKEN if rows else Verdict.OK,
        min(len(rows), MOST),
        len(rows) > MOST,
        rows[:SAMPLES],
    )


def _equality(expectation: Expectation, numbers: Sequence[Decimal]) -> Verdict:
    apart = max(numbers) - min(numbers)
    if not apart:
        return Verdict.OK
    most = max(expectation.tolerance.number, expectation.tolerance.share * max(map(abs, numbers)))
    return Verdict.TOLERATED if apart <= most else Verdict.BROKEN
