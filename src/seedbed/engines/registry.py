"""Which engines there are: entry points of the group `seedbed.engines`, the built-in ones among them."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, cast

from seedbed.errors import UsageError

if TYPE_CHECKING:
    from seedbed.engines.base import Engine

GROUP = "seedbed.engines"
_METADATA = (".dist-info", ".egg-info")  # directories that wheels and older packages leave beside the code


@cache
def _entry_points() -> Mapping[str, Sequence[str]]:
    """Return `module:object` of every engine, by name; several where packages disagree about a name."""
    if _is_plain():
        return _declared()
    from importlib.metadata import entry_points

    return _by_name((each.name, each.value) for each in entry_points(group=GROUP))


def _by_name(declared: Iterable[tuple[str, str]]) -> dict[str, Sequence[str]]:
    found: dict[str, set[str]] = {}
    for name, value in declared:
        found.setdefault(name, set()).add(value)
    return {name: sorted(values) for name, values in found.items()}


def _is_plain() -> bool:
    """Return whether all that is installed lies in directories of sys.path.

    Then its entry points are read from there: importlib.metadata takes 8 ms to import, and reads every file twice.
    """
    finders = [each for each in sys.meta_path if hasattr(each, "find_distributions")]
    return len(finders) == 1 and not any(map(os.path.isfile, sys.path))


def _declared() -> dict[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for folder in reversed(sys.path):  # what comes first on the path wins, so it comes last here
        found |= _by_name(_declared_below(folder or "."))
    return found


def _declared_below(folder: str) -> Iterator[tuple[str, str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_METADATA):
                yield from _declared_in(os.path.join(entry.path, "entry_points.txt"))


def _declared_in(path: str) -> Iterator[tuple[str, str]]:
    with suppress(OSError), open(path, encoding="utf-8") as file:
        text = file.read()
        if f"[{GROUP}]" in text:
            for line in text.partition(f"[{GROUP}]")[2].splitlines()[1:]:
                if line.lstrip().startswith("["):
                    return
                name, equals, value = line.partition("=")
                if equals and not line.lstrip().startswith(("#", ";")):
                    yield name.strip(), value.partition("[")[0].strip()


def names() -> list[str]:
    """Return the names of all installed engines, sorted; imports none of them."""
    return sorted(_entry_points())


def forget() -> None:
    """Look again for engines when the next one is asked for: packages have come or gone."""
    _entry_points.cache_clear()
    load.cache_clear()


@cache
def load(name: str) -> Engine:
    """Return the engine `name`, importing it now.

    Raises UsageError for one that is not installed, that several packages bring, or that cannot be imported.
    """
    found = _entry_points().get(name)
    if found is None:
        raise UsageError(
            f"there is no engine {name!r}",
            because=f"the installed engines are {', '.join(names())}",
            try_="check the spelling, or install the package that brings it",
        )
    if len(found) > 1:
        raise UsageError(
            f"several packages bring an engine {name!r}",
            because=f"they are {', '.join(found)}",
            try_="uninstall all but one of them",
        )
    try:
        return cast("Engine", _imported(found[0]))
    except Exception as error:
        raise UsageError(
            f"the engine {name!r} cannot be imported",
            because=f"{found[0]}: {type(error).__name__}: {error}",
            try_="install the package that brings it anew, or uninstall it",
        ) from error


def _imported(found: str) -> object:
    module, _, attribute = found.partition(":")
    engine: object = importlib.import_module(module.strip())
    for each in filter(None, attribute.strip().split(".")):
        engine = getattr(engine, each)
    return engine
