"""A server's jars: a lock says exactly which, they are fetched once and kept in a cache for all projects.

A lock is a text with one artifact a line, and comments::

    # The database server X 1.2
    group:artifact:type[:classifier]:version SIZE sha256:HEXADECIMAL

Below the cache each lock has a directory of its own, named by what is in the lock, so a directory never changes
once it is whole, and servers that run from it are not disturbed by an update.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from msgspec import Struct

from seedbed.errors import SandboxError
from seedbed.servers import checked, download, locks, notify
from seedbed.servers.download import Artifact
from seedbed.servers.notify import Emit

CACHE = "SEEDBED_CACHE"
WORKERS = 8
OTHER_SECONDS = 900.0  # how long another process may take to fetch the same
SECONDS_BETWEEN_LINES = 3.0
MB = 1_000_000


class Lockfile(Struct, frozen=True):
    """What a server consists of; `title` is the first line of comment, for people."""

    title: str
    artifacts: tuple[Artifact, ...]

    @property
    def size(self) -> int:
        """All of it, in bytes."""
        return sum(each.size for each in self.artifacts)

    @property
    def digest(self) -> str:
        lines = "".join(f"{each} {each.sha256}\n" for each in self.artifacts)
        return hashlib.sha256(lines.encode()).hexdigest()[:12]


def read(text: str) -> Lockfile:
    """Return the lock that `text` holds. Raises ValueError naming the line."""
    title, artifacts = "", []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line.startswith("#"):
            title = title or line.removeprefix("#").strip()
        elif line:
            try:
                artifacts.append(_artifact(line))
            except ValueError as error:
                raise ValueError(f"line {number} of the lock: {line}") from error
    return Lockfile(title, tuple(artifacts))


def _artifact(line: str) -> Artifact:
    coordinates, size, digest = line.split()
    kind, _, sha256 = digest.partition(":")
    group, name, type_, *classifier, version = coordinates.split(":")
    if kind != "sha256" or len(sha256) != 64 or len(classifier) > 1:
        raise ValueError(line)
    return Artifact(group, name, type_, version, int(size), sha256, "".join(classifier))


def cache() -> Path:
    """Return the directory for what is fetched: SEEDBED_CACHE, else `seedbed` in the user's cache directory."""
    if named := os.environ.get(CACHE, ""):
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "seedbed"


def folder(lock: Lockfile, cache_dir: Path, name: str) -> Path:
    """Return where the jars of `lock` are or will be; `name` is for people who look into the cache."""
    return cache_dir / "jars" / f"{name}-{lock.digest}"


def missing(lock: Lockfile, path: Path) -> Sequence[Artifact]:
    """Return what of `lock` is not in the directory `path`; a file of another size does not count."""
    return [each for each in lock.artifacts if _size(path / each.filename) != each.size]


def describe(lock: Lockfile, cache_dir: Path, name: str) -> str:
    """Return where the jars of `lock` are, and how much is still to be fetched: for `doctor`."""
    path = folder(lock, cache_dir, name)
    size = sum(each.size for each in missing(lock, path)) / MB
    return f"{path}, {size:.0f} MB to be fetched" if size else str(path)


def fetch(lock: Lockfile, cache_dir: Path, name: str, *, emit: Emit = notify.emit) -> Path:
    """Return the directory with all jars of `lock`, fetched if they are not there. Raises SandboxError.

    Each is compared with its SHA-256; one that is another file by now is fetched again, and one that the lock does not
    name is refused. Says in one line what will be fetched, and how large, before anything is. A fetch that was
    interrupted goes on with what is missing; of two processes at once one fetches and the other waits.
    """
    path = folder(lock, cache_dir, name)
    checked.require_private(path, cache_dir)
    if not _wrong(lock, path):
        return path
    try:
        checked.create(path)
        with locks.holding(path / ".lock", exclusive=True, seconds=OTHER_SECONDS):
            _fetch_missing(lock, path, emit)
    except TimeoutError as error:
        raise SandboxError(
            f"another process does not finish fetching {lock.title}", because=str(error)
        ) from error
    except OSError as error:
        raise SandboxError(
            f"{lock.title} cannot be kept in {path}", because=str(error), try_=f"{CACHE}=DIRECTORY"
        ) from error
    return path


def _fetch_missing(lock: Lockfile, path: Path, emit: Emit) -> None:
    """Fetch what is missing, several at a time; the first that fails ends it. Must be called under the lock."""
    wanted = _wrong(lock, path)
    if not wanted:
        return  # another process was faster
    for left in path.glob(".fetching-*"):  # of one that was killed
        shutil.rmtree(left, ignore_errors=True)
    size = sum(each.size for each in wanted) / MB
    emit(
        f"Fetching {lock.title}: {len(wanted)} files, {size:.0f} MB, from {download.repository()} into {path}"
    )
    before = _fetched(path)

    def tell(now: float) -> None:
        emit(f"  {lock.title}: {now - before:.0f} of {size:.0f} MB")

    largest_first = sorted(wanted, key=lambda each: -each.size)
    with ThreadPoolExecutor(WORKERS) as pool:
        running = [pool.submit(download.fetch, each, path) for each in largest_first]
        try:
            _follow(running, path, tell)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _wrong(lock: Lockfile, path: Path) -> Sequence[Artifact]:
    """Return what of `lock` is missing in `path`, or is another file. Raises SandboxError for a jar that is no part."""
    wanted = {each.filename: each for each in lock.artifacts}
    more = sorted(each.name for each in path.glob("*.jar") if each.name not in wanted)
    if more:
        raise SandboxError(
            f"{path / more[0]} is no part of {lock.title}",
            because="it was not fetched, and would be loaded with the others",
            try_=f"rm {path / more[0]}",
        )
    found = checked.changed(path, {name: each.sha256 for name, each in wanted.items()})
    return [wanted[name] for name in found]


def _follow(running: Sequence[Future[Path]], path: Path, tell: Callable[[float], None]) -> None:
    """Wait for all of `running`, or raise what the first that fails does; tell now and then how much there is."""
    told = 0.0
    left = set(running)
    while left:
        done, left = wait(left, SECONDS_BETWEEN_LINES, FIRST_EXCEPTION)
        for each in done:
            each.result()
        now = _fetched(path)
        if left and now - told >= 0.5:
            tell(now)
            told = now


def _fetched(path: Path) -> float:
    """Return how many megabytes there are in `path`, those on their way included."""
    # os.walk, because it minds no directory that goes away meanwhile
    found = (_size(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)
    return sum(max(0, each) for each in found) / MB


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
