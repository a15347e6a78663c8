"""Snapshots of databases before a contract: taken, looked at, restored beside, tried, deleted.

Everything is found by looking: a command that was killed is called again and goes on. Nothing is written down here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from seedbed.engines.snapshots import Snapshots, SupportsSnapshots, TakenElsewhere
from seedbed.errors import Hint, Refused, SeedbedError, as_one, call
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.names import CONTROL_TABLE
from seedbed.model.platform import Database
from seedbed.model.release import SNAPSHOT, Evidence
from seedbed.model.snapshot import Copy, Restored, Snapshot, unknown
from seedbed.model.target import NoAddress, Target
from seedbed.project.targets import Targets

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds between two looks at something that is being made
_OF_NO_USE = frozenset({"partial", "gone"})  # what never becomes available again by itself
_SLICE = 0.2  # seconds between two looks at whether we are to stop

Tell = Callable[[str], None]
T = TypeVar("T")


class SnapshotResult(Struct, frozen=True):
    """What is known of a snapshot of a database. `error`: why that is not known, or why there is none to take."""

    database: str
    snapshot: Snapshot | None = None
    error: SeedbedError | None = None

    def evidence(self, at: float) -> Evidence:
        if self.snapshot is not None and self.error is None:
            return self.snapshot.evidence(at)
        if isinstance(self.error, TakenElsewhere):
            return unknown(self.database, self.error.what, at)
        said = self.error.what if self.error else "there is no snapshot of this release"
        return Evidence(SNAPSHOT, "bad", f"{self.database}: {said}", at, about=self.database)


class ReleaseSnapshots:
    """The snapshots of databases of one environment. `tell` is told in one line what is waited for."""

    def __init__(
        self,
        targets: Targets,
        environment: Environment,
        *,
        stop: Stop,
        tell: Tell,
        home: Path | None = None,
    ) -> None:
        """`home`: where snapshots lie that are files (default: beside the sandbox), if files stay there."""
        self._targets, self._environment, self._stop, self._tell = targets, environment, stop, tell
        self._files = home or targets.home.parent / "snapshots"

    def take(
        self, databases: Sequence[Database], release: int, *, since: float = 0.0
    ) -> list[SnapshotResult]:
        """Take a snapshot of each of `databases`, wait until all are done, and return how it ended for each.

        One that is there already is not taken anew, unless it was taken before `since`. One that fails stops no
        other. Raises Interrupted: the same call goes on.
        """
        with self._all(databases) as (found, failed):
            numbers: dict[str, int] = {}

            def take(database: str) -> Snapshot:
                service = found[database]
                if database not in numbers:
                    numbers[database] = _number(service.listed(), release, since)
                return service.take(release, numbers[database])

            done = self._until(found, failed, take, lambda each: each.state != "making", _taking)
        return _results(databases, done, failed)

    def look(self, databases: Sequence[Database], release: int) -> list[SnapshotResult]:
        """Return the newest snapshot that each of `databases` has of a release, without taking any."""
        return [
            SnapshotResult(each.database, next((one for one in each.of if one.release == release), None))
            if each.error is None
            else SnapshotResult(each.database, error=each.error)
            for each in self.listed(databases)
        ]

    def listed(self, databases: Sequence[Database]) -> list[Listed]:
        """Return the snapshots of each of `databases`, the newest first, and the copies beside it."""
        with self._all(databases) as (found, failed):
            entries = []
            for database in databases:
                name = str(database.id)
                try:
                    if name in failed:
                        raise failed[name]
                    entries.append(Listed(name, tuple(found[name].listed()), tuple(found[name].copies())))
                except SeedbedError as error:
                    entries.append(Listed(name, error=as_one(error)))
        return entries

    def delete(
        self,
        databases: Sequence[Database],
        *,
        release: int = 0,
        before: float = 0.0,
        kept: Mapping[int, bool] | None = None,
    ) -> list[SnapshotResult]:
        """Delete the snapshots of a release, or all that were taken before then; each is in the result, gone.

        One that is still being made is of an unknown age, and stays where `before` is asked for. `kept`: releases that
        are open, whose snapshots stay, and whether their contracts have begun. Until then, one that cannot be restored
        can be deleted by the number of its release: the contract waits for another. Raises Refused for all others.
        """
        from msgspec.structs import replace

        opened = kept or {}
        stay = False

        with self._all(databases) as (found, failed):
            results: list[SnapshotResult] = []
            for name, service in found.items():
                try:
                    for each in service.listed():
                        if each.release != release and not 0 < each.taken < before:
                            continue
                        if each.release in opened and (
                            each.release != release or opened[release] or each.state not in _OF_NO_USE
                        ):
                            stay = True
                        else:
                            service.delete(each)
                            results.append(SnapshotResult(name, replace(each, state="gone")))
                except SeedbedError as error:
                    failed[name] = as_one(error)
        if release in opened and stay and not results:
            raise Refused(
                f"release {release} of {self._environment.name} is open",
                because="its snapshots are what its contract can be undone with",
                try_=Hint("end it first: ", call("release next", str(release))),
            )
        return results + [SnapshotResult(name, error=error) for name, error in sorted(failed.items())]

    # One database

    def restore(self, database: Database, release: int, *, name: str = "") -> Restored:
        """Restore the newest snapshot of a release beside `database`, and return the copy once it can be used.

        Raises Refused where there is none that can be restored, Interrupted: the same call goes on.
        """
        with self.one(database) as (service, _):
            return self.restored(service, database, release, name or f"r{release}")

    def restorable(self, database: Database, release: int) -> tuple[Snapshot, Sequence[str]]:
        """Return the snapshot that `restore` would restore, and what the copy would lack. Raises Refused."""
        with self.one(database) as (service, _):
            return _restorable(service, database, release), service.lost

    def drop(self, database: Database, name: str) -> None:
        """Take away a copy, and return once nothing is left of it. Raises Interrupted: the same call goes on."""
        with self.one(database) as (service, _):
            self.dropped(service, str(database.id), name)

    def restored(self, service: Snapshots, database: Database, release: int, name: str) -> Restored:
        """Do what `restore` does, where `service` is reached already."""
        snapshot = _restorable(service, database, release)
        began = time.monotonic()
        copy = self.until(
            lambda: service.restore(snapshot, name), lambda each: each.state == "available", _restoring
        )
        return Restored(
            snapshot=snapshot, copy=copy, seconds=time.monotonic() - began, lost=tuple(service.lost)
        )

    def dropped(self, service: Snapshots, database: str, name: str) -> None:
        """Do what `drop` does, where `service` is reached already."""
        self.until(lambda: service.drop(name), bool, lambda _: f"{database}: the copy {name} goes")

    @contextmanager
    def one(self, database: Database) -> Iterator[tuple[Snapshots, Target]]:
        """Reach what keeps the snapshots of a database. Raises TakenElsewhere, and what connecting raises."""
        with self._targets.open(self._environment, [database]) as targets, ExitStack() as stack:
            yield self._service(targets[0], stack), targets[0]

    @contextmanager
    def _all(
        self, databases: Sequence[Database]
    ) -> Iterator[tuple[dict[str, Snapshots], dict[str, SeedbedError]]]:
        """Yield what keeps the snapshots of each of `databases`, and why that is not reached, both by id."""
        found: dict[str, Snapshots] = {}
        failed: dict[str, SeedbedError] = {}
        with self._targets.open(self._environment, databases) as targets, ExitStack() as stack:
            for target in targets:
                try:
                    found[target.id] = self._service(target, stack)
                except SeedbedError as error:
                    failed[target.id] = as_one(error)
            yield found, failed

    def _service(self, target: Target, stack: ExitStack) -> Snapshots:
        """Return what keeps the snapshots of `target`. Raises TakenElsewhere, and what connecting raises."""
        if isinstance(target.address, NoAddress):
            raise target.address.error
        engine = self._targets.catalog.engine(target.database.engine)
        if not isinstance(engine, SupportsSnapshots):
            raise TakenElsewhere(
                f"seedbed takes no snapshots of {target.database.engine}",
                because="the engine says nothing about how that is done",
                try_="take one by its own means, and say so with a written reason",
            )
        if self._environment.lies_in_base(target.database.service, target.database.engine):
            raise TakenElsewhere(
                f"{target.id} lies on the server of {self._environment.base}",
                because="a snapshot of that server has the databases of others in it, too",
                try_="nothing is kept in a dev environment",
            )
        return stack.enter_context(
            engine.snapshots(target, self._targets.cloud(self._environment), self._home)
        )

    @property
    def _home(self) -> Path | None:
        """Where snapshots lie that are files; None in a task, with which its files go."""
        return None if CONTROL_TABLE in self._targets.environ else self._files

    # Waiting

    def _until(
        self,
        found: Mapping[str, Snapshots],
        failed: dict[str, SeedbedError],
        ask: Callable[[str], T],
        is_done: Callable[[T], bool],
        said: Callable[[T], str],
    ) -> dict[str, T]:
        """Ask about all of `found` in turn until each is done, and return what each was then; others go to `failed`."""
        done: dict[str, T] = {}
        pause = _Pause(self._stop, self._tell)
        waiting = list(found)
        while waiting:
            self._stop.check()
            for name in list(waiting):
                try:
                    answer = ask(name)
                except SeedbedError as error:
                    failed[name] = as_one(error)
                    waiting.remove(name)
                    continue
                if is_done(answer):
                    done[name] = answer
                    waiting.remove(name)
                else:
                    pause.tell(name, said(answer))
            if waiting:
                pause.wait()
        return done

    def until(self, ask: Callable[[], T], is_done: Callable[[T], bool], said: Callable[[T], str]) -> T:
        """Ask until it is done, and return what it was then; what is waited for is told. Raises Interrupted."""
        pause = _Pause(self._stop, self._tell)
        while True:
            self._stop.check()
            answer = ask()
            if is_done(answer):
                return answer
            pause.tell("", said(answer))
            pause.wait()


class Listed(Struct, frozen=True):
    """The snapshots of one database, the newest first, and the copies beside it; or why they are not known."""

    database: str
    of: tuple[Snapshot, ...] = ()
    copies: tuple[Copy, ...] = ()
    error: SeedbedError | None = None


class _Pause:
    """Looks that grow rarer, and lines that are told once."""

    def __init__(self, stop: Stop, tell: Tell) -> None:
        self._stop, self._tell = stop, tell
        self._seconds = FIRST_PAUSE
        self._told: dict[str, str] = {}

    def tell(self, about: str, line: str) -> None:
        if self._told.get(about) != line:
            self._told[about] = line
            self._tell(line)

    def wait(self) -> None:
        until = time.monotonic() + self._seconds
        self._seconds = min(self._seconds * 1.5, LONGEST_PAUSE)
        while (left := until - time.monotonic()) > 0:
            self._stop.check()
            time.sleep(min(left, _SLICE))


def _number(there: Sequence[Snapshot], release: int, since: float) -> int:
    """Return the number of the snapshot that is taken, or taken on with: the newest one, unless that is too old."""
    newest = next((each for each in there if each.release == release), None)
    if newest is None:
        return 1
    return newest.number + 1 if newest.taken and newest.taken < since else newest.number


def _restorable(service: Snapshots, database: Database, release: int) -> Snapshot:
    found = next((each for each in service.listed() if each.release == release), None)
    if found is None:
        raise Refused(
            f"{database.id} has no snapshot of release {release}",
            because="it was never taken, or is deleted",
            try_=Hint("look which there are: ", call("snapshot list", about=str(database.id))),
        )
    if found.state != "available":
        raise Refused(
            f"{found.id} cannot be restored",
            because=found.evidence(0).text,
            try_=Hint(
                "take it to its end: ",
                call("snapshot take", "--release", str(release), about=str(database.id)),
            ),
        )
    return found


def _taking(snapshot: Snapshot) -> str:
    return f"{snapshot.database}: {snapshot.id} is being made, {snapshot.percent} %"


def _restoring(copy: Copy) -> str:
    return f"{copy.database}: {copy.doing}"


def _results(
    databases: Sequence[Database], done: Mapping[str, Snapshot], failed: Mapping[str, SeedbedError]
) -> list[SnapshotResult]:
    names = [str(each.id) for each in databases]
    return [SnapshotResult(each, done.get(each), failed.get(each)) for each in names]
