"""Which tables a snapshot of a database consists of: also those that are no longer declared, and not gone yet."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.aws.asking import ask
from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.dynamodb.schema.template import TYPE
from seedbed.errors import SeedbedError
from seedbed.model.names import stack_name


def physical_tables(database: DynamoDatabase, platform: str, *, has_stack: bool) -> list[str]:
    """Return the physical names of the tables that are declared or in the stack, that of the history last.

    A table that the contract removes is in no file of its release any more: the stack has it until then. Raises what
    AWS raises.
    """
    names = {database.physical(each.name) for each in database.declared().tables}
    if has_stack:
        names |= set(_of_stack(database, platform))
    return [*sorted(names - {database.history}), database.history]


def _of_stack(database: DynamoDatabase, platform: str) -> Iterator[str]:
    stack = stack_name(platform, database.environment, database.service, "dynamodb")
    token: dict[str, str] = {}
    while True:
        try:
            answer = ask(
                database.cloud,
                "cloudformation",
                "ListStackResources",
                named=lambda code, said: _NoStack(said) if code == "ValidationError" else None,
                StackName=stack,
                **token,
            )
        except _NoStack:
            return
        for each in answer["StackResourceSummaries"]:
            is_there = each.get("ResourceStatus") != "DELETE_COMPLETE"
            if each.get("ResourceType") == TYPE and is_there and each.get("PhysicalResourceId"):
                yield each["PhysicalResourceId"]
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}


class _NoStack(SeedbedError):
    """There is no stack of that name: the tables were made in another way."""
