"""`seedbed snapshot list`, `delete`: which there are, and for how long they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.cli.snapshots import KIND, now, reached, release_option
from seedbed.errors import Refused, Unavailable, UsageError
from seedbed.support.phrases import moment

if TYPE_CHECKING:
    from datetime import datetime

    from seedbed.model.environment import Environment
    from seedbed.model.snapshot import Kept


@click.command("list", short_help="List snapshots, and copies restored from them.")
@options.environment
@options.selection
@release_option(required=False)
@options.as_json
@command_context(KIND)
def listing(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    release: int | None,
) -> None:
    """List the snapshots of databases as they are now, and the copies beside them.

    Says until when each is kept, where the manifest has `snapshot_keep`; for a release that is open, that is longer.

    \b
    seedbed snapshot list -e prod
    seedbed snapshot list -e prod --release 12 --json
    """
    from seedbed.documents.snapshot import SnapshotsDocument
    from seedbed.engines.snapshots import TakenElsewhere
    from seedbed.model.snapshot import unknown
    from seedbed.report.text.snapshots import snapshots_text

    databases = context.databases(services, engines)
    with reached(context, env) as (snapshots, _):
        found = snapshots.listed(databases)
        kept = _kept(context, context.catalog.environment(env))
    elsewhere = [each for each in found if isinstance(each.error, TakenElsewhere)]
    document = SnapshotsDocument.of(
        env,
        [one for each in found for one in each.of if release in {None, one.release}],
        [each.error for each in found if each.error and each not in elsewhere],
        context.command,
        copies=[one for each in found for one in each.copies],
        evidence=[unknown(each.database, each.error.what, now()) for each in elsewhere if each.error],
        kept=kept,
    )
    context.show(document, snapshots_text)
    context.leave(document.exit_code)


@click.command("delete", short_help="Delete snapshots of a release, or all of before.")
@options.environment
@options.selection
@release_option(required=False)
@click.option("--before", type=options.Moment(), help="Those of all releases that were taken before then.")
@click.option("--expired", is_flag=True, help="Those that are older than the manifest's snapshot_keep.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@options.as_json
@command_context(KIND)
def delete(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    release: int | None,
    before: datetime | None,
    expired: bool,
    yes: bool,
) -> None:
    """Delete snapshots of the selected databases: what a contract removed is gone then. They stay until that is done.

    Those of a release that is open stay, but for what cannot be restored before its contract has begun.

    \b
    seedbed snapshot delete -e prod --release 12
    seedbed snapshot delete -e prod --before 2026-11-01
    seedbed snapshot delete -e prod --expired --yes
    """
    from seedbed.documents.snapshot import SnapshotsDocument
    from seedbed.project.released import open_releases
    from seedbed.report.text.snapshots import snapshots_text

    environment = context.catalog.environment(env)
    if (release is not None) + (before is not None) + expired != 1:
        raise UsageError(
            "which snapshots are to be deleted is said by one of --release, --before and --expired",
            because="several, or none, leave it open",
            try_="--release 12, for example",
        )
    if expired:
        before = _expiry(environment)
    databases = context.databases(services, engines)
    which = f"of release {release}" if release else f"from before {moment(before)}" if before else ""
    if not yes:
        if not context.can_ask:
            raise UsageError(
                f"snapshots {which} of {env} are to be deleted, and there is no terminal to ask at",
                because="without them, what a contract removed is lost",
                try_="confirm it with --yes",
            )
        context.confirm(f"delete the snapshots {which} of {env}?")
    with reached(context, env) as (snapshots, _):
        at = before.timestamp() if before else 0.0
        opened = open_releases(context.project.targets, environment)
        results = snapshots.delete(databases, release=release or 0, before=at, kept=opened)
    gone = [each.snapshot for each in results if each.snapshot]
    errors = [each.error for each in results if each.error]
    document = SnapshotsDocument.of(env, gone, errors, context.command, changed=bool(gone))
    context.show(document, snapshots_text)
    context.leave(document.exit_code)


def _kept(context: CommandContext, environment: Environment) -> Kept:
    """Return for how long snapshots are kept; what is open is asked for only where that ends.

    Where that cannot be asked, it is said, and not known of any.
    """
    from seedbed.model.snapshot import Kept
    from seedbed.project.released import open_releases

    if not (seconds := _keep(environment)):
        return Kept(seconds, now())
    try:
        return Kept(seconds, now(), open_releases(context.project.targets, environment))
    except (Refused, Unavailable) as error:
        why = f"{error.what}: {error.because}" if error.because else error.what
        context.out.log(f"until when snapshots of open releases are kept is unknown: {why}")
        return Kept(seconds, now(), None)


def _keep(environment: Environment) -> float:
    return environment.releases.snapshot_keep if environment.releases else 0.0


def _expiry(environment: Environment) -> datetime:
    """Return before when a snapshot was taken that is not kept any more. Raises UsageError where all are kept."""
    from datetime import UTC, datetime

    if not (keep := _keep(environment)):
        raise UsageError(
            f"snapshots of {environment.name} are kept for ever",
            because="the manifest does not say for how long",
            try_='snapshot_keep = "30d" in [release], or --before',
        )
    return datetime.fromtimestamp(now() - keep, UTC)
