"""A fence that OpenSearch itself checks: an alias that belongs to the current holder of the lease.

A request that changes aliases takes effect as a whole or not at all, and OpenSearch refuses to remove a missing alias
(`must_exist`). So each such request also removes the fence and adds the next one: it takes effect once, and never after
another run has moved the fence. The position of the fence afterwards proves whether it did.

The alias is named `migrations_history_lease_TOKEN_NUMBER`. If it is moved while the outcome of the request that was to
remove it is unknown, its name ends in `_after_TOKEN_NUMBER`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.schema.names import HISTORY
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed
from seedbed.wire.retrying import Policy, retrying

PREFIX = f"{HISTORY}_lease_"
MISSING = "aliases_not_found_exception"
_AFTER = "_after_"
_LOST = Policy(attempts=6, base=0.05, cap=0.5)  # answers to a move

Action = dict[str, Any]


class FencePosition(Struct, frozen=True):
    """The fences that exist, as (index, alias): one as a rule, none only if it was removed by hand."""

    found: tuple[tuple[str, str], ...]

    def verdict(self, fence: str) -> bool | None:
        """Return whether the request that was to remove `fence` took effect; None if that is unknown."""
        if not self.found:
            return None
        short = fence.removeprefix(PREFIX)
        return not any(
            index == HISTORY and (alias == fence or alias.endswith(_AFTER + short))
            for index, alias in self.found
        )


def name(token: int, number: int) -> str:
    return f"{PREFIX}{token}_{number}"


def position(client: Client) -> FencePosition:
    """Return the position of the fence."""
    try:
        answer = client.call(
            "GET", f"/_alias/{PREFIX}*", params={"expand_wildcards": "all"}, shape=shapes.Aliases
        )
    except RequestFailed as error:
        if error.is_missing:
            return FencePosition(())
        raise
    return FencePosition(
        tuple((index, alias) for index, found in answer.items() for alias in found["aliases"])
    )


def move(client: Client, target: str, *, undecided: str = "") -> bool | None:
    """Replace every fence by `target`; return whether the request of `undecided` took effect.

    `undecided`: the fence that a request may have removed, or may be about to remove. After this it cannot.
    """
    for attempt in retrying(_LOST, sleep=client.sleep):
        found = position(client)
        verdict = found.verdict(undecided) if undecided else None
        new = target
        if undecided and verdict is False:
            new += _AFTER + undecided.removeprefix(PREFIX)
        if found.found == ((HISTORY, new),):
            return verdict
        try:
            change(client, [*removal_of(found), up(new)])
        except RequestFailed as error:
            if error.type != MISSING and not error.is_missing:
                raise
            continue  # it was moved meanwhile: read again
        except NoAnswer as error:  # its position proves whether it was moved
            attempt.failed(error)
            continue
        return verdict
    raise AssertionError("attempts end by an answer or an error")


def removal_of(found: FencePosition) -> list[Action]:
    return [down(alias, index) for index, alias in found.found]


def down(alias: str, index: str = HISTORY) -> Action:
    return {"remove": {"index": index, "alias": alias, "must_exist": True}}


def up(alias: str) -> Action:
    return {"add": {"index": HISTORY, "alias": alias}}


def change(client: Client, actions: Sequence[Action]) -> None:
    """Apply `actions` to aliases, all or none. Raises RequestFailed, NoAnswer."""
    client.call("POST", "/_aliases", {"actions": list(actions)})
