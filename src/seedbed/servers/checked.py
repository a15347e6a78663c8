"""What is run from the cache is what was meant: nobody else may write there, and every file has its SHA-256.

A file is read again only where its stamp (size, times, inode) is not the one of the last time that it was found
right; the record of stamps lies beside the directory that it is about. The time of a change cannot be set back by
whoever changes a file, so one that was altered is always read again.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from seedbed.errors import SandboxError
from seedbed.servers.download import sha256

WORKERS = 4
_OTHERS = stat.S_IWGRP | stat.S_IWOTH

Stamp = list[int]


def require_private(path: Path, cache: Path) -> None:
    """Raise SandboxError where somebody else may change what lies in `path`, a directory of `cache`, or replace it.

    Directories belong to us or to root, and neither their group nor others may write; above the cache a directory
    that others may write to has to be sticky, as /tmp is. Those that are not there yet are nobody's.
    """
    within = [each for each in (path, *path.parents) if each == cache or cache in each.parents]
    for folder in (*within, *cache.parents):
        try:
            found = folder.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SandboxError(
                f"{folder} cannot be looked at", because=error.strerror or str(error)
            ) from error
        is_sticky = bool(found.st_mode & stat.S_ISVTX)
        is_above = folder not in within
        writable = found.st_mode & (stat.S_IWOTH if is_above else _OTHERS)
        if (writable and not (is_above and is_sticky)) or (
            not is_above and found.st_uid not in {os.geteuid(), 0}
        ):
            raise SandboxError(
                f"{folder} is not private, and programs would be run from below it",
                because=f"it has mode {stat.filemode(found.st_mode)} and belongs to uid {found.st_uid}",
                try_=f"chmod go-w {folder}, or SEEDBED_CACHE=DIRECTORY of your own",
            )


def create(path: Path) -> None:
    """Create a directory of the cache, and those that it lies in, so that only we may write to it. Raises OSError."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        with suppress(FileExistsError):  # another process was faster
            each.mkdir(0o755)
            each.chmod(0o755)  # an umask may leave more to the group


def changed(folder: Path, wanted: Mapping[str, str]) -> Sequence[str]:
    """Return the files of `wanted`, names below `folder` -> SHA-256, that are missing there or are others."""
    record = _record(folder)
    known = _read(record)
    stamps = {name: _stamp(folder / name) for name in wanted}
    to_read = [name for name in wanted if stamps[name] is None or stamps[name] != known.get(name)]
    if not to_read:
        return ()
    with ThreadPoolExecutor(WORKERS) as pool:
        digests = dict(zip(to_read, pool.map(lambda name: _digest(folder / name), to_read), strict=True))
    wrong = [name for name in to_read if digests[name] != wanted[name]]
    right = {name: stamp for name, stamp in stamps.items() if stamp is not None and name not in wrong}
    _write(record, right)
    return wrong


def contents(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below `folder`, by its name there; links are not followed."""
    names = sorted(_names(folder))
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(names, pool.map(lambda name: _digest(folder / name), names), strict=True))


def require_same(folder: Path, wanted: Mapping[str, str], what: str) -> None:
    """Raise SandboxError where `folder` does not hold exactly the files `wanted`."""
    more = set(_names(folder)) - wanted.keys()
    if wrong := sorted({*changed(folder, wanted), *more}):
        raise SandboxError(
            f"{what} in {folder} is not what was fetched",
            because=f"changed, missing or added since: {', '.join(wrong[:3])}{' …' if len(wrong) > 3 else ''}",
            try_=f"rm -r {folder}; it is fetched again",
        )


def _names(folder: Path) -> list[str]:
    return [
        os.path.relpath(os.path.join(where, name), folder)
        for where, _, names in os.walk(folder)
        for name in names
    ]


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, "" where it cannot be read; a link is what it says."""
    try:
        return f"link to {os.readlink(path)}" if path.is_symlink() else sha256(path)
    except OSError:
        return ""


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _record(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.checked")


def _read(record: Path) -> Mapping[str, Stamp]:
    try:
        found = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(record: Path, stamps: Mapping[str, Stamp]) -> None:
    """Remember `stamps`; where the cache cannot be written to, files are read again each time."""
    draft = record.with_name(f"{record.name}-{os.getpid()}")
    with suppress(OSError):
        draft.write_text(json.dumps(stamps), encoding="utf-8")
        draft.replace(record)
