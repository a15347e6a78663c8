"""Accounts of DynamoDB Local for tests, used again once they are empty.

For each access key that it ever met, the server keeps a database and threads that look through it several times a
second, to its end: after some hundred accounts these take half a processor, from all tests that still run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import ServiceError
from tests.support.servers import new_account

RESTING = 4  # a request that a killed runner sent last arrives while its account rests


class Accounts:
    """The accounts that one worker uses, each by one test at a time."""

    def __init__(self, server: World) -> None:
        self._server = server
        self._resting: deque[str] = deque()

    @contextmanager
    def borrowed(self) -> Iterator[World]:
        """Yield an account without tables that no other test uses meanwhile."""
        account = self._resting.popleft() if len(self._resting) > RESTING else new_account()
        world = replace(self._server, account=account)
        yield world
        with suppress(ServiceError):  # a table that cannot go right now: the account is not used again
            _wipe(world)
            self._resting.append(account)


def _wipe(world: World) -> None:
    with Client(world.cloud) as client:
        for name in client.call("ListTables", {})["TableNames"]:
            client.call("DeleteTable", {"TableName": name})
