"""Items of one table, as plain values: text, numbers, bytes, lists, mappings. What is read is what was written last.

A write names what has to be true of its item before: it is refused, not tried again, where that is not so. Whoever
writes with such a condition has to expect that an answer is lost: the second try of the same write is then refused, by
what the first one wrote.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedbed.aws import EXTRA, clients, faults
from seedbed.errors import UsageError
from seedbed.support.extras import require_extras
from seedbed.wire.retrying import Policy, retrying

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

SERVICE = "dynamodb"  # one of AWS's, whatever engines there are
Item = Mapping[str, Any]
_NAME = re.compile(r"#(\w+)")
_PRECISION = 1.0  # seconds: what two machines that keep time may differ by
_CONFLICTS = Policy(
    attempts=8, base=0.05, cap=1.0
)  # another transaction has the item in hand, for milliseconds


class Write(Struct, frozen=True):
    """One write of a transaction: `item` is put, where `when` holds for what was there before."""

    item: Item
    when: str = ""
    values: Mapping[str, Any] = {}


class Table:
    """One table whose items are found by `id` and `part`. Thread-safe.

    In expressions, `#name` is an attribute, `:name` one of `values`. Raises what `faults` name, Unreachable and
    Throttled among them; UsageError where the table does not exist. `attempts`: of one call, before that is raised.
    """

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self._ahead = 0.0

    def now(self) -> float:
        """Return the time in seconds, by the clock of the server as its last answer told it: all writers share it."""
        return time.time() - self._ahead

    def get(self, id_: str, part: str, *, attempts: int = clients.ATTEMPTS) -> dict[str, Any] | None:
        """Return an item, None where there is none."""
        key = _typed({"id": id_, "part": part})
        answer = self._call("GetItem", attempts, Key=key, ConsistentRead=True)
        return _plain(answer["Item"]) if answer.get("Item") else None

    def put(self, item: Item, *, when: str = "", attempts: int = clients.ATTEMPTS, **values: Any) -> bool:
        """Write a whole item; return False, and write nothing, where `when` does not hold."""
        return (
            self._conditional("PutItem", attempts, Item=_typed(item), **_expressions(when, values))
            is not None
        )

    def update(
        self,
        id_: str,
        part: str,
        change: str,
        *,
        when: str = "",
        attempts: int = clients.ATTEMPTS,
        **values: Any,
    ) -> dict[str, Any] | None:
        """Carry out an update expression and return the item as it is then; None, where `when` does not hold."""
        parameters = _expressions(when, values, change)
        key = _typed({"id": id_, "part": part})
        answer = self._conditional("UpdateItem", attempts, Key=key, ReturnValues="ALL_NEW", **parameters)
        return None if answer is None else _plain(answer.get("Attributes", {}))

    def delete(
        self, id_: str, part: str, *, when: str = "", attempts: int = clients.ATTEMPTS, **values: Any
    ) -> bool:
        """Delete an item, which may be gone already; return False, and delete nothing, where `when` does not hold."""
        key = _typed({"id": id_, "part": part})
        parameters = _expressions(when, values)
        return self._conditional("DeleteItem", attempts, Key=key, **parameters) is not None

    def between(
        self,
        id_: str,
        first: str,
        last: str,
        *,
        newest_first: bool = False,
        page: int = 0,
        attempts: int = clients.ATTEMPTS,
        only: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Yield the items of `id_` from part `first` to `last`, in that order, a page of 1 MB (`page` items) a call.

        `only`: the one attribute of each that is wanted.
        """
        parameters = {
            "KeyConditionExpression": "#id = :id AND #part BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#id": "id", "#part": "part"},
            "ExpressionAttributeValues": _typed({":id": id_, ":first": first, ":last": last}),
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
            **({"Limit": page} if page else {}),
        }
        if only:
            parameters["ProjectionExpression"] = f"#{only}"
            parameters["ExpressionAttributeNames"] = {f"#{each}": each for each in ("id", "part", only)}
        while True:
            answer = self._call("Query", attempts, **parameters)
            yield from map(_plain, answer.get("Items", ()))
            if not answer.get("LastEvaluatedKey"):
                return
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def transact(self, writes: Sequence[Write], token: str) -> tuple[bool, ...]:
        """Carry out all writes or none; return for each whether it was what stood in the way, empty where none did.

        `token`: the same for every try of the same writes, 36 characters at most.
        """
        puts = [
            {
                "Put": {
                    "TableName": self.name,
                    "Item": _typed(each.item),
                    **_expressions(each.when, each.values),
                }
            }
            for each in writes
        ]
        require_extras(EXTRA)
        from botocore.exceptions import ClientError

        for attempt in retrying(_CONFLICTS):
            try:
                self._ask("TransactWriteItems", TransactItems=puts, ClientRequestToken=token)
                return ()
            except ClientError as error:
                reasons = [
                    str(each.get("Code", "")) for each in error.response.get("CancellationReasons", ())
                ]
                if "ConditionalCheckFailed" in reasons:
                    return tuple(each == "ConditionalCheckFailed" for each in reasons)
                named = self._named(error, "TransactWriteItems")
                if not {"TransactionConflict", "ThrottlingError"} & set(reasons):
                    raise named from None
                attempt.failed(named)
        raise AssertionError("attempts end by an answer or an error")

    def _conditional(self, operation: str, attempts: int, **parameters: Any) -> dict[str, Any] | None:
        require_extras(EXTRA)
        from botocore.exceptions import ClientError

        for attempt in retrying(_CONFLICTS):
            try:
                return self._ask(operation, attempts=attempts, TableName=self.name, **parameters)
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                if code == "ConditionalCheckFailedException":
                    return None
                named = self._named(error, operation)
                if code != "TransactionConflictException":
                    raise named from None
                attempt.failed(named)
        raise AssertionError("attempts end by an answer or an error")

    def _call(self, operation: str, attempts: int, **parameters: Any) -> dict[str, Any]:
        require_extras(EXTRA)
        from botocore.exceptions import ClientError

        try:
            return self._ask(operation, attempts=attempts, TableName=self.name, **parameters)
        except ClientError as error:
            raise self._named(error, operation) from None

    def _ask(self, operation: str, *, attempts: int = clients.ATTEMPTS, **parameters: Any) -> dict[str, Any]:
        began = time.time()
        answer = clients.call(self.cloud, SERVICE, operation, attempts=attempts, **parameters)
        told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        with suppress(TypeError, ValueError):
            self._ahead = _ahead(began, time.time(), parsedate_to_datetime(told).timestamp())
        return answer

    def _named(self, error: Any, operation: str) -> Exception:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "ResourceNotFoundException":
            return UsageError(
                f"the table {self.name} does not exist in {faults.where(self.cloud)}",
                because=f"{SERVICE} says {code}, and the environment's parameters name it",
                try_="deploy the stack that makes it",
            )
        return faults.of_exception(error, self.cloud, action=f"{SERVICE}:{operation}")


def _ahead(began: float, ended: float, told: float) -> float:
    """Return how many seconds this machine is ahead of a server that said in between that it is `told`.

    That is in whole seconds. 0 where both may have the same time.
    """
    least, most = began - told - 1.0, ended - told
    if least - _PRECISION <= 0.0 <= most + _PRECISION:
        return 0.0
    return (least + most) / 2


def _expressions(when: str, values: Mapping[str, Any], change: str = "") -> dict[str, Any]:
    """Return the parameters of a call that `when` and `change` need."""
    found: dict[str, Any] = {}
    if change:
        found["UpdateExpression"] = change
    if when:
        found["ConditionExpression"] = when
    if names := set(_NAME.findall(f"{when} {change}")):
        found["ExpressionAttributeNames"] = {f"#{each}": each for each in sorted(names)}
    if values:
        found["ExpressionAttributeValues"] = _typed({f":{name}": each for name, each in values.items()})
    return found


def _typed(values: Item) -> dict[str, Any]:
    return {name: _attribute(each) for name, each in values.items()}


def _attribute(value: Any) -> dict[str, Any]:
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, Mapping):
        return {"M": _typed(value)}
    return {"L": [_attribute(each) for each in value]}


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(each) for name, each in item.items()}


def _value(attribute: Mapping[str, Any]) -> Any:
    kind, value = next(iter(attribute.items()))
    match kind:
        case "N":
            return float(value) if any(each in value for each in ".eE") else int(value)
        case "M":
            return _plain(value)
        case "L":
            return [_value(each) for each in value]
        case "NULL":
            return None
    return value
