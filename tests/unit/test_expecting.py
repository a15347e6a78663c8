"""What is said of an expectation: by the rows of its query, or by numbers that should be equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import PurePath
from typing import Any, cast

import pytest
from msgspec import Struct

from seedbed.engines.kit.rows import cell, query_row, the_number
from seedbed.errors import ExitCode, Interrupted, Location, SeedbedError, StepFailed, Unreachable
from seedbed.execution import expecting
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext, this_process
from seedbed.execution.stopping import Stop
from seedbed.model.event import QueryAsked
from seedbed.model.history import History
from seedbed.model.platform import Database, DatabaseId, Expectation, Query, Tolerance
from seedbed.model.verification import ExpectationResult, QueryRow, Verdict

SHOP, USER = DatabaseId("shop/memory"), DatabaseId("user/memory")
AT = Location("seedbed.toml", 7, 1)
EXACTLY = Tolerance()
Answer = Sequence[QueryRow] | Decimal | SeedbedError


class Session:
    """Answers queries from a list."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = answers

    def interrupt(self) -> None:
        raise AssertionError("nobody interrupts it")

    def rows(self, query: str, most: int) -> Sequence[QueryRow]:
        found = self._of(query)
        assert isinstance(found, Sequence)
        return found[:most]

    def number(self, query: str) -> Decimal:
        found = self._of(query)
        assert isinstance(found, Decimal)
        return found

    def _of(self, query: str) -> Answer:
        found = self.answers[query]
        if isinstance(found, SeedbedError):
            raise found
        return found


class _Target(Struct):
    id: str

    @property
    def database(self) -> Database:
        return Database(self.id.partition("/")[0], "memory", PurePath())


def verified(
    *expectations: Expectation,
    failed: Mapping[str, SeedbedError] | None = None,
    stop: Stop | None = None,
    **answers: Answer,
) -> tuple[Sequence[ExpectationResult], RunContext]:
    failed = failed or {}
    session: Any = Session(answers)
    connected = [
        ConnectedTarget(cast(Any, _Target(name)), session, History(None, ()), ExitStack())
        for name in (SHOP, USER)
        if name not in failed
    ]
    context = RunContext(this_process(), wait=0, listener=lambda _: None, stop=stop or Stop())
    return expecting.verify(expectations, connected, failed, context), context


def finds(query: str = "ledger", database: DatabaseId = SHOP) -> Expectation:
    return Expectation(f"{query} is empty", (Query(database, query),), AT)


def equal(tolerance: Tolerance = EXACTLY) -> Expectation:
    return Expectation("as many here as there", (Query(SHOP, "one"), Query(USER, "other")), AT, tolerance)


def test_a_query_without_rows_is_kept_and_one_with_rows_is_broken() -> None:
    (kept, broken), context = verified(finds("kept"), finds("broken"), kept=[], broken=[{"id": "7"}])
    assert (kept.verdict, kept.rows, kept.samples) == (Verdict.OK, 0, [])
    assert (broken.verdict, broken.rows, broken.samples) == (Verdict.BROKEN, 1, [{"id": "7"}])
    assert not broken.are_more
    assert list(context.events) == [QueryAsked(SHOP, "kept is empty"), QueryAsked(SHOP, "broken is empty")]


def test_of_many_rows_a_hundred_are_counted_and_some_kept() -> None:
    rows: list[QueryRow] = [{"id": str(number)} for number in range(1000)]
    ((found,), _) = verified(finds(), ledger=rows)
    assert (found.rows, found.are_more, found.samples) == (100, True, rows[:20])


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "verdict"),
    [
        ("7", "7.0", EXACTLY, Verdict.OK),
        ("7", "8", EXACTLY, Verdict.BROKEN),
        ("1000", "999", Tolerance(share=Decimal("0.001")), Verdict.TOLERATED),
        ("1000", "998", Tolerance(share=Decimal("0.001")), Verdict.BROKEN),
        ("-1000", "-999", Tolerance(share=Decimal("0.001")), Verdict.TOLERATED),
        ("0", "5", Tolerance(number=Decimal(5)), Verdict.TOLERATED),
        ("0", "5.01", Tolerance(number=Decimal(5)), Verdict.BROKEN),
        ("0", "5", Tolerance(share=Decimal("0.5")), Verdict.BROKEN),
    ],
)
def test_numbers_lie_no_farther_apart_than_they_may(
    one: str, other: str, tolerance: Tolerance, verdict: Verdict
) -> None:
    ((found,), _) = verified(equal(tolerance), one=Decimal(one), other=Decimal(other))
    assert found.verdict is verdict
    assert list(found.numbers) == [Decimal(one), Decimal(other)]


def test_a_query_that_fails_is_unverified_and_its_error_names_the_expectation_and_its_line() -> None:
    (failed, kept), _ = verified(finds(), finds("kept"), ledger=StepFailed("there is no column"), kept=[])
    assert (failed.verdict, kept.verdict) == (Verdict.UNVERIFIED, Verdict.OK)
    assert failed.error is not None
    assert failed.error.what == "ledger is empty: there is no column"
    assert (failed.error.at, failed.error.target) == (AT, SHOP)


def test_where_a_database_is_gone_what_asks_it_is_unverified_and_all_else_is_verified() -> None:
    error = Unreachable("nobody answers")
    (both, alone), _ = verified(equal(), finds(), failed={USER: error}, one=Decimal(1), ledger=[])
    assert (both.verdict, both.error) == (Verdict.UNVERIFIED, error)
    assert alone.verdict is Verdict.OK
    assert error.at is None  # it is about the database, whoever asks


def test_an_interruption_is_no_verdict() -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(Interrupted):
        verified(finds(), stop=stop, ledger=Interrupted("stopped"))


def test_a_query_whose_time_is_over_is_unverified() -> None:
    ((found,), _) = verified(finds(), ledger=Interrupted("canceled", because="statement timeout"))
    assert found.verdict is Verdict.UNVERIFIED
    assert found.error is not None
    assert (found.error.exit_code, found.error.because) == (ExitCode.FAILED, "statement timeout")


def test_values_are_short_texts() -> None:
    row = query_row(
        ["a", "a", "b", "c", "d"], [None, 1, True, {"x": [Decimal("1.50"), b"\x00"]}, "long" * 1000]
    )
    assert (row["a"], row["a (2)"], row["b"]) == (None, "1", "true")
    assert row["c"] == '{"x":["1.50","AA=="]}'
    assert len(row["d"] or "") == 200
    assert cell(1.5) == "1.5"


@pytest.mark.parametrize(
    ("rows", "because"),
    [
        ([], "it has no row"),
        ([{"a": None}], "its value is nothing"),
        ([{"a": "1", "b": "2"}], "it has 2 columns"),
        ([{"a": "1"}] * 2, "it has more than one row"),
        ([{"a": "NaN"}], "its value is 'NaN'"),
    ],
)
def test_what_is_not_one_number_is_none(rows: Sequence[QueryRow], because: str) -> None:
    with pytest.raises(StepFailed, match="a query whose number is compared has none") as caught:
        the_number(rows)
    assert caught.value.because == because


def test_one_number_is_one() -> None:
    assert the_number([{"sum": "-12.50"}]) == Decimal("-12.5")
