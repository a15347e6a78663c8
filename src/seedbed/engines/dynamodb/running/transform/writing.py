"""What an outcome becomes on the server: one write, or several in one transaction, conditioned on what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from seedbed.engines.dynamodb.running.transform import expressions
from seedbed.engines.dynamodb.running.transform.costs import IN_TRANSACTION, outcome_units
from seedbed.engines.dynamodb.running.transform.expressions import (
    MOST_OPERATORS,
    ComparedAttribute,
    ExpressionTooLarge,
)
from seedbed.engines.dynamodb.running.transform.metered_table import MeteredTable
from seedbed.engines.dynamodb.running.transform.outcome import ItemOutcome, ItemTransformer
from seedbed.engines.dynamodb.running.transform.values import Item, key_text, same_item
from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.wire.errors import CONDITION_REASON, CONFLICTS, ServiceError
from seedbed.engines.dynamodb.wire.sizes import item_size
from seedbed.errors import StepFailed
from seedbed.wire.retrying import Policy, retrying

Action = Mapping[str, Any]

MOST_ACTIONS = 100  # in one transaction
LARGEST_TRANSACTION = 4 * 1024 * 1024  # bytes
_MOST_NAMES = 1000  # of attributes that are remembered: some items use names as if they were values
_CONTENTION = Policy(attempts=200, base=0.005, cap=1.0)  # for one item that others keep changing


class WriteCounts(Struct, frozen=True):
    """What was done about some items: how many were found in the old form, and what became of them."""

    found: int = 0
    changed: int = 0
    deleted: int = 0
    made: int = 0

    def __add__(self, other: WriteCounts) -> WriteCounts:
        return WriteCounts(
            self.found + other.found,
            self.changed + other.changed,
            self.deleted + other.deleted,
            self.made + other.made,
        )


def write_counts(outcome: ItemOutcome) -> WriteCounts:
    """Return the counts of one outcome that was carried out."""
    if outcome.is_unchanged:
        return WriteCounts()
    changed = bool(outcome.sets or outcome.removes)
    return WriteCounts(1, int(changed), int(outcome.is_deleted), len(outcome.new))


class KnownNames:
    """The names of attributes that items of a table are known to have."""

    def __init__(self, shape: TableShape) -> None:
        names = {*shape.attributes, *shape.key_types, shape.ttl, shape.version_attribute}
        self._known = names - {""}

    def see(self, items: Iterable[Item]) -> None:
        for each in items:
            if len(self._known) < _MOST_NAMES and not each.keys() <= self._known:
                self._known = self._known | each.keys()

    def beside(self, item: Item, most: int) -> list[str]:
        """Return up to `most` names that `item` has no attribute of."""
        return sorted(self._known - item.keys())[:most]


class ItemWriter:
    """Carries out what a transformer says about items, one by one. Thread-safe."""

    def __init__(
        self, access: MeteredTable, transformer: ItemTransformer, shape: TableShape, names: KnownNames
    ) -> None:
        self._access = access
        self._transformer = transformer
        self._shape = shape
        self._names = names

    def settle(self, item: Item) -> WriteCounts:
        """Bring one item to its new form, whatever others do to it meanwhile; return what that took.

        Raises StepFailed, LeaseLost, Interrupted.
        """
        current: Item | None = item
        for attempt in retrying(_CONTENTION, sleep=self._access.sleep):
            if attempt.number > 1:
                current = self._access.get(self._transformer.key(item))
            if current is None or not self._is_due(current):
                return WriteCounts()
            outcome = self._transformer(current)
            if outcome.is_unchanged:
                return WriteCounts()
            if self._sent(outcome):
                return write_counts(outcome)
            attempt.failed(
                self._transformer.failed(
                    item,
                    f"it changed {_CONTENTION.attempts} times while it was to be written",
                    because="others write it faster than it can be read and written back",
                    try_="run the same command again when there is less going on",
                )
            )
        raise AssertionError("attempts end by an answer or an error")

    def actions(self, outcome: ItemOutcome) -> list[Action]:
        """Return what carries out `outcome`, the item's own action first. Raises StepFailed naming the item."""
        try:
            own = self._own(outcome)
        except ExpressionTooLarge as error:
            raise self._transformer.failed(
                outcome.before,
                str(error),
                because="a write is conditioned on every attribute that its result depends on; about 145 are the most",
                try_='let the function ask for the attributes that it needs by name, item["title"], '
                "instead of going over all of them",
            ) from None
        keys = tuple(outcome.key)
        puts = [{"Put": expressions.put_new(self._access.table, each, keys)} for each in outcome.new]
        return [own, *puts]

    def units(self, outcome: ItemOutcome) -> float:
        """Return the units that carrying out `outcome` takes outside of a transaction."""
        return outcome_units(outcome, self._shape)

    def _is_due(self, item: Item) -> bool:
        versions = self._transformer.versions
        return versions is None or versions.is_before(item)

    def _own(self, outcome: ItemOutcome) -> Action:
        table, key = self._access.table, outcome.key
        compared = self._compared(outcome)
        if outcome.is_deleted:
            return {"Delete": expressions.delete(table, key, compared)}
        if outcome.sets or outcome.removes:
            changed = expressions.update(
                table, key, sets=outcome.sets, removes=outcome.removes, compared=compared
            )
            return {"Update": changed}
        return {"ConditionCheck": expressions.delete(table, key, compared)}

    def _compared(self, outcome: ItemOutcome) -> ComparedAttribute:
        """Return what the item has to be like: as it was in all that the outcome depends on or changes."""
        names = {*outcome.reads, *outcome.sets, *outcome.removes}
        if versions := self._transformer.versions:
            names.add(versions.attribute)
        if outcome.is_deleted and outcome.new and outcome.has_read_everything:
            # The item moves as a whole: what somebody adds to it meanwhile must not stay behind.
            names.update(self._names.beside(outcome.before, MOST_OPERATORS // 2 - len(names) - 1))
        return ComparedAttribute.as_it_was(outcome.before, names - outcome.key.keys())

    def _sent(self, outcome: ItemOutcome) -> bool:
        """Write `outcome`; return False where the item is no longer as it was. Raises StepFailed."""
        actions = self.actions(outcome)
        if len(actions) == 1:
            return self._alone(outcome, actions[0])
        self._require_one_transaction(outcome, actions)
        return self._together(outcome, actions)

    def _alone(self, outcome: ItemOutcome, action: Action) -> bool:
        try:
            self._access.write(action, self.units(outcome))
        except ServiceError as error:
            if error.is_condition or error.code in CONFLICTS:
                return False
            raise self.refused(outcome, error) from error
        return True

    def _together(self, outcome: ItemOutcome, actions: list[Action]) -> bool:
        """Write in one transaction; a new item that is there already, equal, is left alone."""
        while True:
            try:
                self._access.transact(actions, IN_TRANSACTION * self.units(outcome))
            except ServiceError as error:
                failed = [at for at, reason in enumerate(error.reasons) if reason == CONDITION_REASON]
                if not failed:
                    raise self.refused(outcome, error) from error
                if failed[0] == 0:
                    return False
                for at in reversed(failed):
                    if self._is_there(outcome, actions[at]["Put"]["Item"]):
                        del actions[at]
                continue
            return True

    def _is_there(self, outcome: ItemOutcome, new: Item) -> bool:
        """Return whether `new` is there as it should be, False where it is gone again. Raises StepFailed."""
        key = self._transformer.key(new)
        there = self._access.get(key)
        if there is None:
            return False
        if same_item(there, new):
            return True
        raise self._transformer.failed(
            outcome.before,
            f"it would make the item {key_text(key)}, and there is another one with that key",
            because="it differs from what the function returned",
            try_="look at both; let the function return another key",
        )

    def _require_one_transaction(self, outcome: ItemOutcome, actions: list[Action]) -> None:
        size = item_size(outcome.before) + sum(map(item_size, outcome.new))
        if len(actions) > MOST_ACTIONS or size > LARGEST_TRANSACTION:
            raise self._transformer.failed(
                outcome.before,
                f"{len(outcome.new)} new items of {size:,} bytes are made of it",
                because=f"they are written together with it, and a transaction holds {MOST_ACTIONS} writes and 4 MB",
                try_="split the item in several migrations",
            )

    def refused(self, outcome: ItemOutcome, error: ServiceError) -> StepFailed:
        """Return the error about an item whose write the server refused."""
        return self._transformer.failed(outcome.before, error.what, because=error.because, try_=error.try_)
