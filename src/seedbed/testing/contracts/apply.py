"""The contract of applying and reverting."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from seedbed.errors import MigrationFileError, SeedbedError, StepFailed
from seedbed.model.event import Event, WorkFinished, WorkStarted
from seedbed.model.history import RevisionState
from seedbed.model.migration import Direction, MigrationFile, Phase, Source, Work, checksum
from seedbed.testing.bench import Bench
from seedbed.testing.contracts.base import Contract


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
        with pytest.raises(SeedbedError) as caught:
            bench.engine.parse(MigrationFile("20260101", "empty", source, checksum(b"")))
        assert {type(each) for each in caught.value.errors} == {MigrationFileError}

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
        assert all(each.state is RevisionState.APPLIED and not each.in_step for each in revisions)
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
