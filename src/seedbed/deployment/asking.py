"""Asking CloudFormation: what is not there is None, what it refuses is told in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.errors import Unreachable


class Asking(Struct, frozen=True):
    """Questions to the CloudFormation of one account and region.

    `is_absent`: whether a code and a message of AWS say that what a question is about is not there.
    """

    cloud: Cloud
    is_absent: Callable[[str, str], bool]

    def ask(self, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """Return the answer; None where what it is about is not there. Raises Unavailable, Refused."""
        try:
            return clients.call(self.cloud, "cloudformation", operation, **parameters)
        except Exception as error:
            said = getattr(error, "response", {}).get("Error", {})
            if not said:
                raise
            code, message = str(said.get("Code")), str(said.get("Message", ""))
            if self.is_absent(code, message):
                return None
            raise Unreachable(
                f"CloudFormation does not answer {operation}",
                because=f"{code}: {message}",
                try_="look at the stack in its console",
            ) from None

    def pages(self, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of an answer; none where what it is about is not there."""
        token: dict[str, str] = {}
        while (answer := self.ask(operation, **parameters, **token)) is not None:
            yield answer
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}
