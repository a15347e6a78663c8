"""`seedbed release`: its commands, each in a module of its own."""

from __future__ import annotations

import click

from seedbed.cli.commands import (
    release_approve,
    release_build,
    release_check,
    release_drill,
    release_end,
    release_next,
    release_open,
    release_show,
)

COMMANDS: tuple[click.Command, ...] = (
    release_build.command,
    release_open.command,
    release_next.command,
    release_show.show,
    release_show.listing,
    release_check.command,
    release_drill.command,
    release_approve.command,
    release_end.back,
    release_end.abandon,
    release_end.close,
)


@click.group("release")
def command() -> None:
    """Take an environment from one version of the platform to the next, step by step, each with its evidence.

    \b
    seedbed release build -o release.tar
    seedbed release open -e staging release.tar
    seedbed release next -e staging
    """


for each in COMMANDS:
    command.add_command(each)
