"""An environment that comes up: its services, each of which is ready as soon as its own databases are."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from seedbed.errors import ExitCode, SeedbedError, exit_code
from seedbed.model.outcome import Outcome


class Readiness(StrEnum):
    """How it ended for a service."""

    READY = "ready"
    FAILED = "failed"
    SKIPPED = "skipped"


class ServicePart(Struct, frozen=True):
    """What has to be done for one service.

    `databases`: their ids. `stacks`: the targets of a deployment that have to be done before. `after`: the services of
    which migrations have to be applied before those of this one.
    """

    service: str
    databases: tuple[str, ...]
    stacks: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()


class ServiceOutcome(Struct, frozen=True):
    """How it ended for one service. `seconds`: from the beginning until it was ready, or failed."""

    service: str
    readiness: Readiness
    databases: tuple[str, ...] = ()
    because: str = ""
    seconds: float = 0.0


class Filled(Struct, frozen=True):
    """What applying and seeding did: to single databases, and what ended it as a whole.

    `changed`: something was made besides, as databases on the server of a base are.
    """

    outcome: Outcome = Outcome()
    errors: tuple[SeedbedError, ...] = ()
    changed: bool = False


class Arrival(Struct, frozen=True):
    """How an environment came up. `stacks`, `databases`: what happened to them; `errors`: of no single one."""

    environment: str
    stacks: Outcome
    databases: Outcome
    services: tuple[ServiceOutcome, ...]
    errors: tuple[SeedbedError, ...] = ()
    seconds: float = 0.0
    made: bool = False  # something besides: what a database of its own would have had in its stack

    @property
    def changed(self) -> bool:
        """Whether anything of this run stayed anywhere."""
        return self.made or self.stacks.changed or self.databases.changed

    @property
    def exit_code(self) -> ExitCode:
        """The one exit code of stacks, databases and errors; 5 where a service is not ready and no error says why."""
        targets = (*self.stacks.targets, *self.databases.targets)
        failed = [ExitCode(each.error.exit_code) for each in targets if each.error]
        code = exit_code([*failed, *self.errors], changed=self.changed)
        if code is ExitCode.DONE and any(each.readiness is not Readiness.READY for each in self.services):
            return ExitCode.PARTIAL
        return code
