"""Bulk load: documents by `_bulk`, encoded once, resent until the index has every one of them.

The answer is filtered to the fields that are used. If it reports no error, its items are counted and not decoded; else
every item is checked: those that the cluster rejected for lack of capacity are sent again, and a document that it
refuses is an error with its id. Nothing is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct, field

from seedbed.engines.opensearch.seeds.request_size import RequestSize
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import StepFailed
from seedbed.support.phrases import shorten
from seedbed.wire.retrying import Policy, retrying

if TYPE_CHECKING:
    from seedbed.engines.opensearch.wire.client import Client

MOST = 10_000  # documents in a request, however small they are
LONGEST_ID = 512  # bytes
BASE, CAP = 0.05, 10.0  # seconds to wait before rejected documents are sent again
PATIENCE = 40  # requests in a row that were rejected whole; with the waits between them, some minutes
RETRIED = frozenset({429, 503})  # of an item: no capacity, or its shard has no primary for the moment
CONFLICT = "version_conflict_engine_exception"

_FILTER = "errors,items.*.status,items.*._shards.failed,items.*.error.type,items.*.error.reason,items.*.error.caused_by"
_NOT_FOUND = 404  # of a delete: there was no such document
_TOO_LARGE = 413

Document = Mapping[str, Any] | bytes
OnProgress = Callable[[int], None]
OnConflict = Callable[[str], None]


class InvalidDocument(StepFailed):
    """A document that cannot be sent."""


class ItemRefused(StepFailed):
    """The cluster refused one document of a request, or more: the first is `id`."""

    def __init__(
        self, index: str, id_: str, status: int, type_: str, reason: str, *, others: int = 0
    ) -> None:
        more = f", and {others} more of the same request" if others else ""
        super().__init__(
            f"{index} refused the document {id_!r}{more}",
            because=f"{type_}: {reason}" if type_ else reason,
            try_="fix it, then run the same command again",
        )
        self.id, self.status, self.type, self.reason = id_, status, type_, reason


class BulkCounts(Struct):
    """Outcomes of the documents. `replaced`: by a later one of the same id, before it was sent."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    conflicts: int = 0
    replaced: int = 0

    @property
    def all(self) -> int:
        return self.created + self.updated + self.deleted + self.conflicts + self.replaced


class _Shards(Struct):
    failed: int = 0


class _Cause(Struct):
    reason: str | None = None
    caused_by: _Cause | None = None


class _Error(Struct):
    type: str = ""
    reason: str | None = None
    caused_by: _Cause | None = None

    @property
    def message(self) -> str:
        """The reason with what caused it, outermost first."""
        found, cause = [self.reason or ""], self.caused_by
        while cause:
            found.append(cause.reason or "")
            cause = cause.caused_by
        return "; ".join(dict.fromkeys(each for each in found if each))


class _Item(Struct):
    status: int
    shards: _Shards = field(default_factory=_Shards, name="_shards")
    error: _Error | None = None


class _Answer(Struct):
    errors: bool
    items: list[Annotated[dict[str, _Item], Meta(min_length=1, max_length=1)]] = field(default_factory=list)


_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(_Answer).decode


def load(
    client: Client,
    index: str,
    documents: Iterable[tuple[str, Document]],
    *,
    before: Callable[[], None] | None = None,
    require_alias: bool = False,
    chunks: RequestSize | None = None,
    most: int = MOST,
    on_progress: OnProgress | None = None,
    counts: BulkCounts | None = None,
) -> BulkCounts:
    """Index all `documents`, as (id, fields or JSON); afterwards the index holds every one, the last of each id.

    `counts`: updated during the load, and returned. Raises InvalidDocument, ItemRefused, StepFailed, Interrupted and
    what `before` raises; some are in the index then.
    """
    writer = BulkWriter(
        client,
        index,
        before=before,
        require_alias=require_alias,
        chunks=chunks,
        most=most,
        on_progress=on_progress,
        counts=counts,
    )
    put = writer.index
    for id_, document in documents:
        put(id_, document)
    writer.flush()
    return writer.counts


class BulkWriter:
    """Collects operations and sends them when there are enough. Not thread-safe.

    `index`: an existing alias or index; `require_alias`: refuse a missing alias, for which OpenSearch would create an
    index of that name. `before` is called before every request, also a repeated one, and may raise to end the load (a
    lost lease). `on_conflict` is called with the id of a document whose version or condition did not hold; without it
    that is an ItemRefused. `on_progress` is called with the number of further documents that are done. `chunks` and
    `most`: the size of one request, in bytes and in documents.
    """

    def __init__(
        self,
        client: Client,
        index: str,
        *,
        before: Callable[[], None] | None = None,
        require_alias: bool = False,
        on_conflict: OnConflict | None = None,
        on_progress: OnProgress | None = None,
        chunks: RequestSize | None = None,
        most: int = MOST,
        counts: BulkCounts | None = None,
    ) -> None:
        self.counts = counts or BulkCounts()
        self._client = client
        self._index = index
        self._path = f"/{quote(index, safe='')}/_bulk"
        self._params = {"filter_path": _FILTER, **({"require_alias": "true"} if require_alias else {})}
        self._before = before
        self._on_conflict = on_conflict
        self._on_progress = on_progress
        self._chunks = chunks or RequestSize()
        self._most = most
        self._lines: dict[str, bytes] = {}  # by id: what the next request holds
        self._size = 0
        self._limit = self._chunks.size
        self._deletes = False
        self._replaced = 0  # since `on_progress` was called last
        self._attempts = retrying(Policy(attempts=PATIENCE, base=BASE, cap=CAP), sleep=client.sleep)
        self._attempt = next(self._attempts)  # its number counts requests in a row of which nothing was taken

    def index(
        self,
        id_: str,
        document: Document,
        *,
        version: int | None = None,
        if_seq: tuple[int, int] | None = None,
    ) -> None:
        """Write `document` whole. `version`: unless the index has this one or a later; `if_seq`: its _seq_no and
        _primary_term, where it still has them.
        """
        self._add(id_, b'{"index":{"_id":' + _id(id_) + _conditions(version, if_seq), document)

    def create(self, id_: str, document: Document) -> None:
        """Write `document` if there is none of its id."""
        self._add(id_, b'{"create":{"_id":' + _id(id_) + b"}}\n", document)

    def delete(self, id_: str, *, version: int | None = None, if_seq: tuple[int, int] | None = None) -> None:
        """Delete the document of this id; a missing one is neither an error nor counted."""
        self._deletes = True
        self._put(id_, b'{"delete":{"_id":' + _id(id_) + _conditions(version, if_seq))

    def flush(self) -> None:
        """Send what is left."""
        while self._lines:
            self._send()

    def _add(self, id_: str, action: bytes, document: Document) -> None:
        self._put(id_, action + _json(id_, document) + b"\n")

    def _put(self, id_: str, line: bytes) -> None:
        lines, size = self._lines, len(line)
        if lines and (len(lines) >= self._most or self._size + size > self._limit):
            self._send()
            lines = self._lines
        if id_ in lines:  # two of one id in a request could change places when one of them is sent again
            self._size -= len(lines.pop(id_))
            self._replaced += 1
            self.counts.replaced += 1
        lines[id_] = line
        self._size += size

    def _send(self) -> None:
        """Send one request; rejected operations stay for the next one."""
        body = b"".join(self._lines.values())
        began = time.perf_counter()
        try:
            answer = self._client.send(
                "POST",
                self._path,
                body,
                params=self._params,
                ndjson=True,
                idempotent=True,
                before=self._before,
            )
        except RequestFailed as error:
            self._failed(error, len(body))
            return
        self._chunks.took(len(body), time.perf_counter() - began)
        sent = len(self._lines)
        left = {} if self._all_succeeded(answer) else self._review(answer)
        self._begin(left)
        self._report(sent - len(left))
        if left:
            self._wait(sent - len(left))
        else:
            self._attempt.progressed()

    def _begin(self, left: dict[str, bytes]) -> None:
        self._lines = left
        self._size = sum(map(len, left.values()))
        self._limit = self._chunks.size
        self._deletes = self._deletes and bool(left)

    def _all_succeeded(self, answer: bytes) -> bool:
        """Return whether everything was written, by counting instead of decoding; False if that does not prove it."""
        if self._deletes or not answer.startswith(b'{"errors":false'):
            return False
        sent, created = len(self._lines), answer.count(b'"status":201')
        updated = answer.count(b'"status":200')
        if created + updated != sent or answer.count(b'"failed":0') != sent:
            return False
        self.counts.created += created
        self.counts.updated += updated
        return True

    def _review(self, answer: bytes) -> dict[str, bytes]:
        """Check every item; return the operations to send again. Raises ItemRefused."""
        with self._client.reading("POST", self._path, idempotent=True):
            items = _decode(answer).items
        if len(items) != len(self._lines):
            raise StepFailed(
                f"the outcome of a bulk request to {self._index} is unknown",
                because=f"{len(self._lines)} documents were sent, and the answer has {len(items)} items",
                try_="look for a proxy that changes answers, then run the same command again",
            )
        left: dict[str, bytes] = {}
        refused: list[tuple[str, _Item]] = []
        for (id_, line), item in zip(self._lines.items(), items, strict=True):
            ((kind, found),) = item.items()
            if found.status in RETRIED:
                left[id_] = line
            elif not self._accepted(id_, kind, found):
                refused.append((id_, found))
        if refused:
            id_, found = refused[0]
            error = found.error or _Error("", f"status {found.status}, {found.shards.failed} copies failed")
            others = len(refused) - 1
            raise ItemRefused(self._index, id_, found.status, error.type, error.message, others=others)
        return left

    def _accepted(self, id_: str, kind: str, item: _Item) -> bool:
        """Count an item that is done; return False for one that the cluster refused."""
        if item.error:
            if item.error.type != CONFLICT or self._on_conflict is None:
                return False
            self.counts.conflicts += 1
            self._on_conflict(id_)
        elif item.shards.failed:
            return False
        elif kind == "delete":
            self.counts.deleted += item.status != _NOT_FOUND
        elif item.status == 201:
            self.counts.created += 1
        else:
            self.counts.updated += 1
        return True

    def _failed(self, error: RequestFailed, size: int) -> None:
        """Make the next request smaller if this one was too large; wait if there was no capacity for it."""
        if error.status == _TOO_LARGE and len(self._lines) > 1:
            self._chunks.refused(size)
            self._split()
        elif error.status in RETRIED:
            self._wait(0)
        else:
            raise error

    def _split(self) -> None:
        """Send the collected operations in two requests."""
        lines = list(self._lines.items())
        for part in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
            self._begin(dict(part))
            self.flush()

    def _report(self, done: int) -> None:
        done, self._replaced = done + self._replaced, 0
        if self._on_progress and done:
            self._on_progress(done)

    def _wait(self, taken: int) -> None:
        """Wait before rejected operations are sent again: the longer, the fewer were accepted."""
        self._chunks.shed()
        self._limit = self._chunks.size
        if taken:
            self._attempt.progressed()
        self._attempt.failed(
            StepFailed(
                f"{self._index} accepts no more documents",
                because=f"{PATIENCE} requests in a row were rejected for lack of capacity",
                try_="check the cluster's load and its thread pool `write`, then run the same command again",
            )
        )
        self._attempt = next(self._attempts)  # after its pause


def _id(id_: str) -> bytes:
    encoded = _encode(id_)
    if len(encoded) > LONGEST_ID and len(id_.encode()) > LONGEST_ID:
        raise InvalidDocument(
            f"the id {shorten(id_, 40)!r} is too long", because=f"OpenSearch accepts {LONGEST_ID} bytes"
        )
    if not id_:
        raise InvalidDocument(
            "a document has an empty id", because="OpenSearch would generate another one at every load"
        )
    return encoded


def _conditions(version: int | None, if_seq: tuple[int, int] | None) -> bytes:
    if version is not None:
        return b',"version":%d,"version_type":"external"}}\n' % version
    if if_seq is not None:
        return b',"if_seq_no":%d,"if_primary_term":%d}}\n' % if_seq
    return b"}}\n"


def _json(id_: str, document: Document) -> bytes:
    """Return a document on one line. Raises InvalidDocument."""
    if isinstance(document, bytes):
        # A raw line break can only be white space between tokens: inside a string it is escaped.
        return document.replace(b"\n", b" ") if b"\n" in document else document
    try:
        encoded = _encode(document)
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise InvalidDocument(f"the document {id_!r} cannot be sent", because=str(error)) from None
    if b"null" in encoded and _has_non_finite(document.values()):
        because = "it holds a number that is not finite, which JSON cannot represent"
        raise InvalidDocument(f"the document {id_!r} cannot be sent", because=because)
    return encoded


def _has_non_finite(values: Iterable[Any]) -> bool:
    """Return whether NaN or an infinity is among `values`, however deep: the encoder would write null."""
    for each in values:
        kind = type(each)
        if kind is float:
            if each - each != 0:
                return True
        elif kind is dict:
            if _has_non_finite(each.values()):
                return True
        elif kind is list and each and _has_non_finite(each):
            return True
    return False
