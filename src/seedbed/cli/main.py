"""The entry point: a group that knows every command by name and imports only the one that runs."""

from __future__ import annotations

import faulthandler
import importlib
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from seedbed import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# name: (module, one line for `--help`). The modules are imported when their command is.
COMMANDS = {
    "apply": ("apply", "Apply pending migrations to the selected databases."),
    "demo": ("demo", "Run the whole platform on embedded servers: migrate, seed, revert, apply again."),
    "deploy": ("deploy", "Deploy the declared stacks, in updates that CloudFormation accepts."),
    "destroy": ("destroy", "Delete stacks and everything in them. Ephemeral environments only."),
    "doctor": ("doctor", "Check this machine's setup and, with -e, connectivity."),
    "dump": ("dump", "Dump all data of one small database to a file."),
    "env": ("env", "Start, stop or list environments."),
    "image": ("image", "Write the Dockerfile of the migration task, with everything pinned; build it."),
    "init": ("init", "Start a platform: a manifest, a first service, files for editors and CI."),
    "new": ("new", "Create a migration file, or give one that is out of order a new version."),
    "plan": ("plan", "Show what apply would do; write it to a file for review."),
    "release": ("release", "Release a version of the platform step by step, with evidence and approvals."),
    "repair": ("repair", "Record a decision about a migration in the history, with an audit entry."),
    "reset": ("reset", "Empty databases. Ephemeral environments only."),
    "restore": ("restore", "Restore a dump into one empty database."),
    "revert": ("revert", "Revert the last migration, several, or all after a version."),
    "runs": ("runs", "List, follow or stop what runs in a task inside the network."),
    "schema": ("schema", "Print the JSON Schema of seedbed.toml or of a --json document."),
    "seed": ("seed", "Load seeds: reference data, fixtures and, with --kind volume, volume data."),
    "share": ("share", "Make, list or drop what environments have on the servers of their base."),
    "snapshot": ("snapshot", "Take, restore, try or delete snapshots of databases before a contract."),
    "status": ("status", "Show every migration of every database and its state."),
    "verify": ("verify", "Check that ids lead to rows of other databases, and that expectations hold."),
}
ALIASES = {
    "cdk:deploy": "deploy",
    "migration:create": "new",
    "migration:run": "apply",
    "migration:revert": "revert",
    "migration:show": "status",
    "seed:run": "seed",
    "schema:drop": "reset",
}
# What people type who come from elsewhere, and what it is here.
HABITS = {
    "check": "plan",
    "clean": "reset",
    "create": "new",
    "current": "status",
    "diff": "plan",
    "down": "revert",
    "downgrade": "revert",
    "drop": "reset",
    "generate": "new",
    "history": "status",
    "info": "status",
    "list": "status",
    "load": "seed",
    "make": "new",
    "makemigrations": "new",
    "migrate": "apply",
    "push": "apply",
    "revision": "new",
    "rollback": "revert",
    "run": "apply",
    "show": "status",
    "start": "env up",
    "stop": "env down",
    "undo": "revert",
    "up": "apply",
    "update": "apply",
    "upgrade": "apply",
    "validate": "plan",
}
# Every installed engine has these: `migrate:postgres` is `apply --engine postgres`.
ENGINE_VERBS = {"migrate": "apply", "seed": "seed"}
ENGINE_NOUNS = {"migrate": "apply", "seed": "seed", "reset": "reset"}


class Commands(click.Group):
    """Commands by name, their aliases, and `<verb>:<engine>` for every engine that is installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name, engine = resolve(cmd_name)
        if name is None:
            return None
        command: click.Command = importlib.import_module(f"seedbed.cli.commands.{COMMANDS[name][0]}").command
        if engine:
            ctx.ensure_object(dict)["engine"] = engine
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name == "help":
            return self._help(ctx, args[1:])
        if resolve(name)[0] is None and not name.startswith("-"):
            ctx.fail(f"There is no command {name!r}. {_meant(name)}")
        return super().resolve_command(ctx, args)

    def _help(
        self, ctx: click.Context, names: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Answer `help apply` as `apply --help`, and `help` alone as `--help`."""
        if not names:
            click.echo(ctx.get_help())
            raise click.exceptions.Exit(0)
        return self.resolve_command(ctx, [*names, "--help"])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = next((each for each in given if resolve(each)[0]), "")
            command = self.get_command(ctx, name) if name else None
            if command and any(error.option_name in each.opts for each in command.params):
                import shlex

                given.remove(name)
                at = next(n for n, each in enumerate(given) if each.startswith(error.option_name))
                words = shlex.join(["seedbed", *given[:at], name, *given[at:]])
                raise click.UsageError(
                    f"{error.option_name} stands after the command: {words}", ctx
                ) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(COMMANDS.items())])


def _meant(name: str) -> str:
    if name in HABITS:
        return f"Here it is: seedbed {HABITS[name]}"
    from seedbed.support.guess import guess

    likely = guess(name, [*COMMANDS, *ALIASES])
    return f"Did you mean {likely}?" if likely else "See seedbed --help."


def resolve(name: str) -> tuple[str | None, str]:
    """Return (command, engine) for a name as typed; (None, "") for an unknown one."""
    if name in COMMANDS:
        return name, ""
    if name in ALIASES:
        return ALIASES[name], ""
    left, colon, right = name.partition(":")
    if colon:
        from seedbed.engines import registry

        if left in ENGINE_VERBS and right in registry.names():
            return ENGINE_VERBS[left], right
        if right in ENGINE_NOUNS and left in registry.names():
            return ENGINE_NOUNS[right], left
    return None, ""


def _environments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from seedbed.cli import completion

    return completion.environments(ctx, param, incomplete)


def _carry_out(ctx: click.Context, _: click.Parameter, run_id: str | None) -> None:
    """Carry out a run, where this process is the task that was started for it; nobody types that."""
    if run_id is not None:
        from seedbed.cli.travel import worker

        raise click.exceptions.Exit(worker.work(run_id, ctx.params.get("directory")))


def _wait_for_runs(ctx: click.Context, _: click.Parameter, is_warm: bool) -> None:
    """Wait for runs, where this process is the task that was started for that; nobody types it."""
    if is_warm:
        from seedbed.cli.travel import warm

        raise click.exceptions.Exit(warm.wait(ctx.params.get("directory")))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "Try it without any database of your own: seedbed demo. Exit codes: 0 done, 1 bug, 2 usage, 3 refused, "
        "4 unreachable or busy, 5 partly done or outcome unknown, 6 changes pending or something broken, 7 failed, "
        "130/143 interrupted."
    ),
)
@click.version_option(__version__, prog_name="seedbed")
@click.option(
    "-C",
    "--directory",
    metavar="DIR",
    type=click.Path(),
    is_eager=True,  # --run asks for it
    help="Work on the platform in DIR; files that are named stay relative to here.",
)
@click.option(
    "-e",
    "--env",
    metavar="NAME",
    shell_complete=_environments,
    help="Environment of the command that follows.",
)
@click.option("-v", "--verbose", count=True, help="Show more detail; twice: tracebacks.")
@click.option("-q", "--quiet", count=True, help="Show results and failures only, no progress.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Whether to write in colour (default: auto).",
)
@click.option("--run", "run_id", hidden=True, expose_value=False, callback=_carry_out)
@click.option("--warm", is_flag=True, hidden=True, expose_value=False, callback=_wait_for_runs)
@click.pass_context
def cli(
    ctx: click.Context, directory: str | None, env: str | None, verbose: int, quiet: int, color: str
) -> None:
    """Migrate and seed every database that a platform of microservices owns.

    \b
    seedbed apply -e sandbox             all that is pending, on embedded servers
    seedbed plan -e staging -s payment   what apply would do to one service
    seedbed status -e staging --json     where everything stands, for a program
    """
    ctx.ensure_object(dict).update(directory=directory, env=env, verbose=verbose, quiet=quiet, color=color)


def run(arguments: list[str] | None = None, settings: dict[str, Any] | None = None) -> int:
    """Run the command line and return its exit code. `settings`: what a command is told besides."""
    _tell_of_crashes()
    try:
        code: Any = cli.main(arguments, prog_name="seedbed", standalone_mode=False, obj=settings)
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except click.Abort:
        code = 130
    except click.ClickException as error:
        explained = _lead_on(error)
        _show(explained)
        if "--json" in (sys.argv[1:] if arguments is None else arguments):
            _document(explained)
        code = 2
    except OSError as error:  # of click's own output: --help, --version; a command's never gets here
        code = _lost(error)
    return int(code or 0)


def _lead_on(error: click.ClickException) -> click.ClickException:
    """Return `error` with how the command is written, where click only says that a call of it is wrong."""
    ctx = getattr(error, "ctx", None)
    if ctx is None or ctx.parent is None:
        return error
    how = ""
    if isinstance(error, click.NoSuchOption) and error.option_name in {"-C", "--directory"}:
        how = f"It stands before the command: seedbed -C DIR {ctx.command_path.partition(' ')[2]}"
    elif isinstance(error, click.MissingParameter) or (
        isinstance(error, click.NoSuchOption) and not error.possibilities
    ):
        lines = (line.strip() for line in (ctx.command.help or "").splitlines())
        how = next((f"For example: {line}" for line in lines if line.startswith("seedbed ")), "")
    return click.UsageError(f"{error.format_message()} {how}", ctx) if how else error


def _show(error: click.ClickException) -> None:
    """Write on standard error what is wrong with a call; what was typed is no command to GitHub's runner."""
    from seedbed.report import github

    written = io.StringIO()
    error.show(written)
    said = written.getvalue()
    click.echo(github.disarm(said) if github.is_github(os.environ) else said, err=True, nl=False)


def _lost(error: OSError) -> int:
    """Say that what was asked for could not be written, and return the exit code."""
    from seedbed.report.console import lost

    failure = lost(error)
    sys.stderr.write(f"error: {failure}\n")
    with suppress(OSError, ValueError):  # what is left of it would be tried again at the end
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return int(failure.exit_code)


def _document(error: click.ClickException) -> None:
    """Write on standard output, as a document, that a call is wrong."""
    from seedbed.cli.context import CommandContext, command_name
    from seedbed.errors import Hint, UsageError, call

    ctx = getattr(error, "ctx", None)
    name = command_name(ctx) if ctx is not None and ctx.parent is not None else ""
    how = Hint(call(name, "--help")) if name else "seedbed --help"
    wrong = UsageError(error.format_message(), try_=how)
    CommandContext({}, command=name, as_json=True).document_error(wrong)


def _tell_of_crashes() -> None:
    """Have a crash in compiled code say where every thread was, on standard error: files and lines, no values."""
    if not faulthandler.is_enabled():
        with suppress(AttributeError, OSError, RuntimeError):  # there is no standard error
            faulthandler.enable()
