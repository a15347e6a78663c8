"""A volume load on a server that sheds load, refuses documents and fails: nothing is lost, nothing is passed over."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.seeds.bulk import BulkWriter, InvalidDocument, ItemRefused, load
from seedbed.engines.opensearch.seeds.request_size import RequestSize
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import LeaseLost, StepFailed

NO_ROOM = {
    "status": 429,
    "error": {"type": "opensearch_rejected_execution_exception", "reason": "queue is full"},
}
REFUSED = {
    "status": 400,
    "error": {
        "type": "mapper_parsing_exception",
        "reason": "failed to parse field [n]",
        "caused_by": {"type": "illegal_argument_exception", "reason": 'For input string: "x"'},
    },
}
CONFLICT = {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "it is newer"}}

Item = dict[str, Any]
Choose = Callable[[str, Item | None], Item | None]


class Index:
    """An index that takes what a test lets it take: `choose` says what else than success becomes of a document."""

    def __init__(self, choose: Choose | None = None, *, whole: Callable[[int], int] | None = None) -> None:
        self.documents: dict[str, Item] = {}
        self.actions: list[Item] = []
        self.sizes: list[int] = []
        self.queries: list[dict[str, list[str]]] = []
        self._choose = choose or (lambda _id, _document: None)
        self._whole = whole or (lambda _size: 200)

    def bulk(self, query: str, body: bytes) -> tuple[int, Any]:
        self.queries.append(parse_qs(query))
        status = self._whole(len(body))
        if status != 200:
            return status, {"error": {"type": "no", "reason": "not all at once"}}
        lines = body.decode().split("\n")
        assert lines.pop() == ""
        items = []
        for kind, action, document in read(iter(lines)):
            self.actions.append({kind: action})
            items.append({kind: self._item(kind, action["_id"], document)})
        self.sizes.append(len(items))
        return 200, {
            "errors": any("error" in each for item in items for each in item.values()),
            "items": items,
        }

    def _item(self, kind: str, id_: str, document: Item | None) -> Item:
        if other := self._choose(id_, document):
            return other
        shards = {"_shards": {"failed": 0}}
        if kind == "delete":
            return {"status": 200 if self.documents.pop(id_, None) else 404, **shards}
        is_new = id_ not in self.documents
        self.documents[id_] = document or {}
        return {"status": 201 if is_new else 200, **shards}


def read(lines: Iterator[str]) -> Iterator[tuple[str, Item, Item | None]]:
    for line in lines:
        ((kind, action),) = json.loads(line).items()
        yield kind, action, None if kind == "delete" else json.loads(next(lines))


@contextmanager
def serving(index: Index) -> Iterator[Client]:
    """Yield a client of a server whose every index is `index`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, said = index.bulk(urlsplit(self.path).query, body)
            # As OpenSearch writes it: no blank after a colon.
            answer = json.dumps(said, separators=(",", ":")).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with Client(Address(f"http://127.0.0.1:{server.server_port}"), max_attempts=2) as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def numbered(count: int) -> list[tuple[str, Item]]:
    return [(f"k{number}", {"n": number}) for number in range(count)]


def test_all_documents_arrive_and_are_counted() -> None:
    index, told = Index(), list[int]()
    with serving(index) as client:
        counts = load(client, "lessons", iter(numbered(1003)), most=100, on_progress=told.append)
        again = load(client, "lessons", numbered(1003))
    assert index.documents == dict(numbered(1003))
    assert (counts.created, counts.updated, sum(told)) == (1003, 0, 1003)
    assert (again.created, again.updated) == (0, 1003)
    assert index.sizes == [*[100] * 10, 3, 1003]


def test_what_there_was_no_room_for_is_sent_until_it_is_taken() -> None:
    rng = Random(1)
    index = Index(lambda _id, _document: NO_ROOM if rng.random() < 0.3 else None)
    with serving(index) as client:
        counts = load(client, "lessons", numbered(300), most=50)
    assert index.documents == dict(numbered(300))
    assert counts.created == counts.all == 300


def test_a_request_that_is_turned_away_as_a_whole_is_sent_again() -> None:
    statuses = iter([429, 503, 503, 429])
    index = Index(whole=lambda _size: next(statuses, 200))
    with serving(index) as client:
        assert load(client, "lessons", numbered(10)).created == 10


def test_a_cluster_that_never_has_room_ends_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedbed.engines.opensearch.seeds.bulk.PATIENCE", 3)
    with serving(Index(lambda _id, _document: NO_ROOM)) as client, pytest.raises(StepFailed) as caught:
        load(client, "lessons", numbered(2))
    assert "accepts no more documents" in str(caught.value)


def test_one_refused_document_is_named_with_its_reason_and_the_number_of_others() -> None:
    index = Index(lambda id_, _document: REFUSED if id_ in {"k7", "k9"} else None)
    with serving(index) as client, pytest.raises(ItemRefused) as caught:
        load(client, "lessons", numbered(20))
    assert caught.value.id == "k7"
    assert caught.value.status == 400
    assert str(caught.value).splitlines()[:2] == [
        "lessons refused the document 'k7', and 1 more of the same request",
        '  because: mapper_parsing_exception: failed to parse field [n]; For input string: "x"',
    ]


def test_a_copy_that_was_not_written_is_no_success() -> None:
    half = {"status": 201, "_shards": {"failed": 1}}
    with (
        serving(Index(lambda id_, _document: half if id_ == "k1" else None)) as client,
        pytest.raises(ItemRefused) as caught,
    ):
        load(client, "lessons", numbered(3))
    assert "1 copies failed" in caught.value.because


def test_an_answer_about_fewer_documents_than_were_sent_is_no_success() -> None:
    class Forgetful(Index):
        def bulk(self, query: str, body: bytes) -> tuple[int, Any]:
            status, said = super().bulk(query, body)
            return status, {**said, "items": said["items"][1:]}

    with serving(Forgetful()) as client, pytest.raises(StepFailed) as caught:
        load(client, "lessons", numbered(3))
    assert "the answer has 2 items" in caught.value.because


def test_a_request_that_is_too_large_is_divided_until_the_server_takes_it() -> None:
    index = Index(whole=lambda size: 413 if size > 2000 else 200)
    with serving(index) as client:
        counts = load(client, "lessons", numbered(500))
    assert counts.created == 500
    assert index.documents == dict(numbered(500))


def test_one_document_that_is_too_large_says_so() -> None:
    with serving(Index(whole=lambda _size: 413)) as client, pytest.raises(RequestFailed):
        load(client, "lessons", [("a", {"text": "x" * 100})])


def test_the_later_of_two_with_one_id_stays_and_both_are_counted() -> None:
    index, told = Index(), list[int]()
    with serving(index) as client:
        counts = load(
            client, "lessons", [("a", {"n": 1}), ("b", {"n": 1}), ("a", {"n": 2})], on_progress=told.append
        )
    assert index.documents == {"a": {"n": 2}, "b": {"n": 1}}
    assert (counts.created, counts.replaced, counts.all, sum(told)) == (2, 1, 3, 3)


def test_conflicts_are_told_where_somebody_listens_and_refused_where_nobody_does() -> None:
    index = Index(lambda id_, _document: CONFLICT if id_ == "k1" else None)
    conflicts: list[str] = []
    with serving(index) as client:
        writer = BulkWriter(client, "lessons", on_conflict=conflicts.append)
        for id_, document in numbered(3):
            writer.index(id_, document, version=7)
        writer.flush()
        assert (writer.counts.created, writer.counts.conflicts, conflicts) == (2, 1, ["k1"])
        with pytest.raises(ItemRefused):
            load(client, "lessons", numbered(3))


def test_operations_say_their_conditions() -> None:
    index = Index()
    with serving(index) as client:
        writer = BulkWriter(client, "lessons", require_alias=True)
        writer.index("a", {"n": 1}, version=7)
        writer.index("b", b'{\n "n": 2}', if_seq=(3, 1))
        writer.create("c", {"n": 3})
        writer.delete("d", version=9)
        writer.flush()
        writer.delete("a")
        writer.flush()
    assert index.actions == [
        {"index": {"_id": "a", "version": 7, "version_type": "external"}},
        {"index": {"_id": "b", "if_seq_no": 3, "if_primary_term": 1}},
        {"create": {"_id": "c"}},
        {"delete": {"_id": "d", "version": 9, "version_type": "external"}},
        {"delete": {"_id": "a"}},
    ]
    assert index.documents == {"b": {"n": 2}, "c": {"n": 3}}
    assert (writer.counts.created, writer.counts.deleted) == (3, 1)
    assert all(each["require_alias"] == ["true"] for each in index.queries)


def test_a_lease_that_is_lost_ends_the_load_before_the_next_request() -> None:
    index, left = Index(), iter([None, None])

    def before() -> None:
        if next(left, "lost"):
            raise LeaseLost("it is gone")

    with serving(index) as client, pytest.raises(LeaseLost):
        load(client, "lessons", numbered(100), most=10, before=before)
    assert index.sizes == [10, 10]


@pytest.mark.parametrize(
    ("id_", "document"),
    [
        ("a", {"n": float("nan"), "none": None}),
        ("a", {"v": [1.0, float("inf")]}),
        ("a", {"deep": {"er": [{"n": float("nan")}]}}),
        ("a", {"n": object()}),
        ("", {"n": 1}),
        ("x" * 513, {"n": 1}),
        ("a", {"text": "\ud800"}),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(id_: str, document: Item) -> None:
    index = Index()
    with serving(index) as client, pytest.raises(InvalidDocument):
        load(client, "lessons", [(id_, document)])
    assert not index.actions


def test_values_arrive_as_json_says_them() -> None:
    from decimal import Decimal

    index = Index()
    values = {
        "price": Decimal("12.50"),
        "text": "ä\n\u2028",
        "none": None,
        "whole": 2**63,
        "vector": [0.1, -1e-9],
    }
    with serving(index) as client:
        load(client, "lessons", [("ä/b c", values)])
    assert index.documents == {"ä/b c": {**values, "price": 12.5}}


# How large a request is


def test_requests_grow_as_long_as_it_pays() -> None:
    chunks = RequestSize()
    first = chunks.size
    for seconds_a_byte in (4e-8, 3e-8, 2e-8, 1.95e-8):
        for _ in range(3):
            chunks.took(chunks.size, chunks.size * seconds_a_byte)
    assert chunks.size == 4 * first
    for _ in range(30):
        chunks.took(chunks.size, chunks.size * 1e-9)
    assert chunks.size == 4 * first


def test_the_last_and_smaller_request_of_a_load_teaches_nothing() -> None:
    chunks = RequestSize()
    size = chunks.size
    for _ in range(30):
        chunks.took(size // 3, 1e-3)
    assert chunks.size == size


def test_requests_shrink_where_there_is_no_room_and_grow_no_more() -> None:
    chunks = RequestSize()
    size = chunks.size
    chunks.shed()
    assert chunks.size == size // 2
    for _ in range(30):
        chunks.took(chunks.size, 1e-3)
    assert chunks.size == size // 2
    for _ in range(30):
        chunks.shed()
    assert chunks.size >= 1 << 16


def test_a_request_that_takes_seconds_is_large_enough() -> None:
    chunks = RequestSize()
    size = chunks.size
    for _ in range(3):
        chunks.took(size, 6.0)
    assert chunks.size == size
