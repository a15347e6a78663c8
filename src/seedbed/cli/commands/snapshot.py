"""`seedbed snapshot`: its commands, in modules by what becomes of a snapshot."""

from __future__ import annotations

import click

from seedbed.cli.commands import snapshot_keep, snapshot_restore, snapshot_swap, snapshot_take

COMMANDS: tuple[click.Command, ...] = (
    snapshot_take.take,
    snapshot_keep.listing,
    snapshot_restore.restore,
    snapshot_swap.command,
    snapshot_restore.drop,
    snapshot_take.drill,
    snapshot_keep.delete,
)


@click.group("snapshot")
def command() -> None:
    """Take snapshots before a contract, restore them beside their databases, try whether that works.

    All go on where an earlier call was killed: what is there is found by its name.

    \b
    seedbed snapshot take -e prod --release 12 -s user
    seedbed snapshot restore -e prod --release 12 -s user
    """


for each in COMMANDS:
    command.add_command(each)
