"""Opening sessions on many targets side by side, and making sure that each is the target it should be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Protocol

from msgspec import Struct

from seedbed.engines.base import Session
from seedbed.engines.capabilities import SupportsSleep, SupportsUnlock
from seedbed.engines.infrastructure import SupportsDeployedState
from seedbed.engines.sharing import SupportsSharing
from seedbed.errors import AccessRefused, ForeignTarget, Hint, Interrupted, SeedbedError, call, try_each
from seedbed.execution.context import RunContext
from seedbed.execution.stopping import Stop
from seedbed.execution.threads import returned, side_by_side
from seedbed.model.event import Listener, TargetAwaited, TargetConnected, failure
from seedbed.model.history import History, Identity
from seedbed.model.platform import Database
from seedbed.model.target import NoAddress, Target
from seedbed.support.extras import import_failure
from seedbed.support.phrases import count


class Connector(Protocol):
    """Whoever opens sessions: an engine, or what answers in its place."""

    def connect(self, target: Target) -> AbstractContextManager[Session]: ...


EngineOf = Callable[[str], Connector]
SILENT = 10.0  # seconds after which a server that does not sleep is told as awaited, too


class ConnectedTarget(Struct):
    """A target with its open session and the history that was read from it."""

    target: Target
    session: Session
    history: History
    closing: ExitStack

    @property
    def id(self) -> str:
        return self.target.id

    @property
    def database(self) -> Database:
        return self.target.database


def identity(target: Target) -> Identity:
    """Return who `target` has to be."""
    return Identity(target.platform, target.id, target.environment.name)


@contextmanager
def connect(
    targets: Sequence[Target], engine: EngineOf, listener: Listener, *, stop: Stop, compare: bool = True
) -> Iterator[tuple[list[ConnectedTarget], dict[str, SeedbedError]]]:
    """Yield the targets that answered, in id order, and the errors of those that did not, by id.

    Raises ForeignTarget before anything is touched if any target is bound to another one, or has a history that does
    not say which; not without `compare`, for the one command that binds it. Raises Interrupted while it waits.
    """
    ordered = sorted(targets, key=lambda target: target.id)
    connected: list[ConnectedTarget] = []
    failed: dict[str, SeedbedError] = {}
    environments = {target.id: target.environment.name for target in ordered}
    with ExitStack() as closing:
        results = _opened(ordered, engine, _Awaited(ordered, engine, listener), stop)
        for target, result in zip(ordered, results, strict=True):
            if isinstance(result, SeedbedError):
                result.target = target.id
                failed[target.id] = result
            elif isinstance(result, BaseException):
                raise result
            else:
                closing.push(result.closing)
                connected.append(result)
        if compare:
            require_own((one.target, one.history) for one in connected)
        for one in connected:
            listener(TargetConnected(one.id, one.session.server))
        for target_id, error in failed.items():
            listener(failure(target_id, error, environment=environments[target_id]))
        yield connected, failed


def _open(target: Target, engine: EngineOf) -> ConnectedTarget:
    if isinstance(target.address, NoAddress):
        raise target.address.error
    connector = engine(target.database.engine)
    try:
        with ExitStack() as stack:
            session = stack.enter_context(connector.connect(target))
            history = session.history()
            return ConnectedTarget(target, session, history, stack.pop_all())
    except AccessRefused as error:
        raise _as_in_base(error, target, connector) from None
    except Exception as error:
        if (broken := import_failure(error)) is None:
            raise
        raise broken from error


def _as_in_base(error: AccessRefused, target: Target, connector: Connector) -> AccessRefused:
    """Return an error of a server that let nobody in, for one of a base with how a database comes to be there."""
    where = target.environment
    shares = isinstance(connector, SupportsSharing)
    if shares and where.lies_in_base(target.database.service, target.database.engine):
        make = call("env up", where.name)
        error.try_ = Hint(f"where it was never made on {where.base}: ", make, "; else ", error.try_)
    return error


class _Awaited:
    """The targets that have not answered yet: they are told as awaited, once a second."""

    def __init__(self, targets: Sequence[Target], engine: EngineOf, listener: Listener) -> None:
        self._targets, self._engine, self._listener = targets, engine, listener
        self._began = self._told = time.monotonic()
        self._answered: set[str] = set()

    def answered(self, target: Target) -> None:
        self._answered.add(target.id)

    def tell(self) -> None:
        now = time.monotonic()
        if now < self._told + 1:
            return
        self._told = now
        for each in self._targets:
            if each.id in self._answered:
                continue
            waited, engine = now - self._began, self._engine(each.database.engine)
            sleeps = isinstance(engine, SupportsSleep) and engine.sleeps(each.address)
            if sleeps or waited >= SILENT:
                self._listener(TargetAwaited(each.id, waited, wakes=sleeps))


def _opened(
    targets: Sequence[Target], engine: EngineOf, awaited: _Awaited, stop: Stop
) -> list[ConnectedTarget | BaseException]:
    """Return each target's connection or what it raised, in order. Raises Interrupted once a stop is asked for.

    What a server does not answer to can only be left behind: a session that is opened after all is closed at once.
    """
    is_left = threading.Event()

    def guarded(target: Target) -> ConnectedTarget:
        try:
            found = _open(target, engine)
        finally:
            awaited.answered(target)
        if is_left.is_set():
            found.closing.close()
        return found

    def meanwhile() -> None:
        stop.check()
        awaited.tell()

    try:
        return side_by_side([partial(guarded, each) for each in targets], meanwhile=meanwhile)
    except Interrupted:
        is_left.set()
        raise


def read_histories(connected: Sequence[ConnectedTarget]) -> None:
    """Read the histories of `connected` again, side by side. Raises the errors of all that fail."""
    results = side_by_side([target.session.history for target in connected])
    histories = returned([target.id for target in connected], results)
    for target, history in zip(connected, histories, strict=True):
        target.history = history


def lease_holders(connected: Sequence[ConnectedTarget]) -> dict[str, str]:
    """Return, by database, who is at work on it; empty where its lease is free, or nothing says whether it is."""

    def ask(session: Session) -> str:
        try:
            return session.holder() if isinstance(session, SupportsUnlock) else ""
        except SeedbedError:  # what else is known is shown all the same
            return ""

    found = side_by_side([partial(ask, target.session) for target in connected])
    ids = [target.id for target in connected]
    return dict(zip(ids, returned(ids, found), strict=True))


def require_own(targets: Iterable[tuple[Target, History]]) -> None:
    """Raise ForeignTarget for those of `targets` that are bound to another database or environment, or have lost it."""
    try_each((target.id, partial(_require_own, target, history)) for target, history in targets)


def _require_own(target: Target, history: History) -> None:
    wanted = identity(target)
    if history.identity is None and history.revisions:
        raise ForeignTarget(
            f"{target.address} has a history of {count(len(history.revisions), 'migration')}, and no identity",
            because="what said which database of which environment this is, is gone; nothing was touched",
            try_=Hint(f"if it is to be {wanted}: ", call("repair", "--bind")),
        )
    if history.identity is not None and history.identity != wanted:
        raise ForeignTarget(
            f"{target.address} is not {wanted}",
            because=f"it is bound to {history.identity}",
            try_=f"check the address and {_differing(wanted, history.identity)}; nothing was touched",
        )


def _differing(wanted: Identity, found: Identity) -> str:
    """Return which names differ, where people look them up."""
    names = {
        "the environment's name": wanted.environment != found.environment,
        "the platform's name in seedbed.toml": wanted.platform != found.platform,
        "the service's name": wanted.database != found.database,
    }
    return " and ".join(name for name, differs in names.items() if differs)


def require_bound(connected: Sequence[ConnectedTarget], verb: str) -> None:
    """Raise ForeignTarget for the targets that carry no identity: they could be any database."""
    try_each((one.id, partial(_require_bound, one, verb)) for one in connected)


def has_history(one: ConnectedTarget) -> bool:
    """Return whether there is a place for the history: not where a deployment has yet to make it."""
    return not isinstance(one.session, SupportsDeployedState) or one.session.is_deployed()


def _require_bound(one: ConnectedTarget, verb: str) -> None:
    if one.history.identity is not None:
        return
    first = Hint("bind it first: ", call("apply"))
    if not one.target.environment.is_sandbox and not has_history(one):
        first = Hint("deploy it, then bind it: ", call("deploy"), "; ", call("apply"))
    raise ForeignTarget(
        f"{verb} refuses {one.id}: {one.target.address} is not bound to an environment",
        because="it could be any database; the first apply binds it",
        try_=first,
    )


def on_each(
    connected: Sequence[ConnectedTarget], act: Callable[[ConnectedTarget], None], context: RunContext
) -> None:
    """Call `act` on every target side by side; the error of one becomes an event and does not stop the others."""

    def one(target: ConnectedTarget) -> None:
        try:
            with context.stop.watching(target.session):
                act(target)
        except SeedbedError as error:
            context.fail(target.id, error)

    for result in side_by_side([partial(one, target) for target in connected]):
        if isinstance(result, BaseException):
            raise result
