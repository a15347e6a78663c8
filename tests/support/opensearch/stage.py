"""One OpenSearch database on a cluster of its own: what tests of its seeds have in common."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from seedbed.engines.opensearch.address import address
from seedbed.engines.opensearch.options import Options
from seedbed.engines.opensearch.session import OpenSearchSession, connect
from seedbed.engines.opensearch.store.lease import OpenSearchLease
from seedbed.engines.opensearch.wire.client import Client
from seedbed.model.environment import Environment
from seedbed.model.history import Owner
from seedbed.model.platform import Database
from seedbed.model.seed import Dataset, Rows, Script, SeedKind
from seedbed.model.target import Target

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """The database `ai/opensearch` in `dev-test`, and a client that asks the cluster directly."""

    session: OpenSearchSession
    client: Client

    def index(self, name: str, *, alias: str = "", dynamic: str = "strict", **fields: Any) -> None:
        """Make an index; `fields`: what its mapping has, as types or as OpenSearch takes them."""
        properties = {key: {"type": each} if isinstance(each, str) else each for key, each in fields.items()}
        has_vectors = any(each.get("type") == "knn_vector" for each in properties.values())
        body: Document = {
            "settings": {"index": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"}},
            "mappings": {"dynamic": dynamic, "properties": properties},
        }
        if has_vectors:
            body["settings"]["index"]["knn"] = True
        if alias:
            body["aliases"] = {alias: {}}
        self.client.call("PUT", f"/{name}", body)

    def put(self, index: str, id_: str, document: Mapping[str, Any]) -> None:
        self.client.call("PUT", f"/{index}/_doc/{id_}", document, params={"refresh": True})

    def documents(self, index: str) -> dict[str, Document]:
        """Return all documents that searches see, by id."""
        answer = self.client.call("POST", f"/{index}/_search", {"size": 10_000}, idempotent=True)
        return {each["_id"]: each["_source"] for each in answer["hits"]["hits"]}

    @contextmanager
    def lease(self, who: str = "test", wait: float = 0.0) -> Iterator[OpenSearchLease]:
        owner = Owner(uuid.uuid4().hex, who)
        with self.session.lease(owner, wait=wait, listener=lambda _: None) as lease:
            yield lease

    def load(self, *parts: Rows | Script, kind: SeedKind = SeedKind.FIXTURE) -> list[tuple[int, int, int]]:
        """Load `parts`, volume in bulk; return (inserted, updated, unchanged) of each."""
        with self.lease() as lease:
            load = lease.bulk_load if kind is SeedKind.VOLUME else lease.load
            done = list(load(Dataset(kind, parts)))
        return [(each.inserted, each.updated, each.unchanged) for each in done]


@contextmanager
def stage(settings: Mapping[str, str]) -> Iterator[Stage]:
    """Yield a stage on the cluster that `settings` address."""
    where = address(settings, Options(lease_seconds=4.0))
    database = Database("ai", "opensearch", PurePath("services/ai/opensearch"))
    with (
        connect(Target(database, Environment("dev-test"), "edtech", where)) as session,
        Client(where) as client,
    ):
        yield Stage(session, client)


def rows(table: str, columns: str, *values: tuple[Any, ...], suffix: str = ".json", key: str = "") -> Rows:
    """Return rows whose numbers in the file are 2, 3, …"""
    lines = tuple(range(2, len(values) + 2))
    return Rows(f"seeds/{table}{suffix}", table, tuple(columns.split()), values, tuple(key.split()), lines)
