"""What DynamoDB refuses, as far as a file can tell: each limit with its own message and remedy.

The numbers are in `quotas`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from seedbed.engines.dynamodb.rules.quotas import (
    ATTRIBUTE_BYTES,
    GLOBAL_INDEXES,
    INDEX_LENGTH,
    INDEX_NAME,
    KEY_ATTRIBUTES,
    LOCAL_INDEXES,
    NAME_BYTES,
    PHYSICAL_LENGTH,
    PROJECTED,
    PROJECTED_PER_INDEX,
    TABLE_LENGTH,
    TABLE_NAME,
)
from seedbed.engines.dynamodb.schema.shape import HISTORY
from seedbed.model.names import table_name
from seedbed.support.guess import did_you_mean
from seedbed.toml.document import Problem
from seedbed.toml.lines import KeyPath
from seedbed.toml.text import clipped, key_text

if TYPE_CHECKING:
    from seedbed.engines.dynamodb.schema.sections import IndexSection, TableSection, TablesFile

_PHYSICAL = re.compile(r"[a-zA-Z0-9_.-]+")
_KEY_TYPES = frozenset({"S", "N", "B"})


def problems(document: TablesFile) -> Iterator[Problem]:
    """Yield everything in `document` that DynamoDB would not take."""
    for name, table in document.tables.items():
        at = ("tables", name)
        yield from _table_name(name, at)
        yield from _attribute_names(table, at)
        yield from _keys(table, at)
        yield from _indexes(table, at)
        yield from _projections(table, at)
        yield from _ttl(table, at)
        yield from _version(table, at)


def physical_problem(service: str, table: str, environment: str) -> str:
    """Return why a table cannot have the name it would have in `environment`, or ""."""
    name = table_name(service, table, environment)
    if len(name) not in PHYSICAL_LENGTH:
        most = PHYSICAL_LENGTH.stop - 1
        return (
            f"the table {clipped(table)} would be called {clipped(name)}, which has {len(name)} characters:"
            f" DynamoDB takes {PHYSICAL_LENGTH.start} to {most}"
        )
    if _PHYSICAL.fullmatch(name) is None:
        return (
            f"the table {clipped(table)} would be called {clipped(name)}:"
            " DynamoDB takes letters, digits, hyphens, dots and underscores"
        )
    return ""


def fit_together(index_count: int, projected: Iterable[int]) -> bool:
    """Return whether a table can have so many global indexes, and indexes that list so many attributes each."""
    return index_count <= GLOBAL_INDEXES and sum(projected) <= PROJECTED


def _table_name(name: str, at: KeyPath) -> Iterator[Problem]:
    if name == HISTORY:
        yield Problem(
            at,
            f"a table cannot be called {HISTORY}",
            "that is the table in which seedbed keeps its history; every service has one, and it is not declared",
            "choose another name",
        )
    elif TABLE_NAME.fullmatch(name) is None:
        yield Problem(
            at,
            f"{key_text(name)} cannot be the name of a table",
            "names have letters, digits and underscores, a letter first; hyphens are what its physical name puts"
            " between service, table and environment, and a dot is what comes before an index",
            f"[tables.{_corrected(name)}]",
        )
    elif len(name) > TABLE_LENGTH:
        yield Problem(
            at,
            f"{key_text(name)} is too long for the name of a table",
            f"it has {len(name)} characters; with service and environment before and behind it, DynamoDB leaves"
            f" room for {TABLE_LENGTH}",
            "choose a shorter name",
        )


def _corrected(name: str) -> str:
    name_ = re.sub(r"[^a-zA-Z0-9_]+", "_", name)[:TABLE_LENGTH].strip("_")
    return name_ if TABLE_NAME.fullmatch(name_) else "NAME"


def _attribute_names(table: TableSection, at: KeyPath) -> Iterator[Problem]:
    for name in table.attributes:
        length = len(name.encode())
        if length > ATTRIBUTE_BYTES:
            yield Problem(
                (*at, "attributes", name),
                f"the attribute {key_text(name)} has too long a name",
                f"it has {length} bytes, DynamoDB takes {ATTRIBUTE_BYTES}",
                "choose a shorter name",
            )


def _keys(table: TableSection, at: KeyPath) -> Iterator[Problem]:
    key = (*at, "key")
    sort = table.key.sort
    yield from _key_attribute(table, table.key.partition, (*key, "partition"), at)
    if sort is not UNSET:
        yield from _key_attribute(table, sort, (*key, "sort"), at)
        if sort == table.key.partition:
            yield _twice(sort, (*key, "sort"), "the key")
    for name, index in table.indexes.items():
        yield from _index_key(table, index, (*at, "indexes", name), at)
    for name, local in table.local_indexes.items():
        here = (*at, "local_indexes", name)
        yield from _key_attribute(table, local.sort, (*here, "sort"), at)
        if local.sort == table.key.partition:
            yield _twice(
                local.sort, (*here, "sort"), f"the key of {name}, which has the table's partition key"
            )


def _index_key(table: TableSection, index: IndexSection, here: KeyPath, at: KeyPath) -> Iterator[Problem]:
    seen: set[str] = set()
    for part, declared in (("partition", index.partition), ("sort", index.sort)):
        names = attributes_of(declared)
        where = (*here, part)
        if declared == []:
            yield Problem(
                where,
                f"the {part} key of {here[-1]} is an empty list",
                f"a key has 1 to {KEY_ATTRIBUTES} attributes",
                "name one, or remove the line" if part == "sort" else "name one",
            )
        if len(names) > KEY_ATTRIBUTES:
            yield Problem(
                where,
                f"the {part} key of {here[-1]} has {len(names)} attributes",
                f"an index takes up to {KEY_ATTRIBUTES} for its {part} key",
                "join some of them in one attribute",
            )
        for number, name in enumerate(names):
            position = (*where, number) if isinstance(declared, list) else where
            if name in seen:
                yield _twice(name, position, f"the key of {here[-1]}")
            else:
                yield from _key_attribute(table, name, position, at)
            seen.add(name)


def _twice(name: str, at: KeyPath, where: str) -> Problem:
    return Problem(
        at,
        f"{key_text(name)} stands twice in {where}",
        "an attribute can be part of one key once",
        "name another attribute, or remove it",
    )


def _key_attribute(table: TableSection, name: str, at: KeyPath, owner: KeyPath) -> Iterator[Problem]:
    yield from _long_name(name, at, "part of a key")
    type_ = table.attributes.get(name)
    if type_ is None:
        yield Problem(
            at,
            f"the type of {key_text(name)} is not declared",
            f"it is part of a key, and DynamoDB has to know the types of keys; {key_text(str(owner[-1]))} has no"
            " such attribute",
            did_you_mean(name, table.attributes, otherwise=f'attributes = {{{key_text(name)} = "S", …}}'),
        )
    elif type_ not in _KEY_TYPES:
        yield Problem(
            (*owner, "attributes", name),
            f"{key_text(name)} cannot be part of a key",
            f"its type is {type_}, and keys are of S (string), N (number) or B (binary)",
            "keep what is needed of it in an attribute of its own",
        )


def _long_name(name: str, at: KeyPath, role: str) -> Iterator[Problem]:
    length = len(name.encode())
    if length > NAME_BYTES:
        yield Problem(
            at,
            f"the attribute {key_text(name)} has too long a name",
            f"it has {length} bytes; DynamoDB takes {NAME_BYTES} for one that is {role}",
            "choose a shorter name",
        )


def _indexes(table: TableSection, at: KeyPath) -> Iterator[Problem]:
    for kind, names in (("indexes", table.indexes), ("local_indexes", table.local_indexes)):
        for name in names:
            yield from _index_name(name, (*at, kind, name))
    for name in table.local_indexes.keys() & table.indexes.keys():
        yield Problem(
            (*at, "local_indexes", name),
            f"two indexes are called {key_text(name)}",
            "a global and a local index of one table have different names",
            "rename one of them",
        )
    if len(table.indexes) > GLOBAL_INDEXES:
        over = list(table.indexes)[GLOBAL_INDEXES]
        yield Problem(
            (*at, "indexes", over),
            f"{at[-1]} has {len(table.indexes)} global indexes",
            f"DynamoDB takes {GLOBAL_INDEXES} of one table",
            "let one index serve several queries, by a key that several kinds of items share",
        )
    if len(table.local_indexes) > LOCAL_INDEXES:
        yield Problem(
            (*at, "local_indexes", list(table.local_indexes)[LOCAL_INDEXES]),
            f"{at[-1]} has {len(table.local_indexes)} local indexes",
            f"DynamoDB takes {LOCAL_INDEXES} of one table",
            "make some of them global: [tables.….indexes.…]",
        )
    if table.local_indexes and table.key.sort is UNSET:
        yield Problem(
            (*at, "local_indexes", next(iter(table.local_indexes))),
            f"{at[-1]} cannot have local indexes",
            "its key has no sort attribute, so that each partition holds one item and there is nothing to order",
            "make it global: [tables.….indexes.…], or give the key a sort attribute",
        )


def _index_name(name: str, at: KeyPath) -> Iterator[Problem]:
    if INDEX_NAME.fullmatch(name) is None:
        yield Problem(
            at,
            f"{key_text(name)} cannot be the name of an index",
            "DynamoDB takes letters, digits, hyphens, dots and underscores",
            "choose another name",
        )
    elif len(name) not in INDEX_LENGTH:
        yield Problem(
            at,
            f"{key_text(name)} cannot be the name of an index",
            f"it has {len(name)} characters; DynamoDB takes {INDEX_LENGTH.start} to {INDEX_LENGTH.stop - 1}",
            "by_… says what it is good for" if len(name) < INDEX_LENGTH.start else "choose a shorter name",
        )


def _projections(table: TableSection, at: KeyPath) -> Iterator[Problem]:
    own = {table.key.partition, *attributes_of(table.key.sort)}
    listings: dict[KeyPath, int] = {}
    for kind, name, projection, key in (
        *(
            ("indexes", n, i.projection, {*attributes_of(i.partition), *attributes_of(i.sort)})
            for n, i in table.indexes.items()
        ),
        *(("local_indexes", n, i.projection, {i.sort}) for n, i in table.local_indexes.items()),
    ):
        where = (*at, kind, name, "projection")
        if isinstance(projection, str):
            yield from _projection_word(projection, where)
        else:
            listings[where] = len(projection)
            yield from _projection_list(projection, own | key, where)
    total = sum(listings.values())
    if total > PROJECTED:
        yield Problem(
            list(listings)[-1],
            f"the indexes of {at[-1]} list {total} attributes",
            f"DynamoDB takes {PROJECTED} for all indexes of one table together, one that is listed twice counts"
            " twice",
            'projection = "ALL" where most of an item is wanted anyway, "KEYS_ONLY" where it is read after',
        )


def _projection_word(word: str, at: KeyPath) -> Iterator[Problem]:
    if word not in {"ALL", "KEYS_ONLY"}:
        yield Problem(
            at,
            f"{at[-2]} has a projection that DynamoDB does not know",
            f"expected ALL, KEYS_ONLY or a list of attributes, found {key_text(word)}",
            f'projection = ["{clipped(word)}"], if that is an attribute'
            if word.upper() not in {"ALL", "KEYS_ONLY", "INCLUDE"}
            else f'projection = "{word.upper()}"'
            if word.upper() != "INCLUDE"
            else 'projection = ["title", …], the attributes to include',
        )


def _projection_list(names: list[str], keys: set[str], at: KeyPath) -> Iterator[Problem]:
    index = at[-2]
    if not names:
        yield Problem(at, f"{index} projects an empty list", "a list names one attribute or more", _KEYS_ONLY)
    if len(names) > PROJECTED_PER_INDEX:
        yield Problem(
            at,
            f"{index} lists {len(names)} attributes",
            f"DynamoDB takes {PROJECTED_PER_INDEX} for one index",
            'projection = "ALL"',
        )
    twice = {name for name, count in Counter(names).items() if count > 1}
    for number, name in enumerate(names):
        yield from _long_name(name, (*at, number), "projected")
        if name in keys:
            yield Problem(
                (*at, number),
                f"{index} lists {key_text(name)}, which is part of a key",
                "the keys of table and index are in every index anyway, and DynamoDB counts what is listed",
                "remove it" if len(names) > 1 else _KEYS_ONLY,
            )
        elif name in twice and name not in names[:number]:
            yield Problem(
                (*at, number), f"{index} lists {key_text(name)} twice", "DynamoDB refuses that", "remove one"
            )


_KEYS_ONLY = 'projection = "KEYS_ONLY"'


def _ttl(table: TableSection, at: KeyPath) -> Iterator[Problem]:
    if table.ttl is UNSET:
        return
    yield from _long_name(table.ttl, (*at, "ttl"), "what items expire by")
    type_ = table.attributes.get(table.ttl, "N")
    if type_ != "N":
        yield Problem(
            (*at, "ttl"),
            f"items cannot expire by {key_text(table.ttl)}",
            f"its type is {type_}, and DynamoDB ignores everything but N: seconds since 1970",
            "keep the moment in an attribute of type N",
        )


def _version(table: TableSection, at: KeyPath) -> Iterator[Problem]:
    version = table.version
    if version is UNSET:
        return
    where, name = (*at, "version", "attribute"), version.attribute
    type_ = table.attributes.get(name, "N")
    if type_ != "N":
        yield Problem(
            where,
            f"{key_text(name)} cannot hold the version of an item",
            f"its type is {type_}, and versions are numbers",
            f'attributes = {{{key_text(name)} = "N", …}}, or another attribute',
        )
    if name in {table.key.partition, *attributes_of(table.key.sort)}:
        yield Problem(
            where,
            f"{key_text(name)} cannot hold the version of an item",
            "it is part of the table's key, which no update can change",
            "name an attribute of its own, such as schema_version",
        )
    elif name == table.ttl:
        yield Problem(
            where,
            f"{key_text(name)} cannot hold the version of an item",
            "items expire by it",
            "name an attribute of its own, such as schema_version",
        )


def attributes_of(names: str | list[str] | UnsetType) -> tuple[str, ...]:
    """Return the attributes of a key as it is written: one, a list, or none."""
    if isinstance(names, UnsetType):
        return ()
    return (names,) if isinstance(names, str) else tuple(names)
