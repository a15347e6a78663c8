"""`seedbed snapshot take`, `drill`: a snapshot is made, and tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.cli.snapshots import KIND, now, of_release, reached
from seedbed.errors import SeedbedError, as_one

if TYPE_CHECKING:
    from datetime import datetime

    from seedbed.model.snapshot import Drill


@click.command("take", short_help="Take snapshots of databases.")
@options.environment
@options.selection
@of_release
@click.option(
    "--since",
    type=options.Moment(),
    help="Take another one where that was taken before then (default: never).",
)
@options.as_json
@command_context(KIND)
def take(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    release: int,
    since: datetime | None,
) -> None:
    """Take a snapshot of each selected database, and wait until it can be restored.

    One that this release has already is not taken anew. Exits with 6 if a snapshot is partial, or if seedbed cannot
    take one: then it is its operator's to take.

    \b
    seedbed snapshot take -e prod --release 12 -s user -s payment
    """
    from seedbed.documents.snapshot import SnapshotsDocument
    from seedbed.engines.snapshots import TakenElsewhere
    from seedbed.report.text.snapshots import snapshots_text

    databases = context.databases(services, engines)
    with reached(context, env) as (snapshots, _):
        results = snapshots.take(databases, release, since=since.timestamp() if since else 0.0)
    errors = [each.error for each in results if each.error and not isinstance(each.error, TakenElsewhere)]
    at = now()
    document = SnapshotsDocument.of(
        env,
        [each.snapshot for each in results if each.snapshot],
        errors,
        context.command,
        evidence=[each.evidence(at) for each in results],
        is_judged=True,
    )
    context.show(document, snapshots_text)
    context.leave(document.exit_code)


@click.command("drill", short_help="Try whether snapshots can be restored.")
@options.environment
@options.selection
@of_release
@options.as_json
@command_context(KIND)
def drill(
    context: CommandContext, env: str, services: tuple[str, ...], engines: tuple[str, ...], release: int
) -> None:
    """Restore snapshots beside their databases, check and measure that, and take the copies away again.

    Checked are identity, history, rows, and the [[expectations]] that are about that database alone. Exits with 6 if
    something is not as it should be.

    \b
    seedbed snapshot drill -e prod --release 12
    seedbed snapshot drill -e prod --release 12 -s user --json
    """
    from datetime import UTC, datetime

    from seedbed.documents.snapshot import DrillDocument
    from seedbed.project.drills import drill as tried
    from seedbed.report.text.snapshots import drill_text

    databases = context.databases(services, engines)
    drills: list[Drill] = []
    errors: list[SeedbedError] = []
    with reached(context, env) as (snapshots, stop):
        for each in databases:
            try:
                drills.append(tried(snapshots, context.project.targets, each, release, stop=stop))
            except SeedbedError as error:
                error.target = str(each.id)
                errors.append(as_one(error))
            if stop.code is not None:
                break
    document = DrillDocument.of(env, release, drills, errors, datetime.now(UTC), context.command)
    context.show(document, drill_text)
    context.leave(document.exit_code)
