"""The contract of work that was killed, and goes on."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from msgspec.structs import replace

from seedbed.errors import OutcomeUnknown
from seedbed.model.event import Event, WorkStarted
from seedbed.model.history import RevisionState
from seedbed.model.migration import Direction
from seedbed.testing.bench import PATIENCE, Bench, dataset, owner, rows
from seedbed.testing.contracts.base import Contract
from seedbed.testing.runner import Text

_UNDISTURBED: dict[tuple[type, tuple[Text, ...]], object] = {}  # states that were found out already


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
            RevisionState.STARTED,
            Direction.UP,
            0,
            True,
        )
        after = bench.revision(text)
        assert after is not None
        assert (after.state, after.in_step) == (RevisionState.APPLIED, False)
        assert set(bench.made()) == {"users", "extra"}

    @pytest.mark.parametrize("point", ["lease_taken", "work_started"])
    def test_killed_before_the_first_statement(self, bench: Bench, point: str) -> None:
        texts = self._plain(bench)
        with bench.runner(*texts, stop_at=point) as runner:
            runner.wait_until_stopped()
            bench.kill(runner)
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
            bench.kill(runner)
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
        assert (found.state, found.direction, found.in_step) == (RevisionState.STARTED, Direction.DOWN, True)
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
            bench.kill(runner)
        found = bench.revision(text)
        assert found is not None
        assert (found.state, found.in_step) == (RevisionState.STARTED, False)
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
            bench.kill(runner)
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
        """Check the state of `bench`, the last that is asked of it: another target may take its place."""
        assert len(bench.rows("users")) == 1
        assert bench.state() == self._undisturbed(bench, texts)

    def _undisturbed(self, bench: Bench, texts: list[Text]) -> object:
        """Return the state that `texts` lead to where nobody is killed; found out once, on a target of its own."""
        known = (type(self), tuple(texts))
        if known not in _UNDISTURBED:
            other = Bench(bench.harness)
            other.apply(*texts)
            _UNDISTURBED[known] = other.state()
        return _UNDISTURBED[known]

    def _kill_inside(self, bench: Bench, texts: list[Text], direction: Direction = Direction.UP) -> None:
        """Start a runner, kill it while the server is inside the step that waits, end what it left."""
        with bench.hold() as hold:
            with bench.runner(*texts, direction=direction) as runner:
                runner.wait_until_inside(hold)
                bench.kill(runner)
            with bench.lease():
                pass

    def _unfinish(self, bench: Bench, text: Text) -> None:
        """Make the history say that the first step of `text` was begun, and nothing more."""
        with bench.lease() as (_, lease):
            found = lease.history().revision(text.version)
            assert found is not None
            begun = replace(found, state=RevisionState.STARTED, step=0, in_step=True)
            lease.record(begun, actor="test", because="as a killed runner would leave it")

    def _fill(self, bench: Bench, count: int) -> None:
        part = rows("users", *((number, f"user {number}") for number in range(1, count + 1)))
        with bench.lease() as (_, lease):
            list(lease.load(dataset(part)))
