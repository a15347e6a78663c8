"""A server that comes as archives: what is wanted of them is unpacked into the cache once, and they are removed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from seedbed.errors import SandboxError
from seedbed.servers import checked, jars, locks, notify
from seedbed.servers.jars import Lockfile
from seedbed.servers.notify import Emit

Fill = Callable[[Path, Path], None]  # from the directory of the artifacts into an empty one


def folder(lock: Lockfile, cache_dir: Path, name: str) -> Path:
    """Return where the server of `lock` is or will be, whole; `name` tells people, and one recipe from the next."""
    return cache_dir / "servers" / f"{name}-{lock.digest}"


def install(lock: Lockfile, cache_dir: Path, name: str, fill: Fill, *, emit: Emit = notify.emit) -> Path:
    """Return the directory that `fill` made of what `lock` names; fetched if it is not there. Raises SandboxError.

    What `fill` made is recorded beside it, file by file, and compared whenever it is used. Of two processes at once one
    fetches and the other waits; a half-made directory is never taken for whole.
    """
    path = folder(lock, cache_dir, name)
    checked.require_private(path, cache_dir)
    if (made := _made(path)) is not None:
        checked.require_same(path, made, lock.title)
        return path
    try:
        checked.create(path.parent)
        with locks.holding(path.with_name(f".{path.name}.lock"), exclusive=True, seconds=jars.OTHER_SECONDS):
            if _made(path) is None:
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
        shutil.rmtree(path, ignore_errors=True)  # of whose files there is no record
        _contents(path).write_text(json.dumps(checked.contents(scratch)), encoding="utf-8")
        os.replace(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    shutil.rmtree(artifacts, ignore_errors=True)


def _contents(path: Path) -> Path:
    return path.with_name(f".{path.name}.contents")


def _made(path: Path) -> Mapping[str, str] | None:
    """Return what was made as `path`, by the record of it; None where either is missing."""
    try:
        found: Mapping[str, str] = json.loads(_contents(path).read_bytes())
    except (OSError, ValueError):
        return None
    return found if path.is_dir() else None


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
