"""`seedbed schema`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import Hint, UsageError, call

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from seedbed.engines.base import Engine


def _names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from seedbed.documents.schemas import DOCUMENTS

    return [
        CompletionItem(each) for each in ("manifest", *_files(), *DOCUMENTS) if each.startswith(incomplete)
    ]


@click.command("schema")
@click.argument("of", default="manifest", metavar="[NAME]", shell_complete=_names)
@command_context(CommandKind.LOCAL)
def command(context: CommandContext, of: str) -> None:
    """Print the JSON Schema of NAME: an engine's own file, or a document that --json prints (default: seedbed.toml).

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

    if of == "manifest":
        from seedbed.manifest.schema import json_schema

        return json_schema({each.name: each.options for each in _engines()})
    found = _files()
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


def _files() -> dict[str, Mapping[str, Any]]:
    """Return the schemas of files that lie beside a database, by the file's name."""
    from seedbed.engines.capabilities import SupportsSchemas
    from seedbed.manifest.expectations import FILE
    from seedbed.manifest.schema import expectations_schema

    own = {FILE: expectations_schema()}
    return own | {
        name: each
        for engine in _engines()
        if isinstance(engine, SupportsSchemas)
        for name, each in engine.schemas().items()
    }


def _engines() -> list[Engine]:
    from seedbed.engines import registry

    return [registry.load(name) for name in registry.names()]
