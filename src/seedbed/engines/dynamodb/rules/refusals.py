"""What no stack update can do to a table, why, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.engines.dynamodb.schema.shape import IndexShape, Key, Projection, TableShape
from seedbed.model.deployment import Change
from seedbed.model.migration import Phase


def refusals(old: TableShape, new: TableShape) -> Iterator[Change]:
    """Yield what would have to be done to make `new` of `old` and cannot."""
    yield from _key(old, new)
    yield from _global_indexes(old, new)
    yield from _local_indexes(old, new)
    yield from _ttl(old, new)
    yield from _stream(old, new)


def _key(old: TableShape, new: TableShape) -> Iterator[Change]:
    if old.key != new.key:
        yield Change(
            Phase.EXPAND,
            f"{new.name}: change the key from {_attributes(old.key)} to {_attributes(new.key)}",
            refused=_NEVER_REPLACED,
            try_=_new_table(new.name),
        )
        return
    for name in _retyped((*new.key.partition, *new.key.sort), old, new):
        yield Change(
            Phase.EXPAND,
            f"{new.name}: change the type of the key {name} from {old.key_types[name]} to {new.key_types[name]}",
            refused=_NEVER_REPLACED,
            try_=_new_table(new.name),
        )


_NEVER_REPLACED = (
    "DynamoDB never changes a table's key, and CloudFormation cannot replace a table that has a fixed name"
)


def _new_table(name: str) -> str:
    return (
        f"declare a new table ({name}_2), deploy, write to both, copy the items by a migration, switch the readers,"
        f" then remove {name}"
    )


def _global_indexes(old: TableShape, new: TableShape) -> Iterator[Change]:
    before = {each.name: each for each in old.global_indexes}
    for index in new.global_indexes:
        was = before.get(index.name)
        if was is None:
            continue
        differences = list(_differences(was, index, old, new))
        if differences:
            yield Change(
                Phase.EXPAND,
                f"{new.name}: change index {index.name}, {', '.join(differences)}",
                refused="DynamoDB never changes an index; removing it and adding it under the same name would leave"
                " its readers without it until it is built",
                try_=f"declare it under a new name ({index.name}_2) beside the old one, deploy, switch the readers,"
                f" then remove {index.name}",
            )


def _local_indexes(old: TableShape, new: TableShape) -> Iterator[Change]:
    before = {each.name: each for each in old.local_indexes}
    after = {each.name: each for each in new.local_indexes}
    if old.key != new.key:
        return  # they go with the table's key, and reported
    for name in sorted(after.keys() - before.keys()):
        yield Change(
            Phase.EXPAND,
            f"{new.name}: add local index {name}",
            refused="DynamoDB makes local indexes together with their table and never after",
            try_=f"make it global: [tables.{new.name}.indexes.{name}]; or {_new_table(new.name)}",
        )
    for name in sorted(before.keys() - after.keys()):
        yield Change(
            Phase.CONTRACT,
            f"{new.name}: remove local index {name}",
            refused="a local index stays as long as its table",
            try_=f"leave it declared, or {_new_table(new.name)}",
        )
    for name in sorted(before.keys() & after.keys()):
        differences = list(_differences(before[name], after[name], old, new))
        if differences:
            yield Change(
                Phase.EXPAND,
                f"{new.name}: change local index {name}, {', '.join(differences)}",
                refused="a local index stays as it is as long as its table",
                try_=f"a global one beside it: [tables.{new.name}.indexes.{name}_2]",
            )


def _differences(was: IndexShape, is_: IndexShape, old: TableShape, new: TableShape) -> Iterator[str]:
    if was.key != is_.key:
        yield f"its key from {_attributes(was.key)} to {_attributes(is_.key)}"
    else:
        reported = {*old.key.partition, *old.key.sort} if old.key == new.key else set()
        names = [each for each in (*is_.key.partition, *is_.key.sort) if each not in reported]
        for name in _retyped(names, old, new):
            yield f"the type of its key {name} from {old.key_types[name]} to {new.key_types[name]}"
    if was.projection != is_.projection:
        yield f"its projection from {_projected(was.projection)} to {_projected(is_.projection)}"


def _ttl(old: TableShape, new: TableShape) -> Iterator[Change]:
    if old.ttl and new.ttl and old.ttl != new.ttl:
        yield Change(
            Phase.EXPAND,
            f"{new.name}: let items expire by {new.ttl} instead of {old.ttl}",
            refused=f"DynamoDB has to stop expiring by {old.ttl} first, and changes that once an hour at most",
            try_="deploy without ttl, through contract; after an hour deploy again with the new one",
        )


def _stream(old: TableShape, new: TableShape) -> Iterator[Change]:
    if old.stream and new.stream and old.stream != new.stream:
        yield Change(
            Phase.EXPAND,
            f"{new.name}: change the stream from {old.stream} to {new.stream}",
            refused="DynamoDB never changes a stream; it would end, another one would begin under a new ARN, and what"
            " changes between the two would be in neither",
            try_="deploy without stream, through contract, while nothing is written or no consumer needs the stream;"
            " then deploy again with the new one",
        )


def _retyped(names: Sequence[str], old: TableShape, new: TableShape) -> Iterator[str]:
    for name in names:
        if old.key_types[name] != new.key_types[name]:
            yield name


def _attributes(key: Key) -> str:
    return f"({', '.join((*key.partition, *key.sort))})"


def _projected(projection: Projection) -> str:
    return projection.kind if projection.kind != "INCLUDE" else f"[{', '.join(projection.attributes)}]"
