"""A file's text, and places in it."""

from __future__ import annotations

from collections.abc import Iterable

from seedbed.engines.kit.findings import Findings
from seedbed.errors import Location, MigrationFileError
from seedbed.model.migration import MigrationFile
from seedbed.support.phrases import pointed_at

LONGEST_NAME = 63  # bytes; the server cuts what is longer
_SHOWN = 400  # bytes before and behind what is pointed at
_BLOCK = 4096  # bytes; lines are counted once for each, and from its beginning on


class MigrationText(Findings):
    """A file's text with LF line ends, as bytes, places in it, and what is wrong there."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(path)
        self.data = text.encode()
        self._lines_before: list[int] = []  # of each block

    @property
    def text(self) -> str:
        return self.data.decode()

    def line(self, offset: int) -> int:
        """Return the line of byte `offset`: as quickly at the end of a large file as at its beginning."""
        block = min(offset, len(self.data)) // _BLOCK
        while len(self._lines_before) <= block:
            number = len(self._lines_before)
            before = self._lines_before[-1] if number else 0
            more = self.data.count(b"\n", max(number - 1, 0) * _BLOCK, number * _BLOCK)
            self._lines_before.append(before + more)
        return self._lines_before[block] + self.data.count(b"\n", block * _BLOCK, offset) + 1

    def error_at(self, offset: int, what: str, because: str = "", try_: str = "") -> MigrationFileError:
        """Return the error about what stands at byte `offset`, which is shown."""
        begin = self.data.rfind(b"\n", 0, offset) + 1
        near = max(begin, offset - _SHOWN)
        end = self.data.find(b"\n", offset, offset + _SHOWN)
        column = len(self.data[begin:offset].decode(errors="replace"))
        text = self.data[near : end if end >= 0 else offset + _SHOWN].decode(errors="ignore")
        shown = pointed_at(text, len(self.data[near:offset].decode(errors="ignore")))
        at = Location(self.path, self.line(offset), column + 1, shown)
        return MigrationFileError(what, because=because, try_=try_, at=at)

    def begins_line(self, offset: int) -> bool:
        """Return whether nothing but blanks stands before byte `offset` on its line."""
        return not self.data[self.data.rfind(b"\n", 0, offset) + 1 : offset].strip()

    def blank(self, spans: Iterable[tuple[int, int]]) -> None:
        """Write blanks over what was noted already, so that what follows it can be read; lines stay where they are."""
        data = bytearray(self.data)
        for start, end in spans:
            data[start:end] = b"\n".join(b" " * len(each) for each in data[start:end].split(b"\n"))
        self.data = bytes(data)


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
