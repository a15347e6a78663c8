"""The names of indexes: seedbed's own, and those of physical indexes behind an alias. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

HISTORY = "migrations_history"  # the index of seedbed's own documents; aliases of it begin with the same
META = "seedbed"  # under `mappings._meta` of an index that seedbed made


def is_reserved(name: str) -> bool:
    """Return whether an index or alias is seedbed's own."""
    return name.startswith(HISTORY)


def physical(name: str, number: int) -> str:
    """Return what the index behind the alias `name` is called the `number`th time it is made: "lessons-3"."""
    return f"{name}-{number}"


def serial(name: str, index: str) -> int:
    """Return which one of the indexes behind the alias `name` this is; 0 for one that is called otherwise."""
    found = re.fullmatch(re.escape(name) + r"-([1-9][0-9]{0,8})", index)
    return int(found[1]) if found else 0


def next_serial(name: str, existing: Sequence[str]) -> int:
    return max((serial(name, each) for each in existing), default=0) + 1
