"""`seedbed verify`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import ExitCode


@click.command("verify")
@options.environment
@options.services
@click.option(
    "--only",
    multiple=True,
    metavar="FIELD",
    shell_complete=options.known("references"),
    help="Verify this reference, by its field or a pattern with * and ?; may be repeated (default: all).",
)
@options.as_json
@command_context
def command(context: CommandContext, env: str, services: tuple[str, ...], only: tuple[str, ...]) -> None:
    """Check that ids in one database are found in the other one that they refer to.

    Checked are the [[references]] of the manifest, with --service those out of that service. An id that is not found is
    looked up again after the reference's grace: it may be on its way. Exits with 6 if a reference is broken.

    \b
    seedbed verify -e staging
    seedbed verify -e staging -s payment --json
    seedbed verify -e staging --only "payment/postgres:payments.*"
    """
    from seedbed.documents.verification import VerificationDocument
    from seedbed.project.only import chosen
    from seedbed.report.text.verification import verification_text

    references = chosen(context.catalog.references(services), only)
    with context.run(env, context.catalog.databases_of(references), wait=0) as run:
        found = run.verify(references)
    context.show(VerificationDocument.of(found, context.command), verification_text)
    context.leave_for(found.errors)
    if not found.is_passed:
        context.leave(ExitCode.FOUND)
