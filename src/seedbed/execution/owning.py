"""Whether what is in a database is its service's alone: no other's is the same one, and no other's login can read it.

Only what the servers say of the logins that seedbed has is known: those that applications have may be others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from msgspec import Struct

from seedbed.engines.verification import SupportsPlace
from seedbed.errors import Interrupted, SeedbedError
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext
from seedbed.execution.threads import returned, side_by_side
from seedbed.model.environment import Environment
from seedbed.model.ownership import Place
from seedbed.model.verification import OwnershipResult, Reader, Verdict

T = TypeVar("T")
_NAMED = 5  # tables that are named of those that a login can read


class _Placed(Struct):
    """A target whose server said where it is."""

    target: ConnectedTarget
    session: SupportsPlace
    place: Place


def verify(
    environment: Environment,
    connected: Sequence[ConnectedTarget],
    silent: Mapping[str, SeedbedError],
    context: RunContext,
) -> Sequence[OwnershipResult]:
    """Return what is found of each of `connected` whose engine can tell, in id order. Raises Interrupted.

    `silent`: the errors of databases that did not answer, of which nothing is known.

    That others can read it is broken where the environment is protected, and tolerated elsewhere. In the sandbox
    nothing is looked at: everything there is one server's, under one login.
    """
    if environment.is_sandbox:
        return ()
    ids = [each.id for each in connected]
    found = returned(ids, side_by_side([partial(_placed, each, context) for each in connected]))
    placed = [each for each in found if isinstance(each, _Placed)]
    failed = [each for each in found if isinstance(each, OwnershipResult)]
    failed += [OwnershipResult(name, Verdict.UNVERIFIED, error=each) for name, each in silent.items()]
    calls = [partial(_owned, each, placed, environment.protected, context) for each in placed]
    owned = returned([each.target.id for each in placed], side_by_side(calls))
    return sorted([*owned, *failed], key=lambda each: each.database)


def _placed(target: ConnectedTarget, context: RunContext) -> _Placed | OwnershipResult | None:
    session = target.session
    if not isinstance(session, SupportsPlace):
        return None
    return _tried(target, context, lambda: _Placed(target, session, session.place()))


def _owned(each: _Placed, placed: Sequence[_Placed], is_strict: bool, context: RunContext) -> OwnershipResult:
    beside = [
        other
        for other in placed
        if other.place.server == each.place.server
        and other.target.database.service != each.target.database.service
    ]
    same = tuple(other.target.id for other in beside if other.place.is_same(each.place))
    apart = [other for other in beside if other.target.id not in same]
    alike = tuple(other.target.id for other in apart if other.place.login == each.place.login)
    others = [other for other in apart if other.target.id not in alike]

    def look() -> OwnershipResult:
        readers = tuple(filter(None, (_reader(each, other) for other in others)))
        if same or (readers and is_strict):
            verdict = Verdict.BROKEN
        elif readers:
            verdict = Verdict.TOLERATED
        else:
            verdict = Verdict.UNVERIFIED if alike else Verdict.OK
        return OwnershipResult(each.target.id, verdict, same, readers, alike)

    return _tried(each.target, context, look)


def _reader(each: _Placed, other: _Placed) -> Reader | None:
    names = each.session.readable(other.place)
    if not names:
        return None
    return Reader(other.target.id, other.place.login, len(names), tuple(names[:_NAMED]))


def _tried(target: ConnectedTarget, context: RunContext, look: Callable[[], T]) -> T | OwnershipResult:
    """Return what `look` returns, or that it is not known because of its error. Raises Interrupted."""
    try:
        with context.stop.watching(target.session):
            context.stop.check()
            return look()
    except Interrupted:
        raise
    except SeedbedError as error:
        error.target = target.id
        return OwnershipResult(target.id, Verdict.UNVERIFIED, error=error)
