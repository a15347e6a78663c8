"""`seedbed verify`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import ExitCode


@click.command("verify")
@options.environment
@options.services
@options.as_json
@command_context
def command(context: CommandContext, env: str, services: tuple[str, ...]) -> None:
    """Check that ids in one database are found in the other one that they refer to.

    Checked are the [[references]] of the manifest, with --service those out of that service. An id that is not found is
    looked up again after the reference's grace: it may be on its way. Exits with 6 if a reference is broken.

    \b
    seedbed verify -e staging
    seedbed verify -e staging -s payment --json
    """
    from seedbed.documents.verification import VerificationDocument
    from seedbed.report.text.verification import verification_text

    references = context.catalog.references(services)
    with context.run(env, context.catalog.databases_of(references), wait=0) as run:
        found = run.verify(references)
    context.show(VerificationDocument.of(found, context.command), verification_text)
    context.leave_for(found.errors)
    if not found.is_passed:
        context.leave(ExitCode.FOUND)
