"""`seedbed verify`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode, UsageError
from seedbed.support.phrases import moment

if TYPE_CHECKING:
    from seedbed.model.platform import Database, Expectation, Reference
    from seedbed.model.verification import Reading, Verification


@click.command("verify")
@options.environment
@options.services
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    shell_complete=options.known("verifiable"),
    help="Verify this reference, by its field, or this expectation, by its name; * and ? stand for letters; may be"
    " repeated (default: all).",
)
@click.option(
    "--since",
    type=options.Moment(),
    metavar="TIME",
    help="Where a reference names a time, read only the rows that are new since then; UTC unless it says otherwise.",
)
@click.option(
    "--after",
    type=click.Choice(["code", "migrate"]),
    help="Ask what [[release.checks]] declares to hold after this step of a release, and nothing else.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be read, and what that takes; read no ids.")
@click.option(
    "--max-units",
    cls=options.NumberOption,
    type=click.IntRange(1),
    metavar="NUMBER",
    help="Read nothing if that is expected to take more read units, where these are charged; stop when it does.",
)
@options.as_json
@click.option(
    "--markdown", is_flag=True, help="Write the result as Markdown, for a comment or a job's summary."
)
@click.option(
    "--history", is_flag=True, help="Read nothing anew: show since when each holds, and when it broke."
)
@click.option(
    "--usage",
    is_flag=True,
    help="Read no ids: show how often what pending contracts remove was used, as far as servers count that.",
)
@command_context(CommandKind.READS)
def command(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    only: tuple[str, ...],
    since: datetime | None,
    after: str | None,
    dry_run: bool,
    max_units: int | None,
    markdown: bool,
    history: bool,
    usage: bool,
) -> None:
    """Check that ids in one database are found in the one that they refer to, and that expectations hold.

    Checked are [[references]] and [[expectations]], with --service those out of that service and of its databases. An
    id that is not found is looked up again after the reference's grace. Without --only, it is checked as well that no
    two databases are one, and that none can be read by the login of another service: without --service in all databases
    of their engines. Exits with 6 if something is broken.

    \b
    seedbed verify -e staging
    seedbed verify -e staging -s payment --json
    seedbed verify -e staging --only "payment/postgres:payments.*"
    seedbed verify -e staging --markdown >> "$GITHUB_STEP_SUMMARY"
    seedbed verify -e staging --history
    """
    from seedbed.model.environment import SANDBOX
    from seedbed.project.only import chosen

    _require_one(context, history=history, dry_run=dry_run, markdown=markdown)
    _require_effect(since, max_units, history=history)
    if usage:
        _require_alone("--usage", only, since, dry_run, history, after, max_units, markdown)
        _show_usage(context, env, services)
        return
    if after:
        _require_alone("--after", services, only, since, dry_run, history)
        _show_found(context, _checked(context, env, after), markdown)
        return
    may_be_none = not (services or only or history or dry_run or env == SANDBOX)
    references, expectations = chosen(*context.catalog.to_verify(services, may_be_none=may_be_none), only)
    databases = context.catalog.databases_of(references, expectations) or context.catalog.databases()
    if history:
        _show_history(context, env, databases, (*references, *expectations))
        return
    with context.run(env, databases, wait=0, silent=dry_run) as run:
        if dry_run:
            _show_reading(context, run.reading(references, since=since), max_units or 0)
            return
        found = run.verify(
            references,
            expectations,
            ownership=not only,
            beside=not services,
            max_units=max_units or 0,
            since=since,
        )
    _show_found(context, found, markdown)


def _show_usage(context: CommandContext, env: str, services: Sequence[str]) -> None:
    from seedbed.documents.usage import UsageDocument
    from seedbed.report.text.usage import usage_text

    with context.run(env, context.catalog.databases(services), wait=0) as run:
        found, unread = run.usage()
        environment = run.environment.name
    context.show(UsageDocument.of(environment, found, unread, context.command), usage_text)
    context.leave_for(unread.values())


def _require_alone(option: str, *others: object) -> None:
    if any(others):
        raise UsageError(
            f"{option} stands alone",
            because="it is asked as a whole, and nothing is kept but what it finds",
            try_="leave the others out",
        )


def _checked(context: CommandContext, env: str, after: str) -> Verification:
    """Return what the checks of releases find. Raises UsageError where none is declared."""
    rules = context.catalog.environment(env).releases
    checks = [each.expectation for each in rules.checks if each.after == after] if rules else []
    expectations = [each for each in checks if each]
    if not expectations:
        raise UsageError(
            f"no check of a database is declared after {after}",
            because="[[release.checks]] has none",
            try_='name one: database = "…", query = "…"',
        )
    with context.run(env, context.catalog.databases_of((), expectations), wait=0) as run:
        return run.verify((), expectations, ownership=False)


def _show_found(context: CommandContext, found: Verification, markdown: bool) -> None:
    from seedbed.documents.verification import VerificationDocument
    from seedbed.project.catalog import nothing_to_verify
    from seedbed.report.markdown import verification_markdown
    from seedbed.report.text.verification import findings_annotated, verification_text

    if not (found.references or found.expectations or found.ownership):
        raise nothing_to_verify()
    document = VerificationDocument.of(found, context.command)
    context.show(document, verification_markdown if markdown else verification_text)
    for each in findings_annotated(document):
        context.out.annotate(each)
    context.leave_for(found.errors)
    if not found.is_passed:
        context.leave(ExitCode.FOUND)


def _show_history(
    context: CommandContext,
    env: str,
    databases: Sequence[Database],
    declared: Sequence[Reference | Expectation],
) -> None:
    from seedbed.documents.verified import VerifiedDocument
    from seedbed.report.text.verified import verified_text

    with context.run(env, databases, wait=0) as run:
        claims, unread = run.verified(declared)
        environment = run.environment.name
    context.show(VerifiedDocument.of(environment, claims, unread, context.command), verified_text)
    context.leave_for(unread.values())


def _show_reading(context: CommandContext, reading: Reading, max_units: int) -> None:
    """Show what would be read, and leave with what an attempt would leave with at once."""
    from seedbed.documents.reading import ReadingDocument
    from seedbed.execution.units import UnitBudget
    from seedbed.report.text.reading import reading_text

    context.show(ReadingDocument.of(reading, context.command), reading_text)
    context.leave_for(each.error for each in reading.fields if each.error)
    UnitBudget(max_units).require_enough(reading)


def _require_one(context: CommandContext, *, history: bool, dry_run: bool, markdown: bool) -> None:
    """Raise UsageError where several options were given of which each makes another result."""
    kinds = (
        ("--json", context.as_json and markdown),
        ("--history", history),
        ("--dry-run", dry_run),
        ("--markdown", markdown),
    )
    asked = [name for name, is_asked in kinds if is_asked]
    if len(asked) > 1:
        raise UsageError(
            f"{asked[0]} and {asked[1]} cannot be combined", because="there is one result", try_="one of them"
        )


def _require_effect(since: datetime | None, max_units: int | None, *, history: bool) -> None:
    """Raise UsageError for an option that has no effect, or one with which nothing would be read."""
    for name, is_given in (("--since", since is not None), ("--max-units", bool(max_units))):
        if is_given and history:
            raise UsageError(
                f"--history and {name} cannot be combined",
                because="--history reads nothing anew",
                try_=f"leave out {name}",
            )
    if since and since > (now := datetime.now(UTC)):
        raise UsageError(
            f"--since {moment(since)} lies in the future",
            because=f"it is {moment(now)}, and no row is newer",
            try_="name the time from which on rows are read",
        )
