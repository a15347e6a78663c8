"""Which update of a stack carries which change of which table; pure, and the same for shapes and templates.

DynamoDB makes one change of a table's global indexes, or of its stream, at a time, and CloudFormation asks for no
more than one of them in one update. Whatever is added comes before whatever is removed; an index is removed
earlier only where a new one has no room beside it. Steps depend on nothing but the two shapes, so that a deployment
that was cut off goes on where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from seedbed.engines.dynamodb.rules.limits import fit_together
from seedbed.engines.dynamodb.rules.quotas import GLOBAL_INDEXES, PROJECTED
from seedbed.engines.dynamodb.rules.refusals import refusals
from seedbed.engines.dynamodb.schema.shape import HISTORY, Index, Table, Tables
from seedbed.model.deployment import Change
from seedbed.model.migration import Phase


class Kind(StrEnum):
    """What a step does."""

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


class Step(Struct, frozen=True):
    """One change of one table; `update` counts from 1. `index` only where it is one of an index."""

    kind: Kind
    table: str
    update: int
    index: str = ""


class Schedule(Struct, frozen=True):
    """All steps, by update; how many updates they take; and what no update can do."""

    steps: tuple[Step, ...]
    updates: int
    refused: tuple[Change, ...]

    def update_of(self, kind: Kind, table: str, index: str = "") -> int | None:
        found = (each for each in self.steps if (each.kind, each.table, each.index) == (kind, table, index))
        return next((each.update for each in found), None)


class _Road(Struct, frozen=True):
    """What happens to one table, in order: one entry an update, first of the additions, then of the removals."""

    additions: tuple[tuple[Kind, str], ...] = ()
    removals: tuple[tuple[Kind, str], ...] = ()
    refused: tuple[Change, ...] = ()


def schedule(current: Tables, wanted: Tables, gate: Phase) -> Schedule:
    """Return the steps from `current` to `wanted` through `gate`: without removals where it is below contract."""
    is_contract = gate is Phase.CONTRACT
    both = [(old, new) for new in wanted.tables if (old := current.table(new.name)) is not None]
    added = [each.name for each in wanted.tables if current.table(each.name) is None]
    gone = [each.name for each in current.tables if wanted.table(each.name) is None] if is_contract else []
    roads = {new.name: _road(old, new, gate) for old, new in both}
    started = [new.name for old, new in both if new.ttl and not old.ttl]
    ended = [new.name for old, new in both if old.ttl and not new.ttl] if is_contract else []
    first = max([len(each.additions) for each in roads.values()] + [1] * bool(added or started), default=0)
    then = max([len(each.removals) for each in roads.values()] + [1] * bool(gone or ended), default=0)
    last = first + then
    steps = [
        *(Step(Kind.ADD_TABLE, name, 1) for name in added),
        *(Step(Kind.ADD_TTL, name, 1) for name in started),
        *(step for name, road in roads.items() for step in _numbered(name, road, first, last)),
        *(Step(Kind.REMOVE_TTL, name, last) for name in ended),
        *(Step(Kind.REMOVE_TABLE, name, last) for name in gone if name != HISTORY),
    ]
    return Schedule(
        steps=tuple(sorted(steps, key=lambda each: (each.update, each.table))),
        updates=last,
        refused=tuple(
            [*(change for road in roads.values() for change in road.refused)]
            + [_history_stays() for name in gone if name == HISTORY]
        ),
    )


def _numbered(table: str, road: _Road, first: int, last: int) -> Iterator[Step]:
    for number, (kind, index) in enumerate(road.additions, 1):
        yield Step(kind, table, number, index)
    for number, (kind, index) in enumerate(road.removals, first + 1):
        # what is removed from the stack with the last update may still refer to the stream
        yield Step(kind, table, last if kind is Kind.REMOVE_STREAM else number, index)


def _road(old: Table, new: Table, gate: Phase) -> _Road:
    refused = list(refusals(old, new))
    additions: list[tuple[Kind, str]] = []
    if new.stream and not old.stream:
        additions.append((Kind.ADD_STREAM, ""))  # first: others of the stack may refer to its ARN
    waiting = [each for each in old.global_indexes if each.name not in _names(new.global_indexes)]
    present = list(old.global_indexes)
    for index in new.global_indexes:
        if index.name in _names(old.global_indexes):
            continue
        in_the_way = _in_the_way(index, present, waiting, old, new)
        if in_the_way and gate is not Phase.CONTRACT:
            refused.append(_no_room(index, in_the_way, present, old, new))
            continue
        for each in in_the_way:
            waiting.remove(each)
            present.remove(each)
            additions.append((Kind.REMOVE_INDEX, each.name))
        present.append(index)
        additions.append((Kind.ADD_INDEX, index.name))
    if gate is not Phase.CONTRACT:
        return _Road(tuple(additions), (), tuple(refused))
    removals = [(Kind.REMOVE_INDEX, each.name) for each in waiting]
    if old.stream and not new.stream:
        removals.append((Kind.REMOVE_STREAM, ""))
    return _Road(tuple(additions), tuple(removals), tuple(refused))


def _in_the_way(
    index: Index, present: Sequence[Index], waiting: Sequence[Index], old: Table, new: Table
) -> list[Index]:
    """Return which of the indexes `waiting` to be removed have to go before `index` can be added."""
    found = [each for each in waiting if _contradict(index, each, old, new)]
    for each in waiting:
        if _fits([*(one for one in present if one not in found), index], new):
            break
        if each not in found:
            found.append(each)
    return found


def _contradict(index: Index, other: Index, old: Table, new: Table) -> str:
    """Return an attribute that is of two types in the keys of both: a table knows one."""
    shared = {*index.key.partition, *index.key.sort} & {*other.key.partition, *other.key.sort}
    return next((each for each in sorted(shared) if old.key_types[each] != new.key_types[each]), "")


def _fits(indexes: Sequence[Index], table: Table) -> bool:
    everything = (*indexes, *table.local_indexes)
    return fit_together(len(indexes), (len(each.projection.attributes) for each in everything))


def _no_room(
    index: Index, in_the_way: Sequence[Index], present: Sequence[Index], old: Table, new: Table
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


def _names(indexes: Sequence[Index]) -> Mapping[str, None]:
    return dict.fromkeys(each.name for each in indexes)
