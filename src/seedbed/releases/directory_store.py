"""Releases in a directory: for environments without AWS, and for a platform on one machine.

Each file is written whole beside its place and then put there in one step of the file system, so that a process may end
at any moment and others read and write meanwhile. Who somebody is, the file system knows: files have an owner.
"""

from __future__ import annotations

import os
import pwd
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from seedbed.errors import Busy, Refused, Unavailable
from seedbed.model.release import Approval, Identity, Opening, Release
from seedbed.releases.records import (
    LARGEST_APPROVAL,
    approval_of,
    digest_of,
    encoded,
    is_step,
    opening,
    opening_of,
    release_of,
    require_same,
)
from seedbed.servers import locks

_PATIENCE = 10.0  # seconds for the lock, which is held for one write
_ABANDONED = 3600.0  # seconds after which a draft is nobody's: its writer was killed
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


class DirectoryStore:
    """The releases of `environment` in `directory`, which is made when something is written."""

    def __init__(self, directory: Path, environment: str) -> None:
        self.directory = directory
        self.environment = environment

    def now(self) -> float:
        return time.time()

    def caller(self, note: str = "") -> Identity:
        return Identity(_user_id(os.getuid()), _user_name(os.getuid()), note)

    def numbers(self) -> Sequence[int]:
        with self._reaching():
            names = [each.name for each in self._listed(self._records)]
        return sorted(int(stem) for each in names if (stem := each.removesuffix(".json")).isdecimal())

    def load(self, number: int) -> Release | None:
        path = self._record(number)
        with self._reaching():
            data = _read(path)
        return None if data is None else release_of(data, self.environment, number, str(path))

    def create(self, release: Release) -> bool:
        if self.load(release.number) is not None:
            return False  # what its opener left, who may be the same user, stays
        who = self.caller(release.opened_by.note)
        self._leave(
            encoded(opening(release, who)), self._openings(release.number) / release.digest / who.user_id
        )
        path = self._record(release.number)
        with self._reaching(), self._draft(encoded(release), path) as draft:
            try:
                os.link(draft, path)
            except FileExistsError:
                return False
            _keep(path.parent)
        return True

    def replace(self, release: Release) -> bool:
        path = self._record(release.number)
        with (
            self._reaching(),
            self._draft(encoded(release), path) as draft,
            locks.holding_directory(path.parent, seconds=_PATIENCE),
        ):
            there = self.load(release.number)
            if there is None or there.revision != release.revision - 1:
                return False
            draft.replace(path)
            _keep(path.parent)
        return True

    def put(self, data: bytes) -> str:
        sha256 = digest_of(data)
        path = self._blob(sha256)
        with self._reaching():
            if _read(path) == data:
                return sha256
            with self._draft(data, path) as draft:
                draft.replace(path)
                _keep(path.parent)
        return sha256

    def get(self, sha256: str) -> bytes:
        path = self._blob(sha256)
        with self._reaching():
            data = _read(path)
        return require_same(data, sha256, str(path))

    def approve(self, approval: Approval) -> None:
        who = self.caller(approval.by.note)
        path = self._approvals(approval.number) / approval.step / who.user_id
        self._leave(encoded(replace(approval, by=who)), path)

    def approvals(self, number: int) -> Sequence[Approval]:
        home = self._approvals(number)
        with self._reaching():
            steps = [each for each in self._listed(home) if is_step(each.name)]
            found = [_approval(path, number, step.name) for step in steps for path in self._listed(step)]
        return [each for each in found if each]

    def openings(self, number: int) -> Sequence[Opening]:
        with self._reaching():
            homes = [each for each in self._listed(self._openings(number)) if each.is_dir()]
            found = [
                opening_of(left.data, number, home.name, path.name, left.at)
                for home in homes
                for path in self._listed(home)
                if (left := _left(path))
            ]
        return [each for each in found if each]

    # --- inside

    def _leave(self, data: bytes, path: Path) -> None:
        """Write a file that says by its owner who wrote it."""
        with self._reaching(), self._draft(data, path) as draft:
            draft.chmod(0o644)  # what others may write is nobody's word
            draft.replace(path)
            _keep(path.parent)

    @property
    def _records(self) -> Path:
        return self.directory / "records"

    def _record(self, number: int) -> Path:
        return self._records / f"{number:04d}.json"

    def _blob(self, sha256: str) -> Path:
        return self.directory / "blobs" / sha256

    def _openings(self, number: int) -> Path:
        return self.directory / "openings" / f"{number:04d}"

    def _approvals(self, number: int) -> Path:
        return self.directory / "approvals" / f"{number:04d}"

    def _listed(self, directory: Path) -> list[Path]:
        try:
            return sorted(directory.iterdir())
        except FileNotFoundError:
            return []

    @contextmanager
    def _draft(self, data: bytes, place: Path) -> Iterator[Path]:
        """Write `data` where nobody reads it, to be put into its `place`; what is left of it then goes."""
        drafts = self.directory / "drafts"
        for each in (drafts, place.parent):
            each.mkdir(parents=True, exist_ok=True)
        self._sweep(drafts)
        draft = drafts / f"{place.name}.{os.urandom(8).hex()}"
        try:
            with draft.open("xb") as sink:
                sink.write(data)
                sink.flush()
                os.fsync(sink.fileno())
            yield draft
        finally:
            with suppress(OSError):
                draft.unlink()

    def _sweep(self, drafts: Path) -> None:
        """Remove what processes left that were killed while they wrote."""
        for each in drafts.iterdir():
            with suppress(OSError):
                if time.time() - each.stat().st_mtime > _ABANDONED:
                    each.unlink()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise Busy(
                f"the releases of {self.environment} are being written by another process",
                because=str(error),
                try_="run the command again",
            ) from None
        except PermissionError as error:
            raise Refused(
                f"the releases of {self.environment} in {self.directory} are not for {_user_name(os.getuid())}",
                because=f"{error.filename}: {error.strerror}",
                try_="ask whom the directory belongs to",
            ) from None
        except OSError as error:
            raise Unavailable(
                f"the releases of {self.environment} in {self.directory} cannot be reached",
                because=error.strerror or str(error),
                try_="check the disk",
            ) from None


class _Left(NamedTuple):
    """What a user left in a file of his own, and when."""

    data: bytes
    uid: int
    at: float


def _approval(path: Path, number: int, step: str) -> Approval | None:
    """Return the approval in a file, None for what its owner did not write under his own name."""
    left = _left(path)
    found = left and approval_of(left.data, number, step, path.name, left.at)
    return replace(found, by=replace(found.by, arn=_user_name(left.uid))) if left and found else None


def _left(path: Path) -> _Left | None:
    """Return what the owner of a file wrote under his own name, else None.

    Neither a link to a file of somebody else is that, nor a file that somebody else could have written to.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as source:
        facts = os.fstat(descriptor)
        is_own = path.name == _user_id(facts.st_uid) and not facts.st_mode & _WRITABLE
        if not stat.S_ISREG(facts.st_mode) or not is_own or facts.st_size > LARGEST_APPROVAL:
            return None
        return _Left(source.read(), facts.st_uid, facts.st_mtime)


def _user_id(uid: int) -> str:
    return f"uid-{uid}"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _keep(directory: Path) -> None:
    """Have the names in a directory outlive a machine that fails."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
