"""What every command is handed: output, the project, signals, and errors turned into exit codes."""

from __future__ import annotations

import functools
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed.embedded import telling
from seedbed.errors import ExitCode, SeedbedError, UsageError
from seedbed.model.secret import Redactor
from seedbed.report.console import Output

if TYPE_CHECKING:
    from seedbed.execution.stopping import Stop
    from seedbed.model.event import Listener
    from seedbed.model.outcome import Outcome
    from seedbed.model.plan import Plan
    from seedbed.model.platform import Database
    from seedbed.project import Catalog, Project, Run
    from seedbed.report.progress import Progress


class CommandContext:
    """One command under way."""

    def __init__(self, settings: dict[str, Any], *, command: str, as_json: bool) -> None:
        self.command = command
        self.as_json = as_json
        self.redactor = Redactor()
        self.verbose: int = settings.get("verbose", 0)
        self._settings = settings
        self._project: Project | None = None
        self._progress: Progress | None = None
        self.out = Output(
            sys.stdout,
            sys.stderr,
            color=settings.get("color", "auto"),
            quiet=settings.get("quiet", 0),
            verbose=self.verbose,
            redact=self.redactor,
        )

    @property
    def directory(self) -> Path:
        directory = Path(self._settings.get("directory") or ".")
        if not directory.is_dir():
            raise UsageError(
                f"{directory} is no directory", because="-C names where to work", try_="check it"
            )
        return directory.absolute()

    @property
    def project(self) -> Project:
        if self._project is None:
            from seedbed.project import Project

            self._project = Project.open(self.directory, redactor=self.redactor)
        return self._project

    @property
    def catalog(self) -> Catalog:
        return self.project.catalog

    def databases(self, services: Sequence[str], engines: Sequence[str]) -> tuple[Database, ...]:
        """Return what is selected; an engine in the command's own name narrows as `--engine` does."""
        named = self._settings.get("engine")
        return self.catalog.databases(services, [*engines, named] if named else engines)

    @contextmanager
    def run(
        self, env: str, databases: Sequence[Database], *, wait: float, silent: bool = False
    ) -> Iterator[Run]:
        """Yield a run while progress is shown, and stop it cleanly at Ctrl-C and SIGTERM."""
        from seedbed.execution.stopping import Stop
        from seedbed.report.listening import listener_for

        stop = Stop()
        names = [str(each.id) for each in databases]
        with signals(stop), ExitStack() as showing:
            self._progress = None if silent else showing.enter_context(listener_for(self.out, targets=names))
            listener: Listener = self._progress or _ignore
            with self.project.run(env, databases, listener=listener, stop=stop, wait=wait) as run:
                yield run

    def expect(self, plan: Callable[[], Plan]) -> None:
        """Tell a live display how much there is to do; asks for the plan only where there is one."""
        if self._progress is not None and self.out.stderr.is_capable:
            self._progress.expect(plan())

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Keep the display still while somebody is asked."""
        with self.out.lock:
            if self.out.overlay is not None:
                self.out.overlay.erase()
            yield

    def show(self, page: Any) -> None:
        """Write a result: a document where JSON was asked for, else lines."""
        if self.as_json:
            self.document(page)
        else:
            self.out.result(page)

    def document(self, document: dict[str, Any]) -> None:
        self.out.document(document)

    def finish(self, run: Run, outcome: Outcome, lines: Sequence[Any] = ()) -> None:
        """Show how it ended and leave with its exit code; `lines` say it all where all went well."""
        from seedbed.report.documents import outcome_document
        from seedbed.report.texts import outcome_text

        if self.as_json:
            self.document(outcome_document(outcome, run.events, self.command))
        else:
            all_said = bool(lines) and outcome.exit_code is ExitCode.DONE
            self.out.result(lines if all_said else [*lines, *outcome_text(outcome, self.command)])
        self.leave(outcome.exit_code)

    def leave(self, code: ExitCode) -> None:
        click.get_current_context().exit(int(code))

    def fail(self, error: SeedbedError) -> ExitCode:
        """Show an error that ended the command, and return its exit code."""
        if self.as_json:
            from seedbed.report.documents import error_document

            self.document(error_document(error))
        self.out.error(error)
        if self.verbose > 1:
            self.out.log(traceback.format_exc(), level=-1)
        return error.exit_code

    def crash(self) -> ExitCode:
        """Show that this was a bug: one line, and the traceback, which never holds values of variables."""
        self.out.log(traceback.format_exc(), level=-1)
        self.out.log("this is a bug in seedbed: please report it with the lines above", level=-1)
        return ExitCode.BUG


def command_context(function: Callable[..., None]) -> Callable[..., None]:
    """Hand a command its CommandContext, and turn what it raises into output and an exit code."""

    @click.option("-v", "--verbose", count=True, help="Say more; twice: tracebacks.")
    @click.option("-q", "--quiet", count=True, help="No progress: only results and failures.")
    @functools.wraps(function)
    @click.pass_context
    def wrapped(ctx: click.Context, /, *args: Any, **kwargs: Any) -> None:
        as_json = bool(kwargs.pop("as_json", False))
        settings = ctx.ensure_object(dict)
        for name in ("verbose", "quiet"):  # both may be said before and after the command's name
            settings[name] = settings.get(name, 0) + kwargs.pop(name)
        context = CommandContext(settings, command=str(ctx.command.name), as_json=as_json)
        try:
            with telling.heard(context.out.log):
                function(context, *args, **kwargs)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except SeedbedError as error:
            ctx.exit(int(context.fail(error)))
        except KeyboardInterrupt:
            ctx.exit(int(ExitCode.INTERRUPTED))
        except Exception:  # noqa: BLE001  the last line of defence: said, traced, exit code 1
            ctx.exit(int(context.crash()))

    return wrapped


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


def _ignore(_: object) -> None:
    """Listen to nothing."""
