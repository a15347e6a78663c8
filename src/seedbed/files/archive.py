"""Archives that are the same wherever they are made, and out of which nothing comes but files of their own."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

LARGEST = 512 << 20  # bytes that an archive may unpack to
MOST = 200_000  # files
PLAIN, PROGRAM = 0o644, 0o755

# What reading an archive raises that somebody made to be in the way: headers of headers, numbers that are none.
UNREADABLE = (tarfile.TarError, EOFError, ValueError, LookupError, ArithmeticError, RecursionError)


class Foreign(ValueError):
    """An archive is none of ours; the text says why."""


class Member(Struct, frozen=True):
    """A file of an archive: a POSIX path in it, what the file holds, and whether it may be carried out."""

    name: str
    data: bytes
    is_program: bool = False


def write(members: Iterable[Member]) -> bytes:
    """Return a tar of `members`, in their order: without times and owners, the same bytes for the same files."""
    plain = io.BytesIO()
    _write(members, plain)
    return plain.getvalue()


def is_as_written(data: bytes) -> bool:
    """Return whether `write` would have made `data`, which can be read, of the same files: to the byte.

    A tar has many ways to say one thing, and readers that understand it differently.
    """
    same = _Same(data)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        _write(read(archive), same)
    return same.is_whole


class _Same(io.RawIOBase):
    """A file that compares what is written to it."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = memoryview(wanted)
        self._at = 0
        self._differs = False

    @property
    def is_whole(self) -> bool:
        return not self._differs and self._at == len(self._wanted)

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        end = self._at + len(data)
        self._differs = self._differs or self._wanted[self._at : end] != data
        self._at = end
        return len(data)


def _write(members: Iterable[Member], sink: Any) -> None:
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for each in members:
            header = tarfile.TarInfo(each.name)
            header.size = len(each.data)
            header.mode = PROGRAM if each.is_program else PLAIN
            archive.addfile(header, io.BytesIO(each.data))


def read(archive: tarfile.TarFile) -> Iterator[Member]:
    """Yield what is in an archive. Raises Foreign for anything that `write` would not have made, before that."""
    left, seen = LARGEST, set[PurePosixPath]()
    for number, header in enumerate(archive):
        left -= header.size
        if number >= MOST or left < 0:
            raise Foreign("it is too large")
        name = PurePosixPath(header.name)
        if not header.isreg() or header.issparse() or header.size < 0:
            raise Foreign(f"{header.name!a} is no file")
        if name.is_absolute() or not name.parts or ".." in name.parts or {"\\", "\0"} & set(header.name):
            raise Foreign(f"{header.name!a} leads out of it")
        if str(name) != header.name:
            raise Foreign(f"{header.name!a} is another way to say {str(name)!a}")
        if name in seen:
            raise Foreign(f"it has {header.name!a} twice")
        seen.add(name)
        source = archive.extractfile(header)
        assert source is not None
        yield Member(header.name, source.read(), header.mode == PROGRAM)


def place(member: Member, to: Path) -> None:
    """Write a file of an archive below `to`. Raises OSError; FileExistsError where something has its name already."""
    path = to / PurePosixPath(member.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as sink:
        sink.write(member.data)
    if member.is_program:
        path.chmod(PROGRAM)
