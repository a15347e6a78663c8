"""`seedbed schema`."""

from __future__ import annotations

import click

from seedbed.cli.frame import Frame, framed
from seedbed.errors import UsageError


@click.command("schema")
@click.argument("of", default="manifest")
@framed
def command(frame: Frame, of: str) -> None:
    """Print the JSON Schema of seedbed.toml, or of the document that COMMAND --json prints.

    \b
    seedbed schema > seedbed.schema.json
    seedbed schema status
    """
    from seedbed.engines import registry
    from seedbed.report.schemas import COMMANDS, schema

    if of != "manifest":
        if of not in COMMANDS:
            raise UsageError(
                f"there is no document of {of!r}",
                because=f"those that are there are manifest, {', '.join(COMMANDS)}",
                try_="seedbed schema status",
            )
        frame.document(schema(of))
        return
    from seedbed.manifest.schema import json_schema

    frame.document(json_schema({name: registry.load(name).options for name in registry.names()}))
