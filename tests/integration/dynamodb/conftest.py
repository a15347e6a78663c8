"""The servers that tests of DynamoDB run on."""

from __future__ import annotations

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.dynamodb.tables import MINISTACK


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """An empty account on ministack, which is cheap; on each server in turn for a test that is `EACH_SERVER`."""
    found: World = request.getfixturevalue(getattr(request, "param", MINISTACK))
    return found
