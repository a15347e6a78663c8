"""A seed's file -> a source of rows of one table, or a script in the engine's own language.

`.csv`, `.json` and `.py` mean the same for every engine. Whatever else an engine understands it names in
`scripts`, and only reads it as it loads. Opening a file reads what it says of its rows, and keeps none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from seedbed.errors import Location, SeedFileError
from seedbed.model.migration import Source
from seedbed.model.seed import RowSource, Script, SeedFile
from seedbed.seeding.csv_rows import csv_rows
from seedbed.seeding.decoding import pieces, require_whole, whole
from seedbed.seeding.directives import directives, leading, table_and_key, table_of
from seedbed.seeding.documents import Opening, read_opening, read_rows
from seedbed.seeding.given import Given
from seedbed.seeding.given_rows import given_rows
from seedbed.seeding.programs import run_rows


def open_seed(
    file: SeedFile, *, platform: str, scripts: Collection[str], vary: bool = False
) -> RowSource | Script:
    """Return what `file` holds; a suffix in `scripts` is the engine's own. Raises SeedFileError.

    `vary`: the rows of a `.json` or a `.py` may have different columns; then all are read to know which.

    References (`@user.users:ana`) are resolved in the values of rows; a script is left as it is.
    """
    if file.suffix in scripts:
        return _script(file)
    match file.suffix:
        case ".csv":
            return csv_rows(file, platform)
        case ".json":
            return _json(file, platform, vary)
        case ".py":
            return _python(file, platform, vary)
    known = sorted({".csv", ".json", ".py", *scripts})
    raise SeedFileError(
        f"a seed cannot be a {file.suffix or 'file without a suffix'}",
        because=f"this engine reads {', '.join(known)}",
        at=Location(file.path),
    )


def _script(file: SeedFile) -> Script:
    text = whole(file)
    said = {each.key: each.value for each in directives(leading(text), file.path)}
    return Script(file.path, Source(file.path, file.suffix, text.encode()), said)


def _json(file: SeedFile, platform: str, vary: bool) -> RowSource:
    opening = _opening(file)
    table = opening.table or table_of(file.path)
    given = partial(_documents, file)
    return given_rows(file.path, platform, table, opening.key, given, first=opening.first, vary=vary)


def _opening(file: SeedFile) -> Opening:
    """Return what a `.json` says before its rows are read: its beginning suffices for most."""
    require_whole(file)
    try:
        return read_opening(next(pieces(file), ""), file.path)
    except SeedFileError:  # wrong, or cut in the middle: only all of the text tells
        return read_opening(whole(file), file.path)


def _documents(file: SeedFile) -> Iterator[Given]:
    return read_rows(whole(file), file.path)


def _python(file: SeedFile, platform: str, vary: bool) -> RowSource:
    text = whole(file)
    table, key = table_and_key(leading(text), file.path)
    given = partial(run_rows, text, file.path)
    return given_rows(file.path, platform, table, key, given, first=next(given(), None), vary=vary)
