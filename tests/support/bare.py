"""Bare environments: a Python that finds seedbed, the packages that it was installed with, and nothing else.

The directory has links to what is installed here, chosen by what the packages themselves declare that they need.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

SOURCE = Path(__file__).parents[2] / "src" / "seedbed"


def needed(extras: Sequence[str] = ()) -> dict[str, Distribution]:
    """Return the distributions that seedbed with `extras` needs, by name; seedbed itself is among them."""
    found: dict[str, Distribution] = {}
    _add("seedbed", frozenset(extras), found, set())
    return found


def _add(
    name: str, extras: frozenset[str], found: dict[str, Distribution], seen: set[tuple[str, frozenset[str]]]
) -> None:
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    found[name] = distribution(name)
    for text in found[name].requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            _add(requirement.name.lower(), frozenset(requirement.extras), found, seen)


def environment(directory: Path, extras: Sequence[str] = ()) -> Path:
    """Fill `directory` with links to what seedbed with `extras` needs, and return it."""
    directory.mkdir()
    for each in needed(extras).values():
        for name in {path.parts[0] for path in each.files or () if ".." not in path.parts}:
            target = Path(str(each.locate_file(name)))
            if target.suffix != ".pth" and target.exists() and not (directory / name).exists():
                (directory / name).symlink_to(target)
    if not (directory / "seedbed").exists():
        (directory / "seedbed").symlink_to(SOURCE)
    return directory


def size(extras: Sequence[str] = ()) -> int:
    """Return how many bytes seedbed with `extras` installs, compiled files not counted."""
    return sum(path.stat().st_size for path in set(_files(extras)))


def _files(extras: Sequence[str]) -> Iterator[Path]:
    yield from (path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    for each in needed(extras).values():
        for path in each.files or ():
            located = Path(str(each.locate_file(path)))
            if path.suffix != ".pyc" and located.is_file():
                yield located.resolve()


def run(
    site: Path, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python with `arguments` in the bare environment `site`: it sees no other package."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if "DB_" not in name and not name.startswith(("PG", "AWS_", "PYTHON", "COVERAGE"))
    }
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=cwd,
        env={
            **variables,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": str(site),
            "NO_COLOR": "1",
            **(env or {}),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
