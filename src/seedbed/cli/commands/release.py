"""`seedbed release`: its commands, each in a module of its own."""

from __future__ import annotations

import click

from seedbed.cli.commands import release_build

COMMANDS: tuple[click.Command, ...] = (release_build.command,)


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
