"""`seedbed snapshot restore`, `drop`: a copy beside its database comes, and goes."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.cli.snapshots import KIND, of_release, reached, the_only


@click.command("restore", short_help="Restore a snapshot beside its database.")
@options.environment
@options.selection
@of_release
@click.option("--dry-run", is_flag=True, help="Say what would be restored, and what it lacks; do nothing.")
@options.as_json
@command_context(KIND)
def restore(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    release: int,
    dry_run: bool,
) -> None:
    """Restore the newest snapshot of a release beside its database, which stays as it is.

    What was removed is copied back from there: docs/how-to/restore-a-snapshot.md has the steps for each engine.

    \b
    seedbed snapshot restore -e prod --release 12 -s user --dry-run
    seedbed snapshot restore -e prod --release 12 -s user
    """
    from seedbed.documents.snapshot import CopyDocument
    from seedbed.report.text.snapshots import copy_text

    database = the_only(context.databases(services, engines))
    name = f"r{release}"
    with reached(context, env) as (snapshots, _):
        if dry_run:
            snapshot, lost = snapshots.restorable(database, release)
            document = CopyDocument.of(
                env, str(database.id), name, context.command, snapshot=snapshot, lost=lost, dry_run=True
            )
        else:
            restored = snapshots.restore(database, release)
            document = CopyDocument.of(env, str(database.id), name, context.command, restored=restored)
    context.show(document, copy_text)


@click.command("drop", short_help="Take away what was restored beside a database.")
@options.environment
@options.selection
@of_release
@options.as_json
@command_context(KIND)
def drop(
    context: CommandContext, env: str, services: tuple[str, ...], engines: tuple[str, ...], release: int
) -> None:
    """Take away the copy that `snapshot restore` made. Snapshot and database stay.

    \b
    seedbed snapshot drop -e prod --release 12 -s user
    """
    from seedbed.documents.snapshot import CopyDocument
    from seedbed.report.text.snapshots import copy_text

    database = the_only(context.databases(services, engines))
    name = f"r{release}"
    with reached(context, env) as (snapshots, _):
        snapshots.drop(database, name)
    context.show(CopyDocument.of(env, str(database.id), name, context.command), copy_text)
