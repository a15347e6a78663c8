"""Takes note that a command uses an environment, beside the command: which neither waits for that, nor fails by it.

Whoever uses one that is marked to be deleted is told so, and also whoever's use could not be written down where what is
not used is deleted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from seedbed.errors import Hint, SeedbedError, UsageError, call, hint_text
from seedbed.model.environment import SANDBOX, is_recorded

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext
    from seedbed.model.environment import Environment
    from seedbed.model.lifetime import EnvironmentRecord

_PATIENCE = 2.0  # seconds for which a command that is done waits for its note
_WARNING = -1  # the level of what is told although nobody asked


class _Noting:
    """What is done beside a command. `told`: what has to be said of it in the end; `failure`: why it was not done."""

    def __init__(self, context: CommandContext, environment: Environment) -> None:
        self.context = context
        self.environment = environment
        self.told: list[str] = []
        self.failure = ""
        self.is_expected = False  # what failed had to: there is nothing yet that could be deleted

    def use(self) -> None:
        """Write down that the environment is used."""
        from seedbed.project.lifetimes import touch

        try:
            touched = touch(self.context.project.targets, self.environment, self.context.command)
        except UsageError as error:  # it was never deployed, or is half gone
            self.failure, self.is_expected = str(error), True
        except Exception as error:  # noqa: BLE001  whatever it is, the command is what counts
            self.failure = str(error)
        else:
            self.failure = ""
            if touched.before and touched.before.marked:
                self.told.append(unmarked_text(touched.before, touched.now, self.environment))

    def look(self) -> None:
        """See whether the environment is marked; that this is not known is no loss."""
        from seedbed.project.lifetimes import shown

        with suppress(Exception):
            if (record := shown(self.context.project.targets, self.environment)) and record.marked:
                self.told.append(marked_text(record, self.environment))


@contextmanager
def noted(context: CommandContext, kind: str, values: Mapping[str, Any]) -> Iterator[None]:
    """Take note of a command that reaches databases; `values` are those of its parameters.

    One that answers from what the last run left uses nothing. What is wrong with the manifest, or with the
    environment's name, the command says itself.
    """
    environment = None
    if kind != "local" and context.recorder is None and context.environment not in {"", SANDBOX}:
        with suppress(SeedbedError):
            environment = context.catalog.environment(context.environment)
    if environment is None:
        yield
    elif not _recalls(context, environment, values):
        with used(context, environment):
            yield
    elif environment.ttl and is_recorded(environment):
        noting = _Noting(context, environment)
        with _beside(noting, noting.look):
            yield
    else:
        yield


@contextmanager
def used(context: CommandContext, environment: Environment) -> Iterator[None]:
    """Have it written down, while what is within this context goes on, that it uses `environment`."""
    if context.recorder is not None or not is_recorded(environment):
        yield
        return
    noting = _Noting(context, environment)
    noting.failure = f"that took more than {_PATIENCE:.0f} s"
    with _beside(noting, noting.use):
        yield


@contextmanager
def _beside(noting: _Noting, work: Callable[[], None]) -> Iterator[None]:
    """Do `work` in a thread, and say in the end what there is to be said of it."""
    out, environment = noting.context.out, noting.environment
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    is_used = True
    try:
        yield
    except SeedbedError:
        is_used = False  # what ended the command is what has to be read
        raise
    finally:
        thread.join(_PATIENCE)
        for each in noting.told:
            out.log(each, level=_WARNING)
        if noting.failure:
            is_missed = is_used and environment.ttl and not noting.is_expected
            missed = unwritten_text(environment, noting.failure, is_missed=bool(is_missed))
            out.log(missed, level=_WARNING if is_missed else 1)


def unmarked_text(before: EnvironmentRecord, now: EnvironmentRecord, environment: Environment) -> str:
    """Return that a use took a mark away, and until when that keeps the environment."""
    name = environment.name
    ends = now.ends(environment.ttl)
    stays = "is kept" if now.keep else f"stays until {_time(ends)}" if ends else "stays"
    longer = hint_text(Hint(call("env extend", name, "--ttl", "7d")), name, "")
    said = f"{name} was to be deleted from {_time(before.goes)} on; now that it is used it {stays}"
    if before.taken:
        again = hint_text(Hint(call("env up", name)), name, "")
        said = f"{said}, but that had begun: {again} makes what is gone"
    return f"{said}; for longer: {longer}"


def marked_text(record: EnvironmentRecord, environment: Environment) -> str:
    """Return that an environment is marked, when it goes, and what keeps it."""
    name = environment.name
    touch = hint_text(Hint(call("env touch", name)), name, "")
    goes = f"{name} will be deleted from {_time(record.goes)} on, with all data"
    return f"{goes}; if it is used until then it stays: {touch}"


def unwritten_text(environment: Environment, why: str, *, is_missed: bool) -> str:
    """Return that a use is not written down; `is_missed`: the environment may be deleted although it is used."""
    name = environment.name
    said = f"that {name} is used could not be written down: {why}"
    touch = hint_text(Hint(call("env touch", name)), name, "")
    return (
        f"{said}; it may be deleted although it is used, unless this is done: {touch}" if is_missed else said
    )


def _recalls(context: CommandContext, environment: Environment, values: Mapping[str, Any]) -> bool:
    return environment.access == "task" and not context.is_local and values.get("fresh") is False


def _time(seconds: float) -> str:
    from seedbed.support.phrases import moment

    return moment(datetime.fromtimestamp(seconds, UTC))
