"""What every command is handed: output, the project, signals, and errors turned into exit codes."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from seedbed.cli import options
from seedbed.cli.looking import left
from seedbed.cli.notices import noticed
from seedbed.cli.travel import travels
from seedbed.cli.using import noted
from seedbed.errors import (
    ExitCode,
    Interrupted,
    OutputLost,
    SeedbedError,
    UsageError,
    called_with,
    exit_code,
)
from seedbed.model.environment import SANDBOX
from seedbed.model.secret import Redactor
from seedbed.report.console import Color, Output
from seedbed.support.extras import import_failure
from seedbed.support.phrases import listed

if TYPE_CHECKING:
    from seedbed.cli.travel.recorder import Recorder
    from seedbed.documents.document import Document
    from seedbed.documents.errors import ErrorDocument
    from seedbed.execution.stopping import Stop
    from seedbed.model.event import Listener
    from seedbed.model.outcome import Outcome
    from seedbed.model.plan import Plan
    from seedbed.model.platform import Database
    from seedbed.project import Catalog, Project, Run
    from seedbed.report.progress import Progress
    from seedbed.report.styles import Page

D = TypeVar("D", bound="Document")


class CommandKind(Enum):
    """What a command does with databases. Where they are reached by a task, one that is not local runs there."""

    LOCAL = "local"
    READS = "reads"
    WRITES = "writes"


class CommandContext:
    """One command under way.

    `recorder`: what is in the terminal's place where it runs for a client. `called_in`: what -C said, as hints repeat
    it. `named_engine`: the engine in the command's own name (`seed:postgres`), which narrows as `--engine` does.
    """

    def __init__(
        self, settings: dict[str, Any], *, command: str, as_json: bool, environment: str = ""
    ) -> None:
        self.command = command
        self.environment = environment
        self.as_json = as_json
        self.is_local = False  # --local was given
        self.recorder: Recorder | None = settings.get("recorder")
        self.redactor = self.recorder.redactor if self.recorder else Redactor()
        self.verbose: int = settings.get("verbose", 0)
        self.color: Color = settings.get("color", "auto")
        said = self.recorder.directory if self.recorder else settings.get("directory")
        self.called_in: str = said or ""
        self.named_engine: str = settings.get("engine") or ""
        self._settings = settings
        self._project: Project | None = None
        self._progress: Progress | None = None
        self._run: Run | None = None
        self._documented = False
        self.out = Output(
            sys.stdout,
            sys.stderr,
            color=self.color,
            quiet=settings.get("quiet", 0),
            verbose=self.verbose,
            redact=self.redactor,
        )
        self.out.below = self.recorder.below if self.recorder else ""

    @property
    def directory(self) -> Path:
        """Where to work. Raises UsageError where there is no such directory, or no more."""
        said = self._settings.get("directory")
        try:
            here = Path.cwd()
        except FileNotFoundError:
            if not said or not Path(said).is_absolute():
                raise UsageError(
                    "the working directory is gone",
                    because="it was removed while this shell stood in it",
                    try_="change to another directory, or name one: seedbed -C DIR",
                ) from None
            here = Path("/")
        directory = here / (said or ".")
        if directory.is_dir():
            return directory
        raise UsageError(
            f"{said} is not a directory", because="-C names where to work", try_="check the path after -C"
        )

    def mark_changed(self) -> None:
        """Take note that something was changed that stays: a command that goes on with this one has to know."""
        self._settings["changed"] = True

    def mark_documented(self) -> None:
        """Take note that a document is written: an error comes too late for one of its own."""
        self._documented = True

    def move(self, directory: Path) -> None:
        """Work in `directory` from now on, as if -C had said so; the project is not opened yet."""
        self._settings["directory"] = str(directory)

    @property
    def has_manifest(self) -> bool:
        """Whether the directory lies in a platform; what its manifest says is not looked at."""
        from seedbed.errors import ManifestError
        from seedbed.manifest.load import find

        try:
            find(self.directory)
        except ManifestError:
            return False
        return True

    @property
    def project(self) -> Project:
        if self._project is None:
            from seedbed.project import Project

            self._project = Project.open(self.directory, redactor=self.redactor, in_task=bool(self.recorder))
        return self._project

    @property
    def catalog(self) -> Catalog:
        return self.project.catalog

    def databases(self, services: Sequence[str], engines: Sequence[str]) -> tuple[Database, ...]:
        """Return what is selected; an engine in the command's own name narrows as `--engine` does."""
        named = self.named_engine
        return self.catalog.databases(services, [*engines, named] if named else engines)

    @contextmanager
    def run(
        self,
        env: str,
        databases: Sequence[Database],
        *,
        wait: float,
        silent: bool = False,
        compare: bool = True,
    ) -> Iterator[Run]:
        """Yield a run while progress is shown, and stop it cleanly at Ctrl-C and SIGTERM.

        `silent`: nothing is shown of it but servers that sleep, which take their time to answer.
        `compare`: False where targets may be bound to another environment.
        """
        from seedbed.execution.stopping import Stop
        from seedbed.report.listening import listener_for

        stop = Stop()
        names = [str(each.id) for each in databases]
        with signals(stop), ExitStack() as showing:
            if self.recorder:
                showing.enter_context(self.recorder.watching(stop))
                listener: Listener = showing.enter_context(self.recorder.progress(names, only_waking=silent))
            else:
                listening = listener_for(
                    self.out, targets=names, tells_failures=self.as_json, only_waking=silent
                )
                progress = showing.enter_context(listening)
                listener, self._progress = progress, None if silent else progress
            with self.project.run(
                env, databases, listener=listener, stop=stop, wait=wait, compare=compare
            ) as run:
                self._run = run
                with left(self, run):
                    yield run

    def exhausted(self, error: BaseException) -> SeedbedError | None:
        """Return what `error` means where this machine has no more to give, with what that left; else None."""
        from seedbed.support.exhausted import exhausted

        found = exhausted(error)
        if found is not None:
            is_touched = self._run is not None and self._run.context.is_touched
            found.exit_code = exit_code([found], changed=is_touched)
        return found

    def expect(self, plan: Callable[[], Plan]) -> None:
        """Tell a live display how much there is to do; asks for the plan only where there is one."""
        listener = self.recorder or self._progress
        if listener is not None and self.out.stderr.is_capable:
            listener.expect({each.database: len(each.actions) for each in plan().databases})

    @property
    def can_ask(self) -> bool:
        """Whether there is a terminal to ask at: the client's, where this command runs for one."""
        return self.recorder.can_ask if self.recorder else sys.stdin.isatty()

    def confirm(self, question: str) -> None:
        """Ask, with the display kept still. Raises Abort for every answer but yes."""
        with self.asking():
            if self.recorder is None:
                click.confirm(question, abort=True, err=True)
            elif not self.recorder.ask(question):
                raise click.Abort

    def prompt(self, question: str, *, default: str | None = None) -> str:
        """Return what is typed in answer to `question`. Only local commands ask for more than a yes."""
        with self.asking():
            answer: str = click.prompt(question, default=default, err=True)
        return answer.strip()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Keep the display still while somebody is asked."""
        with self.out.lock:
            if self.out.overlay is not None:
                self.out.overlay.erase()
            yield

    def show(self, document: D, text: Callable[[D], Page]) -> None:
        """Write a result to standard output: as JSON where that was asked for, else as `text` makes it."""
        if self.recorder:
            self.recorder.keep(document)
        if self.as_json:
            self._documented = True
            self.out.document(document)
        else:
            self.out.result(text(document))

    def finish(self, run: Run, outcome: Outcome, lines: Page = ()) -> None:
        """Show how it ended and leave with its exit code; `lines` say it all where all went well."""
        from seedbed.documents.outcome import OutcomeDocument
        from seedbed.report.text.outcome import outcome_text

        def text(document: OutcomeDocument) -> Page:
            all_said = bool(lines) and document.exit_code is ExitCode.DONE
            return lines if all_said else [*lines, *outcome_text(document)]

        self._settings["changed"] = self.is_changed or outcome.changed
        try:
            self.show(OutcomeDocument.of(outcome, run.events, self.command), text)
        except OutputLost as error:
            code = self.fail(error)
            self.leave(outcome.exit_code or (ExitCode.PARTIAL if outcome.changed else code))
        self.leave(outcome.exit_code)

    @property
    def is_changed(self) -> bool:
        """Whether this command, or one that it went on with, has changed something that stays."""
        return bool(self._settings.get("changed"))

    def leave(self, code: ExitCode) -> None:
        click.get_current_context().exit(int(code))

    def leave_for(self, errors: Iterable[SeedbedError]) -> None:
        """Leave with the exit code of `errors`, which are shown already, if there are any."""
        if code := exit_code(errors):
            self.leave(code)

    def fail(self, error: SeedbedError) -> ExitCode:
        """Show what ended the command, every error of it, and return its exit code."""
        document = self.document_error(error)
        for entry in document.errors:
            self.out.error(entry)
        if self.verbose > 1:
            import traceback

            self.out.log(traceback.format_exc(), level=-1)
        return error.exit_code

    def interrupt(self) -> ExitCode:
        """Write where JSON was asked for that Ctrl-C ended the command, or a question that was not answered yes."""
        error = Interrupted(
            "interrupted before there was a result", because="Ctrl-C, or an answer other than yes"
        )
        self.document_error(error)
        return error.exit_code

    def crash(self) -> ExitCode:
        """Show that this was a bug: one line, and the traceback, which never holds values of variables."""
        import traceback

        self.out.log(traceback.format_exc(), level=-1)
        self.out.log("this is a bug in seedbed: please report it with the lines above", level=-1)
        error = SeedbedError(
            "this is a bug in seedbed", try_="report it with the traceback on standard error"
        )
        self.document_error(error)
        return error.exit_code

    def document_error(self, error: SeedbedError) -> ErrorDocument:
        """Return the document of an error, written where JSON was asked for and nothing is written yet."""
        from seedbed.documents.errors import ErrorDocument

        document = ErrorDocument.of(error, self.command, self.environment)
        if self.as_json and not self._documented:
            with suppress(SeedbedError):  # it is told on standard error, and has its exit code
                self.show(document, _no_text)
        return document


_KINDS: dict[object, CommandKind] = {}  # by the callback of a command


def kind_of(command: click.Command) -> CommandKind:
    """Return what a command declared itself to be. Raises KeyError for one without a CommandContext: a group."""
    return _KINDS[command.callback]


def command_context(kind: CommandKind) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Hand a command its CommandContext, and turn what it raises into output and an exit code.

    `kind` says whether it travels to a task where the environment is reached by one; see `seedbed.cli.travel`.
    """
    if not isinstance(kind, CommandKind):
        raise TypeError("a command says what it does with databases: @command_context(CommandKind.READS)")

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        @click.pass_context
        def wrapped(ctx: click.Context, /, *args: Any, **kwargs: Any) -> None:
            _run(ctx, kind, function, args, kwargs)

        _KINDS[wrapped] = kind
        return options.output(wrapped if kind is CommandKind.LOCAL else options.travelling(wrapped))

    return decorate


def _run(
    ctx: click.Context,
    kind: CommandKind,
    function: Callable[..., None],
    args: Sequence[Any],
    kwargs: dict[str, Any],
) -> None:
    settings = ctx.ensure_object(dict)
    as_json = bool(kwargs.pop("as_json", False))
    local, detach = bool(kwargs.pop("local", False)), bool(kwargs.pop("detach", False))
    for name in ("verbose", "quiet"):  # like the colour, before or after the command's name
        settings[name] = settings.get(name, 0) + kwargs.pop(name)
    if color := kwargs.pop("color"):
        settings["color"] = color
    environments, before = _environments(ctx), settings.get("env") or ""
    if environments and before and ctx.get_parameter_source("env") is not ParameterSource.COMMANDLINE:
        kwargs["env"] = before
    context = CommandContext(
        settings,
        command=command_name(ctx),
        as_json=as_json,
        environment=kwargs.get("env") or "",
    )
    context.is_local = local
    with called_with(context.called_in), _ended(ctx, context):
        if before and not environments:
            raise UsageError(f"{context.command} takes no environment", try_="leave -e out")
        if any(isinstance(each, options.EnvironmentOption) for each in environments) and not kwargs["env"]:
            raise _no_environment(context)
        # What seeds and migrations print is no result; `context.out` has the real one.
        with noticed(context), noted(context, kind.value, kwargs), redirect_stdout(sys.stderr):
            if kind is not CommandKind.LOCAL and travels(context, kwargs, local=local, detach=detach):
                from seedbed.cli.travel import client

                client.travel(context, ctx.command, kind, kwargs, detach=detach)
            else:
                function(context, *args, **kwargs)


@contextmanager
def _ended(ctx: click.Context, context: CommandContext) -> Iterator[None]:
    """Turn what ends a command into output and an exit code."""
    try:
        yield
    except (click.exceptions.Exit, click.ClickException):
        raise
    except click.Abort:
        context.interrupt()
        raise
    except SeedbedError as error:
        ctx.exit(int(context.fail(error)))
    except KeyboardInterrupt:
        ctx.exit(int(context.interrupt()))
    except BaseException as error:  # noqa: BLE001  the last line of defence: said, traced, exit code 1
        known = context.exhausted(error) or import_failure(error)
        ctx.exit(int(context.fail(known) if known else context.crash()))


def _environments(ctx: click.Context) -> list[click.Parameter]:
    """Return the option for the environment of a command, if it has one."""
    return [each for each in ctx.command.params if each.name == "env"]


def _no_environment(context: CommandContext) -> UsageError:
    """Return the error for a call that names no environment. Raises ManifestError where there is no platform."""
    declared = [each.pattern for each in context.project.platform.environments]
    return UsageError(
        "no environment is named",
        because=f"the platform has {listed([*declared, SANDBOX], most=12)}",
        try_=f"-e {next((each for each in declared if '*' not in each), SANDBOX)}, or set SEEDBED_ENV",
    )


def command_name(ctx: click.Context) -> str:
    """Return the name of a command, after those of the groups that it is in: `env list`."""
    names = [str(ctx.command.name)]
    above = ctx.parent
    while above is not None and above.parent is not None and isinstance(above.command, click.Group):
        names.insert(0, str(above.command.name))
        above = above.parent
    return " ".join(names)


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Ask `stop` at the first Ctrl-C or SIGTERM; a second one ends the process at once."""
    codes = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}

    def handle(number: int, _frame: object) -> None:
        stop.request(codes[signal.Signals(number)])
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in codes}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _no_text(_: object) -> Page:
    return ()
