"""`seedbed release open`."""

from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import Location, UsageError

_LENGTH = 64  # of a SHA-256, in hexadecimal digits


@click.command("open", short_help="Open a release of a bundle: check it, make its plans.")
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False))
@options.environment
@click.option(
    "--digest",
    metavar="SHA256",
    help="The SHA-256 that the bundle has to have, as `release build` printed it: the whole of it, and not the"
    " release's digest, which is approved.",
)
@click.option(
    "--soak",
    type=options.Duration(in_seconds=True),
    metavar="TIME",
    help="Wait so long between the new code and the contract: 24h (default: as the manifest says).",
)
@click.option("--dry-run", is_flag=True, help="Show what the release would do; open none.")
@options.said_by
@options.as_markdown
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext,
    bundle: str,
    env: str,
    digest: str | None,
    soak: float | None,
    dry_run: bool,
    note: str,
    markdown: bool,
) -> None:
    """Open a release of BUNDLE: the plans of all of its steps are made now.

    A bundle that is open already stays as it is, so that this can be called again. One release is open at a time; while
    it soaks, another may carry it on that adds expands alone.

    \b
    seedbed release open -e staging release.tar
    seedbed release open -e prod release.tar --digest 3f9a…
    seedbed release open -e prod release.tar --dry-run
    """
    from seedbed.cli import releasing
    from seedbed.planning.opening import what_it_does
    from seedbed.project.releasing.opening import open_release
    from seedbed.report.markdown_release import release_markdown
    from seedbed.report.text.release import release_text

    _require_whole(digest)
    environment = releasing.environment_of(context, env)
    data = _read(bundle)
    with releasing.operating(context, env, note) as operator:
        opened = open_release(
            context.project,
            environment,
            operator,
            data,
            releasing.environ_of(context, env),
            sha256=digest or "",
            soak=soak,
            dry_run=dry_run,
        )
    for line in what_it_does(opened.plans):
        context.out.log(line)
    if dry_run:
        context.show(opened.document(context.command), release_markdown if markdown else release_text)
        return
    said = "is opened" if opened.is_new else "is open already"
    context.out.log(f"release {opened.release.number} of {env} {said}")
    releasing.show(context, env, opened.release.number, markdown=markdown)


def _require_whole(digest: str | None) -> None:
    if digest is not None and len(digest) < _LENGTH:
        raise UsageError(
            f"{digest!r} is too short for the digest of a bundle",
            because=f"a bundle is told from any other by all {_LENGTH} characters of its SHA-256",
            try_="take it from what `release build` printed",
        )


def _read(bundle: str) -> bytes:
    try:
        return Path(bundle).read_bytes()
    except OSError as error:
        raise UsageError(
            "the bundle cannot be read",
            because=error.strerror or str(error),
            try_="name the bundle that was built",
            at=Location(bundle),
        ) from None
