"""`seedbed schema`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import UsageError


@click.command("schema")
@click.argument("of", default="manifest")
@command_context
def command(context: CommandContext, of: str) -> None:
    """Print the JSON Schema of seedbed.toml, of an engine's own file, or of the document that COMMAND --json prints.

    \b
    seedbed schema > seedbed.schema.json
    seedbed schema tables.toml
    seedbed schema status
    """
    from seedbed.report.schemas import COMMANDS, schema

    if of in COMMANDS:
        context.document(schema(of))
    else:
        context.document(dict(_of_file(of, COMMANDS)))


def _of_file(of: str, commands: Iterable[str]) -> Mapping[str, Any]:
    """Return the schema of a file that people write. Raises UsageError where there is none of that name."""
    from seedbed.engines import registry
    from seedbed.engines.capabilities import SupportsSchemas

    engines = [registry.load(name) for name in registry.names()]
    if of == "manifest":
        from seedbed.manifest.schema import json_schema

        return json_schema({each.name: each.options for each in engines})
    found = {
        name: each
        for engine in engines
        if isinstance(engine, SupportsSchemas)
        for name, each in engine.schemas().items()
    }
    if of not in found:
        raise UsageError(
            f"there is no document of {of!r}",
            because=f"those that are there are {', '.join(['manifest', *found, *commands])}",
            try_="seedbed schema status",
        )
    return found[of]
