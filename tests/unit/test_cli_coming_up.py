"""How far an environment has come, as the last line of its display has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from seedbed.cli.coming_up import HowFar
from seedbed.deployment.plan import DeploymentPlan
from seedbed.model.event import TargetDone


def test_each_stack_is_counted_once_and_each_service_that_is_ready() -> None:
    far = HowFar()
    assert far.text() == ""
    targets = {"shop-dev-network": "shop-dev-network", "shop-dev-cart-dynamodb": "cart/dynamodb"}
    known = {name: SimpleNamespace(target=target) for name, target in {**targets, "other": "other"}.items()}
    plan = SimpleNamespace(chosen=[SimpleNamespace(name=each) for each in targets], managed_stacks=known)
    far.begin(cast(DeploymentPlan, plan), 3)
    assert far.text() == "0 of 2 stacks deployed, 0 of 3 services ready"
    for target in ("cart/dynamodb", "cart/dynamodb", "user/postgres"):  # its stack, its data, and a database
        far.take(TargetDone(target))
    far.ready = 1
    assert far.text() == "1 of 2 stacks deployed, 1 of 3 services ready"
    far.begin(None, 3)
    assert far.text() == "1 of 3 services ready"
