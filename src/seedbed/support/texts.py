"""The text of a file that people write: UTF-8, and line ends as its checksum has them."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator

from seedbed.errors import Location, UsageError

# Code points that a terminal obeys, that make text read in another order than it has, or that nobody sees. Those that
# join letters are left: some languages are written with them.
MISLEADING = frozenset(
    {*range(0x20), *range(0x7F, 0xA0)}
    | {0x061C, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2060, 0x206A), 0xFEFF}
    | {*range(0xE0000, 0xE0080)}
)
_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def text_of(data: bytes, path: str, error: type[UsageError]) -> str:
    """Return the text that `data` is, without a byte order mark, its line ends LF. Raises `error`."""
    return _lf(decoded(data, path, error))


def decoded(data: bytes, path: str, error: type[UsageError]) -> str:
    """Return the text that `data` is, without a byte order mark, its line ends as they are. Raises `error`."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # read again for the line where it is wrong
        return "".join(decoded_pieces([data], path, error))


def decoded_pieces(pieces: Iterable[bytes], path: str, error: type[UsageError]) -> Iterator[str]:
    """Yield the text of what comes in `pieces`, which may end anywhere, as `decoded` returns it. Raises `error`."""
    decoder = getincrementaldecoder("utf-8-sig")()
    read, head = 0, b""
    lines, end = 0, ""  # of what was decoded: its line ends, and its last character
    try:
        for piece in pieces:
            read, head = read + len(piece), head or piece
            text = decoder.decode(piece)
            lines += _line_ends(end, text)
            end = text[-1:] or end
            yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as wrong:
        offset, found = read - len(wrong.object) + wrong.start, wrong.object[wrong.start]
        before = wrong.object[: wrong.start].decode()
        yield before  # whoever reads may find something wrong there, and comes to it first however pieces are cut
        raise error(
            f"the file is not UTF-8: byte {offset} is 0x{found:02x}",
            because="it begins like UTF-16" if head.startswith(_UTF_16) else wrong.reason,
            try_="save it as UTF-8",
            at=Location(path, 1 + lines + _line_ends(end, before)),
        ) from None


def _line_ends(before: str, text: str) -> int:
    """Return how many line ends `text` adds to what ends with `before`: CRLF is one, wherever it is cut."""
    if "\r" not in text and before != "\r":
        return text.count("\n")
    return _lf(before + text).count("\n") - _lf(before).count("\n")


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
