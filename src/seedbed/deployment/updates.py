"""The updates that lead a stack to what the app makes of it: of its template, its tags, and of what it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from seedbed.deployment.assembly import Stack
from seedbed.deployment.managed import ManagedStack
from seedbed.deployment.stacks import StackStatus
from seedbed.model.deployment import Change, StackUpdate, Template
from seedbed.model.migration import Phase


class StackUpdates(Struct, frozen=True):
    """What is to be done with a stack. `tags`: to be set. `stale`: what it reads anew, as `reading.stale` tells it."""

    updates: Sequence[StackUpdate] = ()
    tags: Mapping[str, str] = {}
    stale: Mapping[str, str] = {}


def updates_of(
    stack: Stack,
    managed: ManagedStack,
    current: StackStatus,
    deployed: Template | None,
    wanted: Template,
    stale: Mapping[str, str],
) -> StackUpdates:
    """Return the updates that lead to the `wanted` template, where `stale` has another value than the stack took.

    Where none is left, the one that sets the stack's tags, or has it read that anew: any update of the template does
    both besides. Raises Refused.
    """
    updates = managed.updates(deployed, wanted)
    if deployed is None:
        return StackUpdates(updates)
    tags = tags_to_set(stack, current)
    if not updates:
        whats = [f"{stack.name}: set tags {', '.join(sorted(tags))}"] if tags else []
        whats += [f"{stack.name}: read {', '.join(stale.values())} anew"] if stale else []
        changes = tuple(Change(Phase.EXPAND, each) for each in whats)
        updates = [StackUpdate(deployed, changes, sets_tags=not stale)] if changes else ()
    return StackUpdates(updates, tags, stale)


def tags_to_set(stack: Stack, current: StackStatus) -> dict[str, str]:
    """Return the tags that the app gives a stack and that it does not have, or has with another value."""
    return {key: value for key, value in stack.tags.items() if current.tags.get(key) != value}
