"""Throw-away databases on an OpenSearch, and migrations of the indexes in them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from seedbed.engines.base import Progress
from seedbed.engines.opensearch.address import Address, address
from seedbed.engines.opensearch.cluster import Cluster
from seedbed.engines.opensearch.files.parse import parse
from seedbed.engines.opensearch.schema.read import FILE
from seedbed.engines.opensearch.store import history, lease_store
from seedbed.engines.opensearch.store.lease import OpenSearchLease
from seedbed.engines.opensearch.wire.client import Client
from seedbed.model.event import Event
from seedbed.model.history import Owner
from seedbed.model.migration import Direction, Migration, MigrationFile, Source, Work, checksum

LEASE_SECONDS = 4.0
LESSONS = """
[indexes.lessons]

[[indexes.lessons.versions]]
number = 1
settings = {number_of_shards = 2, number_of_replicas = 0, gc_deletes = "1s"}
[indexes.lessons.versions.mappings]
dynamic = "strict"
properties = {title = {type = "text"}, number = {type = "integer"}, by = {type = "keyword"}}

[[indexes.lessons.versions]]
number = 2
settings = {number_of_shards = 1, number_of_replicas = 0, gc_deletes = "1s"}
[indexes.lessons.versions.mappings]
dynamic = "strict"
properties = {title = {type = "text", analyzer = "english"}, number = {type = "long"}, by = {type = "keyword"}}
"""


def migration_file(text: str, version: str = "1", name: str = "m", suffix: str = ".py") -> MigrationFile:
    data = text.encode()
    return MigrationFile(
        version, name, Source(f"migrations/{version}_{name}{suffix}", suffix, data), checksum(data)
    )


def migration(text: str, version: str = "1", name: str = "m") -> Migration:
    return parse(migration_file(text, version, name))


def moves(index: str, version: int, directives: str = "", code: str = "") -> str:
    """Return the text of a migration of `index` to `version`."""
    return f"# seedbed: index={index} version={version} phase=migrate {directives}\n{code}"


@dataclass
class Stage:
    """One database `ai/opensearch` in `dev-test`."""

    cluster: Cluster
    told: list[Event] = field(default_factory=list)

    @property
    def client(self) -> Client:
        return self.cluster.client

    def declare(self, text: str) -> None:
        Path(self.cluster.directory, FILE).write_text(text, encoding="utf-8")
        self.cluster._declared = None

    @contextmanager
    def lease(self, who: str = "test", wait: float = 0.0) -> Iterator[OpenSearchLease]:
        owner = Owner(uuid.uuid4().hex, who)
        with lease_store.lease(self.cluster, owner, wait=wait, listener=self.told.append) as ledger:
            yield OpenSearchLease(self.cluster, ledger)

    def events(
        self, text: str, direction: Direction = Direction.UP, version: str = "1"
    ) -> Iterator[Progress]:
        """Carry out a migration whole, history and all, telling what happens."""
        with self.lease() as lease:
            yield from lease.apply([Work(migration(text, version), direction)])

    def apply(self, text: str, version: str = "1") -> list[Progress]:
        return list(self.events(text, Direction.UP, version))

    def revert(self, text: str, version: str = "1") -> list[Progress]:
        return list(self.events(text, Direction.DOWN, version))

    def recorded(self) -> dict[str, str]:
        """Return what the history says of each version."""
        return {each.version: each.state.value for each in history.read(self.cluster).revisions}

    def put(self, index: str, documents: Mapping[str, Any], **params: Any) -> None:
        """Index `documents`, by id, and make them visible."""
        lines: list[bytes] = []
        for id_, document in documents.items():
            lines += [msgspec.json.encode({"index": {"_id": id_, **params}}), msgspec.json.encode(document)]
        if lines:
            body = b"\n".join(lines) + b"\n"
            answer = self.client.call("POST", f"/{index}/_bulk", body, params={"refresh": True})
            assert not answer["errors"], answer

    def documents(self, index: str) -> dict[str, Any]:
        """Return all documents, by id."""
        return documents(self.client, index)

    def behind(self, alias: str) -> list[str]:
        """Return the physical indexes that `alias` leads to."""
        return sorted(self.client.call("GET", f"/_alias/{alias}", params={"expand_wildcards": "all"}))

    def indexes(self) -> list[str]:
        """Return all physical indexes but those of seedbed and the cluster itself."""
        found = self.client.call("GET", "/_all")
        return sorted(each for each in found if not each.startswith((".", "migrations_")))


def documents(client: Client, index: str) -> dict[str, Any]:
    """Return all documents of `index`, by id."""
    client.call("POST", f"/{index}/_refresh")
    found: dict[str, Any] = {}
    named = {"keep_alive": "1m"}
    point = client.call("POST", f"/{index}/_search/point_in_time", params=named, idempotent=True)["pit_id"]
    body: dict[str, Any] = {"size": 5000, "sort": ["_shard_doc"], "pit": {"id": point, **named}}
    while hits := client.call("POST", "/_search", body, idempotent=True)["hits"]["hits"]:
        found |= {each["_id"]: each["_source"] for each in hits}
        body["search_after"] = hits[-1]["sort"]
    client.call("DELETE", "/_search/point_in_time", {"pit_id": [point]})
    return found


@contextmanager
def opened(settings: Mapping[str, str], directory: Path, **limits: float) -> Iterator[Stage]:
    """Yield a stage on what is there; `limits` are those of an `Address`."""
    from msgspec.structs import replace

    given: dict[str, Any] = {"lease_seconds": LEASE_SECONDS, **limits}
    where: Address = replace(address(settings, _options()), **given)
    with closing(Client(where)) as client:
        yield Stage(
            Cluster(
                target="ai/opensearch",
                address=where,
                client=client,
                service="ai",
                environment="dev-test",
                directory=directory,
            )
        )


def _options() -> Any:
    from seedbed.engines.opensearch.options import Options

    return Options()


Spy = Callable[[str, str], None]  # (method, path)


def spied(client: Client, spy: Spy, *, after: bool = False) -> None:
    """Tell `spy` of every request of `client` right before it is sent, or once it is answered."""
    original = client.ask

    def ask(method: str, path: str, *args: Any, **named: Any) -> Any:
        if not after:
            spy(method, path)
        answer = original(method, path, *args, **named)
        if after:
            spy(method, path)
        return answer

    client.ask = ask  # type: ignore[method-assign]
