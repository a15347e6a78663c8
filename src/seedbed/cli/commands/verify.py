"""`seedbed verify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from seedbed.model.platform import Database, Expectation, Reference


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
@options.as_json
@click.option(
    "--markdown", is_flag=True, help="Write the result as Markdown, for a comment or a job's summary."
)
@click.option(
    "--history", is_flag=True, help="Read nothing anew: show since when each holds, and when it broke."
)
@command_context
def command(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    only: tuple[str, ...],
    markdown: bool,
    history: bool,
) -> None:
    """Check that ids in one database are found in the one that they refer to, and that expectations hold.

    Checked are [[references]] and [[expectations]], with --service those out of that service and of its databases. An
    id that is not found is looked up again after the reference's grace: it may be on its way. Without --only, it is
    checked as well that no two of their databases are one, and that none can be read by the login of another service.
    Exits with 6 if something is broken.

    \b
    seedbed verify -e staging
    seedbed verify -e staging -s payment --json
    seedbed verify -e staging --only "payment/postgres:payments.*"
    seedbed verify -e staging --markdown >> "$GITHUB_STEP_SUMMARY"
    seedbed verify -e staging --history
    """
    from seedbed.documents.verification import VerificationDocument
    from seedbed.project.only import chosen
    from seedbed.report.markdown import verification_markdown
    from seedbed.report.text.verification import findings_annotated, verification_text

    if markdown and context.as_json:
        raise UsageError(
            "--json and --markdown cannot be combined", because="there is one result", try_="one of them"
        )
    if history and markdown:
        raise UsageError(
            "--history and --markdown cannot be combined", because="a history is no result", try_="--json"
        )
    references, expectations = chosen(*context.catalog.to_verify(services), only)
    databases = context.catalog.databases_of(references, expectations)
    if history:
        _show_history(context, env, databases, (*references, *expectations))
        return
    with context.run(env, databases, wait=0) as run:
        found = run.verify(references, expectations, ownership=not only)
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
