"""The contract of a database without migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from seedbed.execution import executing, seeding
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext, this_process
from seedbed.execution.executing import Replan
from seedbed.execution.stopping import Stop
from seedbed.model.event import Event, TargetBound, TargetDone
from seedbed.model.history import History
from seedbed.model.migration import Migration, MigrationFile
from seedbed.model.seed import SeedKind
from seedbed.planning.plans import DatabaseState, Policy, combined, plan_down, plan_up
from seedbed.testing.bench import PATIENCE, Bench, dataset, ignore
from seedbed.testing.contracts.base import Contract

_POLICY = Policy("sandbox")


class UnmigratedContract(Contract):
    """A database that has no migrations: it is bound and seeded as any other."""

    def test_an_apply_binds_a_database_that_has_no_migrations(self, bench: Bench) -> None:
        assert [type(each) for each in self._apply(bench)] == [TargetBound, TargetDone]
        history = bench.history()
        assert (history.identity, history.revisions) == (bench.identity, ())
        assert [type(each) for each in self._apply(bench)] == [TargetDone]

    def test_a_revert_binds_nothing(self, bench: Bench) -> None:
        assert [type(each) for each in self._revert(bench)] == [TargetDone]
        assert bench.history().identity is None

    def test_a_database_that_an_apply_has_bound_is_seeded(self, bench: Bench) -> None:
        self._apply(bench)
        assert [type(each) for each in self._seed(bench)] == [TargetDone]

    def test_a_database_without_seeds_stops_those_of_no_other(self, bench: Bench) -> None:
        assert [type(each) for each in self._seed(bench)] == [TargetDone]
        assert bench.history().identity is None

    def _apply(self, bench: Bench) -> list[Event]:
        return self._carry_out(bench, lambda histories: plan_up(_states(histories), _POLICY, _parse))

    def _revert(self, bench: Bench) -> list[Event]:
        return self._carry_out(
            bench,
            lambda histories: combined([plan_down(each, _POLICY, _parse) for each in _states(histories)]),
        )

    def _carry_out(self, bench: Bench, replan: Replan) -> list[Event]:
        with opened(bench) as (target, context):
            executing.carry_out([target], {}, replan, context)
        return context.events

    def _seed(self, bench: Bench) -> list[Event]:
        with opened(bench) as (target, context):
            seeding.load([target], [SeedKind.FIXTURE], lambda _database, _kind: dataset(), context)
        return context.events


@contextmanager
def opened(bench: Bench) -> Iterator[tuple[ConnectedTarget, RunContext]]:
    """Yield the target of `bench`, open, and a run on it."""
    context = RunContext(this_process(), wait=PATIENCE, listener=ignore, stop=Stop())
    with bench.connect() as session:
        yield ConnectedTarget(bench.target, session, session.history(), ExitStack()), context


def _states(histories: dict[str, History]) -> list[DatabaseState]:
    return [DatabaseState(name, (), history) for name, history in histories.items()]


def _parse(_database: str, file: MigrationFile) -> Migration:
    raise AssertionError(f"there is no {file.path}")
