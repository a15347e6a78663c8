"""Dumps of a graph as snapshots: files of whoever runs seedbed, whole as soon as they have their names.

A copy to copy back from is in the graph itself, where a migration reads it; one that a drill looks at is on a server of
its own, because it is to be opened like the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from seedbed.engines.base import Session
from seedbed.engines.neo4j import session
from seedbed.engines.neo4j.dump_restore.dump import dump
from seedbed.engines.neo4j.dump_restore.file_format import Dump, InvalidDump, header, read
from seedbed.engines.neo4j.dump_restore.restore import require_harmless
from seedbed.engines.neo4j.files.names import COPY_LABEL, HISTORY_LABEL
from seedbed.engines.neo4j.snapshots import beside
from seedbed.engines.neo4j.wire.errors import translate_errors
from seedbed.engines.snapshots import Swaps, TakenElsewhere
from seedbed.errors import Refused
from seedbed.model.snapshot import Copy, Snapshot, is_drill, known_id, snapshot_id
from seedbed.model.target import Target

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget
    from seedbed.engines.neo4j.snapshots.apart import ServersApart

_END = ".jsonl"
_NOT_COUNTED = {HISTORY_LABEL, COPY_LABEL}
_COUNTS = (
    f"""MATCH (n) WHERE NOT n:{HISTORY_LABEL}|{COPY_LABEL} UNWIND labels(n) AS name
RETURN name, count(*) AS count""",
    f"""MATCH (n)-[r]->() WHERE NOT n:{HISTORY_LABEL}|{COPY_LABEL}
RETURN '[:' + type(r) + ']' AS name, count(*) AS count""",
)


@contextmanager
def snapshots(target: Target, home: Path | None) -> Iterator[DumpSnapshots]:
    """Reach the dumps of `target` below `home`. Raises TakenElsewhere where there is no place that stays."""
    if home is None:
        raise TakenElsewhere(
            f"a dump of {target.id} would go with the task that makes it",
            because="a snapshot of a graph is a file, and files of a task do not stay",
            try_="take a snapshot of its volume, and say so with a written reason",
        )
    with ExitStack() as leaving:
        yield DumpSnapshots(target, home, leaving)


class DumpSnapshots:
    """The dumps of one graph, and the copies that were restored from them."""

    lost: Sequence[str] = (
        "a place of its own: what asks for nodes without a label finds those of the copy as well",
        "constraints and indexes: those of the graph are about other labels",
    )

    def __init__(self, target: Target, home: Path, leaving: ExitStack) -> None:
        self._target, self._home, self._leaving = target, home, leaving
        self._names = (target.platform, target.environment.name, target.database.service)
        self._started: ServersApart | None = None

    def listed(self) -> Sequence[Snapshot]:
        found = [
            self._snapshot(*known, each)
            for each in self._home.glob(f"*{_END}")
            if (known := known_id(*self._names, each.name.removesuffix(_END))) and not self._owner(each)
        ]
        return sorted(found, key=lambda each: (each.release, each.number), reverse=True)

    def take(self, release: int, number: int) -> Snapshot:
        file = self._home / f"{snapshot_id(*self._names, release, number)}{_END}"
        if file.exists() and (owner := self._owner(file)):
            raise Refused(
                f"{file} is there, and is not a dump of {self._target.id}",
                because=f"it is one of {owner}, whose snapshots have the same names",
                try_="keep the snapshots of one of them elsewhere",
            )
        if file.exists() and self._snapshot(release, number, file).state == "partial":
            file.replace(file.with_name(f"{file.name}.partial"))  # it may still hold what is missed one day
        if not file.exists():
            self._home.mkdir(parents=True, exist_ok=True)
            with self._graph("dumping") as graph:
                for _ in dump(graph, file, with_history=True):
                    pass
        return self._snapshot(release, number, file)

    def delete(self, snapshot: Snapshot) -> None:
        Path(snapshot.parts[self._target.id]).unlink(missing_ok=True)

    def restore(self, snapshot: Snapshot, name: str) -> Copy:
        found = self._read(snapshot)
        if is_drill(name):
            with translate_errors(f"restoring {snapshot.id}"):
                address = self._apart.restore(found, name)
            return self._copy(name, f"a server of its own, {address.uri}", "", uri=address.uri)
        with self._graph("restoring beside") as graph:
            part = beside.restore(graph, found, snapshot, name)
        return self._below(name, part.doing)

    def copies(self) -> Sequence[Copy]:
        with self._graph("looking for copies in") as graph:
            parts = beside.copies(graph)
        apart = [
            self._copy(each, "a server of its own", "it is looked at, or left")
            for each in self._apart.names()
        ]
        return [*(self._below(each.name, each.doing) for each in parts), *apart]

    def drop(self, name: str) -> bool:
        if is_drill(name):
            return self._apart.drop(name)
        with self._graph("taking a copy out of") as graph:
            return beside.drop(graph, name)

    def swapping(self, name: str) -> Swaps:
        raise Refused(
            f"{self._target.id} cannot be exchanged with the copy {name}",
            because="Community has one database for each server, and the copy lies in it",
            try_="copy back what is missing, or restore the dump into an empty graph: "
            "docs/how-to/restore-a-snapshot.md",
        )

    def address(self, copy: Copy) -> object:
        return self._apart.address(copy.name)

    def counts(self, session_: Session) -> Mapping[str, int]:
        graph = cast(session.Neo4jSession, session_).graph
        with translate_errors(f"counting what {graph.target} holds"):
            rows = [each for query in _COUNTS for each in graph.read(query, {})]
        return {each["name"]: each["count"] for each in rows}

    @property
    def _apart(self) -> ServersApart:
        from seedbed.engines.neo4j.snapshots.apart import ServersApart

        if self._started is None:
            self._started = ServersApart(self._target, self._home, self._leaving)
        return self._started

    @contextmanager
    def _graph(self, doing: str) -> Iterator[GraphTarget]:
        with session.connect(self._target) as found, translate_errors(f"{doing} {self._target.id}"):
            yield found.graph

    def _read(self, snapshot: Snapshot) -> Dump:
        """Return what a snapshot holds. Raises Refused where that is no dump of this graph, UsageError."""
        file = Path(snapshot.parts[self._target.id])
        try:
            found = read(file.read_bytes())
        except InvalidDump as invalid:
            raise Refused(f"{snapshot.id} cannot be restored", because=str(invalid)) from None
        require_harmless(file, found)
        return found

    def _below(self, name: str, doing: str) -> Copy:
        prefix = beside.prefix(name)
        place = f"labels and types of relationships that begin with {prefix}"
        return self._copy(name, place, doing, prefix=prefix)

    def _copy(self, name: str, place: str, doing: str, **settings: str) -> Copy:
        return Copy(
            database=self._target.id,
            name=name,
            state="making" if doing else "available",
            place=place,
            settings=settings,
            doing=doing,
        )

    def _owner(self, file: Path) -> str:
        """Return whose dump a file is that has the name of one of ours; "" where it is ours, or nobody's."""
        with file.open("rb") as lines:
            first = lines.readline()
        try:
            head = header(first)
        except InvalidDump:
            return ""
        is_ours = (head.database, head.environment) == (self._target.id, self._target.environment.name)
        return "" if is_ours else f"{head.database} in {head.environment}"

    def _snapshot(self, release: int, number: int, file: Path) -> Snapshot:
        because, filled, status = "", frozenset[str](), file.stat()
        try:
            filled = _filled(read(file.read_bytes()))
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
            filled=filled,
        )


def _filled(dump: Dump) -> frozenset[str]:
    """Return the names that `counts` would have in a graph of this dump."""
    nodes = {each.number: each.labels for each in dump.nodes if not {*each.labels} & _NOT_COUNTED}
    labels = {label for each in nodes.values() for label in each}
    return frozenset({*labels, *(f"[:{each.kind}]" for each in dump.relationships if each.start in nodes)})
