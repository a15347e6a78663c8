"""indexes.toml -> `Indexes`: checked by its types, then by what OpenSearch takes."""

from __future__ import annotations

from pathlib import Path

from seedbed.engines.opensearch.indexes.limits import problems
from seedbed.engines.opensearch.indexes.sections import Document, NamedSection
from seedbed.engines.opensearch.indexes.shape import Body, Index, Indexes, Named, definition
from seedbed.errors import UsageError
from seedbed.support.phrases import listed
from seedbed.toml.problems import convert, refuse_unknown, unknown_keys
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
    try:
        document: Document = convert(text, text.data, Document, ())
    except UsageError:
        # a mistyped key is more likely an error's cause than its effect, and one run tells about all of them
        refuse_unknown(text, unknown_keys(text.data, Document, ()))
        raise
    _refuse_impossible(text, document)
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


def _refuse_impossible(text: Text, document: Document) -> None:
    found = sorted(problems(document), key=lambda each: text.offset(each.at))
    if found:
        first, *others = found
        also = [f"line {text.line(each.at)}: {each.what}" for each in others]
        because = first.because + (f"; also {listed(also, 4)}" if also else "")
        raise text.error(first.what, at=first.at, because=because, try_=first.try_)
