"""Which update of a stack carries which change of which table; pure, and the same for shapes and templates.

DynamoDB makes one change of a table's global indexes, or of its stream, at a time, and CloudFormation asks for no
more than one of them in one update. Whatever is added comes before whatever is removed; an index is removed
earlier only where a new one has no room beside it. The schedule depends on the two shapes alone, so that a
deployment that was cut off continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from seedbed.engines.dynamodb.rules.limits import fit_together
from seedbed.engines.dynamodb.rules.quotas import GLOBAL_INDEXES, PROJECTED
from seedbed.engines.dynamodb.rules.refusals import refusals
from seedbed.engines.dynamodb.schema.shape import HISTORY, IndexShape, TableShape, TableShapes
from seedbed.model.deployment import Change
from seedbed.model.migration import Phase


class ChangeKind(StrEnum):
    """What a change of a table does."""

    ADD_TABLE = "add table"
    ADD_INDEX = "add index"
    ADD_STREAM = "add stream"
    ADD_TTL = "add ttl"
    REMOVE_TABLE = "remove table"
    REMOVE_INDEX = "remove index"
    REMOVE_STREAM = "remove stream"
    REMOVE_TTL = "remove ttl"

    @property
    def phase(self) -> Phase:
        return Phase.EXPAND if self.value.startswith("add") else Phase.CONTRACT


class ScheduledChange(Struct, frozen=True):
    """One change of one table; `update` counts from 1. `index` only where it is one of an index."""

    kind: ChangeKind
    table: str
    update: int
    index: str = ""


class UpdateSchedule(Struct, frozen=True):
    """All changes, by update; how many updates they take; and what no update can do."""

    changes: tuple[ScheduledChange, ...]
    updates: int
    refused: tuple[Change, ...]

    def update_of(self, kind: ChangeKind, table: str, index: str = "") -> int | None:
        found = (each for each in self.changes if (each.kind, each.table, each.index) == (kind, table, index))
        return next((each.update for each in found), None)


class _TableChanges(Struct, frozen=True):
    """What happens to one table, in order: one entry an update, first of the additions, then of the removals."""

    additions: tuple[tuple[ChangeKind, str], ...] = ()
    removals: tuple[tuple[ChangeKind, str], ...] = ()
    refused: tuple[Change, ...] = ()


def schedule(current: TableShapes, wanted: TableShapes, gate: Phase) -> UpdateSchedule:
    """Return the changes from `current` to `wanted` through `gate`: without removals where it is below contract."""
    is_contract = gate is Phase.CONTRACT
    both = [(old, new) for new in wanted.tables if (old := current.table(new.name)) is not None]
    added = [each.name for each in wanted.tables if current.table(each.name) is None]
    gone = [each.name for each in current.tables if wanted.table(each.name) is None] if is_contract else []
    by_table = {new.name: _table_changes(old, new, gate) for old, new in both}
    started = [new.name for old, new in both if new.ttl and not old.ttl]
    ended = [new.name for old, new in both if old.ttl and not new.ttl] if is_contract else []
    first = max([len(each.additions) for each in by_table.values()] + [1] * bool(added or started), default=0)
    then = max([len(each.removals) for each in by_table.values()] + [1] * bool(gone or ended), default=0)
    last = first + then
    changes = [
        *(ScheduledChange(ChangeKind.ADD_TABLE, name, 1) for name in added),
        *(ScheduledChange(ChangeKind.ADD_TTL, name, 1) for name in started),
        *(change for name, one in by_table.items() for change in _numbered(name, one, first, last)),
        *(ScheduledChange(ChangeKind.REMOVE_TTL, name, last) for name in ended),
        *(ScheduledChange(ChangeKind.REMOVE_TABLE, name, last) for name in gone if name != HISTORY),
    ]
    return UpdateSchedule(
        changes=tuple(sorted(changes, key=lambda each: (each.update, each.table))),
        updates=last,
        refused=tuple(
            [*(change for one in by_table.values() for change in one.refused)]
            + [_history_stays() for name in gone if name == HISTORY]
        ),
    )


def _numbered(table: str, one: _TableChanges, first: int, last: int) -> Iterator[ScheduledChange]:
    for number, (kind, index) in enumerate(one.additions, 1):
        yield ScheduledChange(kind, table, number, index)
    for number, (kind, index) in enumerate(one.removals, first + 1):
        # what is removed from the stack with the last update may still refer to the stream
        yield ScheduledChange(kind, table, last if kind is ChangeKind.REMOVE_STREAM else number, index)


def _table_changes(old: TableShape, new: TableShape, gate: Phase) -> _TableChanges:
    refused = list(refusals(old, new))
    additions: list[tuple[ChangeKind, str]] = []
    if new.stream and not old.stream:
        additions.append((ChangeKind.ADD_STREAM, ""))  # first: others of the stack may refer to its ARN
    obsolete = [each for each in old.global_indexes if each.name not in _names(new.global_indexes)]
    present = list(old.global_indexes)
    for index in new.global_indexes:
        if index.name in _names(old.global_indexes):
            continue
        in_the_way = _in_the_way(index, present, obsolete, old, new)
        if in_the_way and gate is not Phase.CONTRACT:
            refused.append(_no_room(index, in_the_way, present, old, new))
            continue
        for each in in_the_way:
            obsolete.remove(each)
            present.remove(each)
            additions.append((ChangeKind.REMOVE_INDEX, each.name))
        present.append(index)
        additions.append((ChangeKind.ADD_INDEX, index.name))
    if gate is not Phase.CONTRACT:
        return _TableChanges(tuple(additions), (), tuple(refused))
    removals = [(ChangeKind.REMOVE_INDEX, each.name) for each in obsolete]
    if old.stream and not new.stream:
        removals.append((ChangeKind.REMOVE_STREAM, ""))
    return _TableChanges(tuple(additions), tuple(removals), tuple(refused))


def _in_the_way(
    index: IndexShape,
    present: Sequence[IndexShape],
    obsolete: Sequence[IndexShape],
    old: TableShape,
    new: TableShape,
) -> list[IndexShape]:
    """Return which of the indexes `obsolete` to be removed have to go before `index` can be added."""
    found = [each for each in obsolete if _contradict(index, each, old, new)]
    for each in obsolete:
        if _fits([*(one for one in present if one not in found), index], new):
            break
        if each not in found:
            found.append(each)
    return found


def _contradict(index: IndexShape, other: IndexShape, old: TableShape, new: TableShape) -> str:
    """Return an attribute that is of two types in the keys of both: a table knows one."""
    shared = {*index.key.partition, *index.key.sort} & {*other.key.partition, *other.key.sort}
    return next((each for each in sorted(shared) if old.key_types[each] != new.key_types[each]), "")


def _fits(indexes: Sequence[IndexShape], table: TableShape) -> bool:
    everything = (*indexes, *table.local_indexes)
    return fit_together(len(indexes), (len(each.projection.attributes) for each in everything))


def _no_room(
    index: IndexShape,
    in_the_way: Sequence[IndexShape],
    present: Sequence[IndexShape],
    old: TableShape,
    new: TableShape,
) -> Change:
    names = ", ".join(each.name for each in in_the_way)
    attribute = next(filter(None, (_contradict(index, each, old, new) for each in in_the_way)), "")
    if attribute:
        types = f"{new.key_types[attribute]} in it and {old.key_types[attribute]} in {names}"
        because = f"{attribute} is {types}, and a table knows one type of an attribute"
    elif len(present) >= GLOBAL_INDEXES:
        because = f"the table has {len(present)} indexes, and DynamoDB takes {GLOBAL_INDEXES}"
    else:
        because = f"its indexes would list more than {PROJECTED} attributes, which is what DynamoDB takes"
    return Change(
        Phase.EXPAND,
        f"{new.name}: add index {index.name}",
        refused=f"{because}; {names} would make room, but removing waits for contract",
        try_=f"remove {names} first, in a deployment through contract",
    )


def _history_stays() -> Change:
    return Change(
        Phase.CONTRACT,
        f"{HISTORY}: remove the table",
        refused="it says which migrations have been applied; without it they would all run again",
        try_="leave it in the stack as long as one of the service's tables is there; destroy removes all together",
    )


def _names(indexes: Sequence[IndexShape]) -> Mapping[str, None]:
    return dict.fromkeys(each.name for each in indexes)
