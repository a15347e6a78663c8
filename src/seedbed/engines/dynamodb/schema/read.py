"""tables.toml -> `TableShapes`: checked by its types, then by what DynamoDB takes."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import cast

from msgspec import UNSET

from seedbed.engines.dynamodb.rules.limits import attributes_of, problems
from seedbed.engines.dynamodb.schema.sections import IndexSection, LocalIndexSection, TableSection, TablesFile
from seedbed.engines.dynamodb.schema.shape import (
    AttributeType,
    IndexShape,
    Key,
    KeyType,
    Projection,
    TableShape,
    TableShapes,
)
from seedbed.errors import Location, ManifestError
from seedbed.toml.document import read_document
from seedbed.toml.text import Kind, Text, shown
from seedbed.toml.text import read as read_text

FILE = "tables.toml"
KIND = Kind(called=FILE)
_NUMBER: AttributeType = "N"


def read(path: Path) -> TableShapes:
    """Return the tables that the tables.toml at `path` declares, by name.

    Raises ManifestError, with file and line, for whatever it, or DynamoDB, does not understand.
    """
    if not path.exists():
        raise ManifestError(
            f"there is no {FILE}",
            because=f"the tables of a service are declared in {shown(path)}",
            try_="[tables.NAME], with key and attributes; an empty file declares none",
            at=Location(shown(path)),
        )
    return parse(read_text(path, KIND))


def read_declared(directory: PurePath) -> TableShapes:
    """Return the tables that the tables.toml in `directory` declares, none where there is no such file.

    Raises ManifestError.
    """
    path = Path(directory, FILE)
    return read(path) if path.is_file() else TableShapes()


def parse(text: Text) -> TableShapes:
    """Return the tables that `text` declares. Raises ManifestError."""
    document = read_document(text, TablesFile, problems)
    return TableShapes(tuple(_table(name, document.tables[name]) for name in sorted(document.tables)))


def _table(name: str, section: TableSection) -> TableShape:
    key = Key((section.key.partition,), attributes_of(section.key.sort))
    ttl = "" if section.ttl is UNSET else section.ttl
    version = None if section.version is UNSET else section.version
    global_indexes = tuple(_global(each, section.indexes[each]) for each in sorted(section.indexes))
    local_indexes = tuple(
        _local(each, key, section.local_indexes[each]) for each in sorted(section.local_indexes)
    )
    numbers = [each for each in (ttl, version.attribute if version else "") if each]
    types: dict[str, AttributeType] = {**dict.fromkeys(numbers, _NUMBER), **section.attributes}
    keys = {key, *(each.key for each in global_indexes), *(each.key for each in local_indexes)}
    used = sorted({each for one in keys for each in (*one.partition, *one.sort)})
    return TableShape(
        name=name,
        key=key,
        key_types={each: cast(KeyType, types[each]) for each in used},
        global_indexes=global_indexes,
        local_indexes=local_indexes,
        ttl=ttl,
        stream="" if section.stream is UNSET else section.stream,
        attributes={each: type_ for each, type_ in types.items() if each not in used},
        version_attribute=version.attribute if version else "",
        version=version.current if version else 1,
    )


def _global(name: str, section: IndexSection) -> IndexShape:
    return IndexShape(
        name,
        Key(attributes_of(section.partition), attributes_of(section.sort)),
        _projection(section.projection),
    )


def _local(name: str, key: Key, section: LocalIndexSection) -> IndexShape:
    return IndexShape(name, Key(key.partition, (section.sort,)), _projection(section.projection))


def _projection(declared: str | list[str]) -> Projection:
    if isinstance(declared, str):
        return Projection("ALL" if declared == "ALL" else "KEYS_ONLY")
    return Projection("INCLUDE", tuple(sorted(declared)))
