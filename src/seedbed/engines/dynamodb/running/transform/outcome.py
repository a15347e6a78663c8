"""What a migration's function makes of one item."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.engines.dynamodb.files.directives import TransformMode
from seedbed.engines.dynamodb.running.transform.recording import UNREAD, RecordedItem
from seedbed.engines.dynamodb.running.transform.values import (
    Attribute,
    Item,
    key_id,
    key_of,
    key_text,
    same,
    type_word,
)
from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.wire.sizes import LARGEST_ITEM, item_size
from seedbed.engines.dynamodb.wire.values import InvalidValue, from_attribute, to_attribute
from seedbed.engines.kit.python_program import compiled, failure
from seedbed.errors import Location, StepFailed
from seedbed.model.migration import Direction, Migration, Step

_MEND = "fix the migration or the item, and run the same command again: it resumes from its checkpoint"
_RETURNS = "it returns the item, None to delete it, or a list: the item and new ones"


class ItemVersions(Struct, frozen=True):
    """The attribute that holds an item's version, and what it is before and after; absent means 1."""

    attribute: str
    before: int
    after: int

    def is_before(self, item: Item) -> bool:
        """Return whether `item` is still to be transformed."""
        return same(item.get(self.attribute, {"N": "1"}), {"N": str(self.before)})


class ItemOutcome(Struct, frozen=True):
    """What becomes of an item: `sets` and `removes` attributes, or `is_deleted`; `new` items besides.

    `reads`: the attributes that this depends on. `has_read_everything`: on those too that the item does not have.
    """

    key: Item
    before: Item
    sets: Mapping[str, Attribute]
    removes: tuple[str, ...]
    is_deleted: bool
    new: tuple[Item, ...]
    reads: frozenset[str]
    has_read_everything: bool

    @property
    def is_unchanged(self) -> bool:
        return not (self.sets or self.removes or self.is_deleted or self.new)

    @property
    def after(self) -> Item | None:
        """The item as it will be, None where it is deleted."""
        if self.is_deleted:
            return None
        kept = {name: value for name, value in self.before.items() if name not in self.removes}
        return {**kept, **self.sets}


class ItemTransformer:
    """The function of a migration in one direction, called with items as the server says them. Thread-safe."""

    def __init__(self, migration: Migration, direction: Direction, step: Step, shape: TableShape) -> None:
        self._migration = migration
        self._name = direction.value
        self._shape = shape
        self._key_names = (*shape.key.partition, *shape.key.sort)
        self._function = self._found(step)
        self._lock = threading.Lock()  # a migration's function need not be made for threads
        self.mode = TransformMode(migration.settings["mode"])
        self.versions = (
            _versions(migration, direction, shape) if self.mode is TransformMode.VERSIONED else None
        )

    def _found(self, step: Step) -> Callable[..., Any]:
        function = compiled(step.body, self._migration.path).function(self._name)
        if function is None:
            raise StepFailed(
                f"{self._migration.label} has no function `{self._name}` once it is loaded",
                because="the file's own code replaces or removes it",
                at=Location(self._migration.path),
            )
        return function

    def key(self, item: Item) -> dict[str, Attribute]:
        return key_of(item, self._key_names)

    def __call__(self, item: Item) -> ItemOutcome:
        """Return what becomes of `item`. Raises StepFailed naming its key and what is wrong."""
        outcome = self._outcome(item)
        if self.mode is TransformMode.REPEATABLE and not outcome.is_unchanged:
            self._require_repeatable(outcome)
        if self.mode is TransformMode.PAGED and outcome.new:
            raise self.failed(
                item,
                "the function makes new items",
                because="the scan may come to them, and would transform them once more",
                try_="give items a version (from=1 to=2), or let the function leave its own result alone and say so "
                'with `repeatable because "…"`',
            )
        return outcome

    def _outcome(self, item: Item) -> ItemOutcome:
        recorded = RecordedItem(item, from_attribute)
        returned = self._called(item, recorded)
        own, others = self._separated(item, returned)
        if own is None:
            sets: dict[str, Attribute] = {}
            removes: tuple[str, ...] = ()
        else:
            sets, removes = self._changes(item, own)
        new = tuple(self._new(item, each) for each in others)
        self._require_different_keys(item, new)
        outcome = ItemOutcome(
            self.key(item),
            item,
            sets,
            removes,
            own is None,
            new,
            recorded.reads,
            recorded.has_read_everything,
        )
        self._require_size(outcome)
        return outcome

    def _called(self, item: Item, recorded: RecordedItem) -> Any:
        try:
            with self._lock:
                return self._function(recorded)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also SystemExit, and whatever else is no Exception
            located = failure(error, self._migration.path)
            raised = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise self.failed(
                item, f"`{self._name}` raised {raised}", because="its own code did", at=located.at
            ) from error

    def _separated(self, item: Item, returned: Any) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """Return what is returned for the item itself, None if it goes, and the items that are new."""
        results = list(returned) if isinstance(returned, list | tuple) else [returned]
        if returned is None:
            results = []
        for each in results:
            if not isinstance(each, dict):
                raise self.failed(item, f"`{self._name}` returned {type(each).__name__}", because=_RETURNS)
            if not all(isinstance(name, str) for name, _ in _stored(each)):
                raise self.failed(
                    item, f"`{self._name}` returned an attribute whose name is not text", because=_RETURNS
                )
        own = [each for each in results if self._has_key_of(item, each)]
        if len(own) > 1:
            raise self.failed(item, f"`{self._name}` returned the item {len(own)} times", because=_RETURNS)
        return (own[0] if own else None), [each for each in results if not own or each is not own[0]]

    def _has_key_of(self, item: Item, result: dict[str, Any]) -> bool:
        stored = dict(_stored(result))
        for name in self._key_names:
            if name not in stored:
                raise self.failed(
                    item,
                    f"`{self._name}` returned an item without its key attribute {name!r}",
                    because="an item is found by its key",
                )
        return all(
            stored[name] is UNREAD or same(self._attribute(item, name, stored[name]), item[name])
            for name in self._key_names
        )

    def _changes(self, item: Item, result: dict[str, Any]) -> tuple[dict[str, Attribute], tuple[str, ...]]:
        stored = dict(_stored(result))
        sets = {}
        for name, value in stored.items():
            if value is UNREAD or name in self._key_names:
                continue
            attribute = self._attribute(item, name, value)
            if not same(attribute, item.get(name)):
                sets[name] = attribute
        removes = tuple(name for name in item if name not in stored)
        if self.versions:
            sets, removes = self._with_version(item, self.versions, stored, sets, removes)
        return sets, removes

    def _with_version(
        self,
        item: Item,
        versions: ItemVersions,
        stored: Mapping[str, Any],
        sets: dict[str, Attribute],
        removes: tuple[str, ...],
    ) -> tuple[dict[str, Attribute], tuple[str, ...]]:
        """Return the changes with the version that the item has after them."""
        name, after = versions.attribute, {"N": str(versions.after)}
        if name in sets and not same(sets[name], after):
            raise self._meddled(item, name, stored[name])
        return {**sets, name: after}, tuple(each for each in removes if each != name)

    def _new(self, item: Item, result: dict[str, Any]) -> Item:
        """Return a new item as the server wants it, all of it."""
        values = dict(result)  # as a copy: of the recorded item this is a look at everything
        new = {name: self._attribute(item, name, value) for name, value in values.items()}
        if versions := self.versions:
            given = new.get(versions.attribute, {"N": str(versions.after)})
            if not any(same(given, {"N": str(each)}) for each in (versions.before, versions.after)):
                raise self._meddled(item, versions.attribute, values[versions.attribute])
            new[versions.attribute] = {"N": str(versions.after)}
        return new

    def _meddled(self, item: Item, name: str, value: Any) -> StepFailed:
        return self.failed(
            item,
            f"`{self._name}` set {name!r} to {value!r}",
            because="it holds the item's version, which seedbed itself sets",
            try_=f"leave {name!r} alone",
        )

    def _attribute(self, item: Item, name: str, value: Any) -> Attribute:
        """Return `value` as an attribute. Raises StepFailed naming the item and the attribute's path."""
        try:
            attribute = to_attribute(value, name)
        except InvalidValue as error:
            raise self.failed(item, error.what, because=error.because, try_=error.try_) from None
        except RecursionError:
            raise self.failed(item, f"{name!r} contains itself, or is too deep") from None
        wanted = self._shape.key_types.get(name)
        if wanted and wanted not in attribute:
            raise self.failed(
                item,
                f"`{self._name}` made {name!r} {type_word(next(iter(attribute)))}",
                because=f"it is part of a key, where it has to be {type_word(wanted)}",
            )
        return attribute

    def _require_different_keys(self, item: Item, new: Sequence[Item]) -> None:
        seen: set[str] = set()
        for each in new:
            key = key_id(self.key(each))
            if key in seen:
                raise self.failed(
                    item,
                    f"`{self._name}` returned two items with the key {key_text(self.key(each))}",
                    because="a key belongs to one item",
                )
            seen.add(key)

    def _require_size(self, outcome: ItemOutcome) -> None:
        grown = [outcome.after] if outcome.after is not None and outcome.sets else []
        for each in (*grown, *outcome.new):
            if (size := item_size(each)) > LARGEST_ITEM:
                raise self.failed(
                    outcome.before,
                    f"the item {key_text(self.key(each))} would have {size:,} bytes",
                    because=f"DynamoDB holds {LARGEST_ITEM:,} in one item, names of attributes included",
                    try_="move what is large elsewhere, or split the item",
                )

    def _require_repeatable(self, outcome: ItemOutcome) -> None:
        """Refuse a function that says it leaves its own result alone and does not."""
        results = [each for each in (outcome.after, *outcome.new) if each is not None]
        for each in results:
            if not self._outcome(each).is_unchanged:
                raise self.failed(
                    outcome.before,
                    f"`{self._name}` changes its own result when it is called again",
                    because="the migration says that it is repeatable, and would be repeated until nothing changes",
                    try_="look first whether the item is in the new form, or give items a version: from=1 to=2",
                )

    def failed(
        self, item: Item, what: str, *, because: str = "", try_: str = "", at: Location | None = None
    ) -> StepFailed:
        """Return the error about one item, for a person."""
        return StepFailed(
            f"{self._migration.label} failed for the item {key_text(self.key(item))} of {self._shape.name}: {what}",
            because=because,
            try_=try_ or _MEND,
            at=at or Location(self._migration.path),
        )


def _stored(result: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what is in a dict; to look into a recorded one is not the function's look."""
    return list(result.stored() if isinstance(result, RecordedItem) else result.items())


def _versions(migration: Migration, direction: Direction, shape: TableShape) -> ItemVersions:
    if not shape.version_attribute:
        raise StepFailed(
            f"{migration.label} transforms items by their version, and those of {shape.name} have none",
            because="tables.toml declares no version attribute for the table",
            try_="declare it there, or let the migration do without from= and to=",
            at=Location(migration.path),
        )
    before, after = int(migration.settings["from"]), int(migration.settings["to"])
    if direction is Direction.DOWN:
        before, after = after, before
    return ItemVersions(shape.version_attribute, before, after)
