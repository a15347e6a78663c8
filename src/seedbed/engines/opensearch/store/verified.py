"""What `verify` found, in documents of its own. Their time is that of the runner, as with all of seedbed's there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from seedbed.engines.kit import verified as stored
from seedbed.engines.kit.stored import altered
from seedbed.engines.opensearch.store import history
from seedbed.engines.opensearch.wire.errors import NO_INDEX, RequestFailed
from seedbed.model.verified import Verified, VerifyRecord

if TYPE_CHECKING:
    from seedbed.engines.opensearch.cluster import Cluster


def read(cluster: Cluster) -> Verified:
    """Return what is kept, the newest first. Raises Refused for what seedbed did not write, RequestFailed."""
    try:
        history.refresh(cluster.client)
        found = list(history.documents(cluster, ["verified"]))
    except RequestFailed as error:
        if error.type == NO_INDEX:
            return Verified()
        raise
    return Verified(tuple(_record(cluster, each) for each in reversed(found)), datetime.now(UTC))


def keep(cluster: Cluster, record: VerifyRecord, forget: Collection[str]) -> None:
    """Add `record`, and delete the documents `forget`. Raises RequestFailed."""
    at = history.now()
    key = f"verified:{at}:{uuid4().hex}"
    document = {"kind": "verified", "key": key, "at": at, "record": {"text": stored.text(record)}}
    cluster.client.call(
        "PUT", f"/{history.WRITES}/_doc/{key}", document, params={"require_alias": True}, idempotent=True
    )
    for each in forget:
        try:
            cluster.client.call("DELETE", f"/{history.WRITES}/_doc/{each}", idempotent=True)
        except RequestFailed as error:
            if not error.is_missing:
                raise


def _record(cluster: Cluster, found: history.Document) -> VerifyRecord:
    key, held = str(found.get("key")), found.get("record")
    try:
        at = datetime.fromisoformat(str(found.get("at")))
    except ValueError as error:
        raise altered(cluster.target, f"the result {key} of verify", error) from None
    return stored.record(key, at, str(held.get("text") if isinstance(held, dict) else held), cluster.target)
