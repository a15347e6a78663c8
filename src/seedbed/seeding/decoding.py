"""The bytes of a seed's file -> text: UTF-8, with or without a byte order mark, and no NUL."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.errors import SeedFileError
from seedbed.model.seed import SeedFile
from seedbed.seeding.given import error
from seedbed.support.texts import decoded, decoded_pieces

WHOLE = 64 << 20  # bytes; what cannot be read in batches is in memory as a whole, and no larger than this


def pieces(file: SeedFile) -> Iterator[str]:
    """Yield the text of `file` as it is read, in pieces that may end anywhere. Raises SeedFileError."""
    line = 1
    for text in decoded_pieces(file.read(), file.path, SeedFileError):
        _require_no_nul(text, file, line)
        yield text
        line += text.count("\n")


def whole(file: SeedFile) -> str:
    """Return the text of a file that is read as a whole. Raises SeedFileError, also for one of more than WHOLE."""
    require_whole(file)
    text = decoded(b"".join(file.read()), file.path, SeedFileError)
    _require_no_nul(text, file, 1)
    return text


def _require_no_nul(text: str, file: SeedFile, line: int) -> None:
    """Raise SeedFileError for a NUL in `text`, which begins on `line`."""
    if "\0" in text:
        at = line + text.count("\n", 0, text.index("\0"))
        raise error(file.path, at, "the file holds a NUL character", "no engine takes it in text")


def require_whole(file: SeedFile) -> None:
    """Raise SeedFileError for a file that is too large to be read as a whole."""
    if file.size > WHOLE:
        raise error(
            file.path,
            0,
            f"the file has {file.size / (1 << 20):.0f} MB",
            f"a {file.suffix} is read as a whole, and has {WHOLE >> 20} MB at most",
            "put the rows into a .csv, or let a .py yield them: these are read in batches",
        )
