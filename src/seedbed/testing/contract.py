"""The promises of `engines.base`, checked. Every test is a sentence; none of them knows which engine it tests."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import pytest
from msgspec.structs import replace

from seedbed.engines.base import Inspectable, Releasable, Resettable
from seedbed.errors import (
    Busy,
    Interrupted,
    LeaseLost,
    MigrationFileError,
    OutcomeUnknown,
    Refused,
    SeedbedError,
    StepFailed,
    Unreachable,
)
from seedbed.model.event import Event, LeaseAwaited, WorkFinished, WorkStarted
from seedbed.model.history import Revision, State
from seedbed.model.migration import Direction, MigrationFile, Phase, Source, Work, checksum
from seedbed.model.seed import Rows, Script
from seedbed.testing.bench import PATIENCE, Bench, dataset, ignore, owner, rows
from seedbed.testing.harness import Harness, ScriptHarness
from seedbed.testing.runner import Order, Text

RACERS = 8


class Contract:
    """What all contracts share: a bench on a fresh target. Give a fixture `harness`."""

    @pytest.fixture
    def bench(self, harness: Harness) -> Bench:
        return Bench(harness)


class HistoryContract(Contract):
    """What a target remembers."""

    def test_a_fresh_target_has_an_empty_history(self, bench: Bench) -> None:
        history = bench.history()
        assert history.identity is None
        assert history.revisions == ()

    def test_reading_leaves_a_fresh_target_as_it_is(self, bench: Bench) -> None:
        bench.history()
        assert bench.history().identity is None
        assert not bench.made()
        assert not bench.audit()

    def test_the_stamp_is_there_for_every_session_after_it(self, bench: Bench) -> None:
        with bench.connect() as session, session.lease(owner("ana"), wait=0, listener=ignore) as lease:
            lease.stamp(bench.identity)
            assert lease.history().identity == bench.identity
        assert bench.history().identity == bench.identity

    def test_stamping_again_with_the_same_identity_changes_nothing(self, bench: Bench) -> None:
        with bench.lease() as (_, lease):
            lease.stamp(bench.identity)
        assert bench.history().identity == bench.identity

    def test_nobody_answering_is_unreachable(self, bench: Bench) -> None:
        nowhere = Order(bench.harness.entry_point, bench.harness.nowhere(), dict(bench.harness.options))
        with pytest.raises(Unreachable), bench.engine.connect(nowhere.target):
            pass

    def test_the_server_says_what_it_is(self, bench: Bench) -> None:
        with bench.connect() as session:
            assert session.server.strip()

    def test_the_address_shows_no_secret(self, bench: Bench) -> None:
        address = bench.engine.address(bench.facts, bench.target.database.options)
        for secret in address.secrets:
            assert not secret or secret.reveal() not in str(address)

    def test_a_format_newer_than_ours_is_refused(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        bench.apply(text)
        bench.harness.age_history(bench.facts)
        with pytest.raises(Refused), bench.connect() as session:
            session.history()
        with pytest.raises(Refused):
            bench.apply(text, bench.text(bench.harness.creates("orders")))
        assert set(bench.made()) == {"users"}

    def test_record_writes_a_revision_as_it_is_and_an_audit_line(self, bench: Bench) -> None:
        revision = Revision("20250101000000", "before_us", "0" * 64, Phase.CONTRACT, owner="ana")
        with bench.lease() as (_, lease):
            lease.record(revision, actor="ana@example.org", because="it was there before seedbed")
        found = bench.history().revision(revision.version)
        assert found is not None
        assert replace(found, applied_at=None, duration_ms=0) == revision
        self._is_audited(bench, revision.version, "ana@example.org", "it was there before seedbed")

    def test_record_replaces_what_is_there(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        bench.apply(text)
        with bench.lease() as (_, lease):
            before = lease.history().revision(text.version)
            assert before is not None
            lease.record(replace(before, checksum="1" * 64), actor="ana", because="only a comment changed")
        found = bench.revision(text)
        assert found is not None
        assert (found.checksum, found.name, found.state) == ("1" * 64, before.name, State.APPLIED)

    def test_forget_removes_a_version_and_leaves_an_audit_line(self, bench: Bench) -> None:
        first, second = bench.texts(bench.harness.creates("users"), bench.harness.creates("orders"))
        bench.apply(first, second)
        with bench.lease() as (_, lease):
            lease.forget(second.version, actor="ana@example.org", because="orders were dropped by hand")
        assert bench.applied == [first.version]
        assert set(bench.made()) == {"users", "orders"}
        self._is_audited(bench, second.version, "ana@example.org", "orders were dropped by hand")

    def _is_audited(self, bench: Bench, *words: str) -> None:
        assert any(all(word in line for word in words) for line in bench.audit()), bench.audit()


class ApplyContract(Contract):
    """Migrations that go well, and migrations that the server refuses."""

    def test_a_file_parses_to_the_same_migration_every_time(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"), phase=Phase.CONTRACT)
        migration = bench.migration(text)
        assert migration == bench.migration(text)
        assert (migration.version, migration.name, migration.path) == (
            text.version,
            text.name,
            text.file.path,
        )
        assert migration.checksum == text.file.checksum
        assert migration.phase is Phase.CONTRACT
        assert migration.up
        assert migration.down
        assert [each.index for each in migration.up] == list(range(len(migration.up)))
        assert all(1 <= each.line <= text.text.count("\n") + 1 for each in (*migration.up, *migration.down))

    def test_a_file_that_holds_no_migration_is_refused(self, bench: Bench) -> None:
        path = f"migrations/20260101_empty{bench.harness.suffix}"
        source = Source(path, bench.harness.suffix, b"")
        with pytest.raises(MigrationFileError):
            bench.engine.parse(MigrationFile("20260101", "empty", source, checksum(b"")))

    def test_migrations_are_applied_and_recorded_in_order(self, bench: Bench) -> None:
        texts = [
            bench.text(bench.harness.creates("users"), phase=Phase.EXPAND),
            bench.text(bench.harness.adds("users"), phase=Phase.MIGRATE),
            bench.text(bench.harness.creates("orders"), phase=Phase.CONTRACT),
        ]
        bench.apply(*texts)
        revisions = bench.history().revisions
        assert [each.version for each in revisions] == [each.version for each in texts]
        assert [each.phase for each in revisions] == list(Phase)
        assert [each.checksum for each in revisions] == [each.file.checksum for each in texts]
        assert [each.name for each in revisions] == [each.name for each in texts]
        assert all(each.state is State.APPLIED and not each.in_step for each in revisions)
        assert all(each.applied_at and each.owner for each in revisions)
        assert len(bench.rows("users")) == 1
        assert set(bench.made()) == {"users", "orders"}

    def test_every_work_tells_its_beginning_and_its_end(self, bench: Bench) -> None:
        texts = bench.texts(bench.harness.creates("users"), bench.harness.adds("users"))
        told = bench.apply(*texts)
        works = [each for each in told if isinstance(each, WorkStarted | WorkFinished)]
        assert [(type(each), each.version) for each in works] == [
            (kind, text.version) for text in texts for kind in (WorkStarted, WorkFinished)
        ]
        assert {each.target for each in told} == {bench.target.id}
        assert not any(each.resumed for each in works if isinstance(each, WorkStarted))

    def test_no_work_is_no_event(self, bench: Bench) -> None:
        with bench.lease() as (_, lease):
            assert list(lease.apply([])) == []

    def test_a_failing_migration_leaves_neither_effect_nor_record(self, bench: Bench) -> None:
        text = bench.text(bench.harness.fails("users"))
        with pytest.raises(StepFailed):
            bench.apply(text)
        assert not bench.made()
        assert bench.history().revisions == ()

    def test_a_batch_stops_at_the_failing_migration_and_says_which(self, bench: Bench) -> None:
        texts = bench.texts(
            bench.harness.creates("users"),
            bench.harness.adds("users"),
            bench.harness.fails("orders"),
            bench.harness.creates("late"),
        )
        with pytest.raises(StepFailed) as caught:
            bench.apply(*texts)
        assert f"{texts[2].version}_{texts[2].name}" in str(caught.value)
        assert bench.applied == [each.version for each in texts[:2]]
        assert set(bench.made()) == {"users"}
        assert len(bench.rows("users")) == 1

    def test_what_came_before_a_failure_was_told_as_finished(self, bench: Bench) -> None:
        works = [
            Work(bench.migration(each))
            for each in bench.texts(bench.harness.creates("users"), bench.harness.fails("orders"))
        ]
        told: list[Event] = []
        with bench.lease() as (_, lease), pytest.raises(StepFailed):
            told.extend(lease.apply(works))
        finished = [each.version for each in told if isinstance(each, WorkFinished)]
        assert finished == [works[0].migration.version]

    def test_after_a_failure_the_lease_still_works(self, bench: Bench) -> None:
        bad, good = bench.texts(bench.harness.fails("orders"), bench.harness.creates("users"))
        with bench.lease() as (_, lease):
            with pytest.raises(StepFailed):
                list(lease.apply([Work(bench.migration(bad))]))
            list(lease.apply([Work(bench.migration(good))]))
        assert bench.applied == [good.version]

    def test_a_corrected_migration_goes_on_where_the_failure_was(self, bench: Bench) -> None:
        first, bad, last = bench.texts(
            bench.harness.creates("users"), bench.harness.fails("orders"), bench.harness.creates("late")
        )
        with pytest.raises(StepFailed):
            bench.apply(first, bad, last)
        header = bad.text.split("\n")[0]
        good = replace(bad, text=f"{header}\n{bench.harness.creates('orders')}")
        bench.apply(first, good, last)
        assert bench.applied == [first.version, good.version, last.version]
        assert set(bench.made()) == {"users", "orders", "late"}

    def test_revert_runs_down_and_removes_the_record(self, bench: Bench) -> None:
        first, second = bench.texts(bench.harness.creates("users"), bench.harness.creates("orders"))
        bench.apply(first, second)
        told = bench.revert(second)
        assert bench.applied == [first.version]
        assert set(bench.made()) == {"users"}
        finished = [each for each in told if isinstance(each, WorkFinished)]
        assert [(each.version, each.direction) for each in finished] == [(second.version, Direction.DOWN)]

    def test_what_was_reverted_can_be_applied_again(self, bench: Bench) -> None:
        texts = bench.texts(bench.harness.creates("users"), bench.harness.creates("orders"))
        bench.apply(*texts)
        before = bench.state()
        bench.revert(*texts)
        assert not bench.made()
        assert bench.history().revisions == ()
        bench.apply(*texts)
        assert bench.state() == before


class ResumeContract(Contract):
    """Steps that are not atomic, runners that are killed, and the ones that come after them."""

    def test_a_step_that_is_not_atomic_is_recorded_as_started_before_it_is_finished(
        self, bench: Bench
    ) -> None:
        base, text = bench.texts(bench.harness.creates("users"), bench.harness.probeable("extra", "users"))
        bench.apply(base)
        with ExitStack() as held:
            hold = held.enter_context(bench.hold())
            with bench.runner(base, text) as runner:
                runner.wait_until_inside(hold)
                inside = bench.revision(text)
                held.close()
                assert runner.finish() == ""
        assert inside is not None
        assert (inside.state, inside.direction, inside.step, inside.in_step) == (
            State.STARTED,
            Direction.UP,
            0,
            True,
        )
        after = bench.revision(text)
        assert after is not None
        assert (after.state, after.in_step) == (State.APPLIED, False)
        assert set(bench.made()) == {"users", "extra"}

    @pytest.mark.parametrize("point", ["lease_taken", "work_started"])
    def test_killed_before_the_first_statement(self, bench: Bench, point: str) -> None:
        texts = self._plain(bench)
        with bench.runner(*texts, stop_at=point) as runner:
            runner.wait_until_stopped()
            runner.kill()
        bench.apply(*texts)
        self._is_as_if_never_killed(bench, texts)

    def test_killed_inside_an_atomic_step(self, bench: Bench) -> None:
        texts = [
            *self._plain(bench),
            *bench.texts(bench.harness.waits("orders"), bench.harness.adds("users")),
        ]
        self._kill_inside(bench, texts)
        bench.apply(*texts)
        assert set(bench.made()) == {"users", "orders"}
        assert bench.applied == [each.version for each in texts]
        assert len(bench.rows("users")) == 2

    @pytest.mark.parametrize("count", [1, 2])
    def test_killed_after_the_commit_and_before_the_word_about_it(self, bench: Bench, count: int) -> None:
        texts = self._plain(bench)
        with bench.runner(*texts, stop_at="work_finished", stop_count=count) as runner:
            runner.wait_until_stopped()
            runner.kill()
        bench.apply(*texts)
        self._is_as_if_never_killed(bench, texts)

    def test_killed_inside_a_step_whose_effect_can_be_proven(self, bench: Bench) -> None:
        base, text, last = bench.texts(
            bench.harness.creates("users"),
            bench.harness.probeable("extra", "users"),
            bench.harness.adds("users"),
        )
        self._kill_inside(bench, [base, text, last])
        told = bench.apply(base, text, last)
        assert set(bench.made()) == {"users", "extra"}
        assert bench.applied == [base.version, text.version, last.version]
        assert len(bench.rows("users")) == 1
        assert text.version in {
            each.version for each in told if isinstance(each, WorkStarted) and each.resumed
        }

    def test_a_revert_that_was_killed_inside_a_step_goes_on(self, bench: Bench) -> None:
        base, text = bench.texts(bench.harness.creates("users"), bench.harness.probeable("extra", "users"))
        bench.apply(base, text)
        self._kill_inside(bench, [text], Direction.DOWN)
        found = bench.revision(text)
        assert found is not None
        assert (found.state, found.direction, found.in_step) == (State.STARTED, Direction.DOWN, True)
        bench.revert(text)
        assert bench.applied == [base.version]
        assert bench.history().unfinished == ()
        assert set(bench.made()) == {"users"}

    def test_a_proven_step_is_not_run_again(self, bench: Bench) -> None:
        """As if the runner had been killed between the end of the step and its record."""
        base, text = bench.texts(bench.harness.creates("users"), bench.harness.probeable("extra", "users"))
        bench.apply(base, text)
        self._unfinish(bench, text)
        bench.apply(base, text)
        assert bench.applied == [base.version, text.version]
        assert set(bench.made()) == {"users", "extra"}

    def test_an_unprovable_step_stops_every_run_until_a_person_decides(self, bench: Bench) -> None:
        text, last = bench.texts(bench.harness.unprovable("extra"), bench.harness.creates("late"))
        self._kill_inside(bench, [text, last])
        for _ in range(2):
            with pytest.raises(OutcomeUnknown) as caught:
                bench.apply(text, last)
            assert f"{text.version}_{text.name}" in str(caught.value)
        assert bench.applied == []
        assert "late" not in bench.made()

    def test_an_unprovable_step_that_took_effect_is_finished_by_record(self, bench: Bench) -> None:
        text, last = bench.texts(bench.harness.unprovable("extra"), bench.harness.creates("late"))
        bench.apply(text)
        self._unfinish(bench, text)
        with pytest.raises(OutcomeUnknown):
            bench.apply(text, last)
        with bench.lease() as (_, lease):
            found = lease.history().revision(text.version)
            assert found is not None
            lease.record(
                replace(found, step=found.step + 1, in_step=False), actor="ana", because="it is there"
            )
        bench.apply(text, last)
        assert bench.applied == [text.version, last.version]
        assert set(bench.made()) == {"extra", "late"}

    def test_an_unprovable_step_without_effect_runs_again_after_record(self, bench: Bench) -> None:
        text, last = bench.texts(bench.harness.unprovable("extra"), bench.harness.creates("late"))
        self._kill_inside(bench, [text, last])
        with pytest.raises(OutcomeUnknown):
            bench.apply(text, last)
        assert "extra" not in bench.made()
        with bench.lease() as (_, lease):
            found = lease.history().revision(text.version)
            assert found is not None
            lease.record(replace(found, in_step=False), actor="ana", because="it is not there")
        bench.apply(text, last)
        assert bench.applied == [text.version, last.version]
        assert set(bench.made()) == {"extra", "late"}

    def test_a_repeatable_step_runs_again_by_itself(self, bench: Bench) -> None:
        base, text = bench.texts(bench.harness.creates("users"), bench.harness.repeatable("users"))
        self._kill_inside(bench, [base, text])
        bench.apply(base, text)
        assert bench.applied == [base.version, text.version]
        assert len(bench.rows("users")) == 1

    @pytest.mark.parametrize("count", [1, 3])
    def test_a_backfill_goes_on_from_its_checkpoint_and_meets_each_row_once(
        self, bench: Bench, count: int
    ) -> None:
        base, text = bench.texts(bench.harness.creates("users"), bench.harness.backfill("users", 5))
        bench.apply(base)
        self._fill(bench, 23)
        with bench.runner(base, text, stop_at="work_progressed", stop_count=count) as runner:
            runner.wait_until_stopped()
            runner.kill()
        found = bench.revision(text)
        assert found is not None
        assert (found.state, found.in_step) == (State.STARTED, False)
        assert found.checkpoint
        bench.apply(base, text)
        assert {each["visits"] for each in bench.rows("users")} == {1}
        assert bench.applied == [base.version, text.version]

    def test_a_backfill_of_an_empty_table_is_applied(self, bench: Bench) -> None:
        texts = bench.texts(bench.harness.creates("users"), bench.harness.backfill("users", 5))
        bench.apply(*texts)
        assert bench.applied == [each.version for each in texts]

    def test_what_a_killed_runner_left_on_the_server_has_ended_before_the_next_step(
        self, bench: Bench
    ) -> None:
        text = bench.text(bench.harness.waits("orders"))
        with bench.hold() as hold, bench.runner(text, who="ghost") as runner:
            runner.wait_until_inside(hold)
            runner.kill()
            told: list[Event] = []
            with bench.connect() as session, session.lease(owner("ana"), wait=PATIENCE, listener=told.append):
                assert not hold.wait_until_inside(0.1)
        assert bench.history().revisions == ()
        assert not bench.made()
        if bench.harness.leaves_work:
            assert "taken_over" in {each.kind for each in told}

    # how

    def _plain(self, bench: Bench) -> list[Text]:
        return bench.texts(bench.harness.creates("users"), bench.harness.adds("users"))

    def _is_as_if_never_killed(self, bench: Bench, texts: list[Text]) -> None:
        other = Bench(bench.harness)
        other.apply(*texts)
        assert bench.state() == other.state()
        assert len(bench.rows("users")) == 1

    def _kill_inside(self, bench: Bench, texts: list[Text], direction: Direction = Direction.UP) -> None:
        """Start a runner, kill it while the server is inside the step that waits, end what it left."""
        with bench.hold() as hold:
            with bench.runner(*texts, direction=direction) as runner:
                runner.wait_until_inside(hold)
                runner.kill()
            with bench.lease():
                pass

    def _unfinish(self, bench: Bench, text: Text) -> None:
        """Make the history say that the first step of `text` was begun, and nothing more."""
        with bench.lease() as (_, lease):
            found = lease.history().revision(text.version)
            assert found is not None
            begun = replace(found, state=State.STARTED, step=0, in_step=True)
            lease.record(begun, actor="test", because="as a killed runner would leave it")

    def _fill(self, bench: Bench, count: int) -> None:
        part = rows("users", *((number, f"user {number}") for number in range(1, count + 1)))
        with bench.lease() as (_, lease):
            list(lease.load(dataset(part)))


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
            with pytest.raises(Busy), session.lease(owner("ben"), wait=1.2, listener=told.append):
                pass
            waited = time.monotonic() - began
        awaited = [each for each in told if isinstance(each, LeaseAwaited)]
        assert awaited
        assert all("ana@laptop" in each.holder for each in awaited)
        assert 1.0 <= waited < 1.2 + 3

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

    def test_a_lost_lease_records_no_decision_either(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        bench.apply(text)
        with bench.lease() as (_, lease):
            bench.break_lease()
            with pytest.raises(LeaseLost):
                lease.forget(text.version, actor="ana", because="it should not work")
        assert bench.applied == [text.version]
        assert not any("it should not work" in line for line in bench.audit())

    @pytest.mark.parametrize("successor", [True, False], ids=["taken over", "nobody after it"])
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


class LoadContract(Contract):
    """Seeds as rows."""

    def test_loading_counts_what_it_did(self, bench: Bench) -> None:
        self._table(bench)
        part = rows("users", (1, "ana"), (2, "ben"))
        assert self._load(bench, part) == [(part.path, 2, 0, 0)]
        changed = rows("users", (1, "ana"), (2, "benjamin"), (3, "eve"))
        assert self._load(bench, changed) == [(part.path, 1, 1, 1)]
        assert self._names(bench) == {1: "ana", 2: "benjamin", 3: "eve"}

    def test_loading_again_changes_nothing(self, bench: Bench) -> None:
        self._table(bench)
        part = rows("users", (1, "ana"), (2, "ben"))
        self._load(bench, part)
        before = sorted(map(str, bench.rows("users")))
        assert self._load(bench, part) == [(part.path, 0, 0, 2)]
        assert sorted(map(str, bench.rows("users"))) == before

    def test_loading_leaves_columns_that_it_does_not_name(self, bench: Bench) -> None:
        self._table(bench)
        self._load(bench, rows("users", (1, "ana")))
        bench.apply(bench.text(bench.harness.backfill("users", 10)))
        assert self._load(bench, rows("users", (1, "anna"))) == [("seeds/users.csv", 0, 1, 0)]
        assert [each["visits"] for each in bench.rows("users")] == [1]

    def test_loading_nothing_is_nothing(self, bench: Bench) -> None:
        self._table(bench)
        assert self._load(bench, rows("users")) == [("seeds/users.csv", 0, 0, 0)]
        with bench.lease() as (_, lease):
            assert list(lease.load(dataset())) == []

    def test_rows_that_the_server_refuses_say_which_file(self, bench: Bench) -> None:
        with pytest.raises(StepFailed) as caught:
            self._load(bench, rows("no_such_table", (1, "ana")))
        assert "seeds/no_such_table.csv" in str(caught.value)

    def test_a_lost_lease_loads_nothing(self, bench: Bench) -> None:
        self._table(bench)
        with bench.lease() as (_, lease):
            bench.break_lease()
            with pytest.raises(LeaseLost):
                list(lease.load(dataset(rows("users", (1, "ana")))))
        assert not bench.rows("users")

    def _table(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))

    def _names(self, bench: Bench) -> dict[object, object]:
        return {each["id"]: each["name"] for each in bench.rows("users")}

    def _load(self, bench: Bench, *parts: Rows) -> list[tuple[str, int, int, int]]:
        with bench.lease() as (_, lease):
            loaded = list(lease.load(dataset(*parts)))
        return [(each.part, each.inserted, each.updated, each.unchanged) for each in loaded]


class EngineContract(HistoryContract, ApplyContract, ResumeContract, LeaseContract, LoadContract):
    """What every engine promises. Subclass it and give a fixture `harness`."""


class AtomicLoadContract(Contract):
    """For engines whose seeds stay as a whole or not at all."""

    def test_a_part_that_fails_takes_the_parts_before_it_with_it(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        parts = dataset(rows("users", (1, "ana")), rows("no_such_table", (1, "ana")))
        with bench.lease() as (_, lease), pytest.raises(StepFailed):
            list(lease.load(parts))
        assert not bench.rows("users")


class ScriptContract(Contract):
    """For engines whose seeds may be scripts in their own language; the harness is a `ScriptHarness` too."""

    def test_a_script_may_run_again(self, bench: Bench) -> None:
        harness = bench.harness
        assert isinstance(harness, ScriptHarness)
        bench.apply(bench.text(harness.creates("users")))
        path = f"seeds/users{harness.script_suffix}"
        part = Script(path, Source(path, harness.script_suffix, harness.script("users").encode()))
        for _ in range(2):
            with bench.lease() as (_, lease):
                loaded = list(lease.load(replace(dataset(), parts=(part,))))
            assert [each.part for each in loaded] == [path]
        assert [each["id"] for each in bench.rows("users")] == [7]


class ResetContract(Contract):
    """For engines that are `Resettable`."""

    def test_reset_removes_everything_and_says_what(self, bench: Bench) -> None:
        texts = bench.texts(bench.harness.creates("users"), bench.harness.adds("users"))
        bench.apply(*texts)
        with bench.lease() as (_, lease):
            assert isinstance(lease, Resettable)
            assert lease.reset().strip()
        assert not bench.made()
        assert bench.history().identity is None
        assert bench.history().revisions == ()

    def test_after_a_reset_everything_can_be_applied_again(self, bench: Bench) -> None:
        texts = bench.texts(bench.harness.creates("users"), bench.harness.adds("users"))
        bench.apply(*texts)
        before = bench.state()
        with bench.lease() as (_, lease):
            assert isinstance(lease, Resettable)
            lease.reset()
        bench.apply(*texts)
        assert bench.state() == before

    def test_resetting_an_empty_target_is_no_error(self, bench: Bench) -> None:
        with bench.lease() as (_, lease):
            assert isinstance(lease, Resettable)
            lease.reset()
        assert bench.history().identity is None

    def test_a_lost_lease_resets_nothing(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.lease() as (_, lease):
            assert isinstance(lease, Resettable)
            bench.break_lease()
            with pytest.raises(LeaseLost):
                lease.reset()
        assert set(bench.made()) == {"users"}


class SchemaContract(Contract):
    """For engines that are `Inspectable`."""

    def test_the_schema_of_an_empty_target_is_the_same_with_a_history_and_without(self, bench: Bench) -> None:
        before = self._schema(bench)
        with bench.lease():
            pass
        assert self._schema(bench) == before

    def test_the_schema_is_sorted_and_knows_what_was_made(self, bench: Bench) -> None:
        empty = self._schema(bench)
        bench.apply(*bench.texts(bench.harness.creates("users"), bench.harness.creates("orders")))
        schema = self._schema(bench)
        assert schema == sorted(schema)
        assert all("\n" not in line for line in schema)
        for thing in ("users", "orders"):
            assert any(thing in line for line in set(schema) - set(empty))

    def test_the_same_migrations_make_the_same_schema(self, bench: Bench) -> None:
        other = Bench(bench.harness)
        for each in (bench, other):
            each.apply(*each.texts(bench.harness.creates("users"), bench.harness.probeable("extra", "users")))
        assert self._schema(bench) == self._schema(other)

    def test_down_brings_the_schema_back(self, bench: Bench) -> None:
        first, second = bench.texts(bench.harness.creates("users"), bench.harness.creates("orders"))
        bench.apply(first)
        before = self._schema(bench)
        bench.apply(first, second)
        assert self._schema(bench) != before
        bench.revert(second)
        assert self._schema(bench) == before

    def _schema(self, bench: Bench) -> list[str]:
        with bench.connect() as session:
            assert isinstance(session, Inspectable)
            return list(session.schema())


class UnlockContract(Contract):
    """For engines that are `Releasable`."""

    def test_unlock_ends_the_holder_and_says_who_that_was(self, bench: Bench) -> None:
        text = bench.text(bench.harness.creates("users"))
        with bench.lease("ana@laptop") as (_, lease):
            assert "ana@laptop" in self._unlock(bench)
            with pytest.raises(LeaseLost):
                list(lease.apply([Work(bench.migration(text))]))
        assert bench.history().revisions == ()
        assert any("eve@desk" in line for line in bench.audit())

    def test_after_unlock_the_lease_is_free(self, bench: Bench) -> None:
        with bench.runner(stop_at="lease_taken") as runner:
            runner.wait_until_stopped()
            self._unlock(bench)
            with bench.lease("eve", wait=5):
                pass

    def test_unlock_with_nobody_there_is_nothing(self, bench: Bench) -> None:
        assert self._unlock(bench) == ""
        assert not bench.audit()

    def _unlock(self, bench: Bench) -> str:
        with bench.connect() as session:
            assert isinstance(session, Releasable)
            return session.unlock(actor="eve@desk")
