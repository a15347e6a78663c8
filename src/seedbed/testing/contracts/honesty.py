"""The contract of what is said afterwards: exit code 7 means that nothing stayed, 3 and 4 that nothing was touched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from seedbed.engines.base import Lease, Session
from seedbed.engines.capabilities import SupportsBulkLoad, SupportsDump, SupportsReset, SupportsRestore
from seedbed.errors import ExitCode, SeedbedError
from seedbed.model.event import Event, WorkProgressed, failure
from seedbed.model.history import RevisionState
from seedbed.model.migration import Direction, Migration, Work, digests
from seedbed.model.outcome import fold
from seedbed.model.seed import Loading, OnLoading
from seedbed.testing.bench import PATIENCE, Bench, dataset, rows
from seedbed.testing.contracts.base import Contract, hasty
from seedbed.testing.contracts.load import volume
from seedbed.testing.harness import TroubleHarness

# After these a person or a script goes on as if the command had never been run.
_NOTHING = frozenset({ExitCode.REFUSED, ExitCode.UNAVAILABLE, ExitCode.FAILED})
_SOMETHING = frozenset({ExitCode.PARTIAL})


class HonestyContract(Contract):
    """What a verb that did not end well leaves, and what its exit code says about that."""

    def test_a_migration_that_is_refused_leaves_nothing_and_says_so(self, bench: Bench) -> None:
        bad = bench.text(bench.harness.fails("users"))
        with self._lease(bench) as (_, lease):
            code = ended(bench, lease, lambda: list(lease.apply([Work(bench.migration(bad))])))
        assert code is ExitCode.FAILED
        assert not bench.made()
        assert bench.history().revisions == ()

    def test_a_migration_that_is_refused_after_another_one_says_that_something_stayed(
        self, bench: Bench
    ) -> None:
        texts = bench.texts(bench.harness.creates("users"), bench.harness.fails("orders"))
        works = [Work(bench.migration(each)) for each in texts]
        with self._lease(bench) as (_, lease):
            code = ended(bench, lease, lambda: list(lease.apply(works)))
        assert code is ExitCode.PARTIAL
        assert set(bench.made()) == {"users"}

    def test_a_down_that_is_refused_leaves_everything_and_says_so(self, bench: Bench) -> None:
        text = bench.text(bench.harness.fails_down("users"))
        bench.apply(text)
        before = bench.state()
        with self._lease(bench) as (_, lease):
            works = [Work(bench.migration(text), Direction.DOWN)]
            code = ended(bench, lease, lambda: list(lease.apply(works)))
        assert code is ExitCode.FAILED
        assert bench.state() == before
        found = bench.revision(text)
        assert found is not None
        assert (found.state, found.direction) == (RevisionState.APPLIED, Direction.UP)

    def test_after_a_step_that_failed_what_ran_is_recorded_by_what_it_says_and_the_rest_may_be_mended(
        self, bench: Bench
    ) -> None:
        first, bad, good = (
            bench.migration(bench.text(each))
            for each in (
                bench.harness.creates("users"),
                bench.harness.fails("orders"),
                bench.harness.creates("orders"),
            )
        )
        done = len(first.up)
        with self._lease(bench) as (_, lease):
            code = ended(bench, lease, lambda: list(lease.apply([Work(_joined(first, bad))])))
            assert code is ExitCode.PARTIAL
            found = lease.history().revision(first.version)
            assert found is not None
            assert (found.state, found.step, found.in_step) == (RevisionState.STARTED, done, False)
            assert found.ran == digests(first.up)[done] != ""
            mended = replace(_joined(first, good), checksum="1" * 64)
            list(lease.apply([Work(mended)]))
        found = bench.history().revision(first.version)
        assert found is not None
        assert (found.state, found.checksum, found.ran) == (RevisionState.APPLIED, "1" * 64, "")
        assert set(bench.made()) == {"users", "orders"}

    def test_a_write_counts_before_it_is_answered(self, bench: Bench) -> None:
        text = bench.text(bench.harness.waits("orders"))
        ended: list[SeedbedError] = []
        with bench.hold() as hold, self._lease(bench) as (session, lease):

            def run() -> None:
                try:
                    list(lease.apply([Work(bench.migration(text))]))
                except SeedbedError as error:
                    ended.append(error)

            worker = threading.Thread(target=run, daemon=True)
            worker.start()
            assert hold.wait_until_inside(PATIENCE)
            is_touched = lease.is_touched
            session.interrupt()
            worker.join(PATIENCE)
        assert is_touched
        assert ended

    def test_a_seed_that_is_refused_leaves_nothing_and_says_so(self, bench: Bench) -> None:
        with self._lease(bench) as (_, lease):
            parts = dataset(rows("no_such_table", (1, "ana")))
            code = ended(bench, lease, lambda: list(lease.load(parts)))
        assert code is ExitCode.FAILED

    def test_rows_that_are_there_already_are_nothing(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        parts = dataset(rows("users", (1, "ana"), (2, "ben")))
        with self._lease(bench) as (_, lease):
            list(lease.load(parts))
            assert lease.is_touched
        with self._lease(bench) as (_, lease):
            list(lease.load(parts))
            assert not lease.is_touched

    @contextmanager
    def _lease(self, bench: Bench) -> Iterator[tuple[Session, Lease]]:
        with bench.lease() as found:
            assert not found[1].is_touched, "taking a lease and binding a target touches nothing"
            yield found


class TroubleContract(Contract):
    """Credentials that end, rights that are taken away, lines that break: the harness is a `TroubleHarness` too.

    For each of its troubles, and each verb that writes: before the first write, and after it.
    """

    def test_trouble_before_the_first_write_is_told_by_what_it_left(self, bench: Bench) -> None:
        self._in_each(bench, self._trouble_before_the_first_write_is_told_by_what_it_left)

    def _trouble_before_the_first_write_is_told_by_what_it_left(self, bench: Bench, kind: str) -> None:
        text = bench.text(bench.harness.creates("users"))
        with bench.lease() as (_, lease), self._trouble(bench, kind):
            code = ended(bench, lease, lambda: list(lease.apply([Work(bench.migration(text))])))
        self._is_honest(code, bool(bench.made()), kind)
        assert not (lease.is_touched and code in _NOTHING), kind

    def test_trouble_after_the_first_migration_is_told_as_partly_done(self, bench: Bench) -> None:
        self._in_each(bench, self._trouble_after_the_first_migration_is_told_as_partly_done)

    def _trouble_after_the_first_migration_is_told_as_partly_done(self, bench: Bench, kind: str) -> None:
        texts = bench.texts(*map(bench.harness.creates, ("users", "orders", "late")))
        self._is_partly_done(bench, kind, [Work(bench.migration(each)) for each in texts])
        assert "users" in bench.made(), kind
        assert "late" not in bench.made(), kind

    def test_trouble_after_the_first_down_is_told_as_partly_done(self, bench: Bench) -> None:
        self._in_each(bench, self._trouble_after_the_first_down_is_told_as_partly_done)

    def _trouble_after_the_first_down_is_told_as_partly_done(self, bench: Bench, kind: str) -> None:
        texts = bench.texts(*map(bench.harness.creates, ("users", "orders", "late")))
        bench.apply(*texts)
        works = [Work(bench.migration(each), Direction.DOWN) for each in reversed(texts)]
        self._is_partly_done(bench, kind, works)
        assert "late" not in bench.made(), kind
        assert "users" in bench.made(), kind

    def _is_partly_done(self, bench: Bench, kind: str, works: list[Work]) -> None:
        with bench.lease() as (_, lease):
            code = ended(bench, lease, lambda: self._until_finished(bench, kind, lease, works))
        assert code in _SOMETHING, kind

    def _until_finished(self, bench: Bench, kind: str, lease: Lease, works: list[Work]) -> None:
        """Apply the first of `works`, and the others in trouble: it comes once the first is told as finished."""
        (first, *others) = works
        list(lease.apply([first]))
        with self._trouble(bench, kind):
            list(lease.apply(others))

    def test_trouble_in_a_backfill_is_told_as_partly_done(self, bench: Bench) -> None:
        self._in_each(bench, self._trouble_in_a_backfill_is_told_as_partly_done)

    def _trouble_in_a_backfill_is_told_as_partly_done(self, bench: Bench, kind: str) -> None:
        base, text = bench.texts(bench.harness.creates("users"), bench.harness.backfill("users", 10))
        bench.apply(base)
        with bench.lease() as (_, lease):
            list(lease.load(dataset(rows("users", *((number, "x") for number in range(60))))))
        with bench.lease() as (_, lease):
            work = Work(bench.migration(text))
            code = ended(bench, lease, lambda: self._backfill(bench, kind, lease, work))
        changed = [each for each in bench.rows("users") if each.get("visits")]
        assert len(changed) < 60, kind
        self._is_honest(code, bool(changed), kind)

    def _backfill(self, bench: Bench, kind: str, lease: Lease, work: Work) -> None:
        """Carry out `work`, in trouble once a first part of it is told."""
        with ExitStack() as trouble:
            is_first = True
            for event in lease.apply([work]):
                if isinstance(event, WorkProgressed) and is_first:
                    is_first = False
                    trouble.enter_context(self._trouble(bench, kind))

    def test_trouble_in_a_seed_is_told_by_what_stayed(self, bench: Bench) -> None:
        self._in_each(bench, self._trouble_in_a_seed_is_told_by_what_stayed)

    def _trouble_in_a_seed_is_told_by_what_stayed(self, bench: Bench, kind: str) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        parts = dataset(rows("users", *((number, "x") for number in range(1_500))))
        with bench.lease() as (_, lease):
            code = ended(bench, lease, lambda: self._load(bench, kind, lambda told: lease.load(parts, told)))
        self._is_honest(code, bool(bench.rows("users")), kind)

    def test_trouble_in_a_volume_is_told_by_what_stayed(self, bench: Bench) -> None:
        self._in_each(bench, self._trouble_in_a_volume_is_told_by_what_stayed)

    def _trouble_in_a_volume_is_told_by_what_stayed(self, bench: Bench, kind: str) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        # Two parts: what is one request of an engine's, may be the whole of the first.
        ranges = range(1_500), range(1_500, 3_000)
        parts = volume(*(rows("users", *((number, "x") for number in each)) for each in ranges))
        with bench.lease() as (_, lease):
            if not isinstance(lease, SupportsBulkLoad):
                return
            load = lease.bulk_load
            code = ended(bench, lease, lambda: self._load(bench, kind, lambda told: load(parts, told)))
        self._is_honest(code, bool(bench.rows("users")), kind)

    def _load(self, bench: Bench, kind: str, load: Callable[[OnLoading], Iterator[object]]) -> None:
        """Do `load`, in trouble once the first rows of it are told."""
        with ExitStack() as trouble:
            was_told = threading.Event()

            def told(_: Loading) -> None:
                if not was_told.is_set():
                    was_told.set()
                    trouble.enter_context(self._trouble(bench, kind))

            list(load(told))

    def test_trouble_in_a_reset_is_told_by_what_went(self, bench: Bench) -> None:
        self._in_each(bench, self._trouble_in_a_reset_is_told_by_what_went)

    def _trouble_in_a_reset_is_told_by_what_went(self, bench: Bench, kind: str) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.lease() as (_, lease):
            list(lease.load(dataset(rows("users", *((number, "x") for number in range(300))))))
        with bench.lease() as (_, lease):
            if not isinstance(lease, SupportsReset):
                return
            reset = lease.reset
            with self._trouble(bench, kind, after=1):
                code = ended(bench, lease, reset)
        is_whole = "users" in bench.made() and len(bench.rows("users")) == 300
        if code is ExitCode.DONE:  # it takes one write
            assert not bench.made(), kind
        else:
            self._is_honest(code, not is_whole, kind)

    def test_trouble_in_a_restore_is_told_by_what_is_there(self, bench: Bench, tmp_path: Path) -> None:
        file = tmp_path / "dump"
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.lease() as (session, lease):
            if not isinstance(lease, SupportsRestore) or not isinstance(session, SupportsDump):
                return
            list(lease.load(dataset(rows("users", *((number, "x") for number in range(300))))))
            list(session.dump(file))
        self._in_each(type(bench)(bench.harness), partial(self._trouble_in_a_restore, file))

    def _trouble_in_a_restore(self, file: Path, bench: Bench, kind: str) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.lease() as (_, lease):
            assert isinstance(lease, SupportsRestore)
            events = lease.restore(file)
            code = ended(bench, lease, lambda: self._in_trouble_after_the_first(bench, kind, events))
        self._is_honest(code, bool(bench.rows("users")), kind)

    def _in_trouble_after_the_first(self, bench: Bench, kind: str, events: Iterator[Event]) -> None:
        next(events)
        with self._trouble(bench, kind):
            list(events)

    def _is_honest(self, code: ExitCode, something_stayed: bool, kind: str) -> None:
        assert code is not ExitCode.DONE, f"{kind}: nothing was in the way"
        assert not (something_stayed and code in _NOTHING), (
            f"{kind}: something stayed, and it ended with {code}"
        )

    def _in_each(self, bench: Bench, check: Callable[[Bench, str], None]) -> None:
        """Call `check` for each trouble, on a fresh target: the first on `bench`, which is one."""
        harness = bench.harness
        assert isinstance(harness, TroubleHarness)
        for number, kind in enumerate(harness.troubles):
            check(type(bench)(harness) if number else bench, kind)

    @contextmanager
    def _trouble(self, bench: Bench, kind: str, after: int = 0) -> Iterator[None]:
        harness = bench.harness
        assert isinstance(harness, TroubleHarness)
        with hasty(), harness.trouble(bench.settings, kind, after):
            yield


def _joined(first: Migration, second: Migration) -> Migration:
    """Return `first`, whose up goes on with that of `second`."""
    steps = (*first.up, *second.up)
    return replace(first, up=tuple(replace(each, index=index) for index, each in enumerate(steps)))


def ended(bench: Bench, lease: Lease, act: Callable[[], object]) -> ExitCode:
    """Return the exit code of a command that did `act`, whose failure is told as the core tells it."""
    told: list[Event] = []
    try:
        act()
    except SeedbedError as error:
        told.append(failure(bench.target.id, error, touched=lease.is_touched))
    return fold(told).exit_code
