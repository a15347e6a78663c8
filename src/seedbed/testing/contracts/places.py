"""The contract of sessions that can tell where they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seedbed.engines.verification import SupportsPlace
from seedbed.testing.bench import Bench
from seedbed.testing.contracts.base import Contract


class PlaceContract(Contract):
    """For engines whose session has `SupportsPlace`."""

    @contextmanager
    def _session(self, bench: Bench) -> Iterator[SupportsPlace]:
        with bench.connect() as session:
            assert isinstance(session, SupportsPlace)
            yield session

    def test_two_sessions_on_one_target_are_in_one_place_and_others_are_not(self, bench: Bench) -> None:
        with self._session(bench) as one, self._session(bench) as two:
            assert one.place() == two.place()
            assert one.place().is_same(two.place())
            with self._session(bench.over(bench.harness.settings())) as other:
                assert not one.place().is_same(other.place())
                assert one.place().login

    def test_a_login_reads_its_own_tables_and_no_history_is_among_them(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with self._session(bench) as session:
            assert list(session.readable(session.place())) == ["users"]
