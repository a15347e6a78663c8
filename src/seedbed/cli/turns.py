"""An environment in a base comes up or goes, never both at once: who begins while the other is at work is refused."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seedbed.errors import Busy, Hint, SeedbedError, UsageError, call

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext
    from seedbed.model.environment import Environment
    from seedbed.remote.control import Control
    from seedbed.remote.place import Place
    from seedbed.remote.records import Listed
    from seedbed.remote.turns import Holder, Kind, Turns

_LOOK = 1.0  # seconds between two looks
_ENDING = 60.0  # seconds that a run may take to its end which makes something on the servers of the base
_WORK = {"up": "is brought up", "down": "is deleted"}
_LONGEST = 86_400.0  # seconds after which no run of a base is under way any more
_MOST = 10_000  # of its runs since then that are looked at


@contextmanager
def turn(context: CommandContext, environment: Environment, kind: Kind) -> Iterator[None]:
    """Bring an environment up, or delete it, while nobody does the other.

    Environments without a base have no table that outlasts them: there, nothing is asked. Raises Busy where another
    one is at work, and what `seedbed.aws` raises; where our own turn is lost, this process is sent SIGTERM.
    """
    turns = _turns(context, environment, kind)
    if turns is None:
        yield
        return
    _begin(context, environment, turns)
    over = threading.Event()
    beating = threading.Thread(target=_beat, args=(context, environment, turns, over), daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join(_LOOK)
        with suppress(SeedbedError):  # it is not counted any more, seconds after its last heartbeat
            turns.end()


def _turns(context: CommandContext, environment: Environment, kind: Kind) -> Turns | None:
    from seedbed.aws.identity import require_account
    from seedbed.project.lifetimes import environments
    from seedbed.remote.turns import Turns

    if not environment.base:
        return None
    try:
        table = environments(context.project.targets, environment).table
    except UsageError:  # the base is not deployed: who deploys is told so
        return None
    by = require_account(table.cloud).arn
    return Turns(table, environment.name, kind, by=by, command=context.command)


def _begin(context: CommandContext, environment: Environment, turns: Turns) -> None:
    """Take the turn. Whoever is in the way has it if he is heard of; who is not is waited for until he is not counted.

    Raises Busy.
    """
    first = turns.take()
    if first is None:
        return
    context.out.log(
        f"{environment.name} {_WORK[first.kind]} by {first.command}: whether that is at work is seen soon"
    )
    found: Holder | None = first
    while found is not None:
        if found.beat > first.beat:  # several may have been killed, and are not counted one after the other
            raise _busy(environment, found, turns.now())
        time.sleep(_LOOK)
        found = turns.take()


def _busy(environment: Environment, holder: Holder, now: float) -> Busy:
    from seedbed.remote.records import who

    since = datetime.fromtimestamp(holder.since, UTC)
    return Busy(
        f"{environment.name} {_WORK[holder.kind]}: {holder.command} of {who(holder.by)}, since {since:%H:%M:%S} UTC "
        f"({max(0.0, now - holder.since):.0f} s)",
        because="what one of the two makes while the other deletes would be half there",
        try_="wait for it, or stop it; then the same command again",
    )


def _beat(context: CommandContext, environment: Environment, turns: Turns, over: threading.Event) -> None:
    from seedbed.remote.turns import BEAT

    while not over.wait(BEAT):
        with suppress(SeedbedError):  # the next one may be heard
            if turns.beat():
                continue
            if not over.is_set():
                context.out.log(
                    f"{context.command} stops: it was not heard of, and another one began", level=-1
                )
                os.kill(os.getpid(), signal.SIGTERM)
            return


# --- runs that are under way


def require_no_runs(context: CommandContext, environment: Environment, where: Place) -> None:
    """Raise Busy for a run that writes to an environment which is to be deleted."""
    from seedbed.remote.records import who
    from seedbed.remote.starting import Starter
    from seedbed.remote.tasks import Tasks

    if where.task is None:
        return
    starter = Starter(where.control, Tasks(context.project.targets.cloud(environment), where.task))
    run = starter.under_way()
    if run is not None:
        since = datetime.fromisoformat(run.ask.at)
        raise Busy(
            f"a run writes to {environment.name}: {run.ask.command} of {who(run.ask.by)}, since {since:%H:%M:%S} UTC",
            because="its databases would be deleted while it changes them",
            try_=Hint("wait for its end, or stop it: ", call("runs stop", run.id)),
        )


def end_shares(context: CommandContext, environment: Environment) -> None:
    """End what makes something for `environment` on the servers of its base: whoever asked for it is gone.

    A run that no task has taken is closed; of one that has begun the end is waited for. Raises Busy.
    """
    from seedbed.remote import place

    base = context.catalog.environment(environment.base)
    targets = context.project.targets
    try:
        control = place.find(targets.cloud(base), context.project.platform.name, base).control
    except UsageError:  # it is not deployed: there is nothing on it
        return
    _ended(control, environment.name, base.name)


def _ended(control: Control, environment: str, base: str, patience: float = _ENDING) -> None:
    until = time.monotonic() + patience
    newest = control.runs(most=_MOST, since=control.now() - _LONGEST)
    left = [each for each in newest if _is_about(each, environment)]
    while left := [each for each in left if _is_at_work(control, each.id)]:
        if time.monotonic() > until:
            raise Busy(
                f"run {left[0].id} of {base} makes what {environment} has there",
                because=f"its call is seedbed {' '.join((left[0].command, *left[0].argv))}",
                try_=Hint("stop it: ", call("runs stop", left[0].id, environment=base)),
            )
        time.sleep(_LOOK)


def _is_about(run: Listed, environment: str) -> bool:
    is_under_way = run.state in ("asked", "claimed")
    return is_under_way and run.command in ("share make", "share keep") and environment in run.argv


def _is_at_work(control: Control, id_: str) -> bool:
    from seedbed.errors import ExitCode

    run = control.run(id_)
    if run is None or run.is_over:
        return False
    if run.state == "asked":
        return not control.close(run, int(ExitCode.UNAVAILABLE), "its environment is deleted")
    return control.is_fresh(run.beat)
