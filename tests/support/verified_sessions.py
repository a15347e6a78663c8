"""`verify` over sessions that a test has opened: what it finds, as it would be kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import PurePath
from typing import Any, cast

from msgspec import Struct

from seedbed.engines.base import Session
from seedbed.errors import ExitCode, exit_code
from seedbed.execution import verifying
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext, this_process
from seedbed.execution.stopping import Stop
from seedbed.execution.units import UnitBudget
from seedbed.model.history import History
from seedbed.model.ids import Extent, Ids
from seedbed.model.platform import ALL, Database, DatabaseId, Reference, Where
from seedbed.model.verification import FieldReading, Holders, Suspect, Verdict, Verification
from seedbed.model.verified import findings


class _Target(Struct):
    id: str

    @property
    def database(self) -> Database:
        service, _, engine = self.id.partition("/")
        return Database(service, engine, PurePath())


def verified(
    sessions: Mapping[DatabaseId, Any],
    *references: Reference,
    since: datetime | None = None,
    most_units: float = 0.0,
) -> Verification:
    """Verify `references` between databases, each by its session."""
    targets = _connected(sessions)
    budget = UnitBudget(most_units, targets)
    found = verifying.verify(references, targets, {}, _context(), budget, since)
    return Verification("dev-test", tuple(found), units=budget.spent)


def expected_reading(
    sessions: Mapping[DatabaseId, Any], *references: Reference, since: datetime | None = None
) -> tuple[FieldReading, ...]:
    """Return what `verified` is expected to read."""
    return verifying.reading(references, _connected(sessions), {}, _context(), since)


def _connected(sessions: Mapping[DatabaseId, Any]) -> Sequence[ConnectedTarget]:
    return [
        ConnectedTarget(cast(Any, _Target(name)), cast(Session, session), History(None, ()), ExitStack())
        for name, session in sessions.items()
    ]


def _context() -> RunContext:
    return RunContext(this_process(), wait=0, listener=lambda _: None, stop=Stop())


def require_no_verdict(found: Verification, code: ExitCode) -> None:
    """Require that nothing passed, that each error has a cause, that the run ends with `code`, and keeps that."""
    assert not found.is_passed
    assert [each.verdict for each in found.references] == [Verdict.UNVERIFIED] * len(found.references)
    assert [each.orphans for each in found.references] == [0] * len(found.references)
    assert all(each.error and each.error.because for each in found.references)
    assert exit_code(found.errors) is code
    databases = {
        end.database for each in found.references for end in (each.reference.from_, each.reference.to)
    }
    kept: Sequence[Verdict] = [each.verdict for name in databases for each in findings(found, name)]
    assert {*kept} == {Verdict.UNVERIFIED}


class Watched:
    """A session to which something happens within the nth look that `verify` takes at it: ids, once some are read."""

    def __init__(self, session: Any, look: int, happens: Callable[[], None]) -> None:
        self._session, self._left, self._happens = session, look, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def _is_now(self) -> bool:
        self._left -= 1
        return not self._left

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        is_now = self._is_now()
        for block in self._session.ids(path, where):
            yield block
            if is_now:
                self._happens()
                is_now = False

    def extent(self, path: str, where: Where = ALL) -> Extent:
        return cast(Extent, self._session.extent(path, where))

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        if self._is_now():
            self._happens()
        return cast(Collection[str], self._session.found(path, ids))

    def holders(
        self, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        if self._is_now():
            self._happens()
        held = self._session.holders(path, suspects, time=time, most=most, where=where)
        return cast(Mapping[str, Holders], held)
