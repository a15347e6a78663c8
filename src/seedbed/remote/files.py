"""The files of a platform, as one archive that is the same wherever it is made, and as one digest."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from seedbed.errors import UsageError

MANIFEST, SERVICES = "seedbed.toml", "services"
LARGEST = 512 << 20  # bytes that an archive may unpack to
MOST = 200_000  # files
_IGNORED = frozenset({"__pycache__", ".seedbed", ".git", ".DS_Store", "node_modules", "cdk.out"})


def platform_files(root: Path, directories: Iterable[Path] = ()) -> Iterator[tuple[str, Path]]:
    """Yield the names and paths of what a platform consists of: its manifest, services/, and further directories.

    In the order of their names, which are POSIX paths below `root`. Raises UsageError for a directory outside of it,
    and for a link that leads out of it or to a directory.
    """
    home = root.resolve()
    tops = {PurePosixPath(SERVICES)} | {_below(home, each) for each in directories}
    found = {MANIFEST: root / MANIFEST}
    for top in tops:
        for folder, folders, names in os.walk(root / top):
            folders[:] = [each for each in folders if each not in _IGNORED]
            for each in folders:
                if (Path(folder) / each).is_symlink():
                    raise _linked(Path(folder) / each, "it is a directory")
            for each in names:
                path = Path(folder) / each
                if each in _IGNORED or each.endswith(".pyc"):
                    continue
                if path.is_symlink() and not path.resolve().is_relative_to(home):
                    raise _linked(path, f"it leads to {path.resolve()}")
                if path.is_file():
                    found[path.relative_to(root).as_posix()] = path
    yield from sorted(found.items())


def platform_digest(root: Path, directories: Iterable[Path] = ()) -> str:
    """Return the SHA-256 of the names and contents of a platform's files; the same on every machine."""
    digest = hashlib.sha256()
    for name, path in platform_files(root, directories):
        content = hashlib.sha256(path.read_bytes()).digest()
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


def pack(root: Path, directories: Iterable[Path] = ()) -> bytes:
    """Return a platform's files as a tar.gz without times, owners and modes: the same bytes for the same files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in platform_files(root, directories):
            data = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), compresslevel=6, mtime=0)


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
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise _foreign(f"it cannot be read: {error}") from None


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


def _linked(path: Path, because: str) -> UsageError:
    return UsageError(
        f"{path} is a link, and cannot be uploaded", because=because, try_="put what it leads to in its place"
    )


def _foreign(because: str) -> UsageError:
    return UsageError("the archive of the platform's files is none of ours", because=because)
