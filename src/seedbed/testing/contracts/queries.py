"""The contract of sessions that answer queries of expectations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import pytest

from seedbed.engines.verification import SupportsQueries
from seedbed.errors import SeedbedError, StepFailed, UsageError
from seedbed.testing.bench import Bench, dataset, rows
from seedbed.testing.contracts.base import Contract
from seedbed.testing.harness import QueryHarness
from seedbed.testing.runner import Text

_MANY = 120  # rows, more than are fetched at once


class QueryContract(Contract):
    """For engines whose session has `SupportsQueries`; the harness is a `QueryHarness` too."""

    @contextmanager
    def _session(self, bench: Bench, names: Sequence[str]) -> Iterator[tuple[SupportsQueries, QueryHarness]]:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.lease() as (_, lease):
            list(lease.load(dataset(rows("users", *enumerate(names, 1)))))
        with bench.connect() as session:
            assert isinstance(session, SupportsQueries)
            assert isinstance(bench.harness, QueryHarness)
            yield session, bench.harness

    def test_a_query_has_the_rows_that_it_finds_and_their_columns_by_name(self, bench: Bench) -> None:
        with self._session(bench, ["ana", "ben"]) as (session, harness):
            (row,) = session.rows(harness.finds("users", "ben"), 10)
            assert (row["name"], row["id"]) == ("ben", "2")
            assert list(session.rows(harness.finds("users", "nobody"), 10)) == []

    def test_of_many_rows_no_more_are_read_than_are_wanted(self, bench: Bench) -> None:
        with self._session(bench, ["ana"] * _MANY) as (session, harness):
            query = harness.finds("users", "ana")
            assert len(session.rows(query, 3)) == 3
            assert len(session.rows(query, 2 * _MANY)) == _MANY

    def test_a_query_has_a_number(self, bench: Bench) -> None:
        with self._session(bench, ["ana", "ben", "cem"]) as (session, harness):
            assert session.number(harness.counts("users")) == Decimal(3)

    def test_of_a_long_value_the_beginning_is_kept(self, bench: Bench) -> None:
        long = "long" * 100
        with self._session(bench, [long]) as (session, harness):
            (row,) = session.rows(harness.finds("users", long), 10)
        assert long.startswith((row["name"] or "").rstrip("…"))
        assert 100 < len(row["name"] or "") < len(long)

    def test_a_query_that_would_write_is_refused_and_writes_nothing(self, bench: Bench) -> None:
        with self._session(bench, ["ana"]) as (session, harness):
            before = bench.rows("users")
            for query in harness.writes("users"):
                with pytest.raises(UsageError, match="would write"):
                    session.rows(query, 10)
                with pytest.raises(UsageError, match="would write"):
                    session.number(query)
            assert bench.rows("users") == before
            assert len(session.rows(harness.finds("users", "ana"), 10)) == 1  # the session goes on

    def test_a_backfill_is_applied_once_what_it_expects_of_its_end_is_so(self, bench: Bench) -> None:
        with self._session(bench, ["ana", "ben", "cem"]) as (_, harness):
            text = self._expecting(bench, harness.finds("users", "ben"))
        with pytest.raises(StepFailed, match="ended otherwise than it expects: no ben") as caught:
            bench.apply(text)
        assert "ben" in caught.value.because
        assert caught.value.at is not None
        assert caught.value.at.line == 2  # the suite puts a line of directives above
        assert [each["visits"] for each in bench.rows("users")] == [1, 1, 1]
        assert text.version not in bench.applied
        with pytest.raises(StepFailed, match="no ben"):
            bench.apply(text)  # it asks anew
        with bench.lease() as (_, lease):
            list(lease.load(dataset(rows("users", (2, "bea")))))
        bench.apply(text)
        assert bench.applied[-1] == text.version
        assert [each["visits"] for each in bench.rows("users")] == [1, 1, 1]  # no batch was done again

    def test_what_a_backfill_expects_and_cannot_be_asked_keeps_it_from_being_applied(
        self, bench: Bench
    ) -> None:
        with self._session(bench, ["ana"]) as (_, harness):
            text = self._expecting(bench, harness.writes("users")[0])
        with pytest.raises(StepFailed, match="would write"):
            bench.apply(text)
        assert [(each["name"], each["visits"]) for each in bench.rows("users")] == [("ana", 1)]
        assert text.version not in bench.applied

    def _expecting(self, bench: Bench, query: str) -> Text:
        """Return a backfill that expects no row of `query` in its end."""
        value = " ".join(query.split()).replace("\\", "\\\\").replace('"', '\\"')
        directive = f'{bench.harness.comment} seedbed: expect="{value}" because "no ben"\n'
        return bench.text(directive + bench.harness.backfill("users", 2))

    def test_a_query_that_is_misspelled_says_so_and_the_session_goes_on(self, bench: Bench) -> None:
        with self._session(bench, ["ana"]) as (session, harness):
            with pytest.raises(SeedbedError) as caught:
                session.rows(harness.misspells("users"), 10)
            assert caught.value.because
            assert len(session.rows(harness.finds("users", "ana"), 10)) == 1
