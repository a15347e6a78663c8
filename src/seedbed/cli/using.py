"""Takes note that a command uses an environment, beside the command: which neither waits for that, nor fails by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from seedbed.errors import SeedbedError
from seedbed.model.environment import SANDBOX, is_recorded

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext
    from seedbed.model.environment import Environment

_PATIENCE = 2.0  # seconds for which a command that is done waits for its note


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
    if environment is None or _recalls(context, environment, values):
        yield
        return
    with used(context, environment):
        yield


@contextmanager
def used(context: CommandContext, environment: Environment) -> Iterator[None]:
    """Have it written down, while what is within this context goes on, that it uses `environment`."""
    if context.recorder is not None or not is_recorded(environment):
        yield
        return
    said = list[str]()
    noting = threading.Thread(target=_note, args=(context, environment, said), daemon=True)
    noting.start()
    try:
        yield
    finally:
        noting.join(_PATIENCE)
        for each in said:
            context.out.log(each, level=1)


def _recalls(context: CommandContext, environment: Environment, values: Mapping[str, Any]) -> bool:
    return environment.access == "task" and not context.is_local and values.get("fresh") is False


def _note(context: CommandContext, environment: Environment, said: list[str]) -> None:
    from seedbed.project.lifetimes import touch

    try:
        touch(context.project.targets, environment, context.command)
    except Exception as error:  # noqa: BLE001  whatever it is, the command is what counts
        said.append(f"that {environment.name} is used could not be written down: {error}")
