"""`verify` on tables that are throttled, or refused in the middle: it waits, or it has no verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from msgspec import structs

from seedbed.engines.dynamodb.running import ids
from seedbed.engines.dynamodb.running.transform import metered_table
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.shape import Key, TableShape
from seedbed.engines.dynamodb.session import DynamoSession
from seedbed.errors import ExitCode
from seedbed.model.platform import DatabaseId, Field, Reference
from seedbed.model.verification import Verdict, Verification
from tests.support.aws_proxy import Call, Proxy, on, proxy
from tests.support.dynamodb.tables import Stage, stage
from tests.support.verified_sessions import require_no_verdict, verified

HERE = DatabaseId("courses/dynamodb")
ORDERS, USERS = (TableShape(name, Key(("id",)), {"id": "S"}) for name in ("orders", "users"))
REFERENCE = Reference(Field(HERE, "orders.user"), Field(HERE, "users.id"), grace=0)
COUNT, ORPHANS = 40, 30
# What a reference with orphans is asked for, in turn, and of which table.
LOOKS = [("Scan", "orders"), ("Scan", "users"), ("BatchGetItem", "users"), ("BatchGetItem", "orders")]
EACH_LOOK = pytest.mark.parametrize(("operation", "table"), LOOKS, ids=["from", "to", "arrived", "held"])


@pytest.fixture
def aws(dynamodb_local_account: World) -> Iterator[Proxy]:
    with proxy(dynamodb_local_account.endpoint) as found:
        yield found


@pytest.fixture
def there(aws: Proxy, dynamodb_local_account: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(ids, "_PAGE", 10)
    monkeypatch.setattr(ids, "_TOGETHER", 10)
    with stage(structs.replace(dynamodb_local_account, endpoint=aws.endpoint), ORDERS, USERS) as made:
        made.fill("orders", [{"id": f"o{at}", "user": f"u{at}"} for at in range(COUNT)])
        made.fill("users", [{"id": f"u{at}"} for at in range(ORPHANS, 2 * COUNT)])
        yield made


def found(there: Stage) -> Verification:
    return verified({HERE: DynamoSession(there.database, "edtech")}, REFERENCE)


def after_the_first(there: Stage, operation: str, table: str) -> Callable[[Call], bool]:
    """Return what is true of every such call but the first."""
    fits, seen = on(operation, table=there.database.physical(table)), count()
    return lambda call: fits(call) and next(seen) > 0


@EACH_LOOK
def test_throttles_slow_verify_down_and_change_nothing(
    aws: Proxy, there: Stage, operation: str, table: str
) -> None:
    there.client.policy = structs.replace(there.client.policy, attempts=2)  # the rest is the reader's own
    throttled: Any
    with aws.throttle(after_the_first(there, operation, table), times=5) as throttled:
        (result,) = found(there).references
    assert throttled.hits == 5
    assert (result.verdict, result.ids, result.parents) == (Verdict.BROKEN, COUNT, 2 * COUNT - ORPHANS)
    assert (result.orphans, result.error) == (ORPHANS, None)


@EACH_LOOK
@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_where_throttling_does_not_end_there_is_no_verdict(
    aws: Proxy, there: Stage, monkeypatch: pytest.MonkeyPatch, operation: str, table: str, code: str
) -> None:
    monkeypatch.setattr(metered_table, "_PATIENCE", structs.replace(metered_table._PATIENCE, attempts=2))
    there.client.policy = structs.replace(there.client.policy, attempts=2)
    with aws.throttle(after_the_first(there, operation, table), code=code):
        refused = found(there)
    require_no_verdict(refused, ExitCode.FAILED)
    assert f"DynamoDB throttles {operation}" in refused.errors[0].what
    assert found(there).references[0].orphans == ORPHANS  # the next run knows of nothing


@EACH_LOOK
def test_where_access_is_denied_in_the_middle_there_is_no_verdict(
    aws: Proxy, there: Stage, operation: str, table: str
) -> None:
    said = "User: ana is not authorized to perform: it"
    with aws.refuse(after_the_first(there, operation, table), "AccessDeniedException", said):
        refused = found(there)
    require_no_verdict(refused, ExitCode.REFUSED)
    assert "ana is not authorized" in refused.errors[0].because
    assert found(there).references[0].orphans == ORPHANS
