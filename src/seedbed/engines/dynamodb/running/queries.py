"""Items that SELECT statements of expectations find. Reads only, within the budget of units.

PartiQL cannot count, add up or group: where a number is compared, it is how many items the statement finds. DynamoDB
looks at the whole table unless the statement names its key, and takes units for all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from seedbed.engines.dynamodb.database import DynamoDatabase, translate_errors
from seedbed.engines.dynamodb.files.partiql import select
from seedbed.engines.dynamodb.running.ids import read_only
from seedbed.engines.dynamodb.running.transform.metered_table import consumed
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import Item, from_item
from seedbed.engines.kit.rows import query_row
from seedbed.errors import StepFailed
from seedbed.model.verification import QueryRow


def rows(database: DynamoDatabase, query: str, most: int) -> Sequence[QueryRow]:
    """Return the first `most` items that `query` finds. Raises UsageError, StepFailed, Unreachable, Interrupted."""
    with translate_errors(database, "reading the rows of a query"):
        found = (from_item(each) for page in _pages(database, query) for each in page)
        return [query_row(each, each.values()) for each in islice(found, most)]


def number(database: DynamoDatabase, query: str) -> Decimal:
    """Return how many items `query` finds. Raises as `rows` does."""
    with translate_errors(database, "counting the rows of a query"):
        return Decimal(sum(map(len, _pages(database, query))))


def _pages(database: DynamoDatabase, query: str) -> Iterator[Sequence[Item]]:
    found = select(query, database.physical)
    access = read_only(database, found.table)
    body: dict[str, Any] = {"Statement": found.text, "ReturnConsumedCapacity": "TOTAL"}
    if not found.reads_index:
        body["ConsistentRead"] = True
    units = 1.0  # that a call is expected to take: what the last one took
    while True:
        try:
            answer = access.read("ExecuteStatement", body, units)
        except ServiceError as error:
            if error.code != NOT_FOUND:
                raise
            raise StepFailed(
                f"there is no table {found.table}",
                because=f"{database.address} has no {database.physical(found.table)}",
                try_="correct the query: the table by its name in tables.toml; or deploy the table",
            ) from None
        units = max(1.0, consumed(answer))
        yield answer["Items"]
        if not answer.get("NextToken"):
            return
        body["NextToken"] = answer["NextToken"]
