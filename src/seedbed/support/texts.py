"""The text of a file that people write: UTF-8, and line ends as its checksum has them."""

from __future__ import annotations

from seedbed.errors import Location, UsageError

_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def text_of(data: bytes, path: str, error: type[UsageError]) -> str:
    """Return the text that `data` is, without a byte order mark, its line ends LF. Raises `error`."""
    return _lf(decoded(data, path, error))


def decoded(data: bytes, path: str, error: type[UsageError]) -> str:
    """Return the text that `data` is, without a byte order mark, its line ends as they are. Raises `error`."""
    head = data.removeprefix(_MARK)
    try:
        return head.decode()
    except UnicodeDecodeError as wrong:
        offset = wrong.start + len(data) - len(head)
        raise error(
            f"the file is not UTF-8: byte {offset} is 0x{data[offset]:02x}",
            because="it begins like UTF-16" if data.startswith(_UTF_16) else wrong.reason,
            try_="save it as UTF-8",
            at=Location(path, _lf(data[:offset].decode("latin-1")).count("\n") + 1),
        ) from None


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
