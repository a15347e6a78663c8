"""`seedbed init`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context


@click.command("init")
@click.argument("directory", required=False, metavar="[DIRECTORY]")
@click.option(
    "--engine", "engines", multiple=True, metavar="NAME", help="Begin with this engine; may be repeated."
)
@click.option("--platform", metavar="NAME", help="The platform's name (default: the directory's).")
@click.option("--service", metavar="NAME", help="The first service's name (default: catalog).")
@click.option("--cdk", is_flag=True, help="With the CDK app that makes the platform's stacks in AWS.")
@click.option(
    "--ci",
    type=click.Choice(["github"]),
    help="With workflows that take it from a pull request to the environments of its manifest.",
)
@click.option("--yes", is_flag=True, help="Ask nothing, and take the defaults.")
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext,
    directory: str | None,
    engines: tuple[str, ...],
    platform: str | None,
    service: str | None,
    cdk: bool,
    ci: str | None,
    yes: bool,
) -> None:
    """Start a platform in DIRECTORY (default: this one), and print the commands that come next.

    It gets a manifest, a service with a migration and a seed, JSON Schemas for editors, a .gitignore and a workflow
    for GitHub Actions. Files that are there already are left alone.

    \b
    seedbed init shop
    seedbed init --yes shop --engine postgres --engine dynamodb
    seedbed init --yes --cdk  in a platform: the CDK app, if there is none
    seedbed init --yes --ci github  in one with environments: workflows
    """
    from seedbed.documents.init import InitDocument
    from seedbed.project import starter
    from seedbed.report.text.init import init_text

    where = Path(_absolute(context.directory, directory))
    asked = context.can_ask and not yes and not context.as_json
    platform = platform or starter.platform_name(where)
    if asked:
        platform = context.prompt("Name of the platform", default=platform)
        service = service or context.prompt("Name of its first service", default=starter.SERVICE)
        several = f"Its databases, one or several of {', '.join(starter.engines())}"
        engines = engines or tuple(
            context.prompt(several, default=starter.first_engine()).replace(",", " ").split()
        )
    request = starter.StarterRequest(
        where,
        platform,
        service or starter.SERVICE,
        tuple(dict.fromkeys(engines)) or (starter.first_engine(),),
        cdk,
        ci or "",
    )
    done = starter.start(request, datetime.now(UTC), cwd=Path.cwd())
    context.show(
        InitDocument.of(str(done.directory), done.written, done.kept, done.commands, context.command),
        init_text,
    )
    if ci:
        context.out.log(
            "the workflows take on roles that are to be made, PLATFORM-ENVIRONMENT-github-read, -release and -approve: "
            "docs/how-to/release-from-github.md says what to set up before the first merge, in order"
        )


def _absolute(base: Path, directory: str | None) -> str:
    import os

    return os.path.abspath(base / (directory or "."))
