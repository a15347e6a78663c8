"""`seedbed schema`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import Hint, UsageError, call


@click.command("schema")
@click.argument("of", default="manifest")
@command_context
def command(context: CommandContext, of: str) -> None:
    """Print the JSON Schema of seedbed.toml, of an engine's own file, or of a document that --json prints.

    \b
    seedbed schema > seedbed.schema.json
    seedbed schema tables.toml
    seedbed schema outcome
    """
    from seedbed.documents.schemas import DOCUMENTS, schema

    context.out.document(schema(of) if of in DOCUMENTS else _of_file(of))


def _of_file(of: str) -> Mapping[str, Any]:
    """Return the schema of a file that people write. Raises UsageError where there is none of that name."""
    from seedbed.documents.schemas import DOCUMENTS, written_by
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
        written = written_by(of)
        raise UsageError(
            f"there is no schema {of!r}",
            because=f"{of} --json writes {' or '.join(written)}"
            if written
            else f"the schemas are {', '.join(['manifest', *found, *DOCUMENTS])}",
            try_=Hint(call("schema", written[0] if written else "status")),
        )
    return found[of]
