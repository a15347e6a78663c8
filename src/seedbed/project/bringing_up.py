"""An environment comes up: its stacks side by side, and each service as soon as its own are there.

Nothing is noted down about how far it came. Stacks are compared with what the app makes, histories with files, rows
with seeds: what is killed anywhere and started again goes on from what is there, and ends the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from msgspec import Struct

from seedbed.deployment.plan import DeploymentPlan
from seedbed.errors import Interrupted, SeedbedError
from seedbed.model.coming_up import Arrival, Filled, Readiness, ServiceOutcome, ServicePart
from seedbed.model.environment import Environment
from seedbed.model.event import Event, TargetDone, TargetFailed, TargetSkipped
from seedbed.model.names import RESERVED, stack_name
from seedbed.model.outcome import Outcome, Result
from seedbed.model.platform import Database
from seedbed.planning.coming_up import Schedule
from seedbed.project.catalog import Catalog

_LOOK = 0.5  # seconds between two looks whether a stop was asked for
_WELL = frozenset({Result.CHANGED, Result.UNCHANGED})
_NO_MORE = "the deployment ended before its stacks were there"

Deploy = Callable[[Callable[[Event], None]], Outcome]  # tells what happens, also to what it is given
Fill = Callable[[Sequence[str]], Filled]  # by the ids of databases


class Steps(Struct, frozen=True):
    """What is done on the way, by whoever knows how.

    `deploy`: carries out all stacks, in a thread of its own; None where there are none. `fill`: applies and seeds
    databases. `tell`: is given a service that is ready, how many are, of how many, and after how many seconds. `check`:
    raises Interrupted once a stop was asked for.
    """

    deploy: Deploy | None
    fill: Fill
    tell: Callable[[ServiceOutcome, int, int], None] = lambda _service, _ready, _all: None
    check: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic


def parts_of(
    catalog: Catalog,
    environment: Environment,
    databases: Sequence[Database],
    plan: DeploymentPlan | None = None,
) -> list[ServicePart]:
    """Return what is to be done for each service of `databases`, in their order.

    `plan`: the deployment on which they wait; without one nothing is waited for. Raises MigrationFileError.
    """
    targets = {name: each.target for name, each in plan.managed_stacks.items()} if plan else {}
    shared: set[str] = set()
    if environment.access == "task":
        names = [stack_name(catalog.platform.name, environment.name, RESERVED, each) for each in _OURS]
        shared = {targets[each] for each in names if each in targets}
    found: dict[str, ServicePart] = {}
    for database in databases:
        name = stack_name(catalog.platform.name, environment.name, database.service, database.engine)
        before = found.get(database.service, ServicePart(database.service, ()))
        found[database.service] = ServicePart(
            database.service,
            (*before.databases, database.id),
            before.stacks | shared | ({targets[name]} if name in targets else set()),
            before.after | _before(catalog, database),
        )
    return list(found.values())


_OURS = ("control", "task")  # stacks without which no run is carried out in the network


def _before(catalog: Catalog, database: Database) -> set[str]:
    """Return the services of which migrations have to be applied before some of `database`."""
    refs = [
        ref
        for file in catalog.files(database)
        if b"after=" in file.source.data
        for ref in catalog.parse(database.id, file).after
    ]
    return {ref.database.partition("/")[0] for ref in refs} - {database.service}


def bring_up(environment: str, parts: Sequence[ServicePart], steps: Steps) -> Arrival:
    """Carry out `steps` until every service is ready, or never will be, and return how it ended. Raises nothing.

    One batch after the other is filled: runs that write to an environment follow each other.
    """
    coming = _Coming(environment, parts, steps)
    deploying = threading.Thread(target=coming.deploy, name="seedbed-deploying", daemon=True)
    deploying.start()
    try:
        for batch in coming.batches():
            coming.fill(batch)
    except Interrupted as error:
        coming.errors.append(error)
    deploying.join()
    if coming.bug is not None:
        raise coming.bug
    return coming.arrival()


class _Coming:
    """One environment on its way up. What stacks do is told by a thread of its own."""

    def __init__(self, environment: str, parts: Sequence[ServicePart], steps: Steps) -> None:
        self.errors: list[SeedbedError] = []
        self.bug: BaseException | None = None
        self._environment = environment
        self._steps = steps
        self._schedule = Schedule(parts)
        self._changed = threading.Condition()
        self._stacks = Outcome()
        self._databases: dict[str, Outcome] = {}
        self._services: dict[str, ServiceOutcome] = {}
        self._began = steps.clock()
        self._made = False

    def deploy(self) -> None:
        try:
            if self._steps.deploy is not None:
                self._stacks = self._steps.deploy(self._happened)
        except SeedbedError as error:
            self.errors += error.errors
        except BaseException as error:  # noqa: BLE001  raised by who waits
            self.bug = error
        with self._changed:
            self._schedule.end_of_stacks(_NO_MORE)
            self._changed.notify_all()

    def _happened(self, event: Event) -> None:
        with self._changed:
            match event:
                case TargetDone():
                    self._schedule.arrived(event.target)
                case TargetFailed():
                    self._schedule.lost(event.target, f"{event.target} failed")
                case TargetSkipped():
                    self._schedule.lost(event.target, f"{event.target} was skipped")
                case _:
                    return
            self._changed.notify_all()

    def batches(self) -> Iterator[list[ServicePart]]:
        """Yield services that can begin, as soon as there are some, until none is left."""
        while True:
            with self._changed:
                while not (batch := self._schedule.begin()):
                    if self._schedule.is_over:
                        return
                    self._changed.wait(_LOOK)
                    self._steps.check()
            self._steps.check()
            yield batch

    def fill(self, batch: Sequence[ServicePart]) -> None:
        filled = self._steps.fill([each for part in batch for each in part.databases])
        self._made = self._made or filled.changed
        refused = _guilty(filled.errors, batch)
        if filled.errors and not (refused and filled.outcome == Outcome()):
            refused = [
                each.service for each in batch
            ]  # it is about all of them, or something was done before
        for part in batch:
            if filled.errors and part.service not in refused:
                with self._changed:
                    self._schedule.again(part.service)
                continue
            self._end(part, filled)
        self.errors += filled.errors

    def _end(self, part: ServicePart, filled: Filled) -> None:
        targets = {each.target: each for each in filled.outcome.targets}
        mine = [targets[each] for each in part.databases if each in targets]
        self._databases[part.service] = Outcome(tuple(mine))
        because = "; ".join(each.what for each in filled.errors if _is_about(each, part))
        for each in mine:
            if each.error is not None:
                because = because or f"{each.target} failed: {each.error.error}"
            elif each.result not in _WELL:
                because = because or f"{each.target} was skipped: {each.because or 'no result was reported'}"
        if not because and len(mine) < len(part.databases):
            because = "no result was reported"
        seconds = self._steps.clock() - self._began
        readiness = Readiness.FAILED if because else Readiness.READY
        ended = ServiceOutcome(part.service, readiness, part.databases, because, seconds)
        with self._changed:
            self._schedule.end(part.service, because)
            self._services[part.service] = ended
            ready, everything = len(self._schedule.ready), len(self._schedule.parts)
        self._steps.tell(ended, ready, everything)

    def arrival(self) -> Arrival:
        services = [
            self._services.get(each.service)
            or ServiceOutcome(
                each.service,
                Readiness.SKIPPED,
                each.databases,
                self._schedule.skipped.get(each.service, "it was stopped before"),
            )
            for each in self._schedule.parts.values()
        ]
        databases = tuple(each for one in self._databases.values() for each in one.targets)
        return Arrival(
            self._environment,
            self._stacks,
            Outcome(databases),
            tuple(services),
            tuple(self.errors),
            self._steps.clock() - self._began,
            self._made,
        )


def _guilty(errors: Sequence[SeedbedError], batch: Sequence[ServicePart]) -> Collection[str]:
    """Return the services of the databases that `errors` are about; none where one of them is about no single one."""
    if not all(each.target for each in errors):
        return ()
    found = [part.service for part in batch if any(_is_about(each, part) for each in errors)]
    return found if len(found) < len(batch) else ()


def _is_about(error: SeedbedError, part: ServicePart) -> bool:
    return not error.target or error.target in part.databases
