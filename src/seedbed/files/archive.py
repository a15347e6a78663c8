"""Archives that are the same wherever they are made, and out of which nothing comes but files of their own."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from msgspec import Struct

LARGEST = 512 << 20  # bytes that an archive may unpack to
MOST = 200_000  # files
PLAIN, PROGRAM = 0o644, 0o755


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
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for each in members:
            header = tarfile.TarInfo(each.name)
            header.size = len(each.data)
            header.mode = PROGRAM if each.is_program else PLAIN
            archive.addfile(header, io.BytesIO(each.data))
    return plain.getvalue()


def read(archive: tarfile.TarFile) -> Iterator[Member]:
    """Yield what is in an archive. Raises Foreign for anything that `write` would not have made, before that."""
    left, seen = LARGEST, set[PurePosixPath]()
    for number, header in enumerate(archive):
        left -= header.size
        if number >= MOST or left < 0:
            raise Foreign("it is too large")
        name = PurePosixPath(header.name)
        if not header.isreg():
            raise Foreign(f"{header.name!a} is no file")
        if name.is_absolute() or not name.parts or ".." in name.parts or "\\" in header.name:
            raise Foreign(f"{header.name!a} leads out of it")
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
