"""The documents of the index `migrations_history`: their form, how to read and how to change them.

======================  ==============================================================================
document                holds
======================  ==============================================================================
`state`                 identity of the target, its lease (see `lease_store`), changes that are pending
`revision:VERSION`      a migration as recorded; one that was removed keeps a document with `is_gone`
`audit:TIME:RANDOM`     a decision of a person, never changed
`verified:TIME:RANDOM`  what `verify` found (see `store.verified`)
======================  ==============================================================================

OpenSearch has no transactions over documents. A change is therefore written twice: first into `state.pending`, by
compare-and-set of that one document, which commits it; then into the documents themselves, with `state.sequence` as
their external version. The next holder of the lease completes pending changes; a late write with an older sequence
changes nothing. Readers see pending changes as made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from msgspec import Struct, field

from seedbed.engines.kit import stored as stored_values
from seedbed.engines.opensearch.rest import ndjson
from seedbed.engines.opensearch.schema.names import HISTORY
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import EXISTS, NO_INDEX, RequestFailed
from seedbed.errors import Refused, StepFailed
from seedbed.model.history import FORMAT, History, Identity, Revision
from seedbed.support.phrases import count, shorten
from seedbed.support.typed import ready

if TYPE_CHECKING:
    from seedbed.engines.opensearch.cluster import Cluster

WRITES = "migrations_history_write"  # the alias for writes: a late write must not create a new index
STATE = "state"
_PAGE = 1000
_KEYWORD = {"type": "keyword"}
_STORED = {"type": "keyword", "index": False, "doc_values": False}
_OBJECT = {"type": "object", "enabled": False}
_NUMBER, _FLAG, _DATE = {"type": "long"}, {"type": "boolean"}, {"type": "date"}
_DEFINITION: Mapping[str, Any] = {
    "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": True},
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "kind": _KEYWORD,
            "key": _KEYWORD,
            # state
            "format": _NUMBER,
            "platform": _KEYWORD,
            "database": _KEYWORD,
            "environment": _KEYWORD,
            "bound_at": _DATE,
            "token": _NUMBER,
            "heartbeat": _NUMBER,
            "holder": _KEYWORD,
            "who": _KEYWORD,
            "since": _STORED,
            "seconds": {"type": "double"},
            "sequence": _NUMBER,
            "pending": _OBJECT,
            "intent": _OBJECT,
            # revisions
            "is_gone": _FLAG,
            "version": _KEYWORD,
            "name": _KEYWORD,
            "checksum": _KEYWORD,
            "phase": _KEYWORD,
            "state": _KEYWORD,
            "direction": _KEYWORD,
            "step": _NUMBER,
            "in_step": _FLAG,
            "checkpoint": _OBJECT,
            "overtakes": _KEYWORD,
            "owner": _KEYWORD,
            "applied_at": _DATE,
            "duration_ms": _NUMBER,
            "snapshot": _STORED,
            "ran": _STORED,
            # audit
            "at": _DATE,
            "actor": _KEYWORD,
            "action": _KEYWORD,
            "because": {"type": "text", "index": False},
            # results of verify
            "record": _OBJECT,
        },
    },
    "aliases": {WRITES: {}},
}

Document = dict[str, Any]


class Intent(Struct, frozen=True):
    """A step that takes effect together with its record: only its one request consumes `fence`.

    `documents`: to write once it took effect. `unsettled`: to write if its outcome cannot be determined.
    """

    fence: str
    documents: dict[str, Document]
    unsettled: dict[str, Document]
    label: str = ""


class TargetState(Struct, frozen=True):
    """The document `state`. `token`: 0 if the lease was never taken. `holder`: empty if it is free."""

    format: int = FORMAT
    platform: str = ""
    database: str = ""
    environment: str = ""
    bound_at: str | None = None
    token: int = 0
    heartbeat: int = 0
    holder: str = ""
    who: str = ""
    since: str = ""
    seconds: float = 0.0
    sequence: int = 0
    pending: dict[str, Document] = field(default_factory=dict)
    intent: Intent | None = None
    kind: str = "state"
    key: str = STATE

    @property
    def identity(self) -> Identity | None:
        return Identity(self.platform, self.database, self.environment) if self.bound_at else None


class VersionedState(Struct, frozen=True):
    """`state` as it was read, and the sequence number that a change has to name; -1 if there is no document."""

    stored: TargetState = TargetState()
    seq_no: int = -1
    primary_term: int = 0


# reading


def read_state(cluster: Cluster, client: Client | None = None) -> VersionedState:
    """Return `state` as it is now. Raises Refused for a newer format, RequestFailed."""
    answer = (client or cluster.client).ask("GET", f"/{HISTORY}/_doc/{STATE}")
    found = answer.data
    if answer.status == 404:
        return VersionedState()
    if answer.status >= 300:
        from seedbed.engines.opensearch.wire.errors import failed

        raise failed(answer.status, found, f"GET /{HISTORY}/_doc/{STATE}")
    client = client or cluster.client
    with client.reading("GET", f"/{HISTORY}/_doc/{STATE}"):
        msgspec.convert(found, ready(shapes.StoredState))
    stored = _stored(cluster, found["_source"])
    return VersionedState(stored, found["_seq_no"], found["_primary_term"])


def read(cluster: Cluster) -> History:
    """Return the history, empty if there is none. Raises Refused for a newer format, and for one that is not whole."""
    try:
        refresh(cluster.client)
        found = {str(each.get("key")): each for each in documents(cluster, ["state", "revision"])}
    except RequestFailed as error:
        if error.type == NO_INDEX:
            return History()
        raise
    # Its sequence orders all writes: without it, later ones would count as late.
    if found and STATE not in found:
        raise Refused(
            f"the history of {cluster.target} is not whole",
            because=f"{HISTORY} has {count(len(found), 'revision')}, and its document {STATE!r} is missing",
            try_=f"restore {HISTORY} from a snapshot",
        )
    stored = _stored(cluster, found.pop(STATE, {}))
    found |= {key: each for key, each in stored.pending.items() if each.get("kind") == "revision"}
    revisions = [_revision(cluster, each) for each in found.values() if not each.get("is_gone")]
    revisions.sort(key=lambda each: each.version.rjust(20, "0"))
    return History(stored.identity, tuple(revisions))


def refresh(client: Client) -> None:
    """Make writes visible to searches; with read permissions only, they become visible a moment later."""
    try:
        client.call("POST", f"/{HISTORY}/_refresh", idempotent=True)
    except RequestFailed as error:
        if error.status != 403:
            raise


def documents(cluster: Cluster, kinds: Sequence[str]) -> Iterator[Document]:
    """Yield the documents of `kinds` that searches see, by their keys. Raises StepFailed, RequestFailed."""
    body: dict[str, Any] = {
        "size": _PAGE,
        "query": {"terms": {"kind": kinds}},
        "sort": [{"key": "asc"}],
    }
    while True:
        answer = cluster.client.call(
            "POST", f"/{HISTORY}/_search", body, idempotent=True, shape=shapes.Search
        )
        if answer["_shards"]["failed"] or answer["timed_out"]:
            raise StepFailed(
                "the history could not be read in full", because=shorten(str(answer["_shards"]), 300)
            )
        hits = answer["hits"]["hits"]
        yield from (each["_source"] for each in hits)
        if len(hits) < _PAGE or "sort" not in hits[-1]:
            return
        body["search_after"] = hits[-1]["sort"]


def _stored(cluster: Cluster, source: Mapping[str, Any]) -> TargetState:
    stored_values.require_known_format(source.get("format", FORMAT), cluster.target)
    try:
        return msgspec.convert(source, ready(TargetState))
    except msgspec.ValidationError as error:
        raise stored_values.altered(cluster.target, "its state", error) from None


# writing


def create_index(client: Client) -> bool:
    """Create the index if it is missing; return whether it was."""
    try:
        client.call("PUT", f"/{HISTORY}", _DEFINITION, idempotent=True)
    except RequestFailed as error:
        if error.type != EXISTS:
            raise
        return False
    return True


def write_state(client: Client, seen: VersionedState, stored: TargetState) -> VersionedState | None:
    """Replace `state`, as it was `seen`, by `stored`; return it as it is then, None if another change came first.

    Raises RequestFailed (404 if the history was removed), NoAnswer, Unreachable.
    """
    params: dict[str, str | int | bool] = {"require_alias": True}
    if seen.seq_no < 0:
        params["op_type"] = "create"
    else:
        params |= {"if_seq_no": seen.seq_no, "if_primary_term": seen.primary_term}
    try:
        answer = client.call(
            "PUT",
            f"/{WRITES}/_doc/{STATE}",
            msgspec.to_builtins(stored),
            params=params,
            shape=shapes.Written,
        )
    except RequestFailed as error:
        if error.is_conflict:
            return None
        raise
    return VersionedState(stored, answer["_seq_no"], answer["_primary_term"])


def write_pending(client: Client, stored: TargetState) -> None:
    """Write pending changes into their documents. Repeated or late writes change nothing."""
    if not stored.pending:
        return
    lines: list[Any] = []
    for key, document in stored.pending.items():
        lines += [
            {"index": {"_id": key, "version": stored.sequence, "version_type": "external_gte"}},
            document,
        ]
    answer = client.call(
        "POST",
        f"/{WRITES}/_bulk",
        ndjson(lines),
        params={"require_alias": True},
        idempotent=True,
        shape=shapes.Bulk,
    )
    for item in answer["items"]:
        (found,) = item.values()
        if found["status"] >= 300 and found["status"] != 409:
            raise RequestFailed(
                found["status"],
                (found.get("error") or {}).get("type", ""),
                (found.get("error") or {}).get("reason") or "",
                found,
                request=f"the record {found.get('_id', '')}",
            )


def drop_audit(client: Client) -> None:
    """Delete the audit documents and the results of `verify`, as a reset does."""
    client.call("POST", f"/{HISTORY}/_refresh", idempotent=True)
    body = {"query": {"terms": {"kind": ["audit", "verified"]}}}
    params: dict[str, str | int | bool] = {"conflicts": "proceed", "refresh": True}
    client.call("POST", f"/{HISTORY}/_delete_by_query", body, params=params, idempotent=True)


# documents


def bound(identity: Identity) -> dict[str, str]:
    """Return the fields of `state` that say who the target is."""
    return {
        "platform": identity.platform,
        "database": identity.database,
        "environment": identity.environment,
        "bound_at": now(),
    }


def document(revision: Revision) -> dict[str, Document]:
    """Return the document of `revision` under its key."""
    key = f"revision:{revision.version}"
    return {
        key: {
            "kind": "revision",
            "key": key,
            "version": revision.version,
            "name": revision.name,
            "checksum": revision.checksum,
            "phase": revision.phase.value,
            "state": revision.state.value,
            "direction": revision.direction.value,
            "step": revision.step,
            "in_step": revision.in_step,
            "checkpoint": None if revision.checkpoint is None else {"text": revision.checkpoint},
            "overtakes": list(revision.overtakes),
            "owner": revision.owner,
            "applied_at": revision.applied_at.isoformat() if revision.applied_at else now(),
            "duration_ms": revision.duration_ms,
            "snapshot": revision.snapshot,
            "ran": revision.ran,
        }
    }


def gone(version: str) -> dict[str, Document]:
    """Return the document of a version that was removed.

    The document stays: OpenSearch forgets the version of a deleted document, and a late write would restore it.
    """
    key = f"revision:{version}"
    return {key: {"kind": "revision", "key": key, "version": version, "is_gone": True}}


def audit(actor: str, action: str, version: str, because: str) -> dict[str, Document]:
    """Return an audit document."""
    at = now()
    key = f"audit:{at}:{uuid4().hex}"
    line = {"at": at, "actor": actor, "action": action, "version": version, "because": because}
    return {key: {"kind": "audit", "key": key, **line}}


def now() -> str:
    """Return the time in UTC as the documents hold it, by the client's clock."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _revision(cluster: Cluster, found: Mapping[str, Any]) -> Revision:
    checkpoint = found.get("checkpoint")
    text = checkpoint.get("text") if isinstance(checkpoint, Mapping) else checkpoint
    return stored_values.revision({**found, "checkpoint": text}, cluster.target)
