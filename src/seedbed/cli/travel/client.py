"""The end of a run where it was called: what is sent, and what is made of what comes back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
import msgspec

from seedbed.aws.identity import caller
from seedbed.cli.context import CommandKind
from seedbed.cli.travel import parcel as parcels
from seedbed.cli.travel.arguments import arguments, require_no_directory
from seedbed.cli.travel.display import Display, Waiting
from seedbed.documents.document import VERSION
from seedbed.errors import (
    ExitCode,
    Hint,
    Interrupted,
    OutcomeUnknown,
    SeedbedError,
    Unavailable,
    UsageError,
    call,
    hint_text,
)
from seedbed.files.platform import platform_digest
from seedbed.remote import place as places
from seedbed.remote.files import pack
from seedbed.remote.following import Following
from seedbed.remote.records import IMAGE, Ask, Run, Terminal, code_of, who
from seedbed.remote.starting import Started, Starter, stopped
from seedbed.remote.stopping import Stopping
from seedbed.remote.tasks import LOG_STREAM, Tasks
from seedbed.report import github

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext
    from seedbed.model.environment import Environment
    from seedbed.remote.control import Control

_ANSWERED = 60.0  # seconds in which an answer has to reach the record
_PRIVATE = {"dump"}  # commands whose files only their owner may read


def travel(
    context: CommandContext,
    command: click.Command,
    kind: CommandKind,
    values: Mapping[str, Any],
    *,
    detach: bool,
) -> None:
    """Have a call of `command` carried out by the task of its environment, and leave with the code that it has.

    Raises what starting and following raise.
    """
    require_no_directory(command, values)
    parcel = parcels.packed(command, values)
    if detach and parcel.outputs:
        raise UsageError(
            f"{context.command} writes a file, which --detach would leave in the bucket",
            try_="leave --detach out",
        )
    with signals() as pressed:
        control, tasks, started = begun(context, command, kind, values, parcel, pressed)
        if detach:
            context.out.result(f"{started.run.id}\n")
            how = hint_text(Hint(call("runs attach", started.run.id)), context.environment, "")
            context.out.log(f"follow it: {how}")
            return
        run = follow(context, control, tasks, started.run.id, pressed)
    _bring_back(context, control, run, parcel)
    end(context, control, run, pressed)


def begun(
    context: CommandContext,
    command: click.Command,
    kind: CommandKind,
    values: Mapping[str, Any],
    parcel: parcels.Parcel,
    pressed: Pressed,
) -> tuple[Control, Tasks, Started]:
    """Return a run that carries out a call of `command` and is under way, and where. Raises what `Starter` raises."""
    environment = context.catalog.environment(context.environment)
    cloud = context.project.targets.cloud(environment)
    where = places.find(cloud, context.project.platform.name, environment)
    tasks = Tasks(cloud, where.require_task())
    ask = _ask(context, command, kind, values, parcel, environment, where.control, caller(cloud).arn)
    waiting = Waiting(context.out)
    starter = Starter(where.control, tasks, tell=waiting, check=pressed.check)
    try:
        started = starter.start(ask, parcel.inputs)
    except KeyboardInterrupt:
        raise Interrupted(
            "left before it was known whether the run begins",
            because="Ctrl-C twice",
            try_=Hint("see whether it does: ", call("runs list")),
        ) from None
    finally:
        waiting("")
    _tell(context, tasks, started)
    return where.control, tasks, started


def follow(context: CommandContext, control: Control, tasks: Tasks | None, id_: str, pressed: Pressed) -> Run:
    """Show what a run tells until it is over, and return it. Raises what `Following` raises."""
    display = Display(context, lambda number, text: _counted(control, id_, number, text))
    stopping = Stopping(control, tasks, id_, interactive=context.out.stderr.is_terminal, tell=context.out.log)
    pressed.hand_to(stopping)
    following = Following(control, tasks, id_, entry=display, tell=display.waiting, stopping=stopping)
    try:
        run = following.to_the_end()
    except (MemoryError, OSError, RuntimeError) as error:
        if (known := context.exhausted(error)) is None:
            raise
        raise OutcomeUnknown(
            f"run {id_} goes on, and cannot be followed from here",
            because=f"{known.what}: {known.because}",
            try_=Hint("see how it ends: ", call("runs attach", id_)),
        ) from error
    finally:
        display.close()
    if display.lost:
        code = context.fail(display.lost)
        context.leave(code_of(run.exit_code) or (ExitCode.PARTIAL if _changed(control, run) else code))
    return run


def end(context: CommandContext, control: Control, run: Run, pressed: Pressed) -> None:
    """Leave as the command would have that this run is of."""
    if run.ask.writes and _changed(control, run):
        context.mark_changed()
    code = code_of(run.exit_code)
    is_ours = code is ExitCode.TERMINATED and pressed.code is ExitCode.INTERRUPTED  # by a second Ctrl-C
    context.leave(ExitCode.INTERRUPTED if is_ours else code)


class Pressed:
    """Ctrl-C and SIGTERM, from the first moment on: kept until there is a run that can be told."""

    def __init__(self) -> None:
        self.code: ExitCode | None = None
        self._stopping: Stopping | None = None

    def request(self, code: ExitCode) -> None:
        is_first, self.code = self.code is None, self.code or code
        if self._stopping is not None:
            self._stopping.request(code)
        elif not is_first:
            raise KeyboardInterrupt  # the second one: whoever presses it waits no longer

    def check(self) -> None:
        """Raise Interrupted once one of them came."""
        if self.code is not None:
            raise stopped(self.code)

    def hand_to(self, stopping: Stopping) -> None:
        """Have `stopping` told of each from now on, and of the one that came before."""
        self._stopping = stopping
        if self.code is not None:
            stopping.request(self.code)


@contextmanager
def signals(also: Callable[[ExitCode], None] = lambda _code: None) -> Iterator[Pressed]:
    """Yield what Ctrl-C and SIGTERM reach within this context; `also` is told of each, too."""
    pressed = Pressed()
    codes = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}

    def handle(number: int, _frame: object) -> None:
        also(codes[signal.Signals(number)])
        pressed.request(codes[signal.Signals(number)])

    before = {number: signal.signal(number, handle) for number in codes}
    try:
        yield pressed
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _ask(
    context: CommandContext,
    command: click.Command,
    kind: CommandKind,
    values: Mapping[str, Any],
    parcel: parcels.Parcel,
    environment: Environment,
    control: Control,
    by: str,
) -> Ask:
    """Return what is asked for; the platform's files are uploaded where they are not in the image."""
    platform = context.project.platform
    directories = [Path(each.directory) for each in platform.databases]
    said = {**values, "as_json": context.as_json}
    if context.named_engine and not said.get("plan"):  # a plan file has the selection in it
        said["engines"] = (*said.get("engines", ()), context.named_engine)
    root = Path(platform.root)
    if environment.files == "upload":
        data, digest = pack(root, directories)
        files = control.put_files(data)
    else:
        digest, files = platform_digest(root, directories), IMAGE
    return Ask(
        command=context.command,
        argv=tuple(arguments(command, said, parcel.names)),
        environment=environment.name,
        by=by,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        seedbed=VERSION,
        platform_digest=digest,
        files=files,
        output_names=tuple(parcel.outputs),
        terminal=_terminal(context, parcel),
        writes=kind is CommandKind.WRITES and not values.get("dry_run"),
        kept=environment.record_days * 86_400,
    )


def _terminal(context: CommandContext, parcel: parcels.Parcel) -> Terminal:
    out, environ = context.out, os.environ
    columns, lines = out.stderr.size() or out.stdout.size() or (80, 24)
    return Terminal(
        columns=columns,
        lines=lines,
        stdout_tty=out.stdout.is_terminal,
        stderr_tty=out.stderr.is_terminal,
        stdout_encoding=out.stdout.encoding,
        stderr_encoding=out.stderr.encoding,
        capable=environ.get("TERM", "dumb") not in {"", "dumb"},
        color="never" if context.color == "auto" and environ.get("NO_COLOR") else context.color,
        json=context.as_json,
        verbose=context.verbose,
        quiet=out.quiet,
        github=github.is_github(environ),
        below=_below(out.root),
        interactive=context.can_ask,
        directory=context.called_in,
        cwd=_cwd(),
        files=parcel.typed,
        places=parcel.outputs,
    )


def _cwd() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it is gone, and -C names another
        return ""


def _below(root: str) -> str:
    """Return where we are in the checkout `root` of GitHub's runner; empty at its top, and outside of it."""
    below = os.path.relpath(_cwd() or root, root) if root else "."
    return "" if below == "." or below.startswith("..") else below


def _tell(context: CommandContext, tasks: Tasks, started: Started) -> None:
    """Say where the command runs."""
    run = started.run
    task, group = run.carrier, tasks.place.log_group
    words = f"run {run.id}"
    if started.is_attached:
        words += f" of {who(run.ask.by)}, which asks for the same, is followed"
    words += f", in task {task.rpartition('/')[2]}" if task else ", by a worker that was waiting for one"
    context.out.log(words + (f"; its log is in {group}" if group else ""))
    if task and group:
        context.out.log(link(tasks, task), level=1)


def link(tasks: Tasks, task: str) -> str:
    """Return the address of the log of a task in AWS's console."""
    region, place = tasks.cloud.region, tasks.place
    stream = f"{LOG_STREAM}/{place.container}/{task.rpartition('/')[2]}"
    group, stream = (
        quote(quote(each, safe=""), safe="").replace("%", "$") for each in (place.log_group, stream)
    )
    return (
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#logsV2:log-groups/log-group/{group}/log-events/{stream}"
    )


def _bring_back(context: CommandContext, control: Control, run: Run, parcel: parcels.Parcel) -> None:
    """Write the files that the run has written. Raises UsageError where that is not possible."""
    for name in parcel.outputs.keys() & run.outputs.keys():
        data = control.fetch(run.id, run.outputs[name])
        over = parcel.outputs[name] == parcels.THERE
        parcels.arrive(Path(parcel.typed[name]), data, over=over, private=context.command in _PRIVATE)


def _changed(control: Control, run: Run) -> bool:
    """Return whether the run has changed something that stays."""
    if run.document is None:
        return False
    try:
        document = msgspec.json.decode(control.fetch(run.id, run.document))
    except SeedbedError:  # how the run ended is known; what it changed is of no weight beside that
        return run.ask.writes
    return isinstance(document, dict) and bool(document.get("changed"))


def _counted(control: Control, id_: str, number: int, text: str) -> str:
    """Answer question `number` with `text`, and return the answer that counts: somebody else may have been faster.

    Raises OutcomeUnknown where AWS does not answer for long: the run waits, and an answer may have reached it.
    """
    until = time.monotonic() + _ANSWERED
    while True:
        try:
            return control.answer(id_, number, text)
        except SeedbedError as error:
            if not isinstance(error, Unavailable) or time.monotonic() >= until:
                raise OutcomeUnknown(
                    f"run {id_} waits for an answer that cannot be given from here",
                    because=f"{error.what}: {error.because}" if error.because else error.what,
                    try_=Hint("follow it, and answer there: ", call("runs attach", id_)),
                ) from None
            time.sleep(1.0)
