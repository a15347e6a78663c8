"""The contract of sessions that keep what `verify` finds."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from seedbed.engines.base import Session
from seedbed.engines.capabilities import SupportsReset
from seedbed.engines.verification import SupportsVerified
from seedbed.errors import Refused, SeedbedError, StepFailed
from seedbed.model.migration import Work
from seedbed.model.verification import Verdict
from seedbed.model.verified import Claim, Finding, Verified, VerifyRecord
from seedbed.testing.bench import Bench, dataset, rows
from seedbed.testing.contracts.base import Contract
from seedbed.testing.harness import ReaderHarness

_FINDING = Finding(Claim("order/x:orders.user_id → user/x:users.id", "0123"), Verdict.BROKEN, 3)


def _record(run: str) -> VerifyRecord:
    return VerifyRecord(run, "ana 'of' \"here\"", 1.5, "user/x", {"user/x": "ab"}, ("01_a",), (_FINDING,))


def _keep(session: Session, *runs: str, forget: Collection[str] = ()) -> Verified:
    assert isinstance(session, SupportsVerified)
    for run in runs:
        session.keep(_record(run), forget)
    return session.verified()


class VerifiedContract(Contract):
    """For engines whose session has `SupportsVerified`."""

    def test_what_is_kept_is_read_back_the_newest_first_by_the_clock_of_the_records(
        self, bench: Bench
    ) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.connect() as session:
            _keep(session, "first", "second")
        with bench.connect() as session:
            found = _keep(session)
        assert [each.run for each in found.records] == ["second", "first"]
        (newest, oldest) = found.records
        assert found.now is not None
        assert oldest.at <= newest.at <= found.now
        assert abs(found.now - datetime.now(UTC)) < timedelta(minutes=10)
        assert newest == replace(_record("second"), id=newest.id, at=newest.at)
        assert newest.id != oldest.id

    def test_what_is_forgotten_is_gone_and_nothing_else(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.connect() as session:
            (third, second, first) = _keep(session, "first", "second", "third").records
            left = _keep(session, "fourth", forget=[first.id, third.id])
        assert [each.run for each in left.records] == ["fourth", "second"]
        assert left.records[1].id == second.id

    def test_where_there_is_no_history_nothing_is_kept_and_none_is_made(self, bench: Bench) -> None:
        with bench.connect() as session:
            assert not _keep(session).records
            with pytest.raises(SeedbedError):
                _keep(session, "first")
        with bench.connect() as session:
            assert not session.history().revisions
            assert session.history().identity is None
        assert not bench.made()

    def test_a_run_that_holds_the_lease_is_neither_waited_for_nor_disturbed(self, bench: Bench) -> None:
        base, next_ = bench.texts(*map(bench.harness.creates, ("users", "orders")))
        bench.apply(base)
        with bench.lease() as (_, lease):
            with bench.connect() as beside:
                _keep(beside, "first")
            list(lease.load(dataset(rows("users", (1, "ana")))))
            with bench.connect() as beside:
                _keep(beside, "second")
            list(lease.apply([Work(bench.migration(next_))]))
        with bench.connect() as session:
            assert [each.run for each in _keep(session).records] == ["second", "first"]
            assert len(session.history().applied) == 2

    def test_it_is_read_under_the_lease_and_is_no_part_of_history_or_schema(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        before = bench.state()
        with bench.lease() as (session, lease):
            _keep(session, "first")
            assert [each.run for each in _keep(session).records] == ["first"]
            assert len(lease.history().applied) == 1
        assert bench.state() == before

    def test_a_reset_takes_it_away(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.lease() as (session, lease):
            if not isinstance(lease, SupportsReset):
                return
            _keep(session, "first")
            lease.reset()
        with bench.connect() as session:
            assert not _keep(session).records

    def test_a_login_that_may_not_write_reads_it_and_keeps_nothing(self, bench: Bench) -> None:
        harness = bench.harness
        if not isinstance(harness, ReaderHarness):
            return
        bench.apply(bench.text(harness.creates("users")))
        with bench.connect() as session:
            _keep(session, "first")
        with harness.reader(bench.settings) as settings, bench.over(settings).connect() as session:
            assert session.history().identity == bench.identity
            with pytest.raises((StepFailed, Refused)):
                _keep(session, "second")
            assert [each.run for each in _keep(session).records] == ["first"]
