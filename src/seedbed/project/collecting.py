"""Collecting environments whose time is over: marked a day before, a few at a time, each by one who collects.

What an environment is and when it goes is decided in `model.lifetime`. Here it is carried out: stacks first, then what
lies in the base, then the record. Killed anywhere and begun again, it goes on with what is still there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from seedbed.aws import secrets
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import WrongRegion
from seedbed.deployment import deleting
from seedbed.deployment import destroy as destruction
from seedbed.deployment.child import StopSignal
from seedbed.deployment.destroy import DestroyScope
from seedbed.deployment.stacks import Stacks
from seedbed.engines.sharing import SharedServer
from seedbed.errors import Interrupted, SeedbedError, Unavailable, UsageError
from seedbed.manifest.environments import environment as declared
from seedbed.model.environment import Environment, require_ephemeral
from seedbed.model.event import Event, Listener, TargetFailed
from seedbed.model.lifetime import EnvironmentRecord, Prospect, prospect
from seedbed.model.names import CONTROL_ENVIRONMENT, CONTROL_TABLE, callers_stack, stack_name, stack_tags
from seedbed.project.inventory import Found, Inventory, protected_beside
from seedbed.project.lifetimes import forget
from seedbed.project.shares import Shares
from seedbed.project.targets import Targets
from seedbed.remote.environments import Environments

Done = Literal["", "counted", "marked", "collected", "postponed", "lost", "failed"]
MOST = 5  # environments a day, unless another number is said


class Collected(Struct, frozen=True):
    """The outcome for one environment.

    `done`: counted, its time begins; marked; collected; postponed, to another day; lost, to one who uses it or collects
    it at the same time; failed, because of `error`; empty: nothing was to be done, or nothing was to be changed.
    """

    found: Found
    prospect: Prospect
    done: Done = ""
    error: SeedbedError | None = None


@contextmanager
def reached(targets: Targets, where: Environment) -> Iterator[Sequence[SharedServer]]:
    """Yield the shared servers, where `where` is declared, that this process reaches: the task of a base does its own.

    Raises Unreachable where one does not answer: what lies on it would be forgotten; WrongRegion in the task of a base
    in another region of the account, which has no rights there.
    """
    base = _base_of_task(targets)
    if base is None or base.account != where.account:
        yield ()
        return
    if base.region != where.region:
        raise WrongRegion(
            f"{where.region} of account {where.account} is not collected from here",
            because=f"the task of {base.name} may collect in {base.region} alone",
            try_="have a base there collect, or run env gc as an administrator",
        )
    shares = Shares(targets, base)
    with ExitStack() as servers:
        yield [servers.enter_context(shares.server(each)) for each in shares.engines]


def _base_of_task(targets: Targets) -> Environment | None:
    """Return the base whose task this process is, None elsewhere: there the same variable only selects one."""
    if not targets.environ.get(CONTROL_TABLE):
        return None
    name = targets.environ.get(CONTROL_ENVIRONMENT, "")
    with suppress(UsageError):
        environment = declared(targets.catalog.platform, name)
        return environment if environment.is_base else None
    return None


class Collector:
    """Collects in one account and region.

    `most`: how many environments a day. `dry_run`: nothing is changed. `servers`: the shared servers of the base that
    can be reached from here; what lies on others is collected by whoever reaches them. `wait`: seconds for one stack.
    """

    def __init__(
        self,
        targets: Targets,
        where: Environment,
        listener: Listener,
        stop: StopSignal,
        *,
        most: int = MOST,
        dry_run: bool = False,
        servers: Sequence[SharedServer] = (),
        wait: float = 3600.0,
    ) -> None:
        self._targets = targets
        self._inventory = Inventory(targets, where, closely=True, servers=servers)
        self._platform = targets.catalog.platform
        self._listener = listener
        self._stop = stop
        self._most = most
        self._dry_run = dry_run
        self._wait = wait
        self._token = os.urandom(8).hex()
        self._begun = 0

    @property
    def cloud(self) -> Cloud:
        return self._inventory.cloud

    def collect(self) -> Iterator[Collected]:
        """Yield the outcome for each environment that is there.

        Raises Unavailable, Refused, and what AWS raises, before anything is changed; later, that is what failed.
        """
        found = self._inventory.found()
        protected = protected_beside(self._platform, self._inventory.cloud.account)
        for each in sorted(found, key=lambda one: one.there.record.marked if one.there.record else 0.0):
            now = each.records.now() if each.records else time.time()
            if each.is_listed_only and each.records:
                if not self._dry_run:
                    each.records.unlist(each.there.name)
                continue
            expected = prospect(each.there, now, protected=protected)
            if self._dry_run:
                yield Collected(each, expected)
                continue
            self._stop.check()
            try:
                yield Collected(each, expected, self._carried_out(each, expected, now))
            except SeedbedError as error:
                yield Collected(each, expected, "failed", error)

    def _carried_out(self, found: Found, expected: Prospect, now: float) -> Done:
        records, name, record = found.records, found.there.name, found.there.record
        if records is None:
            return ""
        match expected.fate:
            case "uncounted":
                records.count(name)
                return "counted"
            case "unmarked" if record is None:
                records.count(name, mark=True)
                return "marked"
            case "unmarked" if record is not None:
                return "marked" if records.mark(record) else "lost"
            case "due" if record is not None:
                return self._due(found, records, record, _day(now))
        return ""

    def _due(self, found: Found, records: Environments, record: EnvironmentRecord, day: str) -> Done:
        """Collect an environment, if one more may be. In a base all who collect count together."""
        if self._begun >= self._most:
            return "postponed"
        if records.take(record, self._token) is None:
            return "lost"
        shares_table = found.there.environment is not None and bool(found.there.environment.base)
        if shares_table and not records.slot(day, self._most):
            records.give_back(record.name, self._token)
            return "postponed"
        self._begun += 1
        return self._taken(found)

    def _taken(self, found: Found) -> Done:
        """Take away all of an environment that is ours to collect. Raises what is in the way."""
        environment, records, name = found.there.environment, found.records, found.there.name
        assert environment is not None
        assert records is not None
        require_ephemeral(environment, "env gc")
        try:
            self._delete_stacks(environment, records)
            if not environment.base:
                return "collected"  # its table went with its stacks
            if not records.is_taken(name, self._token):
                return "lost"
            for server, share in found.shares:
                server.drop(share)
            for secret in found.secrets:
                secrets.delete(self._inventory.cloud, secret)
        except SeedbedError:
            with suppress(SeedbedError):
                if not records.is_taken(name, self._token):
                    return "lost"
                records.give_back(name, self._token)
            raise
        return "collected" if forget(self._targets, environment, token=self._token) else "lost"

    def _delete_stacks(self, environment: Environment, records: Environments) -> None:
        """Delete the stacks of an environment, as long as nobody uses it.

        Raises Unavailable where one stays, and what `plan_destroy` does.
        """
        scope = DestroyScope(
            environment,
            self._inventory.cloud,
            stack_tags(self._platform.name, environment.name),
            (),  # by their tags alone
            (),
            self._wait,
            stack_name(self._platform.name, environment.name, "seedbed", "control"),
            callers_stack(self._platform.name, environment.name),
        )
        failed = list[TargetFailed]()

        def listen(event: Event) -> None:
            if isinstance(event, TargetFailed):
                failed.append(event)
            self._listener(event)

        stop = _WhileTaken(self._stop, records, environment.name, self._token)
        plan = destruction.plan_destroy(scope, listen, stop)
        deleting.carry_out(plan)
        if left := scope.found(Stacks(self._inventory.cloud)):
            raise Unavailable(
                f"{left[0].name} is still there",
                because=f"it is {left[0].status}",
                try_="the next collection goes on with it",
            )


class _WhileTaken(Struct, frozen=True):
    """Stops deletions as `stop` does, and once somebody uses the environment that they are of."""

    stop: StopSignal
    records: Environments
    name: str
    token: str

    def check(self) -> None:
        self.stop.check()
        with suppress(UsageError):  # its own table went with its stacks
            if not self.records.is_taken(self.name, self.token):
                raise Interrupted(
                    f"{self.name} is used again", because="what is left of it is not deleted any more"
                )

    def mark(self, error: SeedbedError) -> SeedbedError:
        return self.stop.mark(error)

    def watching(self, session: Any) -> AbstractContextManager[None]:
        return self.stop.watching(session)


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()
