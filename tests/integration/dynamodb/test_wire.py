"""The client and the bulk path on real servers: what is written is there, what is refused has its name."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.seeds.bulk import key_of, load
from seedbed.engines.dynamodb.wire.capacity import CapacityBudget
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.engines.dynamodb.wire.sizes import LARGEST_ITEM, item_size
from seedbed.engines.dynamodb.wire.values import from_item, to_item
from seedbed.errors import Interrupted, StepFailed
from tests.support.dynamodb.tables import EACH_SERVER

TABLE = "chat-messages-dev-ana"
Item = dict[str, Any]

EVERYTHING: Item = {
    "pk": "käse 🧀",
    "sk": 7,
    "none": None,
    "yes": True,
    "no": False,
    "whole": 10**37 + 1,
    "exact": Decimal("-12345678901234567890.123456789012345678"),
    "tiny": Decimal("1E-130"),
    "huge": 9 * 10**125,
    "bytes": bytes(range(256)),
    "empty": "",
    "texts": {"b", "a", ""} - {""},
    "numbers": {1, Decimal("2.5"), -3},
    "blobs": {b"\0", b"\xff"},
    "list": [1, "two", [None, {"three": 3}]],
    "map": {"a": {"b": {"c": []}}, "a.b": "a dot in a name"},
}


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    with Client(world.cloud) as client:
        yield client


def create(client: Client, table: str = TABLE, *, index: bool = False) -> None:
    """Make a table of pk and sk (S, N), with one global index by `number` where asked."""
    attributes = [("pk", "S"), ("sk", "N"), *([("number", "N")] if index else [])]
    by_number = {
        "IndexName": "by_number",
        "KeySchema": [{"AttributeName": "number", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    more = {"GlobalSecondaryIndexes": [by_number]} if index else {}
    client.call(
        "CreateTable",
        {
            "TableName": table,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": kind} for name, kind in attributes
            ],
            "KeySchema": [
                {"AttributeName": "sk", "KeyType": "RANGE"},
                {"AttributeName": "pk", "KeyType": "HASH"},
            ][::-1],
            **more,
        },
    )


def scan(client: Client, table: str = TABLE) -> list[Item]:
    found: list[Item] = []
    start: dict[str, Any] = {}
    while True:
        page = client.call("Scan", {"TableName": table, "ConsistentRead": True, **start})
        found += [from_item(each) for each in page["Items"]]
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def numbered(count: int) -> list[Item]:
    return [{"pk": f"k{number % 7}", "sk": number, "number": number} for number in range(count)]


def by_number(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda each: int(each["sk"]))


@EACH_SERVER
def test_every_value_comes_back_from_the_server_as_it_was(client: Client) -> None:
    create(client)
    client.call("PutItem", {"TableName": TABLE, "Item": to_item(EVERYTHING)})
    key = to_item({name: EVERYTHING[name] for name in ("pk", "sk")})
    found = client.call("GetItem", {"TableName": TABLE, "Key": key, "ConsistentRead": True})["Item"]
    assert from_item(found) == EVERYTHING
    assert to_item(from_item(found)) == to_item(EVERYTHING)


@EACH_SERVER
def test_a_condition_that_does_not_hold_says_what_is_there(client: Client) -> None:
    create(client)
    put = {
        "TableName": TABLE,
        "Item": to_item({"pk": "a", "sk": 1, "n": 1}),
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    client.call("PutItem", put)
    with pytest.raises(ServiceError) as raised:
        client.call("PutItem", {**put, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"})
    assert raised.value.code == "ConditionalCheckFailedException"
    assert raised.value.is_condition


@EACH_SERVER
def test_a_transaction_says_which_of_its_actions_failed_and_leaves_nothing(client: Client) -> None:
    create(client)
    client.call("PutItem", {"TableName": TABLE, "Item": to_item({"pk": "lease", "sk": 0, "token": 2})})
    check = {
        "TableName": TABLE,
        "Key": to_item({"pk": "lease", "sk": 0}),
        "ConditionExpression": "#t = :t",
        "ExpressionAttributeNames": {"#t": "token"},
        "ExpressionAttributeValues": to_item({":t": 1}),
    }
    put = {"TableName": TABLE, "Item": to_item({"pk": "a", "sk": 1})}
    with pytest.raises(ServiceError) as raised:
        client.call("TransactWriteItems", {"TransactItems": [{"Put": put}, {"ConditionCheck": check}]})
    assert raised.value.code == "TransactionCanceledException"
    assert raised.value.reasons == ("", "ConditionalCheckFailed")
    assert len(scan(client)) == 1


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        ("DescribeTable", {"TableName": "no-such-table"}, "ResourceNotFoundException"),
        ("PutItem", {"TableName": TABLE, "Item": {"pk": {"S": "no sort key"}}}, "ValidationException"),
    ],
)
@EACH_SERVER
def test_a_refusal_has_the_code_that_dynamodb_gave_it(
    client: Client, operation: str, body: dict[str, Any], code: str
) -> None:
    create(client)
    with pytest.raises(ServiceError) as raised:
        client.call(operation, body)
    assert raised.value.code == code
    assert raised.value.operation == operation


@pytest.mark.parametrize("workers", [1, 4])
@EACH_SERVER
def test_a_volume_is_in_the_table_as_a_scan_sees_it(client: Client, workers: int) -> None:
    create(client)
    told: list[int] = []
    items = [{**each, "text": "x" * (each["sk"] % 300)} for each in numbered(1234)]
    assert load(client, TABLE, iter(items), workers=workers, on_progress=told.append) == 1234
    assert sum(told) == 1234
    assert by_number(scan(client)) == items
    # Once more: puts of the same keys change nothing.
    assert load(client, TABLE, items, workers=workers) == 1234
    assert by_number(scan(client)) == items


@pytest.mark.parametrize("workers", [1, 3])
@EACH_SERVER
def test_the_last_of_items_with_one_key_stays(client: Client, workers: int) -> None:
    create(client)
    items = [{"pk": "k", "sk": number % 11, "turn": number} for number in range(300)]
    assert load(client, TABLE, items, workers=workers) == 300
    wanted = {each["sk"]: each["turn"] for each in items}
    assert {each["sk"]: each["turn"] for each in scan(client)} == wanted


@EACH_SERVER
def test_the_key_of_a_table_has_its_partition_first(client: Client) -> None:
    create(client)
    assert key_of(client, TABLE) == ("pk", "sk")


@EACH_SERVER
def test_an_interrupt_ends_a_load(client: Client) -> None:
    create(client)

    def items() -> Iterator[Item]:
        for number in itertools.count():
            yield {"pk": "k", "sk": number}

    taken: list[int] = []

    def told(count: int) -> None:
        taken.append(count)
        if sum(taken) >= 200:
            client.interrupt()

    with pytest.raises(Interrupted):
        load(client, TABLE, items(), workers=2, on_progress=told)
    with client.sheltered() as sheltered:
        assert len(scan(sheltered)) >= 200


@EACH_SERVER
def test_another_account_sees_nothing_of_it(world: World, client: Client) -> None:
    create(client)
    other = replace(world, account=str(int(world.account) // 2 + 10**11)[:12])
    with Client(other.cloud) as others:
        assert others.call("ListTables", {})["TableNames"] == []


# What only the faithful server does


@pytest.fixture
def faithful(dynamodb_local_account: World) -> Iterator[Client]:
    with Client(dynamodb_local_account.cloud) as client:
        yield client


def test_indexes_are_part_of_what_a_budget_counts(faithful: Client) -> None:
    create(faithful, index=True)
    budget = CapacityBudget(0)
    load(faithful, TABLE, numbered(100), budget=budget)
    assert budget.consumed == 200


def test_an_item_of_exactly_400_kb_passes_and_one_byte_more_is_refused_by_us_as_by_the_server(
    faithful: Client,
) -> None:
    create(faithful)
    item = {"pk": "a", "sk": 1, "n": Decimal("-1234.5"), "l": [{"x": None}], "text": ""}
    item["text"] = "x" * (LARGEST_ITEM - item_size(to_item(item)))
    assert load(faithful, TABLE, [item]) == 1
    item["text"] = f"{item['text']}x"
    with pytest.raises(ServiceError) as raised:
        faithful.call("PutItem", {"TableName": TABLE, "Item": to_item(item)})
    assert raised.value.code == "ValidationException"
    with pytest.raises(StepFailed, match="has 409 601 bytes"):
        load(faithful, TABLE, [item])


def test_what_a_table_does_not_take_is_said_in_its_words(faithful: Client) -> None:
    create(faithful)
    with pytest.raises(StepFailed, match="rejects a batch of items") as raised:
        load(faithful, TABLE, [{"pk": 1, "sk": 1}])
    assert "Type mismatch" in str(raised.value)


def test_many_threads_writing_in_transactions_on_one_item_all_get_through(faithful: Client) -> None:
    create(faithful)
    key = to_item({"pk": "a", "sk": 1})
    add = {
        "TableName": TABLE,
        "Key": key,
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": to_item({":one": 1}),
    }

    def work() -> None:
        for _ in range(10):
            faithful.call("TransactWriteItems", {"TransactItems": [{"Update": add}]}, idempotent=False)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    found = faithful.call("GetItem", {"TableName": TABLE, "Key": key, "ConsistentRead": True})["Item"]
    assert from_item(found)["n"] == 60
