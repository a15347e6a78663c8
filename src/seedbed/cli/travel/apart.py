"""A command that is a part of another one, and is carried out by a task: its events and its end, as values.

The whole has one display and one document. So nothing of what the part would print is shown but what it logs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
import msgspec

from seedbed import errors as tree
from seedbed.aws import faults
from seedbed.cli.context import CommandContext, kind_of
from seedbed.cli.travel import client
from seedbed.cli.travel.display import Waiting
from seedbed.cli.travel.parcel import Parcel
from seedbed.documents.errors import ErrorDocument, ErrorEntry
from seedbed.errors import ExitCode, SeedbedError
from seedbed.model.coming_up import Filled
from seedbed.model.outcome import fold
from seedbed.remote.following import Following
from seedbed.remote.records import Entry, Happened, Written, code_of
from seedbed.remote.stopping import Stopping
from seedbed.support.typed import ready

if TYPE_CHECKING:
    from seedbed.model.event import Event, Listener
    from seedbed.remote.records import Run


def carried(
    context: CommandContext,
    name: str,
    values: Mapping[str, Any],
    *,
    listener: Listener,
    stop: Callable[[ExitCode], None],
) -> tuple[Filled, bytes]:
    """Return what the command `name`, called with `values`, did in the task of its environment, and its document.

    `listener` is told its events; `stop` of Ctrl-C and SIGTERM, which reach the run, too. Raises nothing of ours.
    """
    part = _part(context, name, str(values["env"]))
    events: list[Event] = []

    def entry(told: Entry) -> None:
        match told:
            case Happened(event):
                events.append(event)
                listener(event)
            case Written("stderr", text) if not context.out.quiet:
                context.out.pass_on("stderr", text)

    try:
        with client.signals(stop) as pressed:
            command = _command(name)
            control, tasks, started = client.begun(part, command, kind_of(command), values, Parcel(), pressed)
            stopping = Stopping(
                control, tasks, started.run.id, interactive=context.can_ask, tell=context.out.log
            )
            pressed.hand_to(stopping)
            waiting = Waiting(context.out)
            run = Following(
                control, tasks, started.run.id, entry=entry, tell=waiting, stopping=stopping
            ).to_the_end()
        document = control.fetch(run.id, run.document) if run.document is not None else b""
        return Filled(fold(events), _errors(run, document, events)), document
    except SeedbedError as error:
        return Filled(fold(events), error.errors), b""


def _command(name: str) -> click.Command:
    """Return the command of that name, which may be in a group: `share make`."""
    module, _, below = name.partition(" ")
    found: click.Command = import_module(f"seedbed.cli.commands.{module}").command
    return found.commands[below] if below and isinstance(found, click.Group) else found


def _part(context: CommandContext, name: str, environment: str) -> CommandContext:
    """Return a context for a command that ends with a document, and says what it has to say where `context` does."""
    settings: dict[str, Any] = {
        "verbose": context.verbose,
        "quiet": context.out.quiet,
        "color": context.color,
    }
    settings["directory"] = context.called_in
    part = CommandContext(settings, command=name, as_json=True, environment=environment)
    part.out, part.redactor = context.out, context.redactor
    return part


def _errors(run: Run, document: bytes, events: list[Event]) -> tuple[SeedbedError, ...]:
    """Return what ended a run that is over, besides what its events tell."""
    code = code_of(run.exit_code)
    outcome = fold(events)
    if code in {ExitCode.DONE, outcome.exit_code}:
        return ()
    if document:
        try:
            return tuple(map(raised, msgspec.json.decode(document, type=ready(ErrorDocument)).errors))
        except msgspec.ValidationError:  # a document of its own
            pass
    error = SeedbedError(f"run {run.id} ended with exit code {int(code)}", because=run.because)
    error.exit_code = code
    return (error,)


def raised(entry: ErrorEntry) -> SeedbedError:
    """Return an error of a document as it was: of its own kind, or of one that is called so."""
    error = _kind(entry.kind)(entry.error, because=entry.because, try_=entry.try_, at=entry.at)
    error.exit_code, error.target = entry.exit_code, entry.target
    return error


def _kind(name: str) -> type[SeedbedError]:
    for room in (tree, faults):
        found = getattr(room, name, None)
        if isinstance(found, type) and issubclass(found, SeedbedError) and "__init__" not in vars(found):
            return found
    return type(name, (SeedbedError,), {})  # it is made of other things: an engine's own, or several errors
