"""The contract of servers that fall silent: they let whoever connects in, keep every connection, and say nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from seedbed.engines.base import Session
from seedbed.engines.verification import SupportsQueries
from seedbed.errors import ExitCode, SeedbedError, Unavailable
from seedbed.execution.stopping import Abandonable, Stop
from seedbed.model.migration import Work
from seedbed.testing.bench import PATIENCE, Bench
from seedbed.testing.contracts.honesty import ended
from seedbed.testing.contracts.mid_verify import MidVerifyContract
from seedbed.testing.harness import QueryHarness, SilenceHarness
from seedbed.testing.runner import Text

GRACE = 0.2  # seconds between a stop and the end of waiting
BOUND = 20.0  # seconds that nothing may take here, however busy the machine: most of it takes none


class SilenceContract(MidVerifyContract):
    """For engines with a server on a line that answer queries; the harness is a `SilenceHarness` and a `QueryHarness`.

    Define `hurry`.
    """

    def test_a_server_that_never_says_a_word_is_unreachable_in_time(self, bench: Bench) -> None:
        with _harness(bench).line(bench.settings) as line, pytest.MonkeyPatch.context() as patch:
            self.hurry(patch)
            line.fall_silent()
            began = time.monotonic()
            with pytest.raises(Unavailable) as caught, bench.over(line.settings).connect() as session:
                session.history()
        assert time.monotonic() - began < BOUND
        assert caught.value.exit_code is ExitCode.UNAVAILABLE
        assert caught.value.because

    def test_a_stop_ends_a_look_at_a_server_that_fell_silent(self, bench: Bench) -> None:
        with _harness(bench).line(bench.settings) as line, bench.over(line.settings).connect() as session:
            session.history()
            line.fall_silent()
            error, seconds = self._stopped(session, session.history)
        assert isinstance(error, SeedbedError)
        assert seconds < BOUND

    def test_a_stop_ends_a_query_to_a_server_that_fell_silent(self, bench: Bench) -> None:
        assert isinstance(bench.harness, QueryHarness)
        query = bench.harness.finds("users", "ana")
        with (
            _harness(bench).line(bench.settings) as line,
            bench.over(line.settings).connect() as session,
            pytest.MonkeyPatch.context() as patch,
        ):
            assert isinstance(session, SupportsQueries)
            session.history()
            self.hurry(
                patch
            )  # a query may want a connection of its own, whose opening only its time limit ends
            line.fall_silent()
            error, seconds = self._stopped(session, partial(session.rows, query, 1))
        assert isinstance(error, SeedbedError)
        assert seconds < BOUND

    def test_a_stop_ends_an_atomic_step_on_a_server_that_fell_silent_and_the_next_run_goes_on(
        self, bench: Bench
    ) -> None:
        text = bench.text(bench.harness.waits("orders"))
        # Where the next run finds the outcome out by itself, it is enough to say that it was interrupted.
        assert self._step(bench, text) in {ExitCode.PARTIAL, ExitCode.INTERRUPTED}
        bench.harness.age_lease(bench.settings)
        bench.apply(text)
        assert set(bench.made()) == {"orders"}
        assert bench.applied == [text.version]

    def test_a_stop_ends_a_step_that_nothing_shows_and_its_outcome_is_unknown(self, bench: Bench) -> None:
        assert self._step(bench, bench.text(bench.harness.unprovable("orders"))) is ExitCode.PARTIAL

    def _step(self, bench: Bench, text: Text) -> ExitCode:
        """Apply `text`, which waits in the server; let that fall silent, and ask the run to stop.

        Returns the exit code.
        """
        codes: list[ExitCode] = []
        with _harness(bench).line(bench.settings) as line:
            there = bench.over(line.settings)
            with bench.hold() as hold, there.lease() as (session, lease):

                def run() -> None:
                    works = [Work(bench.migration(text))]
                    codes.append(ended(there, lease, lambda: list(lease.apply(works))))

                def fall_silent() -> None:
                    assert hold.wait_until_inside(PATIENCE)
                    line.fall_silent()

                error, seconds = self._stopped(session, run, first=fall_silent)
                assert error is None
                began = time.monotonic()
            assert time.monotonic() - began < BOUND, "the lease was given back too slowly"
        assert GRACE / 2 < seconds < BOUND
        (code,) = codes
        return code

    def _stopped(
        self, session: Session, act: Callable[[], object], *, first: Callable[[], None] | None = None
    ) -> tuple[BaseException | None, float]:
        """Do `act` in a thread and `first` meanwhile; ask for a stop; return what ended it, and after how long."""
        assert isinstance(session, Abandonable)
        errors: list[BaseException] = []

        def run() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001  it is for the test to judge
                errors.append(error)

        stop, worker = Stop(grace=GRACE), threading.Thread(target=run, daemon=True)
        with stop.watching(session):
            worker.start()
            if first:
                first()
            began = time.monotonic()
            stop.request()
            worker.join(BOUND)
            assert not worker.is_alive(), "it waits still"
            seconds = time.monotonic() - began
        return next(iter(errors), None), seconds


def _harness(bench: Bench) -> SilenceHarness:
    assert isinstance(bench.harness, SilenceHarness)
    return bench.harness
