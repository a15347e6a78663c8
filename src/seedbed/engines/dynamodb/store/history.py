"""seedbed's own items in a service's history table: what they look like, and how they are read.

=============  ======================  ==========================================================
pk             sk                      holds
=============  ======================  ==========================================================
history        identity                who this target is, and the format of all this
history        revision#VERSION        a migration as it stands
checkpoint     VERSION#SEGMENT         where a transformation stands in one segment of its table
audit          ISO time#random         what people decided, never changed
verified       ISO time#random         what `verify` found (see `store.verified`)
lease          lease                   who may write (see `lease_store`)
=============  ======================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import from_item, to_item
from seedbed.engines.kit import stored
from seedbed.model.history import FORMAT, History, Identity, Revision

if TYPE_CHECKING:
    from seedbed.engines.dynamodb.database import DynamoDatabase

Action = dict[str, Any]  # one of TransactWriteItems
IDENTITY = {"pk": "history", "sk": "identity"}


def read(database: DynamoDatabase) -> History:
    """Return what is stored, an empty history where nothing is. Raises Refused for a newer format."""
    try:
        items = list(query(database, "history"))
    except ServiceError as error:
        if error.code == NOT_FOUND:
            return History()
        raise
    identity = next((each for each in items if each.get("sk") == "identity"), None)
    bound = stored.identity(identity, database.target) if identity else None
    revisions = [
        stored.revision(each, database.target)
        for each in items
        if str(each.get("sk")).startswith("revision#")
    ]
    revisions.sort(key=lambda each: each.version.rjust(20, "0"))
    return History(bound, tuple(revisions))


def checkpoints(database: DynamoDatabase, version: str) -> dict[int, str]:
    """Return by segment where the transformation `version` stands; empty where it has no checkpoint."""
    found = query(database, "checkpoint", f"{version}#")
    return {int(each["sk"].rpartition("#")[2]): each["state"] for each in found}


def keys(database: DynamoDatabase) -> list[Mapping[str, str]]:
    """Return the keys of all items but the lease: what `reset` takes away."""
    return [
        {"pk": each["pk"], "sk": each["sk"]}
        for kind in ("checkpoint", "audit", "verified", "history")
        for each in query(database, kind)
    ]


def query(database: DynamoDatabase, kind: str, prefix: str = "") -> Iterator[dict[str, Any]]:
    condition, values = "pk = :pk", {":pk": kind}
    if prefix:
        condition, values = "pk = :pk AND begins_with(sk, :sk)", {":pk": kind, ":sk": prefix}
    request: dict[str, Any] = {
        "TableName": database.history,
        "ConsistentRead": True,
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": to_item(values),
    }
    while True:
        page = database.client.call("Query", request)
        yield from map(from_item, page["Items"])
        if not page.get("LastEvaluatedKey"):
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


# what is written


def bind(database: DynamoDatabase, identity: Identity) -> Action:
    """Return the action that writes who the target is, where nothing says so yet."""
    action = rebind(database, identity)
    action["Put"]["ConditionExpression"] = "attribute_not_exists(pk)"
    return action


def rebind(database: DynamoDatabase, identity: Identity) -> Action:
    """Return the action that writes who the target is, whatever said so before."""
    item = {
        **IDENTITY,
        "format": FORMAT,
        "platform": identity.platform,
        "database": identity.database,
        "environment": identity.environment,
        "bound_at": now(),
    }
    return put(database, item)


def write(database: DynamoDatabase, revision: Revision) -> Action:
    """Return the action that makes the stored revision equal to `revision`."""
    item = {
        "pk": "history",
        "sk": f"revision#{revision.version}",
        "version": revision.version,
        "name": revision.name,
        "checksum": revision.checksum,
        "phase": revision.phase.value,
        "state": revision.state.value,
        "direction": revision.direction.value,
        "step": revision.step,
        "in_step": revision.in_step,
        "overtakes": list(revision.overtakes),
        "owner": revision.owner,
        "applied_at": revision.applied_at.isoformat() if revision.applied_at else now(),
        "duration_ms": revision.duration_ms,
    }
    if revision.checkpoint is not None:
        item["checkpoint"] = revision.checkpoint
    if revision.ran:
        item["ran"] = revision.ran
    return put(database, item)


def forget(database: DynamoDatabase, version: str) -> Action:
    return delete(database, {"pk": "history", "sk": f"revision#{version}"})


def mark(database: DynamoDatabase, version: str, text: str) -> Action:
    """Return the action that says in the revision itself that its transformation has checkpoints."""
    return {
        "Update": {
            "TableName": database.history,
            "Key": to_item({"pk": "history", "sk": f"revision#{version}"}),
            "UpdateExpression": "SET checkpoint = :text",
            "ExpressionAttributeValues": to_item({":text": text}),
        }
    }


def checkpoint(database: DynamoDatabase, version: str, segment: int, state: str) -> Action:
    return put(database, {"pk": "checkpoint", "sk": f"{version}#{segment}", "state": state})


def drop_checkpoint(database: DynamoDatabase, version: str, segment: int) -> Action:
    return delete(database, {"pk": "checkpoint", "sk": f"{version}#{segment}"})


def audit(database: DynamoDatabase, actor: str, action: str, version: str, because: str) -> Action:
    """Return the action that writes a line of the audit."""
    item = {
        "pk": "audit",
        "sk": f"{now()}#{uuid4().hex}",
        "actor": actor,
        "action": action,
        "version": version,
        "because": because,
    }
    return put(database, item)


def put(database: DynamoDatabase, item: Mapping[str, Any]) -> Action:
    return {"Put": {"TableName": database.history, "Item": to_item(dict(item))}}


def delete(database: DynamoDatabase, key: Mapping[str, Any]) -> Action:
    return {"Delete": {"TableName": database.history, "Key": to_item(dict(key))}}


def now() -> str:
    """Return the time in UTC as the items hold it; DynamoDB has no clock that an expression could ask."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
