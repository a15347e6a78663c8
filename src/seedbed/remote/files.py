"""The files of a platform, as one archive that is the same wherever it is made, and as one digest."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from seedbed.errors import Unavailable, UsageError
from seedbed.support.phrases import number as thousands

if TYPE_CHECKING:
    from hashlib import _Hash as Digest

MANIFEST, SERVICES = "seedbed.toml", "services"
LARGEST = 512 << 20  # bytes that an archive may unpack to
MOST = 200_000  # files
# What lies beside a platform's files and is none of them: what programs make anew, and what is nobody else's business
IGNORED = frozenset(
    {"__pycache__", ".seedbed", ".git", ".DS_Store", ".env", ".venv", "node_modules", "cdk.out"}
)
_COMPILED = ".pyc"


def platform_files(root: Path, directories: Iterable[Path] = (Path(SERVICES),)) -> Iterator[tuple[str, Path]]:
    """Yield the names and paths of what a run needs of a platform: its manifest, and the databases' directories.

    In the order of their names, which are POSIX paths below `root`. Raises UsageError for a directory outside of it,
    for a link that leads out of it or to a directory, and for what cannot be read or sent.
    """
    home = root.resolve()
    found = {MANIFEST: root / MANIFEST}
    for top in {_below(home, each) for each in directories}:
        for folder, folders, names in os.walk(root / top, onerror=_unlisted):
            folders[:] = [each for each in folders if each not in IGNORED]
            for each in folders:
                if (Path(folder) / each).is_symlink():
                    raise _linked(Path(folder) / each, "it is a directory")
            for each in names:
                path = Path(folder) / each
                if each in IGNORED or each.endswith(_COMPILED):
                    continue
                if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
                    raise _linked(path, f"it leads to {os.path.realpath(path)}")
                if path.is_file():
                    found[_name(path.relative_to(root).as_posix())] = path
    yield from sorted(found.items())


def platform_digest(root: Path, directories: Iterable[Path] = (Path(SERVICES),)) -> str:
    """Return the SHA-256 of the names and contents of a platform's files; the same on every machine."""
    digest = hashlib.sha256()
    for name, path in platform_files(root, directories):
        _count(digest, name, _read(path))
    return digest.hexdigest()


def pack(root: Path, directories: Iterable[Path] = (Path(SERVICES),)) -> tuple[bytes, str]:
    """Return a platform's files as a tar.gz, and their digest: what is changed meanwhile is in both or in neither.

    Without times, owners and modes: the same bytes for the same files. Raises UsageError, also for too much.
    """
    plain, digest, size = io.BytesIO(), hashlib.sha256(), 0
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number, (name, path) in enumerate(platform_files(root, directories)):
            size += path.stat().st_size
            if size > LARGEST or number >= MOST:
                raise UsageError(
                    f"the platform has more files than can be uploaded: {path} is one too many",
                    because=f"a task takes {thousands(LARGEST)} bytes in {thousands(MOST)} files at most",
                    try_='move away what is no migration and no seed; or files = "image" in the environment\'s task',
                )
            data = _read(path)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(data))
            _count(digest, name, data)
    return gzip.compress(plain.getvalue(), compresslevel=6, mtime=0), digest.hexdigest()


def unpack(data: bytes, to: Path) -> None:
    """Unpack what `pack` made below `to`. Raises UsageError for anything that it would not have made, before that."""
    left = LARGEST
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for number, member in enumerate(archive):
                left -= member.size
                if number >= MOST or left < 0:
                    raise _foreign("it is too large")
                _write(archive, member, to)
    except FileExistsError as error:
        raise _foreign(f"it has {error.filename} twice") from None
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, ValueError) as error:
        raise _foreign(f"it cannot be read: {error}") from None
    except OSError as error:
        raise Unavailable(
            f"the platform's files cannot be unpacked in {to}",
            because=error.strerror or str(error),
            try_="give the task more room for files, or move away what is no migration and no seed",
        ) from None


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    name = PurePosixPath(member.name)
    if not member.isreg():
        raise _foreign(f"{member.name} is no file")
    if name.is_absolute() or not name.parts or ".." in name.parts or "\\" in member.name:
        raise _foreign(f"{member.name} leads out of it")
    source = archive.extractfile(member)
    assert source is not None
    path = to / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as sink:  # x: an archive that has a name twice is none of ours
        sink.write(source.read())


def _below(home: Path, directory: Path) -> PurePosixPath:
    there = (home / directory).resolve()
    if not there.is_relative_to(home):
        raise UsageError(
            f"{directory} is no part of the platform that is uploaded",
            because="a database's directory lies outside of the manifest's",
            try_="move it below the manifest's directory",
        )
    return PurePosixPath(there.relative_to(home).as_posix())


def _count(digest: Digest, name: str, data: bytes) -> None:
    digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unlisted(error: OSError) -> None:
    """Raise UsageError for a directory that cannot be read: what is in it would be missing. One may not be there."""
    if not isinstance(error, FileNotFoundError):
        raise _unreadable(error.filename, error)


def _name(name: str) -> str:
    """Return `name`. Raises UsageError for one that another machine could not give a file."""
    if "\\" in name or not name.isprintable():
        raise UsageError(
            f"{name!a} cannot be sent to a task",
            because="its name has a backslash, or is not UTF-8 that can be printed",
            try_="rename it",
        )
    return name


def _unreadable(path: object, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be read, and belongs to the platform",
        because=error.strerror or str(error),
        try_="check who may read it",
    )


def _linked(path: Path, because: str) -> UsageError:
    return UsageError(
        f"{path} is a link, and cannot be uploaded", because=because, try_="put what it leads to in its place"
    )


def _foreign(because: str) -> UsageError:
    return UsageError("the archive of the platform's files is none of ours", because=because)
