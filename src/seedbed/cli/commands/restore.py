"""`seedbed restore`."""

from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import options
from seedbed.cli.frame import Frame, framed


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.environment
@options.selection
@click.option("--unreviewed", is_flag=True, help="Go on in a protected environment.")
@options.wait
@options.as_json
@framed
def command(
    frame: Frame,
    file: Path,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    unreviewed: bool,
    wait: float,
) -> None:
    """Fill one empty database from FILE, which `seedbed dump` wrote.

    The target keeps its own history: migrate it to where the dump was taken first.

    \b
    seedbed restore -e dev-ana -s tutor-matching --engine neo4j graph.jsonl
    """
    frame.project.insist_on_unreviewed(env, unreviewed)
    with frame.reaching(env, frame.databases(services, engines), wait=wait) as reach:
        outcome = frame.project.restore(reach, file)
    frame.finish(reach, outcome)
