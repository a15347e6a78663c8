"""Files -> a dataset, in the order in which its parts are loaded."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import PurePosixPath

from seedbed.errors import collected
from seedbed.model.seed import Dataset, SeedFile, SeedKind
from seedbed.seeding.sources import open_seed

_NUMBER = re.compile(r"(\d+)_")


def dataset(
    kind: SeedKind,
    files: Iterable[SeedFile],
    *,
    platform: str,
    scripts: Collection[str],
    vary: bool = False,
) -> Dataset:
    """Open the dataset that `files` are, ordered by the numbers before their names. Raises SeedFileErrors.

    `9_a` comes before `10_b`, numbered files before the others, and equals go by path. `vary`: the rows of a file may
    have different columns, except in volume, which is not read once more for that.
    """
    vary = vary and kind is not SeedKind.VOLUME
    open_one = partial(open_seed, platform=platform, scripts=scripts, vary=vary)
    return Dataset(kind, tuple(collected(partial(open_one, file) for file in in_order(files))))


def in_order(files: Iterable[SeedFile]) -> list[SeedFile]:
    """Return `files` in the order in which they are loaded."""
    return sorted(files, key=lambda file: _place(file.path))


def _place(path: str) -> tuple[bool, int, str]:
    number = _NUMBER.match(PurePosixPath(path).name)
    return (number is None, int(number[1]) if number else 0, path)
