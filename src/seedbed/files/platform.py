"""Which files a platform has, and their digest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from seedbed.errors import UsageError
from seedbed.files import archive
from seedbed.support.phrases import number as thousands

MANIFEST, SERVICES = "seedbed.toml", "services"
# What lies beside a platform's files and is none of them: what programs make anew, and what is nobody else's business
IGNORED = frozenset(
    {"__pycache__", ".seedbed", ".git", ".DS_Store", ".env", ".venv", "node_modules", "cdk.out"}
)
COMPILED = ".pyc"


class TooMuch(UsageError):
    """A platform has more files than an archive takes."""


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
                    raise linked(Path(folder) / each, "it is a directory")
            for each in names:
                path = Path(folder) / each
                if each in IGNORED or each.endswith(COMPILED):
                    continue
                if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
                    raise linked(path, f"it leads to {os.path.realpath(path)}")
                if path.is_file():
                    found[sendable(path.relative_to(root).as_posix())] = path
    yield from sorted(found.items())


def platform_digest(root: Path, directories: Iterable[Path] = (Path(SERVICES),)) -> str:
    """Return the SHA-256 of the names and contents of a platform's files; the same on every machine."""
    return digest_of((name, _read(path)) for name, path in platform_files(root, directories))


def digest_of(files: Iterable[tuple[str, bytes]]) -> str:
    """Return the SHA-256 of the names and contents of files, in the order of their names."""
    digest = hashlib.sha256()
    for name, data in files:
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return digest.hexdigest()


def read_files(root: Path, directories: Iterable[Path] = (Path(SERVICES),)) -> dict[str, bytes]:
    """Return a platform's files by name, in that order, as each is read once. Raises TooMuch for what no archive takes.

    And UsageError as `platform_files` does.
    """
    return read_all(platform_files(root, directories), "move away what is no migration and no seed")


def read_all(files: Iterable[tuple[str, Path]], try_: str) -> dict[str, bytes]:
    """Return what files hold by the names that they have in an archive. Raises TooMuch, UsageError."""
    found: dict[str, bytes] = {}
    size = 0
    for name, path in files:
        size += path.stat().st_size
        if size > archive.LARGEST or len(found) >= archive.MOST:
            raise TooMuch(
                f"there are more files than can be sent: {path} is one too many",
                because=f"an archive takes {thousands(archive.LARGEST)} bytes in {thousands(archive.MOST)} files "
                "at most",
                try_=try_,
            )
        found[name] = _read(path)
    return found


def is_program(path: Path) -> bool:
    """Return whether a file's owner may carry it out, which is all that an archive keeps of its mode."""
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _below(home: Path, directory: Path) -> PurePosixPath:
    there = (home / directory).resolve()
    if not there.is_relative_to(home):
        raise UsageError(
            f"{directory} is no part of the platform that is sent",
            because="a database's directory lies outside of the manifest's",
            try_="move it below the manifest's directory",
        )
    return PurePosixPath(there.relative_to(home).as_posix())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unlisted(error: OSError) -> None:
    """Raise UsageError for a directory that cannot be read: what is in it would be missing. One may not be there."""
    if not isinstance(error, FileNotFoundError):
        raise _unreadable(error.filename, error)


def sendable(name: str) -> str:
    """Return `name`. Raises UsageError for one that another machine could not give a file."""
    if "\\" in name or not name.isprintable():
        raise UsageError(
            f"{name!a} cannot be sent to another machine",
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


def linked(path: Path, because: str) -> UsageError:
    return UsageError(
        f"{path} is a link, and cannot be sent", because=because, try_="put what it leads to in its place"
    )
