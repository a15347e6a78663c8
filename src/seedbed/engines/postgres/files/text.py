"""A file's text, and places in it."""

from __future__ import annotations

from seedbed.errors import Location, MigrationFileError
from seedbed.model.migration import MigrationFile

LONGEST_NAME = 63  # bytes; the server cuts what is longer


class MigrationText:
    """A file's text with LF line ends, as bytes too, and errors with positions in it."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.data = text.encode()

    def line(self, offset: int) -> int:
        """Return the line of byte `offset`."""
        return self.data.count(b"\n", 0, offset) + 1

    def column(self, offset: int) -> int:
        """Return the column of byte `offset`, in characters."""
        return len(self.data[self.data.rfind(b"\n", 0, offset) + 1 : offset].decode(errors="replace")) + 1

    def begins_line(self, offset: int) -> bool:
        """Return whether nothing but blanks stands before byte `offset` on its line."""
        return not self.data[self.data.rfind(b"\n", 0, offset) + 1 : offset].strip()

    def error(
        self, line: int, what: str, because: str = "", try_: str = "", column: int = 0
    ) -> MigrationFileError:
        return MigrationFileError(what, because=because, try_=try_, at=Location(self.path, line, column))


def read_text(file: MigrationFile) -> MigrationText:
    """Return the text that `file` holds. Raises MigrationFileError."""
    text = file.text()
    if "\0" in text:
        raise MigrationFileError(
            "the file has a NUL byte",
            because="PostgreSQL would silently cut the text there",
            at=Location(file.path, text.count("\n", 0, text.index("\0")) + 1),
        )
    return MigrationText(file.path, text)
