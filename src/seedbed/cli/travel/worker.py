"""`seedbed --run ID`: the end of a run inside the network. The same command, in this process, for another terminal."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
import msgspec

from seedbed.cli.context import CommandContext, CommandKind, kind_of
from seedbed.cli.travel import is_about_base
from seedbed.cli.travel import parcel as parcels
from seedbed.cli.travel.arguments import files, placed
from seedbed.cli.travel.recorder import Recorder, Renaming
from seedbed.environments import aws
from seedbed.errors import ExitCode, Refused, SeedbedError
from seedbed.files.platform import platform_digest
from seedbed.files.scratch import scratch
from seedbed.manifest.load import find
from seedbed.model.environment import Environment
from seedbed.remote import place
from seedbed.remote.control import run_named
from seedbed.remote.files import unpack
from seedbed.remote.records import IMAGE
from seedbed.remote.worker import CLAIM, Worker, require_ours, require_same, this_task
from seedbed.report.styles import harmless

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud
    from seedbed.remote.control import Control
    from seedbed.remote.records import Ask, Run, Terminal

LATER = "-"  # in the place of a run's id: it comes on standard input, once there is one
PLATFORM = "/platform"  # where an image has the platform's files, unless -C says otherwise
_SIGNALS = {ExitCode.INTERRUPTED: signal.SIGINT, ExitCode.TERMINATED: signal.SIGTERM}


def work(id_: str, directory: str | None) -> int:
    """Carry out a run, and return the exit code that its record has."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        name = this_task(os.environ)
        if id_ == LATER:
            _import_all(name)
            id_, _, token = sys.stdin.readline().strip().partition(" ")
            if not id_:
                return 0  # whoever would have told it is gone
            os.environ[CLAIM] = token
        control = place.of_worker(cloud(name), os.environ)
        worker = Worker(
            control, run_named(id_), name=name, token=os.environ.pop(CLAIM, ""), log=_logged(sys.stderr)
        )
        run = worker.claim()
    except SeedbedError as error:  # there is no record that could say it
        return int(CommandContext({}, command="", as_json=False).fail(error))
    with ExitStack() as leaving:
        try:
            room = leaving.enter_context(scratch("seedbed.run-"))
        except OSError as error:
            control.decline(run, int(ExitCode.UNAVAILABLE), f"its task has no room for files: {error}")
            return int(ExitCode.UNAVAILABLE)
        with worker.at_work(_stop):
            return _Work(control, worker, run, room.directory).done(directory)


def _import_all(name: str) -> None:
    """Import what a run needs, and make the clients of AWS that it has, before it is known which run."""
    from seedbed.aws import clients, items, objects
    from seedbed.engines import registry
    from seedbed.engines.capabilities import SupportsExtras

    modules = ["seedbed.cli.main", "seedbed.project"]
    for each in registry.names():
        with suppress(SeedbedError):  # told by a run that needs it
            engine = registry.load(each)
            if isinstance(engine, SupportsExtras):
                modules += [module for packages in engine.extras.values() for module in packages]
    for module in modules:
        with suppress(ImportError):
            importlib.import_module(module)
    for service in (items.SERVICE, objects.SERVICE):
        clients.client(cloud(name), service)


class _Work:
    """One run, from its files to its end."""

    def __init__(self, control: Control, worker: Worker, run: Run, scratch: Path) -> None:
        self._control = control
        self._worker = worker
        self._run = run
        self._scratch = scratch
        self._places: dict[str, Path] = {}

    def done(self, directory: str | None) -> int:
        """Carry it out, and return the exit code that its record has."""
        ask, log = self._run.ask, _logged(sys.stderr)
        redactor = Renaming()
        recorder = Recorder(self._worker, ask.terminal, redactor, sys.stderr)
        log(harmless(f"run {self._run.id}: seedbed {' '.join((ask.command, *ask.argv))}, called by {ask.by}"))
        with recorder.installed():
            code = self._called(recorder, redactor, directory)
        for number in (signal.SIGINT, signal.SIGTERM):  # it is over: what is left is to say so
            signal.signal(number, signal.SIG_IGN)
        document = msgspec.json.encode(recorder.document) if recorder.document is not None else None
        outputs = parcels.written(self._places, ask.terminal.places) if self._places else {}
        self._worker.finish(code, document=document, outputs=outputs)
        log(f"run {self._run.id}: exit code {code}")
        return code

    def _called(self, recorder: Recorder, redactor: Renaming, directory: str | None) -> int:
        """Return the exit code of the command, or of what kept it from being called."""
        from seedbed.cli import main

        ask = self._run.ask
        settings: dict[str, Any] = {"recorder": recorder, "verbose": ask.terminal.verbose}
        context = CommandContext(
            {**settings, "quiet": ask.terminal.quiet, "color": ask.terminal.color},
            command=ask.command,
            as_json=ask.terminal.json,
            environment=ask.environment,
        )
        try:
            require_ours(ask, os.environ)
            command = _command(ask)
            inputs = {name: self._control.fetch(self._run.id, blob) for name, blob in ask.inputs.items()}
            self._places = parcels.unpacked(inputs, ask.terminal.places, self._scratch / "files")
            redactor.rename(_names(ask.terminal, self._places))
            os.chdir(self._platform(directory))
            words = placed(command, ask.argv, self._places)
            _require_sent(command, ask, words, self._places)
        except SeedbedError as error:
            return int(context.fail(error))
        except KeyboardInterrupt:
            return int(context.interrupt())
        except click.exceptions.Exit as leaving:
            return leaving.exit_code
        except Exception as error:  # noqa: BLE001  it is to be in the record, as a command's own would be
            known = context.exhausted(error)
            return int(context.fail(known) if known else context.crash())
        said = ["-v"] * ask.terminal.verbose + ["-q"] * ask.terminal.quiet + ["--color", ask.terminal.color]
        return main.run([*said, *ask.command.split(), *words], {"recorder": recorder})

    def _platform(self, directory: str | None) -> Path:
        """Return where the platform's files are. Raises Refused unless they are those of the client."""
        ask = self._run.ask
        if ask.files == IMAGE:
            usual = PLATFORM if Path(PLATFORM).is_dir() else "."
            root = find(Path(directory or usual).absolute()).parent
        else:
            root = self._scratch / "platform"
            root.mkdir()
            unpack(self._control.files(ask.files), root)
        if is_about_base(ask.command):  # it is told names alone, and callers are of other commits
            return root
        from seedbed.project import Project

        databases = Project.open(root).platform.databases
        require_same(ask, platform_digest(root, [Path(each.directory) for each in databases]))
        return root


def _command(ask: Ask) -> click.Command:
    """Return the command of a run. Raises Refused for one that never travels, or that is for another environment.

    The record may be written by hand: it has no more rights here than a call by somebody who may start runs.
    """
    from seedbed.cli import main

    command: click.Command | None = main.cli
    for word in ask.command.split(" "):
        command = (
            command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        )
    if command is None or isinstance(command, click.Group) or kind_of(command) is CommandKind.LOCAL:
        raise Refused(
            f"a task does not carry out {ask.command!r}",
            because="only commands that read or change databases run there",
            try_="call it where its files and stacks are",
        )
    parsed = command.make_context(ask.command, list(ask.argv), resilient_parsing=True).params
    if parsed.get("env") != ask.environment:
        raise Refused(
            f"the run is for {ask.environment}, and its arguments name {parsed.get('env') or 'none'}",
            because="a task has the databases of one environment",
            try_="call the command again",
        )
    return command


def _require_sent(command: click.Command, ask: Ask, words: list[str], places: Mapping[str, Path]) -> None:
    """Raise Refused for a file that is none of the run's: the task has others, which its caller may not read."""
    parsed = command.make_context(ask.command, list(words), resilient_parsing=True).params
    sent = {str(each) for each in places.values()}
    for param, _ in files(command):
        value = parsed.get(param.name or "")
        if value is not None and str(value) not in sent:
            raise Refused(
                f"{str(value)!r} is no file of the run",
                because="a task reads and writes those that came with the call",
                try_="call the command again: it sends its files along",
            )


def _names(terminal: Terminal, places: Mapping[str, Path]) -> dict[str, str]:
    """Return what the client calls the files and their directories, by their paths here."""
    typed = {path: terminal.files[name] for name, path in places.items()}
    folders = {path.parent: os.path.dirname(os.path.join(terminal.cwd, name)) for path, name in typed.items()}
    return {str(path): name for path, name in {**typed, **folders}.items()}


def cloud(task: str) -> Cloud:
    """Return where this task runs: a container is told that by variables, or by the ARN of its task."""
    told = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    region = told or (task.split(":")[3] if task.startswith("arn:") else "")
    return aws.cloud(Environment(os.environ.get(place.ENVIRONMENT, ""), region=region), os.environ)


def _stop(code: ExitCode) -> None:
    """Have this process get the signal that the client got: what happens then is what would happen there."""
    os.kill(os.getpid(), _SIGNALS.get(code, signal.SIGINT))


def _terminated(_number: int, _frame: object) -> None:
    """End the command where it does not look for a stop itself; within a run it does."""
    raise click.exceptions.Exit(int(ExitCode.TERMINATED))


def _logged(log: TextIO) -> Callable[[str], None]:
    def write(line: str) -> None:
        with suppress(OSError, ValueError):
            print(line, file=log, flush=True)

    return write
