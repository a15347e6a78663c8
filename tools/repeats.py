"""Counts repeated runs of code: `python -m tools.repeats [--list] [FOLDER ...]` (src).

A run is six consecutive logical lines of one file. Comments, blank lines, docstrings and imports are dropped, names
are kept: two runs are equal when they say the same with the same words. The number is how many different runs
stand in more than one place; a stretch of n equal lines therefore counts n - 5.
"""

from __future__ import annotations

import argparse
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

LENGTH = 6  # logical lines
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


class Line(NamedTuple):
    """One logical line: where it begins, and its tokens with one blank between them."""

    number: int
    text: str


class Place(NamedTuple):
    """Where a run begins: the file, the position of its logical line, and the number of the line in the file."""

    path: Path
    position: int
    number: int


def logical_lines(source: str) -> Iterator[Line]:
    """Yield the logical lines of `source` that are code: no comment, docstring or import."""
    tokens: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _LAYOUT:
            continue
        if token.type != tokenize.NEWLINE:
            tokens.append(token)
            continue
        if tokens and tokens[0].string not in {"import", "from"} and not _is_text(tokens):
            yield Line(tokens[0].start[0], " ".join(each.string for each in tokens))
        tokens = []


def _is_text(tokens: list[tokenize.TokenInfo]) -> bool:
    return all(each.type == tokenize.STRING for each in tokens)


def repeated(files: Iterable[Path]) -> dict[tuple[str, ...], list[Place]]:
    """Return every run that stands in more than one place, with its places in order."""
    runs: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for path in files:
        lines = list(logical_lines(path.read_text(encoding="utf-8")))
        for position in range(len(lines) - LENGTH + 1):
            window = lines[position : position + LENGTH]
            runs[tuple(line.text for line in window)].append(Place(path, position, window[0].number))
    return {run: places for run, places in runs.items() if len(places) > 1}


def stretches(found: dict[tuple[str, ...], list[Place]]) -> list[tuple[int, list[Place]]]:
    """Return maximal stretches, the longest first: how many logical lines, and where each copy begins."""
    ordered = sorted(found.values(), key=lambda places: (places[0].path, places[0].position))
    groups: list[list[list[Place]]] = []
    for places in ordered:
        if groups and _next(groups[-1][-1]) == [(place.path, place.position) for place in places]:
            groups[-1].append(places)
        else:
            groups.append([places])
    return sorted(((len(group) + LENGTH - 1, group[0]) for group in groups), key=lambda each: -each[0])


def _next(places: list[Place]) -> list[tuple[Path, int]]:
    return [(place.path, place.position + 1) for place in places]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", default=["src"], type=Path)
    parser.add_argument("--list", action="store_true", help="show every stretch with its places")
    given = parser.parse_args()
    found = repeated(sorted(path for folder in given.folders for path in Path(folder).rglob("*.py")))
    if given.list:
        for length, places in stretches(found):
            print(f"{length:4d} lines  " + "  ".join(f"{place.path}:{place.number}" for place in places))
    print(f"{len(found)} repeated runs of {LENGTH} logical lines")


if __name__ == "__main__":
    main()
