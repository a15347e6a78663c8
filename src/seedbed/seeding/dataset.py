"""Files -> a dataset, in the order in which its parts are loaded."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from seedbed.model.seed import Dataset, SeedKind
from seedbed.seeding.sources import read

if TYPE_CHECKING:
    from seedbed.model.migration import Source

_NUMBER = re.compile(r"(\d+)_")


def dataset(kind: SeedKind, sources: Iterable[Source], *, platform: str, scripts: Collection[str]) -> Dataset:
    """Return the dataset that `sources` are, ordered by the numbers before their names. Raises SeedFileError.

    `9_a` comes before `10_b`, numbered files before the others, and equals go by path.
    """
    ordered = sorted(sources, key=lambda source: _place(source.path))
    return Dataset(kind, tuple(read(source, platform=platform, scripts=scripts) for source in ordered))


def _place(path: str) -> tuple[bool, int, str]:
    number = _NUMBER.match(PurePosixPath(path).name)
    return (number is None, int(number[1]) if number else 0, path)
