"""The composition root and the public API: a project is a manifest and everything that can be done with it.

::

    project = Project.open()
    with project.reaching("sandbox") as reach:
        outcome = project.apply(reach)

Nothing here prints, prompts or exits: events go to a listener, results are values, errors are raised.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.deployment.request import DeployRequest
from seedbed.engines import registry
from seedbed.engines.base import Engine
from seedbed.engines.capabilities import SupportsDiagnosis
from seedbed.engines.infrastructure import SupportsDeployment
from seedbed.environments import aws, keeping, sandbox, variables
from seedbed.errors import Refused, SeedbedError, UsageError
from seedbed.execution import applying, copying, hazards, infrastructure, mending, seeding
from seedbed.execution.applying import Leasing
from seedbed.execution.connecting import Connected, connected
from seedbed.execution.reach import Looking, Reach
from seedbed.execution.replanning import Replanning, Request
from seedbed.execution.stopping import Stop
from seedbed.manifest import environments as declared
from seedbed.manifest import files as discovery
from seedbed.manifest import new_files
from seedbed.manifest.load import find, load
from seedbed.model.environment import Environment, require_ephemeral
from seedbed.model.event import Event, Listener, Repaired, TargetDone, failure
from seedbed.model.history import History, Owner
from seedbed.model.migration import Migration, MigrationFile
from seedbed.model.names import stack_name
from seedbed.model.outcome import Outcome
from seedbed.model.plan import Plan
from seedbed.model.platform import Database, Platform
from seedbed.model.secret import Redactor, Secret
from seedbed.model.seed import Dataset, SeedKind
from seedbed.model.status import DatabaseStatus, Status
from seedbed.model.target import Target
from seedbed.planning import reviewed
from seedbed.planning.hazards import refuse_hazards
from seedbed.planning.reviewed import ReviewedPlan
from seedbed.planning.standings import standings
from seedbed.support.guess import did_you_mean

if TYPE_CHECKING:  # the room is entered by two commands, and the others do not wait for it
    from seedbed.deployment.assembly import Stack
    from seedbed.deployment.destroy import Doomed
    from seedbed.deployment.examine import Examined
    from seedbed.deployment.parts import Part
    from seedbed.deployment.site import Site

__all__ = ["DEFAULT_WAIT", "Decision", "DeployRequest", "Project", "Reach", "Request"]

Decision = mending.Decision
DEFAULT_WAIT = 60.0  # seconds that a run waits for another one's lease


def _nobody(_: Event) -> None:
    """Listen to nothing."""


class Project:
    """A platform as its manifest declares it, and what can be done with it."""

    def __init__(
        self,
        platform: Platform,
        *,
        environ: Mapping[str, str] | None = None,
        redactor: Redactor | None = None,
        home: Path | None = None,
    ) -> None:
        """`home`: where the sandbox keeps its servers, `.seedbed/sandbox` of the project if it is not said."""
        self.platform = platform
        self.redactor = redactor or Redactor()
        self.home = home or Path(platform.root) / ".seedbed" / "sandbox"
        self._environ = os.environ if environ is None else environ
        self._files: dict[str, tuple[MigrationFile, ...]] = {}
        self._parsed: dict[tuple[str, str], Migration] = {}

    @classmethod
    def open(cls, start: Path | None = None, **options: Any) -> Project:
        """Return the project whose manifest is found from `start` (this directory) upwards. Raises ManifestError."""
        path = find(start or Path.cwd())
        return cls(load(path, engine_options=_options, engine_names=registry.names()), **options)

    # What there is

    def databases(self, services: Sequence[str] = (), engines: Sequence[str] = ()) -> tuple[Database, ...]:
        """Return the databases of `services` and `engines` (none named: all), in id order. Raises UsageError."""
        everything = self.platform.databases
        _refuse_unknown("service", services, {each.service for each in everything})
        _refuse_unknown("engine", engines, {each.engine for each in everything})
        chosen = [
            each
            for each in everything
            if (not services or each.service in services) and (not engines or each.engine in engines)
        ]
        if not chosen:
            raise UsageError(
                "the selection leaves no database",
                because=f"services {', '.join(services) or 'all'} have no {' or '.join(engines)}",
                try_=f"one of {', '.join(str(each.id) for each in everything)}",
            )
        return tuple(sorted(chosen, key=lambda each: each.id))

    def reviewed_databases(self, plan: ReviewedPlan) -> tuple[Database, ...]:
        """Return the databases that a plan file is about. Raises UsageError for one that is gone."""
        return tuple(self._database(each) for each in sorted(plan.basis))

    def environment(self, name: str) -> Environment:
        """Return the environment `name`. Raises UsageError for one that is not declared."""
        return declared.environment(self.platform, name)

    def files(self, database: Database) -> tuple[MigrationFile, ...]:
        """Return a database's migration files in version order, read once. Raises MigrationFileError."""
        known = self._files.get(database.id)
        if known is None:
            suffixes = self.engine(database.engine).suffixes
            known = self._files[database.id] = discovery.migration_files(
                database, suffixes, root=self.platform.root
            )
        return known

    def parse(self, database_id: str, file: MigrationFile) -> Migration:
        """Return the parsed migration, parsed once. Raises MigrationFileError."""
        key = (database_id, file.version)
        if key not in self._parsed:
            self._parsed[key] = self.engine(self._database(database_id).engine).parse(file)
        return self._parsed[key]

    @staticmethod
    def engine(name: str) -> Engine:
        return registry.load(name)

    def _database(self, database_id: str) -> Database:
        found = self.platform.database(database_id)
        if found is None:
            raise UsageError(
                f"the platform has no database {database_id}", because="the manifest declares none"
            )
        return found

    # Reaching targets

    @contextmanager
    def targets(
        self, environment: Environment, databases: Sequence[Database], *, beside: bool = False
    ) -> Iterator[list[Target]]:
        """Yield the targets of `databases` in `environment`; the sandbox's servers run within this context.

        `beside`: they are looked at beside others that are selected, whose variables are not theirs.
        """
        with ExitStack() as servers:
            if environment.is_sandbox:
                pairs = [(str(each.id), self.engine(each.engine)) for each in databases]
                facts: Mapping[str, Any] = servers.enter_context(sandbox.facts(pairs, self.home))
            else:
                wanted = [self._wanted(environment, each) for each in databases]
                wanted = aws.completed(wanted, environment, self.platform.name, self._environ)
                facts = variables.read(wanted, self._environ, beside=beside)
            yield [self._target(environment, each, facts[each.id]) for each in databases]

    def _wanted(self, environment: Environment, database: Database) -> variables.Wanted:
        engine = self.engine(database.engine)
        declared = {"account": environment.account, "region": environment.region}
        known = {
            key: value for key, value in declared.items() if value and isinstance(engine, SupportsDeployment)
        }
        known |= environment.facts.get(database.id, {})
        return variables.Wanted(database.id, database.service, engine.variables, known)

    def _target(
        self, environment: Environment, database: Database, facts: Mapping[str, str | Secret]
    ) -> Target:
        for value in facts.values():
            if isinstance(value, Secret):
                self.redactor.add(value)
        address = self.engine(database.engine).address(facts, database.options)
        for secret in address.secrets:
            self.redactor.add(secret)
        return Target(database, environment, self.platform.name, address)

    @contextmanager
    def reaching(
        self,
        environment: str,
        databases: Sequence[Database] | None = None,
        *,
        listener: Listener = _nobody,
        stop: Stop | None = None,
        wait: float = DEFAULT_WAIT,
    ) -> Iterator[Reach]:
        """Yield open sessions on `databases` (all) of an environment.

        A target that does not answer is in `failed` and was told to `listener`; the others go on. Raises
        UsageError, ForeignTarget: then nothing was touched.
        """
        where = self.environment(environment)
        events: list[Event] = []
        tell = _recording(events, listener)
        with (
            self.targets(where, self.databases() if databases is None else databases) as targets,
            connected(targets, self.engine, tell) as (reached, failed),
            ExitStack() as closing,
        ):
            leasing = Leasing(_owner(), wait)
            yield Reach(where, reached, failed, events, tell, stop or Stop(), leasing, closing=closing)

    # Looking

    def status(self, reach: Reach) -> Status:
        """Return where every migration of every target stands."""
        to_deploy = infrastructure.pending(reach.reached)
        databases = [
            DatabaseStatus(
                each.id,
                str(each.target.address),
                each.session.server,
                str(each.history.identity or ""),
                standings(each.id, each.history, self.files(each.target.database), self._phase_of(each.id)),
                deployment=to_deploy[each.id],
            )
            for each in reach.reached
        ]
        databases += [
            DatabaseStatus(name, "", error=str(error), exit_code=int(error.exit_code))
            for name, error in reach.failed.items()
        ]
        return Status(reach.environment.name, tuple(sorted(databases, key=lambda each: each.database)))

    def _phase_of(self, database_id: str) -> Callable[[MigrationFile], str]:
        def phase(file: MigrationFile) -> str:
            try:
                return self.parse(database_id, file).phase.value
            except UsageError:
                return ""

        return phase

    def plan(self, reach: Reach, request: Request | None = None) -> Plan:
        """Return what an apply would do now. Raises HistoryConflict, GateRefused, MigrationFileError, UsageError."""
        wanted = request or Request()
        self._looking.after(reach)
        plan = self._replanning.up(reach, wanted)(reach.histories)
        return hazards.examined(infrastructure.described(plan, reach.reached), reach.reached)

    @staticmethod
    def estimate(reach: Reach, plan: Plan, *, sample: int = 0) -> Plan:
        """Return `plan` with what its actions will cost, each tried on `sample` items (0: judged by sizes)."""
        return infrastructure.estimated(plan, reach.reached, sample)

    @property
    def _looking(self) -> Looking:
        return Looking(self.platform, self.files, self.parse, partial(self.targets, beside=True), self.engine)

    @property
    def _replanning(self) -> Replanning:
        return Replanning(self._looking)

    # Deploying

    def deployable(self, databases: Sequence[Database]) -> tuple[Database, ...]:
        """Return those of `databases` whose schema is infrastructure, deployed and not migrated."""
        return tuple(each for each in databases if isinstance(self.engine(each.engine), SupportsDeployment))

    @contextmanager
    def deploying(self, reach: Reach, request: DeployRequest | None = None) -> Iterator[Examined]:
        """Yield what a deployment of the databases in `reach` would do now; nothing is changed yet.

        An update that is under way is followed to its end first. Raises Refused, StalePlan, Unavailable, UsageError.
        """
        from seedbed.deployment.examine import examine

        wanted = request or DeployRequest()
        self._refuse_other_changes(reach, wanted)
        with self._site(reach, wanted) as (site, parts, chosen):
            yield examine(site, parts, chosen, wanted)

    @staticmethod
    def deploy(reach: Reach, examined: Examined, *, jobs: int = 1) -> Outcome:
        """Carry out what `deploying` yielded, each update followed to its end."""
        from seedbed.deployment import deploy

        deploy.carry_out(examined, jobs=jobs)
        return reach.outcome

    @contextmanager
    def destroying(self, reach: Reach, request: DeployRequest | None = None) -> Iterator[Doomed]:
        """Yield the stacks that would be deleted. Raises Refused outside ephemeral environments."""
        from seedbed.deployment import destroy

        require_ephemeral(reach.environment, "destroy")
        with self._site(reach, request or DeployRequest()) as (site, parts, chosen):
            yield destroy.examine(site, parts, chosen)

    @staticmethod
    def destroy(reach: Reach, doomed: Doomed) -> Outcome:
        """Delete what `destroying` yielded."""
        from seedbed.deployment import destroy

        destroy.carry_out(doomed)
        return reach.outcome

    @contextmanager
    def _site(self, reach: Reach, request: DeployRequest) -> Iterator[tuple[Site, list[Part], list[Stack]]]:
        from seedbed.deployment.opening import Wanted, opened

        for error in reach.failed.values():
            raise error
        where = reach.environment
        cloud = aws.cloud(where, self._environ)
        for secret in cloud.secrets:
            self.redactor.add(secret)
        others = [] if where.is_sandbox else self.databases(request.services)
        wanted = Wanted(
            where,
            Path(self.platform.root),
            [(each.target, self.engine(each.target.database.engine), each.session) for each in reach.reached],
            [stack_name(self.platform.name, where.name, each.service, each.engine) for each in others],
            cloud,
            request,
        )
        with opened(wanted, self._environ, reach.listener, reach.stop) as found:
            yield found

    def _refuse_other_changes(self, reach: Reach, request: DeployRequest) -> None:
        if plan_file := request.reviewed:
            for each in reach.reached:
                changes = infrastructure.changes(each, request.gate)
                reviewed.refuse_other_changes(plan_file, each.id, changes)

    # Changing

    def insist_on_unreviewed(self, environment: str, unreviewed: bool) -> None:
        """Raise Refused where a protected environment is to be changed by something that has no plan file."""
        if self.environment(environment).protected and not unreviewed:
            raise Refused(
                f"{environment} is protected: this command takes no reviewed plan, so it has to be meant",
                because="what runs in production should be what somebody has read",
                try_="read what --dry-run shows, then say --unreviewed",
            )

    def insist_on_review(self, environment: str, request: Request, *, verb: str = "apply") -> None:
        """Raise Refused where a protected environment is to be changed without a reviewed plan."""
        if self.environment(environment).protected and request.reviewed is None and not request.unreviewed:
            raise Refused(
                f"{environment} is protected: {verb} takes a reviewed plan there",
                because="what runs in production should be what somebody has read",
                try_=f"seedbed plan -e {environment} --out plan.json; read it; "
                f"seedbed {verb} -e {environment} {'--plan ' if verb == 'deploy' else ''}plan.json",
            )

    def apply(self, reach: Reach, request: Request | None = None) -> Outcome:
        """Apply what is pending. Raises what `plan` raises, StalePlan, Refused: then nothing was touched."""
        wanted = request or Request()
        self.insist_on_review(reach.environment.name, wanted)
        self._looking.after(reach)
        replan = self._replanning.up(reach, wanted)

        def deployed(histories: dict[str, History]) -> Plan:
            plan = replan(histories)
            infrastructure.refuse_unmet(plan, reach.reached)
            if reach.environment.protected:
                refuse_hazards(hazards.examined(plan, reach.reached))
            return plan

        applying.carry_out(
            reach.reached,
            reach.failed,
            deployed,
            reach.leasing,
            reach.listener,
            reach.stop,
        )
        return reach.outcome

    def plan_revert(self, reach: Reach, *, steps: int = 1, to: str | None = None) -> Plan:
        """Return what `revert` would do, on each target by itself. Raises Irreversible, HistoryConflict."""
        return self._replanning.down(reach, steps, to)(reach.histories)

    def revert(self, reach: Reach, *, steps: int = 1, to: str | None = None) -> Outcome:
        """Revert the last `steps` migrations of each target, or all after version `to`."""
        replan = self._replanning.down(reach, steps, to)
        applying.carry_out(reach.reached, reach.failed, replan, reach.leasing, reach.listener, reach.stop)
        return reach.outcome

    def seed(self, reach: Reach, kinds: Sequence[SeedKind]) -> Outcome:
        """Load datasets. Raises Refused, SeedFileError, ForeignTarget: then nothing was touched."""
        if reach.environment.protected and any(kind is not SeedKind.REFERENCE for kind in kinds):
            raise Refused(
                f"{reach.environment.name} takes reference data only",
                because="it is protected, and fixtures are made-up people",
                try_="seedbed seed --kind reference",
            )
        datasets = {
            each.id: [self.dataset(each.target.database, kind) for kind in kinds] for each in reach.reached
        }
        seeding.load(reach.reached, datasets.__getitem__, reach.leasing, reach.listener, reach.stop)
        return reach.outcome

    def dataset(self, database: Database, kind: SeedKind) -> Dataset:
        """Return one dataset of a database, read from its files. Raises SeedFileError."""
        from seedbed.seeding.dataset import dataset

        scripts = set(self.engine(database.engine).suffixes) - {".py"}
        sources = discovery.seed_files(database, kind, sorted(scripts), root=self.platform.root)
        return dataset(kind, sources, platform=self.platform.name, scripts=scripts)

    def new_migration(
        self,
        database: Database,
        name: str,
        now: datetime,
        *,
        phase: str = "expand",
        after: Sequence[str] = (),
    ) -> Path:
        """Write an empty migration with the next version, and return its path. Raises UsageError."""
        engine = self.engine(database.engine)
        facts = [f"phase={phase}"] if phase != "expand" else []
        facts += [f"after={each}" for each in after]
        version = new_files.next_version(self.files(database), now)
        return new_files.write_migration(database, version, name, engine.suffixes[0], engine.template, facts)

    def rebase_migration(self, database: Database, version: str, now: datetime) -> Path:
        """Rename a migration so that its version is the last one, and return its new path. Raises UsageError."""
        return new_files.rename_migration(
            database, self.files(database), version, new_files.next_version(self.files(database), now)
        )

    def insist_on_ephemeral(self, environment: str) -> None:
        """Raise Refused where nothing may ever be thrown away."""
        require_ephemeral(self.environment(environment), "reset")

    def insist_on_destroyable(self, environment: str) -> None:
        """Raise Refused where no stack may ever be deleted."""
        require_ephemeral(self.environment(environment), "destroy")

    def reset(self, reach: Reach) -> Outcome:
        """Empty every target; refused outside ephemeral environments."""
        mending.reset(reach.reached, reach.leasing, reach.listener, reach.stop)
        return reach.outcome

    def repair(self, reach: Reach, version: str, decision: Decision, *, because: str = "") -> Outcome:
        """Write a person's decision about a version into the history of the one target in `reach`, audited."""
        each = _the_one(reach)
        files = {file.version: file for file in self.files(each.target.database)}

        def migration(wanted: str) -> Migration | None:
            file = files.get(wanted)
            return self.parse(each.id, file) if file else None

        try:
            mending.repair(each, version, decision, migration, reach.leasing, reach.listener, because)
        except SeedbedError as error:
            reach.listener(failure(each.id, reach.stop.mark(error)))
        return reach.outcome

    def unlock(self, reach: Reach) -> Outcome:
        """End whoever holds the lease of the one target in `reach`, by force, audited."""
        each = _the_one(reach)
        ended = mending.unlock(each, _owner().who)
        if ended:
            reach.listener(Repaired(each.id, "", f"ended {ended}"))
        reach.listener(TargetDone(each.id))
        return reach.outcome

    def dump(self, reach: Reach, file: Path) -> Outcome:
        """Write all data of the one target in `reach` to `file`, which must not exist. Raises Refused, UsageError."""
        copying.dump(_the_one(reach), file, reach.listener, reach.stop)
        return reach.outcome

    def restore(self, reach: Reach, file: Path) -> Outcome:
        """Bring back what `dump` wrote into the one target in `reach`, which has to be empty. Raises Refused."""
        copying.restore(_the_one(reach), file, reach.leasing, reach.listener, reach.stop)
        return reach.outcome

    # The sandbox between commands

    @contextmanager
    def sandboxed(self, databases: Sequence[Database]) -> Iterator[Mapping[str, Mapping[str, str]]]:
        """Run the sandbox's servers of `databases`, and yield the facts of each by its id. Raises SandboxError."""
        pairs = [(str(each.id), self.engine(each.engine)) for each in databases]
        with sandbox.facts(pairs, self.home) as facts:
            yield facts

    def keep(self, databases: Sequence[Database]) -> None:
        """Have the sandbox's servers of `databases`, which run, go on until `release`. Raises SandboxError."""
        keeping.keep({str(each.id): each.engine for each in databases}, self.home)

    def kept(self) -> Sequence[str]:
        """Return the ids of the databases whose servers run between commands."""
        return sorted(keeping.kept(self.home))

    def release(self) -> tuple[Sequence[str], Sequence[str]]:
        """End what `keep` keeps; return the databases that were kept, and the servers that somebody still uses."""
        return sorted(keeping.release(self.home)), self.ended()

    def ended(self) -> Sequence[str]:
        """Wait until the sandbox's servers that nobody owns have ended, and return those that somebody still uses."""
        return keeping.in_use(self.home)

    def diagnose(self) -> list[tuple[str, str]]:
        """Return (what, finding) pairs about this machine, from every engine that has something to say."""
        found: list[tuple[str, str]] = []
        for name in sorted({each.engine for each in self.platform.databases}):
            engine = self.engine(name)
            if isinstance(engine, SupportsDiagnosis):
                found += engine.diagnose(self.home)
        return found


def _options(engine: str) -> type[Any]:
    return registry.load(engine).options


def _recording(events: list[Event], listener: Listener) -> Listener:
    lock = threading.Lock()  # workers tell from threads of their own

    def tell(event: Event) -> None:
        with lock:
            events.append(event)
            listener(event)

    return tell


def _owner() -> Owner:
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or str(os.getuid())
    return Owner(uuid.uuid4().hex, f"{user}@{socket.gethostname()} pid {os.getpid()}")


def _the_one(reach: Reach) -> Connected:
    for error in reach.failed.values():
        raise error
    if len(reach.reached) != 1:
        raise UsageError(
            f"{len(reach.reached)} databases are selected, and this is about one",
            because="a decision belongs to one history",
            try_="narrow it with --service and --engine",
        )
    return reach.reached[0]


def _refuse_unknown(what: str, asked: Sequence[str], known: set[str]) -> None:
    for each in asked:
        if each not in known:
            raise UsageError(
                f"the platform has no {what} {each!r}",
                because=f"it has {', '.join(sorted(known))}",
                try_=did_you_mean(each, known, otherwise="check the spelling"),
            )
