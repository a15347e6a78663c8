"""Whose stack is it: told by its tags, since names of two environments may be the same (`dev-a` and `dev-a-b`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from seedbed.deployment.stacks import StackStatus
from seedbed.errors import Refused


def is_own(found: StackStatus, tags: Mapping[str, str], names: Collection[str]) -> bool:
    """Return whether a stack belongs to the environment whose stacks have `tags`.

    `names`: of stacks of its databases. An app with stacks of its own need not tag those; but one that is tagged as
    somebody else's never belongs to us, whatever its name.
    """
    if found.is_nested:
        return False
    return _marks(found, tags) == tags or (found.name in names and not foreign_tags(found, tags))


def has_tags(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Return whether a stack with `tags` has all of `wanted`, by which an environment's stacks are known."""
    return all(tags.get(key) == value for key, value in wanted.items())


def foreign_tags(found: StackStatus, tags: Mapping[str, str]) -> dict[str, str]:
    """Return those tags of a stack that say that it belongs to somebody else."""
    return {key: value for key, value in _marks(found, tags).items() if value != tags[key]}


def require_own(current: StackStatus, tags: Mapping[str, str]) -> None:
    """Raise Refused for a stack that belongs to another platform or environment."""
    if foreign := foreign_tags(current, tags):
        told = ", ".join(f"{key} {value}" for key, value in foreign.items())
        raise Refused(
            f"stack {current.name} belongs to another platform or environment",
            because=f"its tags say {told}, and this deployment is of {tags['platform']} in {tags['environment']}",
            try_="give the environment or the service another name: both make up the name of the stack",
        )


def _marks(found: StackStatus, tags: Mapping[str, str]) -> dict[str, str]:
    return {key: found.tags[key] for key in tags if key in found.tags}
