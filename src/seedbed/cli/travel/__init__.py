"""Commands that run in a task inside the network: there and back. See docs/explanation/runs.md.

`arguments` and `parcel` say what is sent, `client` starts it and shows what comes back; `worker` is the other end,
with `recorder` in the place of its terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedbed.errors import Refused, SeedbedError, UsageError
from seedbed.model.environment import SANDBOX, is_ephemeral

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext


_ABOUT_BASES = frozenset({"share"})  # what travels to a base: groups, or commands, by name


def is_about_base(command: str) -> bool:
    """Return whether a command is carried out by the task of a base, which needs no files of its caller."""
    return command.partition(" ")[0] in _ABOUT_BASES


def travels(context: CommandContext, values: Mapping[str, Any], *, local: bool, detach: bool) -> bool:
    """Return whether the databases are reached by a task, and this process is not it.

    Not where `values`, those of the command's parameters, have no `--fresh` and it answers from what the last run left.
    Raises Refused for `--local` where that may not be, UsageError for `--detach` where that has no effect, for a base,
    whose task does nothing but what is about its servers, and for that elsewhere; in the task, too, where the record
    of the run may have been written by hand. What is wrong with the manifest, or with the environment's name, the
    command says itself, in an order of its own.
    """
    try:
        environment = (
            None if context.environment == SANDBOX else context.catalog.environment(context.environment)
        )
    except SeedbedError:
        return False
    if environment is not None:
        from seedbed.project.protection import require_base, require_databases

        require = require_base if is_about_base(context.command) else require_databases
        require(context.project.platform, environment)
    if context.recorder:
        return False
    if environment is None or not environment.has_runs:
        if detach:
            raise UsageError(
                f"--detach has no effect in {context.environment}",
                because="its databases are reached from here, and a command ends with its process",
                try_="leave it out",
            )
        return False
    if local and not is_ephemeral(environment):
        raise Refused(
            f"--local is refused in {environment.name}",
            because="its databases are reached by a task; only in an ephemeral environment may that be passed by",
            try_="leave it out",
        )
    return not local and (detach or values.get("fresh") is not False)
