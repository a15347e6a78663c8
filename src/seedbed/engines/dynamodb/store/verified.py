"""What `verify` found, in items of its own. Their time is that of the runner: DynamoDB has no clock to ask."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from seedbed.engines.dynamodb.store import history
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import to_item
from seedbed.engines.kit import verified as stored
from seedbed.engines.kit.stored import altered
from seedbed.model.verified import Verified, VerifyRecord

if TYPE_CHECKING:
    from seedbed.engines.dynamodb.database import DynamoDatabase

_KIND = "verified"
_AT_ONCE = 90  # items: a transaction has 100 at most; what is left goes another time


def read(database: DynamoDatabase) -> Verified:
    """Return what is kept, the newest first. Raises Refused for what seedbed did not write, ServiceError."""
    try:
        items = list(history.query(database, _KIND))
    except ServiceError as error:
        if error.code == NOT_FOUND:
            return Verified()
        raise
    records = [
        stored.record(each["sk"], _moment(database, each["sk"]), str(each.get("record")), database.target)
        for each in reversed(items)
    ]
    return Verified(tuple(records), datetime.now(UTC))


def keep(database: DynamoDatabase, record: VerifyRecord, forget: Collection[str]) -> None:
    """Add `record`, and delete the items `forget`, if the target is bound. Raises ServiceError."""
    item = {"pk": _KIND, "sk": f"{history.now()}#{uuid4().hex}", "record": stored.text(record)}
    bound = {
        "TableName": database.history,
        "Key": to_item(history.IDENTITY),
        "ConditionExpression": "attribute_exists(pk)",
    }
    gone = [history.delete(database, {"pk": _KIND, "sk": each}) for each in sorted(forget)[:_AT_ONCE]]
    actions = [{"ConditionCheck": bound}, history.put(database, item), *gone]
    database.client.call("TransactWriteItems", {"TransactItems": actions})


def _moment(database: DynamoDatabase, key: str) -> datetime:
    try:
        return datetime.fromisoformat(key.partition("#")[0])
    except ValueError as error:
        raise altered(database.target, f"the result {key} of verify", error) from None
