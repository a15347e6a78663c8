"""`seedbed doctor`."""

from __future__ import annotations

import platform as machine
import sys
from collections.abc import Sequence

import click

from seedbed import __version__
from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import Hint, SeedbedError, call, hint_text


@click.command("doctor")
@click.option(
    "-e",
    "--env",
    "env",
    metavar="NAME",
    shell_complete=options.known("environments"),
    help="Also connect to every target of this environment.",
)
@options.selection
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext, env: str | None, services: tuple[str, ...], engines: tuple[str, ...]
) -> None:
    """Say what this machine has, where things are and, with -e, which targets answer; change nothing.

    Outside a platform it reports on every installed engine.

    \b
    seedbed doctor
    seedbed doctor -e staging
    """
    from seedbed.documents.doctor import DoctorDocument
    from seedbed.report.text.doctor import doctor_text

    found = [
        ("seedbed", f"{__version__} on Python {machine.python_version()}, {sys.platform}"),
        *(_of_platform(context) if env or context.has_manifest else _of_machine(context)),
    ]
    failed: Sequence[SeedbedError] = ()
    if env:
        with context.run(env, context.databases(services, engines), wait=0, silent=True) as run:
            failed = tuple(run.failed.values())
            for each in run.connected:
                identity = each.history.identity or "no identity yet"
                found.append((each.id, f"{each.session.server} at {each.target.address}, {identity}"))
    context.show(DoctorDocument.of(found, failed, context.command), doctor_text)
    context.leave_for(failed)


def _of_platform(context: CommandContext) -> list[tuple[str, str]]:
    platform = context.project.platform
    return [("manifest", f"{platform.root}, platform {platform.name}"), *context.project.diagnose()]


def _of_machine(context: CommandContext) -> list[tuple[str, str]]:
    from seedbed.engines import registry
    from seedbed.project.project import diagnose, sandbox_home

    found = diagnose(registry.names(), sandbox_home(context.directory))
    start = hint_text(Hint(call("init")), "", "")
    return [("manifest", f"none in {context.directory} or above; to start one: {start}"), *found]
