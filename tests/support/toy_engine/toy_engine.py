"""A database in one JSON file: as small as an engine can be that people could use.

A section is one atomic step, because every write is one rename. The lease is a lock on a file beside it; a
number in the store, raised by every owner, fences those who lost it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from seedbed.engines.base import Variable
from seedbed.errors import (
    Busy,
    LeaseLost,
    Location,
    MigrationFileError,
    Refused,
    StepFailed,
    Unreachable,
    UsageError,
)
from seedbed.model.directives import parse_directives
from seedbed.model.event import Event, LeaseAwaited, Listener, WorkFinished, WorkStarted
from seedbed.model.history import FORMAT, History, Identity, Owner, Revision, RevisionState
from seedbed.model.migration import Direction, Migration, MigrationFile, Phase, Step, Work
from seedbed.model.secret import Secret
from seedbed.model.seed import Dataset, Loaded, OnLoading, RowSource, Script, ignore_loading
from seedbed.model.snapshot import Copy, Snapshot, known_id, snapshot_id
from seedbed.model.target import Target

Store = dict[str, Any]
EMPTY: Store = {"format": FORMAT, "identity": None, "history": {}, "audit": [], "tables": {}, "token": 0}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to choose."""


@dataclass(frozen=True)
class Address:
    """The directory of a store."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return ()

    def read(self) -> Store:
        file = self.path / "store.json"
        return {**EMPTY, **json.loads(file.read_text())} if file.exists() else json.loads(json.dumps(EMPTY))

    def write(self, store: Store) -> None:
        fresh = self.path / "store.json.new"
        fresh.write_text(json.dumps(store))
        fresh.rename(self.path / "store.json")


def refused(step: Step, path: str, line: int, because: str) -> StepFailed:
    return StepFailed(
        f"{path} was refused", because=because, try_="correct it", at=Location(path, step.line + line)
    )


def carry_out(tables: dict[str, dict[str, Any]], words: list[str]) -> None:
    """Change `tables` as one statement says. Raises ValueError."""
    match words:
        case ["make", name] if name not in tables:
            tables[name] = {}
        case ["unmake", name] if name in tables:
            del tables[name]
        case ["more", name] if name in tables:
            key = len(tables[name]) + 1
            tables[name][str(key)] = {"id": key}
        case ["visit", name] if name in tables:
            for row in tables[name].values():
                row["visits"] = row.get("visits", 0) + 1
        case _:
            raise ValueError(f"it cannot be done: {' '.join(words)}")


class Session:
    """A look at the file."""

    server = "toy 1"

    def __init__(self, target: Target, address: Address) -> None:
        self.target, self.address = target.id, address

    def history(self) -> History:
        store = self.address.read()
        if store["format"] > FORMAT:
            raise Refused("the store is newer than this seedbed", because=f"its format is {store['format']}")
        known = [store["history"][key] for key in sorted(store["history"])]
        identity = Identity(**store["identity"]) if store["identity"] else None
        return History(identity, tuple(msgspec.convert(each, Revision) for each in known))

    @contextmanager
    def lease(self, owner: Owner, *, wait: float, listener: Listener) -> Iterator[Lease]:
        self.history()
        with (self.address.path / "lock").open("a+") as lock:
            self._acquire(lock.fileno(), wait, listener)
            store = self.address.read()
            store["token"] += 1
            self.address.write(store)
            yield Lease(self, owner, store["token"])

    def _acquire(self, lock: int, wait: float, listener: Listener) -> None:
        began = time.monotonic()
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = time.monotonic() - began
            if waited >= wait:
                raise Busy(f"{self.target} is busy", because="another process holds its lock")
            listener(LeaseAwaited(self.target, "another process", waited))
            time.sleep(min(0.1, wait))

    def interrupt(self) -> None:
        """Nothing takes long here."""


class Lease:
    """The right to replace the file."""

    def __init__(self, session: Session, owner: Owner, token: int) -> None:
        self.session, self.owner, self.token = session, owner, token
        self.is_touched = False

    def _change(self, change: Callable[[Store], None]) -> None:
        """Write what `change` makes of the store, all of it or nothing."""
        store = self.session.address.read()
        if store["token"] != self.token:
            raise LeaseLost("the lease is gone", because="another owner has been there since")
        before = json.dumps(store["tables"])
        change(store)
        self.is_touched |= json.dumps(store["tables"]) != before
        self.session.address.write(store)

    def history(self) -> History:
        return self.session.history()

    def bind(self, identity: Identity) -> None:
        self._change(lambda store: store.update(identity=structs.asdict(identity)))

    def rebind(self, identity: Identity, *, actor: str, because: str) -> None:
        def change(store: Store) -> None:
            store.update(identity=structs.asdict(identity))
            store["audit"].append(f"{actor} bound it to {identity}: {because}")

        self._change(change)

    def apply(self, works: Sequence[Work]) -> Iterator[Event]:
        for work in works:
            it, target, began = work.migration, self.session.target, time.monotonic()
            yield WorkStarted(target, it.version, it.name, work.direction)
            self._change(lambda store, work=work: self._run(store, work))  # type: ignore[misc]
            yield WorkFinished(target, it.version, it.name, work.direction, time.monotonic() - began)

    def _run(self, store: Store, work: Work) -> None:
        it = work.migration
        for step in it.steps(work.direction):
            for number, line in enumerate(step.body.splitlines()):
                try:
                    carry_out(store["tables"], line.split())
                except ValueError as error:
                    raise refused(step, it.path, number, str(error)) from error
        if work.direction is Direction.DOWN:
            del store["history"][it.version]
            return
        now = datetime.now(UTC)
        revision = Revision(
            it.version,
            it.name,
            it.checksum,
            it.phase,
            RevisionState.APPLIED,
            owner=self.owner.who,
            applied_at=now,
        )
        store["history"][it.version] = msgspec.to_builtins(revision)

    def record(self, revision: Revision, *, actor: str, because: str) -> None:
        def change(store: Store) -> None:
            store["history"][revision.version] = msgspec.to_builtins(revision)
            store["audit"].append(f"{actor} recorded {revision.version}: {because}")

        self._change(change)

    def forget(self, version: str, *, actor: str, because: str) -> None:
        def change(store: Store) -> None:
            store["history"].pop(version, None)
            store["audit"].append(f"{actor} forgot {version}: {because}")

        self._change(change)

    def load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        loaded: list[Loaded] = []

        def change(store: Store) -> None:
            for part in dataset.parts:
                assert not isinstance(part, Script)
                if part.table not in store["tables"]:
                    raise StepFailed(f"{part.path} was refused", because=f"there is no {part.table}")
                loaded.append(self._load(store["tables"][part.table], part))

        self._change(change)
        yield from loaded

    def _load(self, table: dict[str, Any], part: RowSource) -> Loaded:
        count = inserted = updated = 0
        for batch in part.batches(100):
            for values in batch.rows:
                row = dict(zip(part.columns, values, strict=True))
                before = table.get(str(row["id"]))
                table[str(row["id"])] = after = {**(before or {}), **row}
                inserted += before is None
                updated += before is not None and before != after
            count += len(batch.rows)
        return Loaded(part.path, inserted, updated, count - inserted - updated)


class Snapshots:
    """Snapshots as files in `home`, and copies as stores beside the store: each is there as a whole, or not at all."""

    lost: Sequence[str] = ()

    def __init__(self, target: Target, address: Address, home: Path) -> None:
        self._target, self._path, self._home = target, address.path, home
        self._names = (target.platform, target.environment.name, target.database.service)

    def listed(self) -> Sequence[Snapshot]:
        known = {each: known_id(*self._names, each.stem) for each in self._home.glob("*.json")}
        found = [self._snapshot(*numbers, each) for each, numbers in known.items() if numbers]
        return sorted(found, key=lambda each: (each.release, each.number), reverse=True)

    def take(self, release: int, number: int) -> Snapshot:
        file = self._home / f"{snapshot_id(*self._names, release, number)}.json"
        if not file.exists():
            copied(self._path / "store.json", file)
        return self._snapshot(release, number, file)

    def delete(self, snapshot: Snapshot) -> None:
        Path(snapshot.parts["store"]).unlink(missing_ok=True)

    def restore(self, snapshot: Snapshot, name: str) -> Copy:
        store = self._beside(name) / "store.json"
        if not store.exists():
            copied(Path(snapshot.parts["store"]), store)
        return self._copy(name)

    def copies(self) -> Sequence[Copy]:
        stores = self._path.parent.glob(f"{self._path.name}.r*/store.json")
        return [self._copy(each.parent.name.rpartition(".")[2]) for each in sorted(stores)]

    def drop(self, name: str) -> bool:
        shutil.rmtree(self._beside(name), ignore_errors=True)
        return True

    def address(self, copy: Copy) -> object:
        return Address(Path(copy.settings["path"]))

    def counts(self, session: Any) -> Mapping[str, int]:
        return {name: len(rows) for name, rows in session.address.read()["tables"].items()}

    def _beside(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}.{name}")

    def _copy(self, name: str) -> Copy:
        path = str(self._beside(name))
        return Copy(
            database=self._target.id, name=name, state="available", place=path, settings={"path": path}
        )

    def _snapshot(self, release: int, number: int, file: Path) -> Snapshot:
        return Snapshot(
            id=file.stem,
            database=self._target.id,
            release=release,
            number=number,
            state="available",
            taken=file.stat().st_mtime,
            size=file.stat().st_size,
            percent=100,
            parts={"store": str(file)},
        )


def copied(source: Path, file: Path) -> None:
    """Make `file` equal to `source`, whole as soon as it has its name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".half")
    half.write_bytes(source.read_bytes())
    half.rename(file)


class Embedded:
    """Directories in a directory."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def directives(self, database: str) -> Mapping[str, str]:
        path = self.home / database.replace("/", "-")
        path.mkdir(parents=True, exist_ok=True)
        return {"path": str(path)}


class ToyEngine:
    """A JSON file."""

    name = "toy"
    options: type[Any] = Options
    variables: Sequence[Variable] = (Variable("TOY_PATH", "path", required=True),)
    suffixes: Sequence[str] = (".toy",)
    template = "# {summary}\n{directives}# migrate:up\n\n# migrate:down\n"

    def address(self, directives: Mapping[str, str | Secret], options: Any) -> Address:
        path = directives.get("path")
        if not isinstance(path, str):
            raise UsageError("a toy needs its path", try_="set TOY_PATH")
        return Address(Path(path))

    @contextmanager
    def _embedded(self, home: Path) -> Iterator[Embedded]:
        yield Embedded(home)

    def embedded(self, home: Path) -> AbstractContextManager[Embedded]:
        return self._embedded(home)

    def parse(self, file: MigrationFile) -> Migration:
        parts: dict[str, list[tuple[int, str]]] = {"head": []}
        part = "head"
        for number, line in enumerate(file.source.data.decode().splitlines(), 1):
            if line.startswith("# migrate:"):
                part = line.removeprefix("# migrate:").strip()
                parts[part] = []
            elif line.strip():
                parts[part].append((number, line))
        if not parts.get("up"):
            raise MigrationFileError("there is nothing to do", at=Location(file.path))
        marked = [(number, line.removeprefix("# seedbed:").strip()) for number, line in parts["head"]]
        directives = {each.key: each.value for each in parse_directives(marked, file.path)}
        up, down = (self._steps(parts.get(name, [])) for name in ("up", "down"))
        phase = Phase(directives.get("phase", Phase.EXPAND))
        return Migration(file.version, file.name, file.path, file.checksum, phase, up, down)

    def snapshots(
        self, target: Target, cloud: object, home: Path | None
    ) -> AbstractContextManager[Snapshots]:
        assert home is not None
        assert isinstance(target.address, Address)
        return nullcontext(Snapshots(target, target.address, home))

    def _steps(self, lines: list[tuple[int, str]]) -> tuple[Step, ...]:
        return (Step(0, "\n".join(line for _, line in lines), lines[0][0]),) if lines else ()

    def connect(self, target: Target) -> AbstractContextManager[Session]:
        return self._connect(target)

    @contextmanager
    def _connect(self, target: Target) -> Iterator[Session]:
        address = target.address
        assert isinstance(address, Address)
        if not os.access(address.path, os.W_OK):
            raise Unreachable(f"there is no store at {address}", try_="make the directory")
        yield Session(target, address)


engine = ToyEngine()
