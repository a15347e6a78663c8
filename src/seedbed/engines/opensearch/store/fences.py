"""A fence that OpenSearch itself checks: an alias that only the present owner of the lease knows.

A request that changes aliases is carried out as a whole or not at all, and one that removes an alias with `must_exist`
is refused where that alias is gone. So every request that can, takes the fence down and puts the next one up in the
same breath as it does what it is for: it takes effect once, and not at all once another run has moved the fence.
Where the fence stands afterwards says whether it did.

The alias is named `migrations_history_lease_TOKEN_NUMBER`; moved by somebody who does not know yet what became of
the request that was to take it down, it says so: `…_after_TOKEN_NUMBER`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.schema.names import HISTORY
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed

PREFIX = f"{HISTORY}_lease_"
MISSING = "aliases_not_found_exception"
_AFTER = "_after_"
_LOST = 5  # answers to a move that may get lost

Action = dict[str, Any]


class Standing(Struct, frozen=True):
    """Where fence stand: (index, alias) pairs; one as a rule, and none only where somebody took it down by hand."""

    found: tuple[tuple[str, str], ...]

    def verdict(self, fence: str) -> bool | None:
        """Return whether the request that was to take down `fence` took effect; None where nothing tells."""
        if not self.found:
            return None
        short = fence.removeprefix(PREFIX)
        return not any(
            index == HISTORY and (alias == fence or alias.endswith(_AFTER + short))
            for index, alias in self.found
        )


def name(token: int, number: int) -> str:
    return f"{PREFIX}{token}_{number}"


def standing(client: Client) -> Standing:
    """Return where the fence stands."""
    try:
        answer = client.call("GET", f"/_alias/{PREFIX}*", params={"expand_wildcards": "all"})
    except RequestFailed as error:
        if error.is_missing:
            return Standing(())
        raise
    return Standing(tuple((index, alias) for index, found in answer.items() for alias in found["aliases"]))


def move(client: Client, target: str, *, undecided: str = "") -> bool | None:
    """Put the fence `target` up in place of whatever stands; return whether the request of `undecided` took effect.

    `undecided`: the fence that a request may have taken down, or may be about to. After this it cannot any more.
    """
    lost = 0
    while True:
        found = standing(client)
        verdict = found.verdict(undecided) if undecided else None
        new = target
        if undecided and verdict is False:
            new += _AFTER + undecided.removeprefix(PREFIX)
        if found.found == ((HISTORY, new),):
            return verdict
        try:
            change(client, [*taken_down(found), up(new)])
        except RequestFailed as error:
            if error.type != MISSING and not error.is_missing:
                raise
            continue  # something moved it meanwhile: look again
        except NoAnswer:  # where it stands now says whether it was moved
            lost += 1
            if lost > _LOST:
                raise
            continue
        return verdict


def taken_down(found: Standing) -> list[Action]:
    return [down(alias, index) for index, alias in found.found]


def down(alias: str, index: str = HISTORY) -> Action:
    return {"remove": {"index": index, "alias": alias, "must_exist": True}}


def up(alias: str) -> Action:
    return {"add": {"index": HISTORY, "alias": alias}}


def change(client: Client, actions: Sequence[Action]) -> None:
    """Carry out `actions` on aliases, all or none. Raises RequestFailed, NoAnswer."""
    client.call("POST", "/_aliases", {"actions": list(actions)})
