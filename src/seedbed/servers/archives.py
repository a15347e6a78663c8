"""A server that comes as archives: what is wanted of them is unpacked into the cache once, and they are removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from seedbed.errors import SandboxError
from seedbed.servers import jars, locks, notify
from seedbed.servers.jars import Lockfile
from seedbed.servers.notify import Emit

Fill = Callable[[Path, Path], None]  # from the directory of the artifacts into an empty one


def folder(lock: Lockfile, cache_dir: Path, name: str) -> Path:
    """Return where the server of `lock` is or will be, whole; `name` tells people, and one recipe from the next."""
    return cache_dir / "servers" / f"{name}-{lock.digest}"


def install(lock: Lockfile, cache_dir: Path, name: str, fill: Fill, *, emit: Emit = notify.emit) -> Path:
    """Return the directory that `fill` made of what `lock` names; fetched if it is not there. Raises SandboxError.

    Of two processes at once one fetches and the other waits; a half-made directory is never taken for whole.
    """
    path = folder(lock, cache_dir, name)
    if path.is_dir():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locks.holding(path.with_name(f".{path.name}.lock"), exclusive=True, seconds=jars.OTHER_SECONDS):
            if not path.is_dir():
                _make(lock, cache_dir, name, fill, emit)
    except TimeoutError as error:
        raise SandboxError(
            f"another process does not finish fetching {lock.title}", because=str(error)
        ) from error
    except (OSError, BadZipFile) as error:
        raise SandboxError(
            f"{lock.title} cannot be unpacked into {path}", because=str(error), try_=f"{jars.CACHE}=DIRECTORY"
        ) from error
    return path


def _make(lock: Lockfile, cache_dir: Path, name: str, fill: Fill, emit: Emit) -> None:
    path = folder(lock, cache_dir, name)
    for left in path.parent.glob(f".{path.name}-*"):  # of one that was killed
        shutil.rmtree(left, ignore_errors=True)
    artifacts = jars.fetch(lock, cache_dir, name, emit=emit)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        fill(artifacts, scratch)
        os.replace(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    shutil.rmtree(artifacts, ignore_errors=True)


def extract(archive: Path, to: Path, target_of: Callable[[str], str]) -> None:
    """Unpack `archive`; `target_of` gives, for a name in it, the path below `to`, "" for what is not wanted."""
    with ZipFile(archive) as file:
        for each in file.infolist():
            target = "" if each.is_dir() else target_of(each.filename)
            if not target:
                continue
            path = to / target
            if not path.resolve().is_relative_to(to.resolve()):
                raise BadZipFile(f"{archive.name} names {each.filename}, outside of itself")
            path.parent.mkdir(parents=True, exist_ok=True)
            with file.open(each) as source, path.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
