"""Writing documents into the next index, through this run's own alias: who took over has removed it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.running.reindex.pages import Key, Stored
from seedbed.engines.opensearch.wire.errors import CONFLICT, cause
from seedbed.errors import Location, StepFailed
from seedbed.support.backoff import backoff

BYTES = 5_000_000  # of a request, about
PATIENCE = 12  # requests in a row of which nothing was taken
BASE, CAP = 0.05, 5.0  # seconds
_PASSING = frozenset({429, 503})
_NOT_FOUND = 404
_ASKED = "errors," + ",".join(
    f"items.*.{each}"
    for each in ("_id", "status", "error.type", "error.reason", "error.caused_by", "_shards.failed")
)


class Operation(msgspec.Struct, frozen=True):
    """One line of a bulk request, and what it is about."""

    key: Key
    line: bytes


class _Copies(msgspec.Struct):
    failed: int = 0


class _Item(msgspec.Struct):
    status: int = 0
    error: dict[str, Any] | None = None
    shards: _Copies = msgspec.field(name="_shards", default_factory=_Copies)


class _Answer(msgspec.Struct):
    errors: bool = True
    items: list[dict[str, _Item]] = []


class _Found(msgspec.Struct):
    docs: list[_Document] = []


class _Document(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    found: bool = False
    version: int = msgspec.field(name="_version", default=0)
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    term: int = msgspec.field(name="_primary_term", default=0)
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b""))
    error: dict[str, Any] | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Answer).decode
_decode_found = msgspec.json.Decoder(_Found).decode


def as_of_source(document: Stored, source: bytes) -> Operation:
    """Write `document` as it has become, unless the next index has its version or a later one."""
    action = {"_id": document.id, "version": document.version, "version_type": "external"}
    return _operation("index", document.key, action, source)


def in_place_of(document: Stored, source: bytes) -> Operation:
    """Write `source` instead of `document`, as it was read in the next index."""
    action = {"_id": document.id, "if_seq_no": document.seq_no, "if_primary_term": document.term}
    return _operation("index", document.key, action, source)


def new(key: Key, source: bytes) -> Operation:
    """Write `source` where the next index has nothing of its key."""
    return _operation("create", key, {"_id": key[0]}, source)


def gone(document: Stored) -> Operation:
    """Delete `document`, as it was read in the next index."""
    action = {"_id": document.id, "if_seq_no": document.seq_no, "if_primary_term": document.term}
    return _operation("delete", document.key, action, b"")


def _operation(kind: str, key: Key, action: dict[str, Any], source: bytes) -> Operation:
    if key[1]:
        action["routing"] = key[1]
    line = _encode({kind: action}) + b"\n"
    # A line break can only be space between tokens: within a string it is written \n.
    return Operation(key, line + source.replace(b"\n", b" ") + b"\n" if source else line)


def write(job: Job, alias: str, operations: Sequence[Operation]) -> list[Key]:
    """Carry out `operations` in the index behind `alias`; return the keys of those whose condition did not hold.

    Raises StepFailed naming the first document that the index does not take, LeaseLost, Interrupted.
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


def _write(job: Job, alias: str, operations: list[Operation]) -> list[Key]:
    left, conflicts, idle, rng = operations, list[Key](), 0, random.Random()
    while left:
        raw = job.client.send(
            "POST",
            path(alias, "_bulk"),
            b"".join(each.line for each in left),
            params={"require_alias": "true", "filter_path": _ASKED},
            ndjson=True,
            idempotent=True,
            before=job.lease.check,
        )
        again = _judged(job, alias, left, _decode(raw), conflicts)
        idle = idle + 1 if len(again) == len(left) else 0
        if idle >= PATIENCE:
            raise StepFailed(
                f"{alias} takes no more documents",
                because=f"{PATIENCE} requests in a row were turned away for want of room",
                try_="look at the cluster's load, then run the same command again: it goes on where it stands",
            )
        if again:
            job.client.sleep(backoff(idle + 1, base=BASE, cap=CAP, rng=rng))
        left = again
    return conflicts


def _judged(
    job: Job, alias: str, sent: Sequence[Operation], answer: _Answer, conflicts: list[Key]
) -> list[Operation]:
    """Look at every item; return what is to be sent again, and add to `conflicts`. Raises StepFailed."""
    if len(answer.items) != len(sent):
        raise StepFailed(
            f"nobody knows what {alias} took",
            because=f"{len(sent)} documents were sent, and the answer speaks of {len(answer.items)}",
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
                job.lease.confirm()  # who took over has removed the alias
            raise refused(job, alias, operation.key, found.status, found.error)
    return again


def refused(job: Job, alias: str, key: Key, status: int, error: dict[str, Any] | None) -> StepFailed:
    """Return that the next index does not take the document `key`."""
    kind = str((error or {}).get("type") or f"status {status}")
    return StepFailed(
        f"the document {key[0]!r} does not go into {alias}: {kind}",
        because=" ".join(cause(error).split()) if error else "not every copy of its shard took it",
        try_="mend the document, or the migration, and run the same command again: it goes on where it stands",
        at=Location(job.migration.path),
    )


def read(job: Job, index: str, keys: Sequence[Key], *, sources: bool = True) -> list[Stored | None]:
    """Return what `index` has under `keys` right now, in their order; None where it has nothing."""
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
    found = _decode_found(raw).docs
    wrong = next((each for each in found if each.error), None)
    if wrong is not None or len(found) != len(keys):
        raise StepFailed(f"{index} could not be read", because=cause((wrong.error if wrong else None) or {}))
    return [
        Stored(key[0], each.version, each.seq_no, each.term, key[1], each.source) if each.found else None
        for key, each in zip(keys, found, strict=True)
    ]
