"""Harnesses of the contract of snapshots, on the platforms that tests of snapshots share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.wire import client as dynamodb
from seedbed.engines.neo4j.dump_restore.file_format import header
from seedbed.engines.neo4j.wire import client as neo4j
from seedbed.engines.opensearch.wire import client as opensearch
from seedbed.engines.postgres.snapshots import clusters, rds
from seedbed.engines.snapshots import Snapshots
from seedbed.errors import Refused
from seedbed.model.snapshot import Copy, Snapshot, snapshot_id
from seedbed.model.target import Target
from seedbed.project.snapshots import ReleaseSnapshots
from seedbed.testing.harness import Name
from tests.support.dynamodb import snapshot_site as courses
from tests.support.neo4j import snapshot_site as tutors
from tests.support.opensearch import snapshot_site as notes
from tests.support.postgres import snapshot_site as users

LONG = ("p" * 32, "e" * 32, "s" * 32)  # as long as a manifest lets names be
PLAIN = re.compile(r"[a-z][a-z0-9-]*")


class Kept:
    """What the harnesses have in common: a platform with one database in staging."""

    knows_source = True
    refusal: type[Exception] = Refused
    longest = 255
    allowed = PLAIN

    def __init__(self, site: Any, snapshots: Callable[[], ReleaseSnapshots]) -> None:
        self.site, self._snapshots, self.numbers = site, snapshots, count(1)
        catalog = site_project(site).catalog
        self.database = catalog.databases()[0]
        self.engine: Any = catalog.engine(self.database.engine)
        with snapshots().one(self.database) as (_, target):
            self.target: Target = target

    @contextmanager
    def reached(self) -> Iterator[Snapshots]:
        with self._snapshots().one(self.database) as (service, _):
            yield service

    def content(self) -> object:
        raise NotImplementedError

    def foreign(self, release: int) -> Callable[[], bool] | None:
        return None

    @contextmanager
    def unfinished(self) -> Iterator[bool]:
        yield False

    def spoil(self, snapshot: Snapshot) -> bool:
        return False

    def names(self, release: int, number: int) -> Iterable[Name]:
        yield Name(snapshot_id(*LONG, release, number), self.longest, self.allowed)

    @property
    def id(self) -> str:
        return snapshot_id(self.target.platform, "staging", self.target.database.service, 12)


def site_project(site: Any) -> Any:
    return site.project() if callable(site.project) else site.project


class KeptCourses(Kept):
    """Backups of tables, behind a proxy that behaves like AWS."""

    site: courses.Site
    requests: Sequence[tuple[Any, str]] = ((dynamodb.Client, "call"),)
    allowed = re.compile(r"[a-zA-Z0-9_.-]{3,}")

    def __init__(self, site: courses.Site) -> None:
        site.apply_first()
        super().__init__(site, lambda: site.snapshots)

    def content(self) -> object:
        return self.site.items()

    def copied(self, copy: Copy) -> object:
        return self.site.items(f"courses.{copy.name}")

    def change(self) -> None:
        self.site.put({"id": f"new{next(self.numbers)}"})

    @contextmanager
    def unfinished(self) -> Iterator[bool]:
        self.site.guard.looks, looks = 1_000_000, self.site.guard.looks
        yield True
        self.site.guard.looks = looks

    def spoil(self, snapshot: Snapshot) -> bool:
        self.site.client.call("DeleteBackup", {"BackupArn": snapshot.parts[self.site.physical("courses")]})
        return True

    def foreign(self, release: int) -> Callable[[], bool] | None:
        """The words of another environment and service, in a row, may be the same: then a backup has our name."""
        asked = {
            "TableName": "of-others-elsewhere",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        self.site.client.call("CreateTable", asked)
        made = self.site.client.call("CreateBackup", {"TableName": asked["TableName"], "BackupName": self.id})
        arn = made["BackupDetails"]["BackupArn"]

        def stays() -> bool:
            there = self.site.client.call("ListBackups", {})["BackupSummaries"]
            return arn in {each["BackupArn"] for each in there}

        return stays


class KeptUsers(Kept):
    """Snapshots of a cluster, on what behaves like Aurora."""

    site: users.Site
    requests: Sequence[tuple[Any, str]] = ((rds, "ask"),)

    def __init__(self, site: users.Site) -> None:
        super().__init__(site, lambda: site.snapshots)

    def content(self) -> object:
        return self.site.sql("SELECT * FROM users ORDER BY id")

    def copied(self, copy: Copy) -> object:
        return self.site.sql("SELECT * FROM users ORDER BY id", copy.settings["port"])

    def change(self) -> None:
        self.site.sql(f"INSERT INTO users VALUES ({1000 + next(self.numbers)}, 'new')")

    @contextmanager
    def unfinished(self) -> Iterator[bool]:
        self.site.rds.looks, looks = 1_000_000, self.site.rds.looks
        for each in self.site.rds.snapshots.values():
            each["left"] = 1_000_000
        yield True
        self.site.rds.looks = looks
        for each in self.site.rds.snapshots.values():
            each["left"] = 0

    def spoil(self, snapshot: Snapshot) -> bool:
        self.site.rds.snapshots[snapshot.id]["status"] = "failed"
        return True

    def foreign(self, release: int) -> Callable[[], bool] | None:
        theirs = {"of": users.CLUSTER, "left": 0, "tags": {}, "at": datetime.now(UTC), "status": "available"}
        self.site.rds.snapshots[self.id] = theirs
        return lambda: self.site.rds.snapshots.pop(self.id, None) is theirs

    def names(self, release: int, number: int) -> Iterable[Name]:
        yield from super().names(release, number)
        database = replace(self.target.database, service=LONG[2])
        environment = replace(self.target.environment, name=LONG[1])
        target = Target(database, environment, LONG[0], self.target.address)
        address: Any = target.address
        kept = clusters.ClusterSnapshots(target, address, self.site.project.targets.cloud(environment), "c")
        yield Name(kept._beside(f"r{release}-drill"), 63, PLAIN)


class KeptNotes(Kept):
    """Snapshots in a repository of OpenSearch."""

    site: notes.Site
    requests: Sequence[tuple[Any, str]] = ((opensearch.Client, "ask"),)

    def __init__(self, site: notes.Site) -> None:
        super().__init__(site, lambda: site.snapshots)

    def content(self) -> object:
        return self.site.documents("notes-1")

    def copied(self, copy: Copy) -> object:
        return self.site.documents(f"{copy.settings['prefix']}notes-1")

    def change(self) -> None:
        where = f"/notes-1/_doc/new{next(self.numbers)}"
        self.site.client.call("PUT", where, {"text": "new"}, params={"refresh": True})

    @contextmanager
    def unfinished(self) -> Iterator[bool]:
        """As a cluster tells of a snapshot that takes long: this one's is made before it can be looked at."""
        real = opensearch.Client.ask

        def asked(self_: Any, method: str, path: str, *words: Any, **named: Any) -> Any:
            answer = real(self_, method, path, *words, **named)
            is_told = method == "GET" and path.startswith("/_snapshot/seedbed/")
            return (
                replace(answer, body=answer.body.replace(b'"SUCCESS"', b'"IN_PROGRESS"'))
                if is_told
                else answer
            )

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(opensearch.Client, "ask", asked)
            yield True

    def spoil(self, snapshot: Snapshot) -> bool:
        """Have a snapshot of that name that is partial, for an index has no node that it may be on."""
        call, where = self.site.client.call, f"/_snapshot/seedbed/{snapshot.id}"
        nowhere = {"settings": {"index.routing.allocation.require._name": "nowhere"}}
        call("DELETE", where)
        call("PUT", "/broken", nowhere, params={"wait_for_active_shards": 0})
        body = {"indices": "broken,notes-1", "partial": True, "include_global_state": False}
        call("PUT", where, body, params={"wait_for_completion": True})
        call("DELETE", "/broken")
        return True


class KeptTutors(Kept):
    """Dumps of a graph."""

    site: tutors.Site
    requests: Sequence[tuple[Any, str]] = ((neo4j.BoltClient, "_once"), (neo4j.Transaction, "commit"))

    def __init__(self, site: tutors.Site) -> None:
        super().__init__(site, site.snapshots)

    def begin(self) -> None:
        """Have the graph, and nothing besides, as it was at first."""
        for each in (self.site.root / ".seedbed" / "snapshots").glob("*.jsonl*"):
            each.unlink()
        self.site.graph.do("MATCH (n) WHERE NOT n:migrations_history DETACH DELETE n", *tutors.GRAPH)

    def content(self) -> object:
        return self._content("")

    def copied(self, copy: Copy) -> object:
        return self._content(copy.settings["prefix"])

    def _content(self, prefix: str) -> object:
        ask = self.site.graph.ask
        is_it = (
            "n:restored_copy AND n.id IS NOT NULL"
            if prefix
            else "NOT n:restored_copy AND NOT n:migrations_history"
        )
        nodes = ask(
            f"MATCH (n) WHERE {is_it} RETURN n.id AS id, n.since AS since, labels(n) AS labels ORDER BY id"
        )
        ways = ask(
            f"MATCH (n)-[r]->(m) WHERE {is_it} RETURN n.id AS a, type(r) AS t, r.how AS how, m.id AS b ORDER BY a"
        )
        for each in nodes:
            each["labels"] = sorted(
                label.removeprefix(prefix) for label in each["labels"] if label != "restored_copy"
            )
        return nodes, [{**each, "t": each["t"].removeprefix(prefix)} for each in ways]

    def change(self) -> None:
        number = 1000 + next(self.numbers)
        self.site.graph.do(f"CREATE (:Tutor {{id: {number}}})")

    def spoil(self, snapshot: Snapshot) -> bool:
        file = Path(snapshot.parts[snapshot.database])
        file.write_bytes(file.read_bytes()[:-20])
        return True

    def foreign(self, release: int) -> Callable[[], bool] | None:
        """A dump of another graph, whose environment and service have the same words in a row."""
        file = self.site.root / ".seedbed" / "snapshots" / f"{self.id}.jsonl"
        with self.reached() as ours:
            ours.take(release, 1)
        theirs = file.read_bytes().replace(b'"tutor-matching/neo4j"', b'"matching/neo4j"', 1)
        file.write_bytes(theirs)
        assert header(theirs.splitlines()[0]).database == "matching/neo4j"
        return lambda: file.read_bytes() == theirs


class KeptToys(Kept):
    """Files: an engine of somebody else's."""

    requests: Sequence[tuple[Any, str]]
    knows_source = False

    def __init__(self, site: Any, toy: Any) -> None:
        self.requests = ((toy, "copied"),)
        super().__init__(site, lambda: site.snapshots)

    def content(self) -> object:
        return self.site.tables()

    def copied(self, copy: Copy) -> object:
        return self.site.tables(copy.settings["path"])

    def change(self) -> None:
        self.site.add(next(self.numbers))
