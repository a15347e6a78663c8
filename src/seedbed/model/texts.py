"""The text of a migration's file, as its checksum has it."""

from __future__ import annotations

from seedbed.errors import Location, MigrationFileError
from seedbed.model.migration import MigrationFile

_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def text_of(file: MigrationFile) -> str:
    """Return the text that `file` holds, without a byte order mark, its line ends LF. Raises MigrationFileError."""
    data = file.source.data
    head = data.removeprefix(_MARK)
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        offset = error.start + len(data) - len(head)
        raise MigrationFileError(
            f"the file is not UTF-8: byte {offset} is 0x{data[offset]:02x}",
            because="it begins like UTF-16" if data.startswith(_UTF_16) else error.reason,
            try_="save it as UTF-8",
            at=Location(file.path, _lf(data[:offset].decode("latin-1")).count("\n") + 1),
        ) from None
    return _lf(text)


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
