"""Write and read documents of the next index, through the alias of this run; a run that takes over removes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.running.reindex.pages import Key, StoredDocument
from seedbed.engines.opensearch.wire.errors import CONFLICT, cause
from seedbed.errors import Location, StepFailed
from seedbed.wire.retrying import Policy, retrying

BYTES = 5_000_000  # of a request, about
PATIENCE = 12  # requests in a row of which nothing was taken
_POLICY = Policy(attempts=PATIENCE, base=0.05, cap=5.0)
_PASSING = frozenset({429, 503})
_NOT_FOUND = 404
_FILTER = "errors," + ",".join(
    f"items.*.{each}"
    for each in ("_id", "status", "error.type", "error.reason", "error.caused_by", "_shards.failed")
)


class Operation(msgspec.Struct, frozen=True):
    """The lines of one operation in a bulk request, and the key of its document."""

    key: Key
    line: bytes


class _ShardCounts(msgspec.Struct):
    failed: int = 0


class _BulkItem(msgspec.Struct):
    status: int = 0
    error: dict[str, Any] | None = None
    shards: _ShardCounts = msgspec.field(name="_shards", default_factory=_ShardCounts)


class _BulkAnswer(msgspec.Struct):
    errors: bool = True
    items: list[Annotated[dict[str, _BulkItem], msgspec.Meta(min_length=1, max_length=1)]] = []


class _MultiGet(msgspec.Struct):
    docs: list[_MultiGetItem] = []


class _MultiGetItem(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    found: bool = False
    version: int = msgspec.field(name="_version", default=0)
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    term: int = msgspec.field(name="_primary_term", default=0)
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b""))
    error: dict[str, Any] | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_BulkAnswer).decode
_decode_multi_get = msgspec.json.Decoder(_MultiGet).decode


def copied(document: StoredDocument, source: bytes) -> Operation:
    """Write the transformed `document`, unless the next index has its version or a later one."""
    action = {"_id": document.id, "version": document.version, "version_type": "external"}
    return _operation("index", document.key, action, source)


def replacement(document: StoredDocument, source: bytes) -> Operation:
    """Replace `document`, as it was read from the next index, by `source`."""
    action = {"_id": document.id, "if_seq_no": document.seq_no, "if_primary_term": document.term}
    return _operation("index", document.key, action, source)


def addition(key: Key, source: bytes) -> Operation:
    """Write `source` if the next index has no document of its key."""
    return _operation("create", key, {"_id": key[0]}, source)


def deletion(document: StoredDocument) -> Operation:
    """Delete `document`, as it was read from the next index."""
    action = {"_id": document.id, "if_seq_no": document.seq_no, "if_primary_term": document.term}
    return _operation("delete", document.key, action, b"")


def _operation(kind: str, key: Key, action: dict[str, Any], source: bytes) -> Operation:
    if key[1]:
        action["routing"] = key[1]
    line = _encode({kind: action}) + b"\n"
    # A raw line break can only be white space between tokens: inside a string it is escaped.
    return Operation(key, line + source.replace(b"\n", b" ") + b"\n" if source else line)


def write(job: IndexJob, alias: str, operations: Sequence[Operation]) -> list[Key]:
    """Send `operations` to the index behind `alias`; return the keys of those whose condition did not hold.

    Raises StepFailed naming the first document that was refused, LeaseLost, Interrupted.
    """
    conflicts: list[Key] = []
    for some in _requests(operations):
        conflicts += _write(job, alias, some)
    return conflicts


def _requests(operations: Sequence[Operation]) -> list[list[Operation]]:
    found: list[list[Operation]] = []
    size = BYTES
    for each in operations:
        if size >= BYTES:
            found.append([])
            size = 0
        found[-1].append(each)
        size += len(each.line)
    return found


def _write(job: IndexJob, alias: str, operations: list[Operation]) -> list[Key]:
    left, conflicts = operations, list[Key]()
    for attempt in retrying(_POLICY, sleep=job.client.sleep):
        if not left:
            break
        raw = job.client.send(
            "POST",
            path(alias, "_bulk"),
            b"".join(each.line for each in left),
            params={"require_alias": "true", "filter_path": _FILTER},
            ndjson=True,
            idempotent=True,
            before=job.lease.check,
        )
        with job.client.reading("POST", path(alias, "_bulk"), idempotent=True):
            answer = _decode(raw)
        again = _review(job, alias, left, answer, conflicts)
        if len(again) < len(left):
            attempt.progressed()
        if again:
            attempt.failed(
                StepFailed(
                    f"{alias} accepts no more documents",
                    because=f"{PATIENCE} requests in a row were rejected for lack of capacity",
                    try_="check the cluster's load, then run the same command again: it continues from its checkpoint",
                )
            )
        left = again
    return conflicts


def _review(
    job: IndexJob, alias: str, sent: Sequence[Operation], answer: _BulkAnswer, conflicts: list[Key]
) -> list[Operation]:
    """Check every item; return the operations to send again, and add to `conflicts`. Raises StepFailed."""
    if len(answer.items) != len(sent):
        raise StepFailed(
            f"the outcome of a bulk request to {alias} is unknown",
            because=f"{len(sent)} documents were sent, and the answer has {len(answer.items)} items",
        )
    again: list[Operation] = []
    for operation, item in zip(sent, answer.items, strict=True):
        (found,) = item.values()
        if found.status in _PASSING:
            again.append(operation)
        elif found.error is not None and found.error.get("type") == CONFLICT:
            conflicts.append(operation.key)
        elif found.error is not None or found.shards.failed:
            if found.status == _NOT_FOUND:
                job.lease.confirm()  # a run that took over has removed the alias
            raise refused(job, alias, operation.key, found.status, found.error)
    return again


def refused(job: IndexJob, alias: str, key: Key, status: int, error: dict[str, Any] | None) -> StepFailed:
    """Return the error about the document `key`, which the next index refused."""
    kind = str((error or {}).get("type") or f"status {status}")
    return StepFailed(
        f"{alias} refused the document {key[0]!r}: {kind}",
        because=" ".join(cause(error).split()) if error else "not every copy of its shard accepted it",
        try_="fix the document, or the migration, then run the same command again: it continues from its checkpoint",
        at=Location(job.migration.path),
    )


def read(
    job: IndexJob, index: str, keys: Sequence[Key], *, sources: bool = True
) -> list[StoredDocument | None]:
    """Return the documents that `index` has now under `keys`, in their order; None for a missing one."""
    if not keys:
        return []
    docs = [{"_id": id_, **({"routing": routing} if routing else {})} for id_, routing in keys]
    raw = job.client.send(
        "POST",
        path(index, "_mget"),
        _encode({"docs": docs}),
        params={} if sources else {"_source": "false"},
        idempotent=True,
    )
    with job.client.reading("POST", path(index, "_mget"), idempotent=True):
        found = _decode_multi_get(raw).docs
    wrong = next((each for each in found if each.error), None)
    if wrong is not None or len(found) != len(keys):
        raise StepFailed(f"{index} could not be read", because=cause((wrong.error if wrong else None) or {}))
    return [
        StoredDocument(key[0], each.version, each.seq_no, each.term, key[1], each.source)
        if each.found
        else None
        for key, each in zip(keys, found, strict=True)
    ]
