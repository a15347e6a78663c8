"""Which engines there are: entry points of the group `seedbed.engines`, the built-in ones among them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, cast

from seedbed.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from seedbed.engines.base import Engine

GROUP = "seedbed.engines"


@cache
def _entry_points() -> Mapping[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {each.name: each for each in entry_points(group=GROUP)}


def names() -> list[str]:
    """Return the names of all installed engines, sorted; imports none of them."""
    return sorted(_entry_points())


@cache
def load(name: str) -> Engine:
    """Return the engine `name`, importing it now. Raises UsageError for one that is not installed."""
    found = _entry_points().get(name)
    if found is None:
        raise UsageError(
            f"there is no engine {name!r}",
            because=f"the installed engines are {', '.join(names())}",
            try_="check the spelling, or install the package that brings it",
        )
    return cast("Engine", found.load())
