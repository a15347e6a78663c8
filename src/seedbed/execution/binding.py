"""Binding a copy of a database to the environment that it is used in from now on."""

from __future__ import annotations

from seedbed.errors import Command, Hint, Refused, SeedbedError, UsageError, call
from seedbed.execution.connecting import ConnectedTarget, identity
from seedbed.execution.context import RunContext
from seedbed.model.event import Repaired, TargetDone
from seedbed.model.history import History, Identity


def bind(target: ConnectedTarget, was: str, because: str, context: RunContext) -> None:
    """Bind one target to its environment, whatever it was bound to before, audited; an error is emitted.

    `was`: what it has to be bound to until now, as `require_known` wants it.
    """
    wanted = identity(target.target)
    try:
        with context.stop.watching(target.session), context.lease(target.id, target.session) as lease:
            history = lease.history()
            require_known(target, history, was)
            if history.identity != wanted:
                before = (
                    f"it was bound to {history.identity}" if history.identity else "its identity was gone"
                )
                why = f"{before}; {because}" if because else before
                lease.rebind(wanted, actor=context.owner.who, because=why)
                context.emit(Repaired(target.id, "", f"bound to {wanted}; {before}"))
        context.emit(TargetDone(target.id))
    except SeedbedError as error:
        context.fail(target.id, error)


def require_known(target: ConnectedTarget, history: History, was: str) -> None:
    """Raise Refused where there is nothing to bind anew, UsageError where `was` is not what it is bound to.

    `was`: the environment, for a copy of the same database; the whole identity for any other; empty where that is gone.
    """
    found, wanted = history.identity, identity(target.target)
    if found == wanted:
        return
    if found is None:
        if not history.revisions:
            raise Refused(
                f"{target.target.address} has no history to bind",
                because="the first apply binds a database that is new",
                try_=Hint(call("apply")),
            )
        if not was:
            return
    elif was in {str(found), found.environment if _is_same_database(found, wanted) else str(found)}:
        return
    raise UsageError(
        f"{target.target.address} is bound to {found or 'nothing'}, and not to {was or 'nothing'}",
        because="from then on whoever takes it for what it was is refused: this has to be meant",
        try_=Hint("if it is a copy: ", _command(target, found)),
    )


def _is_same_database(found: Identity, wanted: Identity) -> bool:
    return (found.platform, found.database) == (wanted.platform, wanted.database)


def _command(target: ConnectedTarget, found: Identity | None) -> Command:
    if found is None:
        return call("repair", "--bind", about=target.id)
    was = found.environment if _is_same_database(found, identity(target.target)) else str(found)
    return call("repair", "--bind", "--was", was, about=target.id)
