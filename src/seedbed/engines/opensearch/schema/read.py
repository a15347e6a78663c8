"""indexes.toml -> `Indexes`: checked by its types, then by what OpenSearch takes."""

from __future__ import annotations

from pathlib import Path

from seedbed.engines.opensearch.rules.limits import problems
from seedbed.engines.opensearch.schema.sections import Document, NamedSection
from seedbed.engines.opensearch.schema.shape import Body, Index, Indexes, Named, definition
from seedbed.toml.document import read_document
from seedbed.toml.text import Kind, Text
from seedbed.toml.text import read as read_text

FILE = "indexes.toml"
KIND = Kind(called=FILE)


def read(path: Path) -> Indexes:
    """Return what the indexes.toml at `path` declares; nothing where there is none.

    Raises ManifestError, with file and line, for whatever it, or OpenSearch, does not understand.
    """
    return parse(read_text(path, KIND)) if path.is_file() else Indexes()


def parse(text: Text) -> Indexes:
    """Return what `text` declares. Raises ManifestError."""
    document = read_document(text, Document, problems)
    return Indexes(
        indexes=tuple(
            Index(
                name,
                tuple(definition(each.number, each.settings, each.mappings) for each in section.versions),
                section.keep,
            )
            for name, section in sorted(document.indexes.items())
        ),
        pipelines=_named(document.pipelines),
        templates=_named(document.templates),
    )


def _named(sections: dict[str, NamedSection]) -> tuple[Named, ...]:
    return tuple(
        Named(name, tuple(Body(each.number, each.body) for each in section.versions))
        for name, section in sorted(sections.items())
    )
