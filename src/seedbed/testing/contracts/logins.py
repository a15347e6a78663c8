"""The contract of engines that make logins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from seedbed.engines.capabilities import SupportsLogins
from seedbed.errors import Refused
from seedbed.model.event import Event, LoginsChanged
from seedbed.testing.bench import PATIENCE, Bench, owner
from seedbed.testing.contracts.base import Contract
from seedbed.testing.harness import LoginsHarness


class LoginsContract(Contract):
    """For engines whose sessions have `SupportsLogins`; the harness is a `LoginsHarness` too, whose settings name an
    administrator and the two logins, neither of which is there yet.
    """

    def test_what_logins_lack_is_told_and_nothing_of_it_is_made(self, bench: Bench) -> None:
        first = _changes(bench)
        assert first
        assert _changes(bench) == first
        assert bench.history().identity is None

    def test_a_lease_makes_it_first_and_tells_it_and_the_next_one_finds_nothing_to_make(
        self, bench: Bench
    ) -> None:
        told = _taken(bench)
        assert [each.target for each in told] == [bench.target.id] * len(told)
        assert all(each.what for each in told)
        assert told != []
        assert _changes(bench) == ()
        assert _taken(bench) == []

    def test_a_session_that_made_it_knows(self, bench: Bench) -> None:
        with bench.connect() as session:
            assert isinstance(session, SupportsLogins)
            assert session.login_changes()
            with session.lease(owner("ana"), wait=PATIENCE, listener=lambda _: None):
                assert not session.login_changes()
            assert not session.login_changes()

    def test_the_application_uses_what_migrations_make_and_changes_neither_it_nor_the_history(
        self, bench: Bench
    ) -> None:
        harness = _harness(bench)
        bench.apply(bench.text(harness.creates("users")))
        bench.apply(bench.text(harness.creates("orders")))
        for table in ("users", "orders"):
            assert harness.application_uses(bench.settings, table)
            assert not harness.application_changes(bench.settings, table)
        assert _changes(bench) == ()

    def test_a_secret_that_changed_is_told_and_set(self, bench: Bench) -> None:
        harness = _harness(bench)
        bench.apply(bench.text(harness.creates("users")))
        other = bench.over(harness.with_other_secrets(bench.settings))
        assert _changes(other)
        assert _taken(other)
        assert _changes(other) == ()
        assert harness.application_uses(other.settings, "users")
        assert not harness.application_uses(bench.settings, "users")
        assert other.applied == ["20260101000001"]

    def test_of_two_that_want_the_lease_at_once_one_makes_it(self, bench: Bench) -> None:
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(_taken, bench) for _ in range(2)]
        whats = [each.what for future in futures for each in future.result()]
        assert whats
        assert sorted(set(whats)) == sorted(whats)
        assert _changes(bench) == ()

    def test_what_cannot_be_made_is_refused_and_nothing_is_made(self, bench: Bench) -> None:
        wrong = bench.over(_harness(bench).without_administrator(bench.settings))
        with pytest.raises(Refused):
            _taken(wrong)
        assert _changes(bench)
        assert bench.history().identity is None

    def test_nothing_that_is_told_is_a_secret(self, bench: Bench) -> None:
        told = "\n".join([*_changes(bench), *(each.what for each in _taken(bench))])
        secrets = [each.reveal() for each in getattr(bench.target.address, "secrets", ())]
        assert secrets
        assert [each for each in secrets if each in told] == []


def _harness(bench: Bench) -> LoginsHarness:
    assert isinstance(bench.harness, LoginsHarness)
    return bench.harness


def _changes(bench: Bench) -> tuple[str, ...]:
    """Return what a new session says."""
    with bench.connect() as session:
        assert isinstance(session, SupportsLogins)
        return tuple(session.login_changes())


def _taken(bench: Bench) -> list[LoginsChanged]:
    """Take a lease, and return what was told of logins meanwhile."""
    told: list[Event] = []
    with bench.connect() as session, session.lease(owner("ana"), wait=PATIENCE, listener=told.append):
        pass
    return [each for each in told if isinstance(each, LoginsChanged)]
