"""Read indexes.toml -> `DeclaredIndexes`: checked by its types, then against the limits of OpenSearch."""

from __future__ import annotations

from pathlib import Path, PurePath

from seedbed.engines.opensearch.rules.limits import problems
from seedbed.engines.opensearch.schema.sections import IndexesFile, ResourceSection
from seedbed.engines.opensearch.schema.shape import (
    DeclaredIndex,
    DeclaredIndexes,
    DeclaredResource,
    ResourceVersion,
    definition,
)
from seedbed.toml.document import read_document
from seedbed.toml.text import Kind, Text
from seedbed.toml.text import read as read_text

FILE = "indexes.toml"
# OpenSearch allows 20 levels of fields, each of two keys, below five of ours; the rest is for the field itself.
KIND = Kind(called=FILE, depth=64)


def read_declared(directory: PurePath) -> DeclaredIndexes:
    """Return what the indexes.toml in `directory` declares; nothing if there is no file.

    Raises ManifestError, with file and line, for what its schema or OpenSearch does not accept.
    """
    path = Path(directory, FILE)
    return parse(read_text(path, KIND)) if path.is_file() else DeclaredIndexes()


def parse(text: Text) -> DeclaredIndexes:
    """Return what `text` declares. Raises ManifestError."""
    document = read_document(text, IndexesFile, problems)
    return DeclaredIndexes(
        indexes=tuple(
            DeclaredIndex(
                name,
                tuple(definition(each.number, each.settings, each.mappings) for each in section.versions),
                section.keep,
            )
            for name, section in sorted(document.indexes.items())
        ),
        pipelines=_named(document.pipelines),
        templates=_named(document.templates),
    )


def _named(sections: dict[str, ResourceSection]) -> tuple[DeclaredResource, ...]:
    return tuple(
        DeclaredResource(name, tuple(ResourceVersion(each.number, each.body) for each in section.versions))
        for name, section in sorted(sections.items())
    )
