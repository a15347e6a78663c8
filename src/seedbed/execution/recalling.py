"""Sessions that remember: they answer for targets from what a run left of them, and ask no server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.base import Engine, Lease
from seedbed.engines.infrastructure import SupportsDeployedState, SupportsRecall
from seedbed.errors import Hint, Refused, call
from seedbed.execution.connecting import ConnectedTarget
from seedbed.model.deployment import Change
from seedbed.model.event import Event, Listener
from seedbed.model.history import History, Owner
from seedbed.model.migration import Direction, Migration, Phase
from seedbed.model.plan import DatabasePlan, Plan
from seedbed.model.remembered import UNKNOWN_LOGINS, Remembered, Seen
from seedbed.model.secret import Secret
from seedbed.model.target import Target
from seedbed.model.verified import Verified


class RecalledAddress(Struct, frozen=True):
    """In an address's place: what it looks like, and what is remembered of what is there."""

    remembered: Remembered
    secrets: tuple[Secret, ...] = ()

    def __str__(self) -> str:
        return self.remembered.address


class RecalledSession:
    """A session on a target as a run saw it; `seen`: when that was."""

    def __init__(self, target: Target, remembered: Remembered, now: datetime) -> None:
        self.target = target
        self.remembered = remembered
        self.seen = remembered.seen(now)

    @property
    def server(self) -> str:
        return self.remembered.server

    def history(self) -> History:
        return self.remembered.history

    def holder(self) -> str:
        return self.remembered.holder

    def verified(self) -> Verified:
        """Return what was kept of `verify`; the clock of its server went on since."""
        known = self.remembered.verified
        return (
            replace(known, now=known.now + timedelta(seconds=max(self.seen.age, 0.0))) if known.now else known
        )

    def login_changes(self) -> Sequence[str]:
        return self.remembered.logins or ()

    def lease(self, owner: Owner, *, wait: float, listener: Listener) -> AbstractContextManager[Lease]:
        raise self._refusal("changes")

    def unlock(self, *, actor: str) -> str:
        raise self._refusal("unlocks")

    def keep(self, record: object, forget: object) -> None:
        raise self._refusal("keeps what verify found of")

    def interrupt(self) -> None:
        """Stop nothing: nothing is asked."""

    def _refusal(self, verb: str) -> Refused:
        return Refused(
            f"nothing {verb} {self.target.id} from here",
            because="it was not asked: all that is known of it is what a run left",
            try_=Hint(call("status", "--fresh")),
        )


class RecalledDeployment(RecalledSession):
    """One on a target whose schema is infrastructure."""

    def __init__(
        self, target: Target, remembered: Remembered, now: datetime, deployed: SupportsDeployedState
    ) -> None:
        super().__init__(target, remembered, now)
        self._deployed = deployed

    def is_deployed(self) -> bool:
        return self._deployed.is_deployed()

    def changes(self, gate: Phase) -> Sequence[Change]:
        return self._deployed.changes(gate)

    def unmet(self, migrations: Sequence[Migration]) -> Mapping[str, str]:
        return self._deployed.unmet(migrations)

    def settle(self, things: Sequence[str], *, timeout: float) -> Iterator[Event]:
        raise self._refusal("waits for")


class Recall(Struct, frozen=True):
    """Opens sessions that remember, in the place of `engine`, whose targets have a RecalledAddress."""

    engine: Engine
    now: datetime

    @contextmanager
    def connect(self, target: Target) -> Iterator[RecalledSession]:
        address = target.address
        assert isinstance(address, RecalledAddress)
        known = address.remembered
        if known.deployed is not None and isinstance(self.engine, SupportsRecall):
            deployed = self.engine.recalled(target, known.deployed)
            yield RecalledDeployment(target, known, self.now, deployed)
        else:
            yield RecalledSession(target, known, self.now)


def seen(each: ConnectedTarget) -> Seen | None:
    """Return when a target was looked at, None where it is asked now."""
    return each.session.seen if isinstance(each.session, RecalledSession) else None


def told(plan: Plan, connected: Sequence[ConnectedTarget]) -> Plan:
    """Return `plan` with how old it is where it was made without asking, and with what it does not know there."""
    sessions = {each.id: each.session for each in connected}

    def one(database: DatabasePlan) -> DatabasePlan:
        session = sessions.get(database.database)
        if not isinstance(session, RecalledSession):
            return database
        runs = any(each.direction is Direction.UP for each in database.actions)
        unknown = [each.words for each in session.remembered.open] if runs else []
        if session.remembered.logins is None:
            unknown.append(UNKNOWN_LOGINS)
        return replace(database, seen=session.seen, unknown=tuple(unknown))

    return replace(plan, databases=tuple(map(one, plan.databases)))
