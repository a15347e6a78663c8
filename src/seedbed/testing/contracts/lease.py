"""The contract of the lease."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import pytest
from msgspec.structs import replace

from seedbed.errors import Busy, ForeignTarget, Interrupted, LeaseLost, SeedbedError
from seedbed.model.event import Event, LeaseAwaited
from seedbed.model.migration import Work
from seedbed.testing.bench import PATIENCE, Bench, ignore, owner
from seedbed.testing.contracts.base import Contract

RACERS = 4


class LeaseContract(Contract):
    """The exclusive right to change a target."""

    def test_runners_that_race_apply_every_migration_once(self, bench: Bench) -> None:
        texts = bench.texts(bench.harness.creates("users"), *[bench.harness.adds("users")] * 4)
        runners = [bench.runner(*texts, who=f"racer {number}") for number in range(RACERS)]
        try:
            assert [each.finish() for each in runners] == [""] * RACERS
        finally:
            for each in runners:
                each.kill()
        finished = [event["version"] for each in runners for event in each.told("work_finished")]
        assert sorted(finished) == [each.version for each in texts]
        assert len(bench.rows("users")) == len(texts) - 1

    def test_waiting_is_told_and_bounded(self, bench: Bench) -> None:
        told: list[Event] = []
        with bench.lease("ana@laptop"), bench.connect() as session:
            began = time.monotonic()
            with pytest.raises(Busy), session.lease(owner("ben"), wait=0.5, listener=told.append):
                pass
            waited = time.monotonic() - began
        awaited = [each for each in told if isinstance(each, LeaseAwaited)]
        assert awaited
        assert all("ana@laptop" in each.holder for each in awaited)
        assert 0.4 <= waited < PATIENCE / 2

    def test_not_waiting_is_busy_at_once(self, bench: Bench) -> None:
        with bench.lease("ana@laptop"), bench.connect() as session:
            with pytest.raises(Busy) as caught, session.lease(owner("ben"), wait=0, listener=ignore):
                pass
            assert "ana@laptop" in str(caught.value)

    def test_reading_needs_no_lease(self, bench: Bench) -> None:
        with bench.lease():
            assert bench.history().identity == bench.identity

    def test_a_lease_is_free_after_its_block(self, bench: Bench) -> None:
        with bench.connect() as session:
            for who in ("ana", "ben"):
                with session.lease(owner(who), wait=0, listener=ignore):
                    pass
            with bench.lease("eve", wait=0):
                pass

    def test_a_lease_is_free_after_an_error_in_its_block(self, bench: Bench) -> None:
        with pytest.raises(ZeroDivisionError), bench.lease():
            raise ZeroDivisionError
        with bench.lease("eve", wait=0):
            pass

    def test_the_lease_of_a_killed_runner_comes_free(self, bench: Bench) -> None:
        with bench.runner(stop_at="lease_taken") as runner:
            runner.wait_until_stopped()
            runner.kill()
        with bench.lease():
            pass

    def test_the_waiting_one_gets_the_lease_when_it_comes_free(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        with bench.lease():
            runner = bench.runner(text)
            try:
                runner.wait_until("lease_awaited")
            except BaseException:
                runner.kill()
                raise
        with runner:
            assert runner.finish() == ""
        assert bench.applied == [text.version]

    def test_a_lease_lost_between_two_works_is_noticed_and_nothing_is_recorded(self, bench: Bench) -> None:
        first, second = bench.texts(bench.harness.creates("users"), bench.harness.creates("orders"))
        with bench.lease() as (_, lease):
            list(lease.apply([Work(bench.migration(first))]))
            bench.break_lease()
            with pytest.raises(LeaseLost):
                list(lease.apply([Work(bench.migration(second))]))
        assert bench.applied == [first.version]
        assert set(bench.made()) == {"users"}

    def test_a_lease_that_another_run_holds_by_now_changes_nothing(self, bench: Bench) -> None:
        first, second = bench.texts(bench.harness.creates("users"), bench.harness.creates("orders"))
        with bench.lease() as (_, former):
            list(former.apply([Work(bench.migration(first))]))
            bench.break_lease()
            with bench.lease("eve"), pytest.raises(LeaseLost):
                list(former.apply([Work(bench.migration(second))]))
        assert bench.applied == [first.version]
        assert set(bench.made()) == {"users"}

    def test_a_lost_lease_records_no_decision_either(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        bench.apply(text)
        with bench.lease() as (_, lease):
            bench.break_lease()
            with pytest.raises(LeaseLost):
                lease.forget(text.version, actor="ana", because="it should not work")
        assert bench.applied == [text.version]
        assert not any("it should not work" in line for line in bench.audit())

    @pytest.mark.parametrize("successor", [True, False], ids=["taken over", "no run after it"])
    def test_a_lease_lost_inside_a_step_leaves_no_record(self, bench: Bench, successor: bool) -> None:
        text = bench.text(bench.harness.waits("orders"))
        with ExitStack() as held:
            hold = held.enter_context(bench.hold())
            with bench.runner(text) as runner:
                runner.wait_until_inside(hold)
                bench.break_lease()
                if successor:
                    with bench.lease():
                        pass
                held.close()
                assert runner.finish() == "LeaseLost"
        with bench.lease():
            pass
        assert bench.history().revisions == ()
        assert not bench.made()

    def test_a_runner_that_slept_while_another_took_over_wakes_and_names_the_lost_lease(
        self, bench: Bench
    ) -> None:
        text = bench.text(bench.harness.waits("orders"))
        with ExitStack() as held:
            hold = held.enter_context(bench.hold())
            with bench.runner(text) as runner:
                runner.wait_until_inside(hold)
                runner.freeze()
                bench.break_lease()
                with bench.lease("eve"):
                    held.close()
                    runner.thaw()
                    assert runner.finish() == "LeaseLost"
                (error,) = runner.told("error")
        assert "lease" in error["text"]
        assert bench.history().revisions == ()
        assert not bench.made()

    def test_a_runner_whose_lease_was_taken_over_records_nothing(self, bench: Bench) -> None:
        base, text = bench.texts(bench.harness.creates("users"), bench.harness.adds("users"))
        with bench.runner(base, text, stop_at="work_finished") as runner:
            runner.wait_until_stopped()
            bench.break_lease()
            bench.apply(base, text)
            before = bench.state()
            runner.kill()
        assert bench.state() == before
        assert len(bench.rows("users")) == 1

    def test_interrupt_stops_a_running_step_and_nothing_of_it_stays(self, bench: Bench) -> None:
        text, last = bench.texts(bench.harness.waits("orders"), bench.harness.creates("late"))
        raised: list[SeedbedError] = []
        with bench.hold() as hold, bench.lease() as (session, lease):

            def run() -> None:
                try:
                    list(lease.apply([Work(bench.migration(each)) for each in (text, last)]))
                except SeedbedError as error:
                    raised.append(error)

            worker = threading.Thread(target=run, daemon=True)
            worker.start()
            assert hold.wait_until_inside(PATIENCE)
            for _ in range(3):
                session.interrupt()
            worker.join(PATIENCE)
            assert not worker.is_alive()
        assert [type(each) for each in raised] == [Interrupted]
        assert bench.history().revisions == ()
        assert not bench.made()

    def test_after_an_interrupt_the_next_run_goes_on(self, bench: Bench) -> None:
        text = bench.text(bench.harness.waits("orders"))
        with bench.hold() as hold, bench.lease() as (session, lease):

            def run() -> None:
                with pytest.raises(Interrupted):
                    list(lease.apply([Work(bench.migration(text))]))

            worker = threading.Thread(target=run, daemon=True)
            worker.start()
            assert hold.wait_until_inside(PATIENCE)
            session.interrupt()
            worker.join(PATIENCE)
            assert not worker.is_alive()
        bench.apply(text)
        assert bench.applied == [text.version]
        assert set(bench.made()) == {"orders"}


class OneOwnerContract(Contract):
    """For engines of which one target can be that of two databases of the manifest, by mistake."""

    def test_a_run_that_has_the_lease_for_another_database_is_refused_at_once(self, bench: Bench) -> None:
        """It would wait for itself, and then say that another run is at work."""
        database = bench.target.database
        other = replace(bench.target, database=replace(database, service=f"{database.service}-too"))
        run = owner("ana")
        with (
            bench.connect() as first,
            first.lease(run, wait=0, listener=ignore),
            bench.engine.connect(other) as second,
            pytest.raises(ForeignTarget, match="are the same database") as caught,
            second.lease(run, wait=PATIENCE, listener=ignore),
        ):
            pass
        assert bench.target.id in caught.value.what
        assert other.id in caught.value.what
