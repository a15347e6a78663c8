"""`seedbed doctor`."""

from __future__ import annotations

import platform
import sys

import click

from seedbed import __version__
from seedbed.cli import options
from seedbed.cli.frame import Frame, framed


@click.command("doctor")
@click.option("-e", "--env", "env", metavar="NAME", help="Also try every target of this environment.")
@options.selection
@options.as_json
@framed
def command(frame: Frame, env: str | None, services: tuple[str, ...], engines: tuple[str, ...]) -> None:
    """Say what this machine has, where things are, and, with -e, which targets answer. Changes nothing.

    \b
    seedbed doctor
    seedbed doctor -e staging
    """
    from seedbed.report.documents import doctor_document
    from seedbed.report.texts import doctor_text

    found = [
        ("seedbed", f"{__version__} on Python {platform.python_version()}, {sys.platform}"),
        ("manifest", f"{frame.project.platform.root}, platform {frame.project.platform.name}"),
        *frame.project.diagnose(),
    ]
    failed = {}
    if env:
        with frame.reaching(env, frame.databases(services, engines), wait=0, silent=True) as reach:
            failed = reach.failed
            for each in reach.reached:
                identity = each.history.identity or "no identity yet"
                found.append((each.id, f"{each.session.server} at {each.target.address}, {identity}"))
        found += [(name, error.what) for name, error in failed.items()]
    if frame.as_json:
        frame.document(doctor_document(found))
    else:
        frame.out.result(doctor_text(found))
    if failed:
        frame.leave(max(error.exit_code for error in failed.values()))
