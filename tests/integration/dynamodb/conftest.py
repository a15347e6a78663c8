"""The servers that tests of DynamoDB run on."""

from __future__ import annotations

import pytest

from seedbed.engines.dynamodb.sandbox.world import World


@pytest.fixture(params=["dynamodb_local_account", "ministack_account"], ids=["local", "ministack"])
def world(request: pytest.FixtureRequest) -> World:
    """An empty account on each of the session's servers."""
    found: World = request.getfixturevalue(request.param)
    return found
