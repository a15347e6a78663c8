"""What the stacks of a platform are billed by: of nothing that our constructs make is that unknown."""

from __future__ import annotations

import pytest

from seedbed.deployment.metering import inventory
from seedbed.model.cost import Inventory
from tests.unit.cdk.conftest import Synthesise


def units(edtech: Synthesise, environment: str) -> dict[str, tuple[float, float]]:
    return {each.what: (each.idle, each.used) for each in of(edtech, environment).metered}


def of(edtech: Synthesise, environment: str) -> Inventory:
    templates = [each.template for each in edtech(environment).values()]
    return inventory(environment, "", "eu-central-1", templates, is_deployed=False)


@pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
def test_it_is_known_how_each_resource_is_billed(edtech: Synthesise, environment: str) -> None:
    assert [each.what for each in of(edtech, environment).metered if each.meter is None] == []


def test_a_dev_environment_has_clusters_that_sleep_and_no_gateway(edtech: Synthesise) -> None:
    found = units(edtech, "dev-ana")
    assert found["Aurora capacity unit"] == (0.0, 3.0)
    assert found["interface endpoint, a zone"] == (5.0, 5.0)
    assert "NAT gateway" not in found


def test_production_has_what_runs_day_and_night(edtech: Synthesise) -> None:
    found = units(edtech, "prod")
    # A writer and a reader in each of three services
    assert found["Aurora instance, db.r7g.large"] == (6.0, 6.0)
    assert [found[each] for each in ("NAT gateway", "public IPv4 address", "KMS key")] == [(3.0, 3.0)] * 3
