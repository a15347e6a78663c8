"""The names of indexes: seedbed's own, and those of physical indexes behind an alias. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

HISTORY = "migrations_history"  # the index of seedbed's own documents; aliases of it begin with the same
META = "seedbed"  # under `mappings._meta` of an index that seedbed made


BEFORE = "-before"  # ends the alias of what an alias led to before it moved to a copy
_BEFORE = re.compile(r"r\d+[a-z0-9-]*\.[^.]+\..+" + BEFORE)


def is_before(alias: str) -> bool:
    """Return whether an alias keeps what another one led to, before a copy took its place: "r12.ai.notes-before"."""
    return _BEFORE.fullmatch(alias) is not None


def is_reserved(name: str) -> bool:
    """Return whether an index or alias is seedbed's own."""
    return name.startswith(HISTORY)


def physical(name: str, number: int) -> str:
    """Return the name of the `number`th index behind the alias `name`: "lessons-3"."""
    return f"{name}-{number}"


def serial(name: str, index: str) -> int:
    """Return the number of `index` among those behind the alias `name`; 0 if it has another name."""
    found = re.fullmatch(re.escape(name) + r"-([1-9][0-9]{0,8})", index)
    return int(found[1]) if found else 0


def next_serial(name: str, existing: Sequence[str]) -> int:
    """Return the number of the next index behind the alias `name`."""
    return max((serial(name, each) for each in existing), default=0) + 1
