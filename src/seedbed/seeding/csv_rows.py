"""The rows of a `.csv`: it is read, checked and let go piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from seedbed.errors import SeedFileError
from seedbed.model.seed import Row, SeedFile
from seedbed.seeding.batching import UncountedRows
from seedbed.seeding.cells import Malformed, Record, Records, records
from seedbed.seeding.decoding import pieces
from seedbed.seeding.directives import known_key, table_and_key
from seedbed.seeding.given import error
from seedbed.seeding.values import resolved
from seedbed.support.phrases import count

_LONGEST_HEAD = 1 << 20  # characters of the comments before the header
_NOT_COMMAS = {";": "semicolons", "\t": "tabs"}


class CsvRows(UncountedRows, frozen=True):
    """A source of rows whose values are text, or None where a field is empty. See `model.seed.RowSource`."""

    file: SeedFile
    platform: str
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    line: int  # of the header

    @property
    def path(self) -> str:
        return self.file.path

    def _blocks(self) -> Iterator[tuple[Sequence[Row], Sequence[int]]]:
        comments, text = _head(self.file)
        is_first = True
        for found in _records(text, len(comments) + 1, self.path):
            if is_first and found.fields[0] != self.columns:
                raise error(self.path, found.lines[0], "the file was changed while it was read", "its header")
            begin, is_first = int(is_first), False
            rows = self._rows(found, begin)
            yield rows, found.lines[begin:]

    def _rows(self, found: Records, begin: int) -> Sequence[Row]:
        """Return the rows from the one numbered `begin`. Raises SeedFileError."""
        fields, width = found.fields[begin:] if begin else found.fields, len(self.columns)
        if not set(map(len, fields)) <= {width}:
            number = next(at for at, each in enumerate(fields) if len(each) != width)
            raise _other_width(fields[number], found.lines[begin + number], self.columns, self.path)
        if not _has_references(found.text):
            return fields
        lines = found.lines[begin:]
        return [
            resolved(each, self.platform, self.path, line) for each, line in zip(fields, lines, strict=True)
        ]


def csv_rows(file: SeedFile, platform: str) -> CsvRows:
    """Open a `.csv`: read its comments and its header. Raises SeedFileError."""
    comments, text = _head(file)
    table, key = table_and_key(comments, file.path)
    begin = len(comments) + 1
    found = next(_records(text, begin, file.path), None)
    if found is None:
        raise error(file.path, begin, "there is no header row", "the first row of a .csv names its columns")
    columns = _header(found.fields[0], found.lines[0], file.path)
    return CsvRows(file, platform, table, columns, known_key(key, columns, file.path), found.lines[0])


def _head(file: SeedFile) -> tuple[list[str], Iterator[str]]:
    """Return the comment lines at the head of a file, and the pieces of text after them. Raises SeedFileError."""
    comments: list[str] = []
    text, rest, begin, read = pieces(file), "", 0, 0
    for piece in text:
        rest, begin, read = rest[begin:] + piece, 0, read + len(piece)
        while rest.startswith("#", begin) and (end := rest.find("\n", begin)) >= 0:
            comments.append(rest[begin:end])
            begin = end + 1
        if begin < len(rest) and not rest.startswith("#", begin):
            break
        if read > _LONGEST_HEAD:
            raise _endless_head(file.path, len(comments) + 1)
    else:
        if begin < len(rest):
            comments.append(rest[begin:])
            begin = len(rest)
    return comments, chain([rest[begin:]], text)


def _endless_head(path: str, line: int) -> SeedFileError:
    return error(
        path,
        line,
        f"the comments at the head of the file have more than {_LONGEST_HEAD >> 20} MB",
        "they are read before the first row, because they may say table= and key=",
        "begin the file with the names of its columns; a field that begins with # is put in quotes",
    )


def _records(text: Iterable[str], line: int, path: str) -> Iterator[Records]:
    try:
        yield from records(text, line)
    except Malformed as wrong:
        raise error(path, wrong.line, str(wrong), "not valid CSV (RFC 4180)", wrong.hint) from None


def _has_references(text: str) -> bool:
    """Return whether a field of `text` may begin with @; quick, because most of most files have none."""
    return any(each in text for each in (",@", '"@', "\n@")) or text.startswith("@")


def _header(record: Record, line: int, path: str) -> tuple[str, ...]:
    names = tuple(name or "" for name in record)
    if len(names) == 1 and (other := next((each for each in _NOT_COMMAS if each in names[0].strip()), None)):
        what = f"the columns are separated by {_NOT_COMMAS[other]}"
        raise error(path, line, what, "a .csv has commas", "save it with commas between fields")
    seen: set[str] = set()
    for name in names:
        if not name or name != name.strip():
            what = f'a column is called "{name}"' if name else "a column has no name"
            raise error(path, line, what, "every column is named, without spaces around it")
        if name in seen:
            raise error(path, line, f"column {name} is there twice", "only one is allowed")
        seen.add(name)
    return names


def _other_width(record: Record, line: int, columns: Sequence[str], path: str) -> SeedFileError:
    more = len(record) > len(columns)
    return error(
        path,
        line,
        f"the row has {count(len(record), 'field')}, the header {len(columns)}",
        f"the columns are {', '.join(columns)}",
        "put fields that hold a comma in quotes" if more else "write a comma for each empty field",
    )
