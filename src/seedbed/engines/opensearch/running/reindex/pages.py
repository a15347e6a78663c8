"""Read the documents of one shard by pages, from a point in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import msgspec

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex.existing import failures
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import SeedbedError, StepFailed

ALIVE = "5m"  # between two pages
BYTES = 4_000_000  # of a page, roughly
FIRST = 200  # documents in the first page, whose size is unknown
IDS = 10_000  # documents in a page without them
_ASKED = ",".join(
    ["_shards", "timed_out"]
    + [
        f"hits.hits.{each}"
        for each in ("_id", "_routing", "_version", "_seq_no", "_primary_term", "_source", "sort")
    ]
)

_OF_IDS = "_shards,timed_out," + ",".join(
    f"hits.hits.{each}" for each in ("_id", "_routing", "_seq_no", "sort")
)
_NUMBERS = {"version": True, "seq_no_primary_term": True}

Key = tuple[str, str]  # (id, routing): with routings of their own, two documents may have one id


class StoredDocument(msgspec.Struct, frozen=True):
    """A document as it is stored; `source` holds its own bytes."""

    id: str = msgspec.field(name="_id")
    version: int = msgspec.field(name="_version", default=0)
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    term: int = msgspec.field(name="_primary_term", default=0)
    routing: str = msgspec.field(name="_routing", default="")
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b""))
    sort: list[int] = []

    @property
    def key(self) -> Key:
        return self.id, self.routing


class _Hits(msgspec.Struct):
    hits: list[StoredDocument] = []


class _Answer(msgspec.Struct):
    shards: dict[str, Any] = msgspec.field(name="_shards", default_factory=dict)
    timed_out: bool = False
    hits: _Hits = msgspec.field(default_factory=_Hits)


_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


@contextmanager
def point_in_time(client: Client, index: str, shard: str) -> Iterator[str]:
    """Yield the id of a point in time of the primary of `shard`: replicas may lag behind it."""
    answer = client.call(
        "POST",
        path(index, "_search", "point_in_time"),
        params={"keep_alive": ALIVE, "preference": f"_shards:{shard}|_primary"},
        idempotent=True,
        shape=shapes.PointInTime,
    )
    found = str(answer["pit_id"])
    try:
        yield found
    finally:
        with suppress(SeedbedError):  # it expires by itself
            client.call("DELETE", "/_search/point_in_time", {"pit_id": [found]}, idempotent=True)


def changed(
    client: Client, index: str, shard: str, after: int, most: int, *, is_still: bool = False
) -> Iterator[list[StoredDocument]]:
    """Yield the documents of `shard` whose last change came after the _seq_no `after`, in that order, by pages.

    A page has at most `most` documents and about BYTES. `is_still`: writes are blocked. Raises StepFailed.
    """
    with nullcontext("") if is_still else point_in_time(client, index, shard) as point:
        size = min(most, FIRST)
        body: dict[str, Any] = {
            "query": {"range": {"_seq_no": {"gt": after}}},
            "sort": [{"_seq_no": "asc"}],
        }
        while True:
            page, length = _page(client, index, shard, point, {**body, **_NUMBERS, "size": size})
            if page:
                yield page
            if len(page) < size:
                return
            body["search_after"] = page[-1].sort
            size = max(1, min(most, 4 * size, BYTES * len(page) // max(1, length)))


def ids(client: Client, index: str, shard: str) -> Iterator[list[StoredDocument]]:
    """Yield all documents of `shard` by pages, with their _seq_no but without their source."""
    with point_in_time(client, index, shard) as point:
        body: dict[str, Any] = {"sort": ["_doc"], "size": IDS, "_source": False, "seq_no_primary_term": True}
        while True:
            page, _ = _page(client, index, shard, point, body, _OF_IDS)
            if page:
                yield page
            if len(page) < IDS:
                return
            body["search_after"] = page[-1].sort


def _page(
    client: Client, index: str, shard: str, point: str, body: dict[str, Any], asked: str = _ASKED
) -> tuple[list[StoredDocument], int]:
    """Return a page and the size of its answer in bytes. Raises StepFailed unless the shard answered in full.

    `point`: the point in time that is read; "": now.
    """
    sent = {**body, "track_total_hits": False}
    where, params = path(index, "_search"), {"filter_path": asked, "preference": f"_shards:{shard}|_primary"}
    if point:
        sent["pit"] = {"id": point, "keep_alive": ALIVE}
        where, params = "/_search", {"filter_path": asked}
    try:
        raw = client.send("POST", where, _encode(sent), params=params, idempotent=True)
    except RequestFailed as error:
        raise StepFailed(
            f"{index} could not be read",
            because=f"{error.what}: {error.because}",
            try_="run the same command again: it continues from its checkpoint",
        ) from None
    with client.reading("POST", where, idempotent=True):
        answer = _decode(raw)
    if answer.timed_out or answer.shards.get("failed"):
        raise StepFailed(
            f"{index} could not be read in full",
            because="; ".join(failures(answer.shards)) or "the search timed out",
            try_="run the same command again: it continues from its checkpoint",
        )
    return answer.hits.hits, len(raw)
