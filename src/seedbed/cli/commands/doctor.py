"""`seedbed doctor`."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping

import click

from seedbed import __version__
from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import SeedbedError


@click.command("doctor")
@click.option("-e", "--env", "env", metavar="NAME", help="Also try every target of this environment.")
@options.selection
@options.as_json
@command_context
def command(
    context: CommandContext, env: str | None, services: tuple[str, ...], engines: tuple[str, ...]
) -> None:
    """Say what this machine has, where things are, and, with -e, which targets answer. Changes nothing.

    \b
    seedbed doctor
    seedbed doctor -e staging
    """
    from seedbed.report.documents import doctor_document
    from seedbed.report.texts import doctor_text

    found = [
        ("seedbed", f"{__version__} on Python {platform.python_version()}, {sys.platform}"),
        ("manifest", f"{context.project.platform.root}, platform {context.project.platform.name}"),
        *context.project.diagnose(),
    ]
    failed: Mapping[str, SeedbedError] = {}
    if env:
        with context.run(env, context.databases(services, engines), wait=0, silent=True) as run:
            failed = run.failed
            for each in run.connected:
                identity = each.history.identity or "no identity yet"
                found.append((each.id, f"{each.session.server} at {each.target.address}, {identity}"))
        found += [(name, error.what) for name, error in failed.items()]
    if context.as_json:
        context.document(doctor_document(found))
    else:
        context.out.result(doctor_text(found))
    if failed:
        context.leave(max(error.exit_code for error in failed.values()))
