"""Dumps of a graph as snapshots: files of whoever runs seedbed, whole as soon as they have their names.

Community has one database for each server, and copies it only while it is stopped: so a copy beside it is the file
itself, whose lines are read by the step that copies back what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from seedbed.engines.base import Session
from seedbed.engines.neo4j import session
from seedbed.engines.neo4j.dump_restore.file_format import InvalidDump, read
from seedbed.engines.snapshots import TakenElsewhere
from seedbed.errors import Hint, Refused, call
from seedbed.model.snapshot import Copy, Snapshot, known_id, snapshot_id
from seedbed.model.target import Target

_END = ".jsonl"


@contextmanager
def snapshots(target: Target, home: Path | None) -> Iterator[DumpSnapshots]:
    """Reach the dumps of `target` below `home`. Raises TakenElsewhere where there is no place that stays."""
    if home is None:
        raise TakenElsewhere(
            f"a dump of {target.id} would go with the task that makes it",
            because="a snapshot of a graph is a file, and files of a task do not stay",
            try_="take a snapshot of its volume, and say so with a written reason",
        )
    yield DumpSnapshots(target, home)


class DumpSnapshots:
    """The dumps of one graph."""

    lost: Sequence[str] = ("the history: a dump has data, constraints and indexes",)

    def __init__(self, target: Target, home: Path) -> None:
        self._target, self._home = target, home
        self._names = (target.platform, target.environment.name, target.database.service)

    def listed(self) -> Sequence[Snapshot]:
        found = [
            self._snapshot(*known, each)
            for each in self._home.glob(f"*{_END}")
            if (known := known_id(*self._names, each.name.removesuffix(_END)))
        ]
        return sorted(found, key=lambda each: (each.release, each.number), reverse=True)

    def take(self, release: int, number: int) -> Snapshot:
        file = self._home / f"{snapshot_id(*self._names, release, number)}{_END}"
        if not file.exists():
            self._home.mkdir(parents=True, exist_ok=True)
            with session.connect(self._target) as graph:
                for _ in graph.dump(file):
                    pass
        return self._snapshot(release, number, file)

    def delete(self, snapshot: Snapshot) -> None:
        Path(snapshot.parts[self._target.id]).unlink(missing_ok=True)

    def restore(self, snapshot: Snapshot, name: str) -> Copy:
        path = snapshot.parts[self._target.id]
        if not name.startswith("r") or "-" in name:
            raise Refused(
                f"{self._target.id} has no drill",
                because="a dump has no history, and is restored into another server",
                try_=Hint(
                    "restore it into an environment of its own, and look there: ", call("restore", path)
                ),
            )
        return Copy(
            database=self._target.id,
            name=name,
            state="available",
            place=f"file {path}",
            settings={"file": path},
        )

    def copies(self) -> Sequence[Copy]:
        return ()  # the file is the snapshot's

    def drop(self, name: str) -> bool:
        del name
        return True

    def address(self, copy: Copy) -> object:
        raise AssertionError(f"{copy.place} is no server")

    def counts(self, session: Session) -> Mapping[str, int]:
        raise AssertionError(f"{session.server} was not restored from a dump")

    def _snapshot(self, release: int, number: int, file: Path) -> Snapshot:
        because, status = "", file.stat()
        try:
            read(file.read_bytes())
        except InvalidDump as invalid:
            because = str(invalid)
        return Snapshot(
            id=file.name.removesuffix(_END),
            database=self._target.id,
            release=release,
            number=number,
            state="partial" if because else "available",
            taken=status.st_mtime,
            size=status.st_size,
            percent=100,
            because=because,
            parts={self._target.id: str(file)},
        )
