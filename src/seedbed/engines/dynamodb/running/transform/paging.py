"""Items of one page committed together with its checkpoint: exactly once, for functions that cannot tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from seedbed.engines.dynamodb.files.directives import PAGE
from seedbed.engines.dynamodb.running.transform.costs import IN_TRANSACTION
from seedbed.engines.dynamodb.running.transform.metered_table import MeteredTable
from seedbed.engines.dynamodb.running.transform.outcome import ItemOutcome, ItemTransformer
from seedbed.engines.dynamodb.running.transform.values import Item
from seedbed.engines.dynamodb.running.transform.writing import Action, ItemWriter, WriteCounts, write_counts
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.engines.dynamodb.wire.sizes import item_size
from seedbed.errors import StepFailed
from seedbed.wire.retrying import Policy, retrying

_ROOM = 3 * 1024 * 1024  # bytes of items in a transaction: each counts with what it is compared with
_CONTENTION = Policy(
    attempts=201, base=0.0
)  # for a part that others keep changing: it is read again meanwhile
# Up to which item, what it did, items done, the writes -> what the server answered.
Commit = Callable[[Item, WriteCounts, int, list[Action]], Mapping[str, Any] | None]


class _TransactionPart(Struct):
    """As much of a page as goes into one transaction."""

    items: list[Item]
    actions: list[Action]
    outcomes: list[ItemOutcome]
    units: float = 0.0
    size: int = 0

    @property
    def write_counts(self) -> WriteCounts:
        total = WriteCounts()
        for each in self.outcomes:
            total += write_counts(each)
        return total


class Pager:
    """Carries out what a transformer says about a page, in as few transactions as it fits into."""

    def __init__(self, access: MeteredTable, transformer: ItemTransformer, writer: ItemWriter) -> None:
        self._access = access
        self._transformer = transformer
        self._writer = writer

    def settle(self, items: Iterable[Item], commit: Commit) -> None:
        """Bring the items of a page to their new form, each part of it with a checkpoint at its last item.

        Raises StepFailed, LeaseLost, Interrupted.
        """
        waiting = deque(items)
        for attempt in retrying(_CONTENTION):
            if not waiting:
                return
            part = self._part(waiting)
            last = part.items[-1]
            try:
                self._commit(part, last, commit)
            except ServiceError as error:
                refused = self._refused(part, error)
                if not error.is_condition:
                    raise refused from error
                attempt.failed(refused)
                waiting.extendleft(reversed(self._again(part)))
            else:
                attempt.progressed()

    def _commit(self, part: _TransactionPart, last: Item, commit: Commit) -> None:
        key = self._transformer.key(last)
        done = part.write_counts
        if not part.actions:
            commit(key, done, len(part.items), [])
            return
        units = IN_TRANSACTION * part.units
        self._access.spend(units, lambda: commit(key, done, len(part.items), part.actions))

    def _part(self, waiting: deque[Item]) -> _TransactionPart:
        """Take the next items that go together from `waiting`, at least one."""
        part = _TransactionPart([], [], [])
        most_units = self._access.writes.largest
        while waiting:
            outcome = self._transformer(waiting[0])
            if not outcome.is_unchanged:
                actions = self._writer.actions(outcome)
                units, size = self._writer.units(outcome), _size(outcome)
                is_full = (
                    len(part.actions) + len(actions) > PAGE
                    or part.size + size > _ROOM
                    or IN_TRANSACTION * (part.units + units) > most_units
                )
                if part.actions and is_full:
                    break
                part.actions += actions
                part.outcomes.append(outcome)
                part.units += units
                part.size += size
            part.items.append(waiting.popleft())
        return part

    def _again(self, part: _TransactionPart) -> list[Item]:
        """Return the items of `part` as they are now, in their order; those that are gone need nothing."""
        changed = {id(each.before) for each in part.outcomes}
        found = [
            self._access.get(self._transformer.key(each)) if id(each) in changed else each
            for each in part.items
        ]
        return [each for each in found if each is not None]

    def _refused(self, part: _TransactionPart, error: ServiceError) -> StepFailed:
        at = next((at for at, reason in enumerate(error.reasons) if reason), 0)
        outcome = part.outcomes[min(at, len(part.outcomes) - 1)]
        return self._writer.refused(outcome, error)


def _size(outcome: ItemOutcome) -> int:
    """Return the bytes that an outcome has in a transaction: what it is, and what it is compared with."""
    after: Mapping[str, Any] | None = outcome.after
    return item_size(outcome.before) + (item_size(after) if after else 0)
