"""Whatever a server, or somebody in its place, answers: what reads it returns, or says what is wrong; it never breaks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.aws.cloud import Cloud
from seedbed.engines.dynamodb.address import Address as DynamoAddress
from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.dynamodb.store import history as dynamo_history
from seedbed.engines.dynamodb.store.lease_store import DynamoLeaseStore
from seedbed.engines.dynamodb.wire.client import Client as DynamoClient
from seedbed.engines.dynamodb.wire.values import to_item
from seedbed.engines.neo4j.address import Address as GraphAddress
from seedbed.engines.neo4j.graph import GraphTarget
from seedbed.engines.neo4j.store import history as neo4j_history
from seedbed.engines.neo4j.store.lease_store import Neo4jLeaseStore
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.engines.opensearch.address import Address as SearchAddress
from seedbed.engines.opensearch.cluster import Cluster
from seedbed.engines.opensearch.running import inspect, tasks
from seedbed.engines.opensearch.running.reindex import existing
from seedbed.engines.opensearch.store import fences
from seedbed.engines.opensearch.store import history as search_history
from seedbed.engines.opensearch.wire.client import Client as SearchClient
from seedbed.engines.postgres.store.history import HistoryTable
from seedbed.errors import ExitCode, SeedbedError, Unreachable
from seedbed.model.secret import Secret
from seedbed.wire.answers import Answer
from seedbed.wire.retrying import Policy

REVISION = {
    "version": "1",
    "name": "people",
    "checksum": "0" * 64,
    "phase": "expand",
    "state": "applied",
    "direction": "up",
    "step": 1,
    "in_step": False,
    "overtakes": [],
    "owner": "ana",
    "applied_at": "2026-01-01T00:00:00+00:00",
    "duration_ms": 5,
}
IDENTITY = {"format": 1, "platform": "shop", "database": "shop/x", "environment": "dev"}
LEASE = {"token": 3, "heartbeat": 4, "holder": "a", "who": "ana", "since": "now", "seconds": 20}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "S", "_source", "key"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["S", "N", "a", "_source", "hits", "key"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all that is in `value`, its own first."""
    yield path
    for key, each in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list | tuple)
        else ()
    ):
        yield from places(each, (*path, key))


def changed(data: st.DataObject, right: Any) -> Any:
    """Return `right` with something in it replaced, or left out."""
    path = data.draw(st.sampled_from(list(places(right))), "what is wrong")
    if not path:
        return data.draw(JSON, "what is there")
    changed = copy.deepcopy(right)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    if isinstance(inside, dict) and data.draw(st.booleans(), "is left out"):
        del inside[path[-1]]
    else:
        inside[path[-1]] = data.draw(JSON, "what is there")
    return changed


_DYNAMO = DynamoClient(
    Cloud("eu-central-1", "", "http://127.0.0.1:9", "", "key", Secret("secret"))
)  # made once: nothing connects
_SEARCH = SearchClient(SearchAddress("http://127.0.0.1:9"))


def answering(client: Any, answer: Callable[[], bytes]) -> None:
    """Let `client` get the same answer to everything, and ask once."""
    client.policy = Policy(attempts=1)
    client._transport.ask = lambda *_, **__: Answer(200, {}, answer())


def dynamodb(answer: Callable[[], bytes]) -> DynamoDatabase:
    address = DynamoAddress(_DYNAMO.cloud)
    client = _DYNAMO
    answering(client, answer)
    return DynamoDatabase(
        target="shop/dynamodb",
        address=address,
        client=client,
        service="shop",
        environment="dev",
        directory=PurePath("shop"),
    )


def opensearch(answer: Callable[[], bytes]) -> Cluster:
    client, address = _SEARCH, _SEARCH.address
    answering(client, answer)
    return Cluster("shop/opensearch", address, client, "shop", "dev", PurePath("shop"))


def neo4j(*rows: dict[str, Any]) -> GraphTarget:
    """Return a graph that answers each query with the same rows, of whatever columns."""
    client = cast(BoltClient, SimpleNamespace(read=lambda *_: list(rows)))
    return GraphTarget("shop/neo4j", GraphAddress("bolt://127.0.0.1:9"), client, "dev", PurePath("shop"))


HISTORY = [
    to_item({"pk": "history", "sk": "identity", **IDENTITY}),
    to_item({"pk": "history", "sk": "revision#1", **REVISION}),
]
TABLE = {
    "Table": {
        "TableName": "shop-users-dev",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "TableStatus": "ACTIVE",
        "ItemCount": 5,
        "TableSizeBytes": 100,
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by",
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "IndexStatus": "ACTIVE",
                "ItemCount": 5,
            }
        ],
    },
    "TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "ends"},
}
STATE = {"kind": "state", "key": "state", "format": 1, "bound_at": "now", **IDENTITY, **LEASE, "sequence": 1}
SEARCH = {
    "timed_out": False,
    "_shards": {"failed": 0, "total": 1, "successful": 1},
    "hits": {
        "hits": [
            {"_source": {"kind": "revision", "key": "revision:1", **REVISION}, "sort": ["revision:1"]},
            {"_source": STATE, "sort": ["state"]},
        ]
    },
}
DOCUMENT = {"_source": STATE, "_seq_no": 1, "_primary_term": 1}
ALIASES: dict[str, Any] = {"migrations_history": {"aliases": {"migrations_history_lease_1_0": {}}}}
TASK = {"completed": True, "task": {"status": {"created": 1, "total": 1}}, "response": {"failures": []}}
STATISTICS = {
    "_shards": {"failed": 0, "total": 1, "successful": 1},
    "indices": {
        "x": {
            "shards": {
                "0": [{"routing": {"primary": True}, "seq_no": {"max_seq_no": 1, "global_checkpoint": 1}}]
            }
        }
    },
}
# By its name: what reads answers, and the right one. OpenSearch and DynamoDB answer in JSON.
READERS: dict[str, tuple[Callable[[Callable[[], bytes]], object], Any]] = {
    "dynamodb history": (lambda answer: dynamo_history.read(dynamodb(answer)), {"Items": HISTORY}),
    "dynamodb lease": (
        lambda answer: DynamoLeaseStore(db := dynamodb(answer), db.client).read(),
        {"Item": to_item({"pk": "lease", "sk": "lease", **LEASE})},
    ),
    "dynamodb table": (lambda answer: dynamodb(answer).current("users"), TABLE),
    "opensearch history": (lambda answer: search_history.read(opensearch(answer)), SEARCH),
    "opensearch state": (lambda answer: search_history.read_state(opensearch(answer)), DOCUMENT),
    "opensearch fences": (lambda answer: fences.position(opensearch(answer).client), ALIASES),
    "opensearch task": (lambda answer: tasks.look(opensearch(answer).client, "n:1"), TASK),
    "opensearch seq_nos": (
        lambda answer: existing.global_checkpoints(opensearch(answer).client, "x"),
        STATISTICS,
    ),
    "opensearch catalogue": (
        lambda answer: inspect.catalogue(opensearch(answer)),
        {"x": {"aliases": {"y": {}}, "mappings": {}, "settings": {}}},
    ),
}


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_an_answer_in_json_is_read_or_refused(name: str, data: st.DataObject) -> None:
    read, right = READERS[name]
    answer = msgspec.json.encode(changed(data, right))
    reads(lambda: read(lambda: answer))


def reads(read: Callable[[], object]) -> None:
    """Read something, and allow that it is refused, but not that anything breaks."""
    refused: SeedbedError | None = None
    try:
        read()
    except SeedbedError as error:
        refused = error
    if refused is not None:
        assert refused.exit_code in {ExitCode.UNAVAILABLE, ExitCode.REFUSED, ExitCode.FAILED}
        assert refused.what


@pytest.mark.parametrize("name", READERS)
def test_the_right_answer_is_read(name: str) -> None:
    read, right = READERS[name]
    assert read(lambda: msgspec.json.encode(right)) is not None


@pytest.mark.parametrize("said", [b"5", b'"hello"', b"[]", b'{"message": "welcome"}', b"<html>hello</html>"])
@pytest.mark.parametrize("name", READERS)
def test_what_somebody_else_says_is_not_taken_for_the_server(name: str, said: bytes) -> None:
    read, _ = READERS[name]
    if name == "dynamodb lease" and said.startswith(b"{"):
        return  # no item there: DynamoDB says no more than that either
    with pytest.raises(Unreachable) as caught:
        read(lambda: said)
    assert "is not" in str(caught.value)


@given(data=st.data())
def test_rows_of_a_graph_are_read_or_refused(data: st.DataObject) -> None:
    node = {"stored": {"key": "identity", **IDENTITY}, "applied_at": None}
    last = {"stored": {"key": "schema", "applied": ["revision:1 applied 1"]}, "applied_at": None}
    done = {"stored": {"key": "revision:1", **REVISION}, "applied_at": 1}
    right = {"a": node, "b": last, "c": done, "d": {**LEASE, "is_expired": False}}
    wrong = changed(data, right)
    rows = [each for each in wrong.values() if isinstance(each, dict)] if isinstance(wrong, dict) else []
    reads(lambda: neo4j_history.read(neo4j(*rows[:3])))
    reads(lambda: Neo4jLeaseStore(neo4j(*rows[3:])).read())


@given(data=st.data())
def test_rows_of_a_history_are_read_or_refused(data: st.DataObject) -> None:
    revisions = changed(data, [REVISION])
    row = ["1", "shop", "shop/x", "dev", msgspec.json.encode(revisions).decode()]
    rows = data.draw(
        st.sampled_from([[row], [], [[]], [row[:3]], [["x", *row[1:]]], [[*row[:4], "{"]], [row, row]])
    )
    reads(lambda: HistoryTable("seedbed").read(lambda _: cast(Any, rows)))
