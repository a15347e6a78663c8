"""`seedbed snapshot take`, `list`, `restore`, `swap`, `drop`, `drill`, `delete`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context, signals
from seedbed.errors import Refused, SeedbedError, UsageError, as_one
from seedbed.support.phrases import moment

if TYPE_CHECKING:
    from datetime import datetime

    from seedbed.execution.stopping import Stop
    from seedbed.model.environment import Environment
    from seedbed.model.platform import Database
    from seedbed.model.snapshot import Drill, Kept, Swap
    from seedbed.project.snapshots import ReleaseSnapshots

F = TypeVar("F", bound=Callable[..., Any])
# None of them is a run that "writes": those follow each other, and what is restored beside changes no database.
_KIND = CommandKind.READS


@click.group("snapshot")
def command() -> None:
    """Take snapshots before a contract, restore them beside their databases, try whether that works.

    All go on where an earlier call was killed: what is there is found by its name.

    \b
    seedbed snapshot take -e prod --release 12 -s user
    seedbed snapshot restore -e prod --release 12 -s user
    """


def _release(required: bool) -> Callable[[F], F]:
    return click.option(
        "--release",
        "release",
        cls=options.NumberOption,
        type=click.IntRange(min=1),
        required=required,
        metavar="NUMBER",
        help="The release that the snapshot is of." if required else "Only those of this release.",
    )


_of_release = _release(True)


@command.command("take", short_help="Take snapshots of databases.")
@options.environment
@options.selection
@_of_release
@click.option(
    "--since",
    type=options.Moment(),
    help="Take another one where that was taken before then (default: never).",
)
@options.as_json
@command_context(_KIND)
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
    with _snapshots(context, env) as (snapshots, _):
        results = snapshots.take(databases, release, since=since.timestamp() if since else 0.0)
    errors = [each.error for each in results if each.error and not isinstance(each.error, TakenElsewhere)]
    at = _now()
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


@command.command("list", short_help="List snapshots, and copies restored from them.")
@options.environment
@options.selection
@_release(False)
@options.as_json
@command_context(_KIND)
def listing(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    release: int | None,
) -> None:
    """List the snapshots of databases as they are now, and the copies beside them.

    Says until when each is kept, where the manifest has `snapshot_keep`.

    \b
    seedbed snapshot list -e prod
    seedbed snapshot list -e prod --release 12 --json
    """
    from seedbed.documents.snapshot import SnapshotsDocument
    from seedbed.engines.snapshots import TakenElsewhere
    from seedbed.model.snapshot import unknown
    from seedbed.report.text.snapshots import snapshots_text

    databases = context.databases(services, engines)
    with _snapshots(context, env) as (snapshots, _):
        found = snapshots.listed(databases)
        kept = _kept(context, context.catalog.environment(env))
    elsewhere = [each for each in found if isinstance(each.error, TakenElsewhere)]
    document = SnapshotsDocument.of(
        env,
        [one for each in found for one in each.of if release in {None, one.release}],
        [each.error for each in found if each.error and each not in elsewhere],
        context.command,
        copies=[one for each in found for one in each.copies],
        evidence=[unknown(each.database, each.error.what, _now()) for each in elsewhere if each.error],
        kept=kept,
    )
    context.show(document, snapshots_text)
    context.leave(document.exit_code)


@command.command("restore", short_help="Restore a snapshot beside its database.")
@options.environment
@options.selection
@_of_release
@click.option("--dry-run", is_flag=True, help="Say what would be restored, and what it lacks; do nothing.")
@options.as_json
@command_context(_KIND)
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

    database = _the_only(context.databases(services, engines))
    name = f"r{release}"
    with _snapshots(context, env) as (snapshots, _):
        if dry_run:
            snapshot, lost = snapshots.restorable(database, release)
            document = CopyDocument.of(
                env, str(database.id), name, context.command, snapshot=snapshot, lost=lost, dry_run=True
            )
        else:
            restored = snapshots.restore(database, release)
            document = CopyDocument.of(env, str(database.id), name, context.command, restored=restored)
    context.show(document, copy_text)


@command.command("swap", short_help="Let a copy take the place of its database.")
@options.environment
@options.selection
@_of_release
@click.option("--back", is_flag=True, help="Give the database its place again.")
@click.option("--dry-run", is_flag=True, help="Say what would be lost, and who is connected; do nothing.")
@click.option("--disconnect", is_flag=True, help="Cut off who else is connected.")
@click.option("--unreviewed", is_flag=True, help="Confirm a change to a protected environment.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@options.as_json
@command_context(CommandKind.LOCAL)
def swap(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    release: int,
    back: bool,
    dry_run: bool,
    disconnect: bool,
    unreviewed: bool,
    yes: bool,
) -> None:
    """Let the copy that `snapshot restore` made take the place of its database: all writes since then are lost.

    What is lost is said before. What had the place is kept, and --back gives it back. Works from here, with your own
    rights: seedbed's task may not do it. docs/how-to/swap-a-snapshot.md says what each engine does.

    \b
    seedbed snapshot swap -e prod --release 12 -s user --dry-run
    seedbed snapshot swap -e prod --release 12 -s user --unreviewed
    seedbed snapshot swap -e prod --release 12 -s user --unreviewed --back
    """
    from seedbed.documents.snapshot import SwapDocument
    from seedbed.project import swaps
    from seedbed.project.protection import require_unreviewed
    from seedbed.report.text.snapshots import swap_text

    database = _the_only(context.databases(services, engines))
    environment = context.catalog.environment(env)
    if not dry_run:
        require_unreviewed(environment, unreviewed)
    if environment.has_runs:
        context.out.log(
            f"{database.id} has to be reached from here: the task of {env} swaps nothing. "
            "docs/how-to/swap-a-snapshot.md says how"
        )
    with (
        _snapshots(context, env) as (snapshots, stop),
        swaps.swapping(snapshots, context.project.targets, database, release, stop=stop) as swapping,
    ):
        found = swapping.look(back=back)
        if not dry_run:
            if not found.is_over:
                swaps.require_good(found)
                _confirm(context, env, found, yes=yes)
            found = swapping.carry_out(found, disconnect=disconnect)
    context.show(SwapDocument.of(env, found, context.command, dry_run=dry_run), swap_text)


def _confirm(context: CommandContext, env: str, found: Swap, *, yes: bool) -> None:
    """Say what is lost, and ask for the environment's name. Raises Refused where there is no terminal to ask at."""
    from seedbed.documents.snapshot import SwapDocument
    from seedbed.report.text.snapshots import planned_swap

    context.out.log(planned_swap(SwapDocument.of(env, found, context.command)))
    if yes:
        return
    if not context.can_ask:
        raise Refused(
            f"the swap loses data of {found.database}",
            because="; ".join(found.lost),
            try_="confirm it with --yes",
        )
    if context.prompt(f"This loses what is said above. Type {env} to go on") != env:
        raise click.Abort


@command.command("drop", short_help="Take away what was restored beside a database.")
@options.environment
@options.selection
@_of_release
@options.as_json
@command_context(_KIND)
def drop(
    context: CommandContext, env: str, services: tuple[str, ...], engines: tuple[str, ...], release: int
) -> None:
    """Take away the copy that `snapshot restore` made. Snapshot and database stay.

    \b
    seedbed snapshot drop -e prod --release 12 -s user
    """
    from seedbed.documents.snapshot import CopyDocument
    from seedbed.report.text.snapshots import copy_text

    database = _the_only(context.databases(services, engines))
    name = f"r{release}"
    with _snapshots(context, env) as (snapshots, _):
        snapshots.drop(database, name)
    context.show(CopyDocument.of(env, str(database.id), name, context.command), copy_text)


@command.command("drill", short_help="Try whether snapshots can be restored.")
@options.environment
@options.selection
@_of_release
@options.as_json
@command_context(_KIND)
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
    with _snapshots(context, env) as (snapshots, stop):
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


@command.command("delete", short_help="Delete snapshots of a release, or all of before.")
@options.environment
@options.selection
@_release(False)
@click.option("--before", type=options.Moment(), help="Those of all releases that were taken before then.")
@click.option("--expired", is_flag=True, help="Those that are older than the manifest's snapshot_keep.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@options.as_json
@command_context(_KIND)
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
    with _snapshots(context, env) as (snapshots, _):
        at = before.timestamp() if before else 0.0
        opened = open_releases(context.project.targets, environment)
        results = snapshots.delete(databases, release=release or 0, before=at, kept=opened)
    gone = [each.snapshot for each in results if each.snapshot]
    errors = [each.error for each in results if each.error]
    document = SnapshotsDocument.of(env, gone, errors, context.command, changed=bool(gone))
    context.show(document, snapshots_text)
    context.leave(document.exit_code)


def _kept(context: CommandContext, environment: Environment) -> Kept:
    """Return for how long snapshots are kept; what is open is asked for only where that ends."""
    from seedbed.model.snapshot import Kept
    from seedbed.project.released import open_releases

    seconds = _keep(environment)
    return Kept(seconds, _now(), open_releases(context.project.targets, environment) if seconds else ())


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
    return datetime.fromtimestamp(_now() - keep, UTC)


@contextmanager
def _snapshots(context: CommandContext, env: str) -> Iterator[tuple[ReleaseSnapshots, Stop]]:
    """Yield the snapshots of an environment, stopped cleanly by Ctrl-C and SIGTERM."""
    from seedbed.execution.stopping import Stop
    from seedbed.project.protection import require_databases
    from seedbed.project.snapshots import ReleaseSnapshots

    environment = context.catalog.environment(env)
    require_databases(context.project.platform, environment)
    stop = Stop()
    with signals(stop), ExitStack() as watching:
        if context.recorder:
            watching.enter_context(context.recorder.watching(stop))
        yield ReleaseSnapshots(context.project.targets, environment, stop=stop, tell=context.out.log), stop


def _the_only(databases: Sequence[Database]) -> Database:
    if len(databases) != 1:
        raise UsageError(
            f"{len(databases)} databases are selected, and a copy is of one",
            because="each is restored by itself",
            try_="narrow the selection with --service and --engine",
        )
    return databases[0]


def _now() -> float:
    import time

    return time.time()
