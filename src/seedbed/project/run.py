"""A run: open sessions on the targets of one environment, and everything that can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from seedbed.errors import SeedbedError, UsageError, raise_errors, try_each
from seedbed.execution import (
    binding,
    direct,
    dump_restore,
    executing,
    hazards,
    infrastructure,
    logins,
    losses,
    maintenance,
    recalling,
    remembering,
    seeding,
)
from seedbed.execution.connecting import ConnectedTarget, connect, lease_holders, read_histories
from seedbed.execution.context import RunContext, this_process
from seedbed.execution.executing import Replan
from seedbed.execution.maintenance import Decision
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment, require_ephemeral
from seedbed.model.event import Event, Listener, TargetDone
from seedbed.model.history import History
from seedbed.model.outcome import Outcome, fold
from seedbed.model.plan import Plan
from seedbed.model.platform import Database, Expectation, Reference
from seedbed.model.remembered import Remembered
from seedbed.model.seed import Dataset, SeedKind
from seedbed.model.status import DatabaseStatus, Status
from seedbed.model.verification import OwnershipResult, Reading, Verification
from seedbed.model.verified import ClaimHistory
from seedbed.planning.hazards import require_allowed_hazards, require_own_database
from seedbed.planning.statuses import migration_statuses
from seedbed.planning.verified import require_verified
from seedbed.project import owners, protection, released, sharing, verified
from seedbed.project.neighbours import Neighbours
from seedbed.project.replanning import Replanning
from seedbed.project.request import Request
from seedbed.project.targets import Targets
from seedbed.support.extras import require_extras

DEFAULT_WAIT = 60.0  # seconds that a run waits for another one's lease


class Run:
    """Open sessions on targets of one environment, and the verbs.

    `connected`: the targets that answered, in id order. `failed`: the errors of those that did not, by id.
    A verb that changes targets returns its outcome: what happens to single targets is an event, never an exception.
    """

    def __init__(
        self,
        targets: Targets,
        environment: Environment,
        connected: Sequence[ConnectedTarget],
        failed: Mapping[str, SeedbedError],
        context: RunContext,
        neighbours: Neighbours,
    ) -> None:
        """`neighbours`: opens sessions beside those of `connected`, for as long as this run lasts."""
        self.targets = targets
        self.catalog = targets.catalog
        self.environment = environment
        self.connected = connected
        self.failed = failed
        self.context = context
        self._neighbours = neighbours
        self._connecting = tuple(context.events)
        self._histories_are_current = True

    @classmethod
    @contextmanager
    def open(
        cls,
        targets: Targets,
        environment: Environment,
        databases: Sequence[Database],
        *,
        listener: Listener,
        stop: Stop | None = None,
        wait: float = DEFAULT_WAIT,
        compare: bool = True,
    ) -> Iterator[Run]:
        """Yield a run on `databases`. Raises UsageError, ForeignTarget: then nothing was touched.

        `compare`: False for a run that is to `bind` a copy, which is what is bound to another environment.
        """
        context = RunContext(
            this_process(),
            wait=wait,
            listener=listener,
            stop=stop or Stop(),
            environment=environment.name,
        )
        with (
            targets.open(environment, databases) as found,
            connect(found, targets.connector, context.emit, stop=context.stop, compare=compare) as (
                connected,
                failed,
            ),
            ExitStack() as closing,
        ):
            neighbours = Neighbours(targets, environment, closing, context.stop, context.tell)
            yield cls(targets, environment, connected, failed, context, neighbours)

    @property
    def events(self) -> Sequence[Event]:
        """All that has happened so far, in order."""
        return self.context.events

    @property
    def outcome(self) -> Outcome:
        """What has happened so far, by all verbs together."""
        return fold(self.events)

    def require_connected(self) -> None:
        """Raise the errors of the targets that did not answer, if there are any."""
        raise_errors(self.failed.values())

    # Looking

    def status(self) -> Status:
        """Return where every migration of every target stands."""
        self._read_histories()
        to_deploy = infrastructure.pending(self.connected)
        of_logins = logins.pending(self.connected)
        holders = lease_holders(self.connected)
        databases = [
            DatabaseStatus(
                target.id,
                str(target.target.address),
                target.session.server,
                str(target.history.identity or ""),
                migration_statuses(
                    target.id,
                    target.history,
                    self.catalog.files(target.database),
                    partial(self.catalog.phase, target.database),
                    partial(self.catalog.parse, target.id),
                    partial(self.catalog.checkpoint_text, target.database),
                    is_in_use=bool(holders[target.id]),
                ),
                deployment=to_deploy[target.id],
                holder=holders[target.id],
                seen=recalling.seen(target),
                logins=of_logins[target.id],
            )
            for target in self.connected
        ]
        databases += [DatabaseStatus(name, "", error=error) for name, error in self.failed.items()]
        return Status(self.environment.name, tuple(sorted(databases, key=lambda status: status.database)))

    def plan(self, request: Request | None = None) -> Plan:
        """Return what an apply would do now. Raises HistoryConflict, GateRefused, MigrationFileError, UsageError."""
        self._read_histories()
        self._neighbours.connect_dependencies(self.connected, self.failed)
        plan = self._replanning.up(request or Request())(self._histories)
        plan = self._gated(plan, self._histories)
        plan = logins.described(infrastructure.described(plan, self.connected), self.connected)
        return recalling.told(self._examined(plan), self.connected)

    def remembered(self, run: str, at: datetime) -> list[Remembered]:
        """Return what is known of each target that answers, for who cannot ask it; `at`: now, `run`: our own id."""
        everything = [*self.connected, *self._neighbours.connected]
        return remembering.remembered(everything, self.targets.connector, run=run, at=at)[0]

    def _gated(self, plan: Plan, histories: Mapping[str, History]) -> Plan:
        """Return `plan` with what its contracts wait for."""
        beside = {each.id: each.history for each in self._neighbours.connected}
        return verified.gated(plan, self.environment, self.catalog, self.connected, {**beside, **histories})

    def _examined(self, plan: Plan) -> Plan:
        """Return `plan` with what its files, its targets and the files of other services show of its hazards."""
        plan = owners.examined(hazards.examined(plan, self.connected), self.connected, self.catalog)
        return sharing.examined(plan, self.environment, self.catalog)

    def plan_revert(self, *, steps: int = 1, to: str | None = None) -> Plan:
        """Return what `revert` would do, on each target by itself. Raises Irreversible, HistoryConflict."""
        self._read_histories()
        return losses.counted(self._replanning.down(steps, to)(self._histories), self.connected)

    def estimate(self, plan: Plan, *, sample: int = 0) -> Plan:
        """Return `plan` with what its actions will cost, each tried on `sample` items (0: judged by sizes)."""
        return infrastructure.estimated(plan, self.connected, sample)

    def with_seeds(self, plan: Plan) -> Plan:
        """Return `plan` with the seeds that its environment demands to be reviewed; no program of them is run.

        Raises what is wrong with their files: SeedFileErrors.
        """
        if not self.environment.protected:
            return plan
        databases = [self.catalog.database(each.database) for each in plan.databases]
        self.catalog.require_seed_kinds(databases)
        seeds = try_each(
            (each.id, partial(self.catalog.planned_seeds, each, SeedKind.REFERENCE)) for each in databases
        )
        pairs = zip(plan.databases, seeds, strict=True)
        return replace(plan, databases=tuple(replace(each, seeds=those) for each, those in pairs))

    def reading(self, references: Sequence[Reference], *, since: datetime | None = None) -> Reading:
        """Return what `verify` would read of `references`, whose databases are this run's. Raises Interrupted."""
        from seedbed.execution import verifying

        found = verifying.reading(references, self.connected, self.failed, self.context, since)
        verified.say_pending((each.error for each in found), self.environment, self.catalog, self.connected)
        return Reading(self.environment.name, found)

    def verify(
        self,
        references: Sequence[Reference],
        expectations: Sequence[Expectation] = (),
        *,
        ownership: bool = True,
        beside: bool = False,
        max_units: float = 0.0,
        since: datetime | None = None,
    ) -> Verification:
        """Return what is found of `references` and `expectations`, whose databases are this run's, and keep it there.

        `ownership`: whether what is in these is each service's alone, too; `beside`: in the platform's other databases
        of their engines as well, as far as settings tell where they are. `max_units`: read units that it may take, 0
        for any. `since`: of references that name a time, only rows are read that are new since then. Raises
        MissingExtra, Interrupted; Refused where it is expected to take more: then nothing was read.
        """
        from seedbed.execution import expecting, keeping, verifying
        from seedbed.execution.units import UnitBudget

        if references:
            require_extras({"verify": ("numpy",)})
        budget = UnitBudget(max_units, self.connected)
        if max_units:
            budget.require_enough(self.reading(references, since=since))
        self._read_histories()
        basis = keeping.Basis.of(self.connected, verified.pending(self.catalog, self.connected))
        results = (
            verifying.verify(references, self.connected, self.failed, self.context, budget, since)
            if references
            else ()
        )
        kept = expecting.verify(expectations, self.connected, self.failed, self.context)
        unread = [*(each.error for each in results), *(each.error for each in kept)]
        verified.say_pending(unread, self.environment, self.catalog, self.connected)
        # Where nothing is declared, nothing else tells that a database did not answer.
        silent = {} if references or expectations else self.failed
        beside = beside and not self.environment.is_sandbox
        owned = self._owned(silent, beside=beside) if ownership else ()
        found = Verification(
            self.environment.name, tuple(results), tuple(kept), tuple(owned), units=budget.spent
        )
        found = replace(found, unkept=keeping.keep(found, basis, self.connected, self.context))
        for target in self.connected:
            self.context.emit(TargetDone(target.id))
        return found

    def _owned(self, silent: Mapping[str, SeedbedError], *, beside: bool) -> Sequence[OwnershipResult]:
        """Return whether what is in these databases, and those `beside`, is each service's alone."""
        from seedbed.execution import owning

        others, away = self._neighbours.connect_beside(self.connected, self.failed) if beside else ([], {})
        return owning.verify(self.environment, [*self.connected, *others], {**silent, **away}, self.context)

    def verified(
        self, declared: Sequence[Reference | Expectation]
    ) -> tuple[tuple[ClaimHistory, ...], dict[str, SeedbedError]]:
        """Return the verdicts on each of `declared` from run to run, and by database why it could not be asked."""
        return verified.histories(declared, self.connected, self.failed)

    # Changing

    def apply(self, request: Request | None = None) -> Outcome:
        """Apply what is pending; in the sandbox, what is declared is made first.

        Raises what `plan` raises, StalePlan, Refused: then nothing was touched.
        """
        wanted = request or Request()
        protection.require_reviewed(self.environment, wanted)
        released.require_released(self.targets, self.environment, wanted, "apply")
        self._read_histories()
        self._neighbours.connect_dependencies(self.connected, self.failed)
        replan = self._replanning.up(wanted)

        def work() -> None:
            infrastructure.unmet(replan(self._histories), self.connected)  # refused before tables are made
            if direct.deploy(self.connected, wanted.gate, self.context):
                executing.carry_out(self.connected, self.failed, permitted, self.context)

        def permitted(histories: dict[str, History]) -> Plan:
            plan = replan(histories)
            infrastructure.require_deployed(plan, self.connected)
            if self.environment.protected:
                require_verified(self._gated(plan, histories))
                require_allowed_hazards(self._examined(plan))
            require_own_database(sharing.examined(plan, self.environment, self.catalog))
            return plan

        is_direct = any(map(direct.is_direct, self.connected))
        return self.outcome_of(work) if is_direct else self._carry_out(permitted)

    def revert(
        self, *, steps: int = 1, to: str | None = None, unreviewed: bool = False, losing: bool = False
    ) -> Outcome:
        """Revert the last `steps` migrations of each target, or all after version `to`.

        `unreviewed`: confirms it for a protected environment. `losing`: confirms that data goes, where the environment
        is neither protected nor ephemeral. Raises what `plan_revert` raises, StalePlan, Refused.
        """
        protection.require_unreviewed(self.environment, unreviewed)
        self._read_histories()
        replan = self._replanning.down(steps, to)
        if not losing and protection.asks_about_losses(self.environment):
            plan = losses.counted(replan(self._histories), self.connected)
            protection.require_no_loss(self.environment, plan)
        return self._carry_out(replan)

    def seed(self, kinds: Sequence[SeedKind], request: Request | None = None) -> Outcome:
        """Load datasets; `request`: what of it a protected environment demands, a reviewed plan.

        Raises Refused, StalePlan, SeedFileError, ForeignTarget: then nothing was touched.
        """
        wanted = request or Request()
        protection.require_reviewed_seeds(self.environment, kinds, wanted)
        released.require_released(self.targets, self.environment, wanted, "seed")
        self.catalog.check_declared({target.id: () for target in self.connected})
        self.catalog.require_seed_kinds([target.database for target in self.connected])
        self._read_histories()
        digests: Mapping[str, Mapping[str, str]] = {}
        require_reviewed = None
        if plan := wanted.reviewed:
            digests = self._replanning.require_seeds_as_reviewed(wanted, plan, kinds)
            require_reviewed = partial(self._replanning.require_history_as_reviewed, wanted, plan)

        def open_dataset(database: Database, kind: SeedKind) -> Dataset:
            return self.catalog.dataset(database, kind, digests.get(database.id))

        check = self.catalog.check_script
        return self.outcome_of(
            lambda: seeding.load(self.connected, kinds, open_dataset, self.context, check, require_reviewed)
        )

    def reset(self) -> Outcome:
        """Empty every target. Raises Refused outside ephemeral environments, ForeignTarget."""
        require_ephemeral(self.environment, "reset")
        self._read_histories()
        return self.outcome_of(lambda: maintenance.reset(self.connected, self.context))

    def repair(self, version: str, decision: Decision, *, because: str = "") -> Outcome:
        """Write a person's decision about a version into the history of the one target, audited."""
        target = self._the_only_target()
        migration = partial(self.catalog.migration, target.database)
        return self.outcome_of(
            lambda: maintenance.repair(target, version, decision, migration, self.context, because)
        )

    def bind(self, *, was: str = "", because: str = "") -> Outcome:
        """Bind the one target, a copy, to this environment, audited; `was`: what it has to be bound to until now.

        An environment of the same database, or the whole identity of another; empty where the identity is gone.
        Raises UsageError where that is not so, Refused where there is no history: then nothing was touched.
        """
        target = self.require_copy(was)
        return self.outcome_of(lambda: binding.bind(target, was, because, self.context))

    def require_copy(self, was: str) -> ConnectedTarget:
        """Return the one target, as `bind` demands it. Raises UsageError, Refused."""
        target = self._the_only_target()
        self._read_histories()
        binding.require_known(target, target.history, was)
        return target

    def unlock(self) -> Outcome:
        """End the run that holds the lease of the one target, by force, audited."""
        target = self._the_only_target()
        return self.outcome_of(lambda: maintenance.unlock(target, self.context))

    def dump(self, file: Path) -> Outcome:
        """Write all data of the one target to `file`, which must not exist. Raises Refused, UsageError."""
        target = self._the_only_target()
        return self.outcome_of(lambda: dump_restore.dump(target, file, self.context))

    def restore(self, file: Path, *, unreviewed: bool = False) -> Outcome:
        """Load what `dump` wrote into the one target, which has to be empty.

        `unreviewed`: confirms it for a protected environment. Raises Refused, UsageError, ForeignTarget.
        """
        protection.require_unreviewed(self.environment, unreviewed)
        target = self._the_only_target()
        self._read_histories()
        return self.outcome_of(lambda: dump_restore.restore(target, file, self.context))

    def outcome_of(self, work: Callable[[], object], *, on: Collection[str] | None = None) -> Outcome:
        """Do `work`, which may change targets, and return what happened meanwhile.

        `on`: ids of the targets that it works on (default: all). The outcome covers those, connected or not.
        """
        first = len(self.events)
        self._histories_are_current = False
        self.context.begin()
        work()
        connecting = [event for event in self._connecting if on is None or event.target in on]
        return fold([*connecting, *self.events[first:]])

    def _carry_out(self, replan: Replan) -> Outcome:
        return self.outcome_of(lambda: executing.carry_out(self.connected, self.failed, replan, self.context))

    # Histories

    @property
    def _histories(self) -> dict[str, History]:
        return {target.id: target.history for target in self.connected}

    def _read_histories(self) -> None:
        """Read the histories again where a verb of this run may have changed them."""
        if not self._histories_are_current:
            read_histories([*self.connected, *self._neighbours.connected])
            self._histories_are_current = True

    @property
    def _replanning(self) -> Replanning:
        return Replanning(
            self.environment,
            self.catalog,
            self.connected,
            tuple(self.failed),
            self._neighbours,
            self.targets.redactor,
        )

    def _the_only_target(self) -> ConnectedTarget:
        self.require_connected()
        if len(self.connected) != 1:
            raise UsageError(
                f"{len(self.connected)} databases are selected, and this is about one",
                because="a decision belongs to one history",
                try_="narrow the selection with --service and --engine",
            )
        return self.connected[0]
