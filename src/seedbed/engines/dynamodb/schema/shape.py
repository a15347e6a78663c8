"""The shape of tables: what tables.toml declares, what a template holds, what the server describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

KeyType = Literal["S", "N", "B"]
AttributeType = Literal["S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"]
StreamView = Literal["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"]
HISTORY = "migrations_history"  # the logical name of the table that every service has besides its own


class Key(Struct, frozen=True):
    """A key schema: attribute names. A table and an LSI have one partition and at most one sort attribute, a GSI
    up to four of each."""

    partition: tuple[str, ...]
    sort: tuple[str, ...] = ()


class Projection(Struct, frozen=True):
    """What an index holds of an item; `attributes` only with INCLUDE, sorted."""

    kind: Literal["ALL", "KEYS_ONLY", "INCLUDE"] = "ALL"
    attributes: tuple[str, ...] = ()


class IndexShape(Struct, frozen=True):
    """A secondary index, global or local."""

    name: str
    key: Key
    projection: Projection = Projection()


class TableShape(Struct, frozen=True):
    """One table. `name` is the logical one, as tables.toml has it ("lessons").

    `key_types`: the type of every attribute that is part of any key. `attributes`: types of further attributes of
    its items as far as they are declared; never part of a template. `version_attribute`: the attribute that holds an
    item's schema version ("" if items have none), `version`: the current one; also never in a template.
    """

    name: str
    key: Key
    key_types: Mapping[str, KeyType]
    global_indexes: tuple[IndexShape, ...] = ()  # by name
    local_indexes: tuple[IndexShape, ...] = ()  # by name
    ttl: str = ""  # the attribute
    stream: StreamView | Literal[""] = ""
    attributes: Mapping[str, AttributeType] = field(default_factory=dict)
    version_attribute: str = ""
    version: int = 1

    def index(self, name: str) -> IndexShape | None:
        return next((each for each in (*self.global_indexes, *self.local_indexes) if each.name == name), None)


class TableShapes(Struct, frozen=True):
    """The tables of one database, by name; the history is not among them."""

    tables: tuple[TableShape, ...] = ()

    def table(self, name: str) -> TableShape | None:
        return next((each for each in self.tables if each.name == name), None)


HISTORY_TABLE = TableShape(HISTORY, Key(("pk",), ("sk",)), {"pk": "S", "sk": "S"})
