"""What a change set may do, by environment and by plan; how many stacks are updated side by side."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from seedbed.deployment.assembly import Stack
from seedbed.deployment.change_sets import ChangeSet, require_harmless
from seedbed.deployment.deploy import independent
from seedbed.deployment.roles import partition
from seedbed.documents.document import text
from seedbed.documents.plan import PlanDocument
from seedbed.errors import Refused, StalePlan
from seedbed.model.deployment import ResourceChange, StackPlan
from seedbed.model.environment import Environment
from seedbed.model.resource import Replacement, ResourceAction
from seedbed.planning.reviewed import ReviewedPlan, read
from tests.unit.golden.report import samples

NAME = "shop-prod-user-postgres"
PERHAPS = ResourceChange("Db", "AWS::RDS::DBCluster", ResourceAction.MODIFY, Replacement.PERHAPS, holds=True)
STAGING = Environment("staging")
PROD = Environment("prod", protected=True)


def _set(*changes: ResourceChange) -> ChangeSet:
    return ChangeSet(NAME, "seedbed-1", changes, direct=changes)


def _plan(*changes: ResourceChange) -> ReviewedPlan:
    plan = replace(samples.plan(), stacks=(StackPlan(NAME, "old", "new", changes),))
    return read(json.dumps(json.loads(text(PlanDocument.of(plan, "plan")))).encode(), "plan.json")


def test_what_may_be_made_anew_goes_through_in_prod_only_where_the_plan_says_so() -> None:
    require_harmless(_set(PERHAPS), STAGING, None, ())
    require_harmless(_set(PERHAPS), PROD, _plan(PERHAPS), ())
    for reviewed in (None, _plan(replace(PERHAPS, replacement=Replacement.NO))):
        with pytest.raises(Refused) as caught:
            require_harmless(_set(PERHAPS), PROD, reviewed, ())
        assert "Db (RDS::DBCluster) may be made anew, and empty" in caught.value.because


def test_what_is_made_anew_is_refused_whatever_the_plan_says() -> None:
    anew = replace(PERHAPS, replacement=Replacement.YES)
    with pytest.raises(Refused, match="would take data away"):
        require_harmless(_set(anew), PROD, _plan(anew), ())
    require_harmless(_set(replace(anew, holds=False)), PROD, _plan(anew), ())


def test_what_the_change_set_does_besides_has_to_be_in_the_plan() -> None:
    other = ResourceChange("Alarm", "AWS::CloudWatch::Alarm", ResourceAction.ADD)
    with pytest.raises(StalePlan, match="no longer fits stack"):
        require_harmless(_set(other), Environment("dev-ana", ephemeral=True), _plan(PERHAPS), ())


@pytest.mark.parametrize(
    ("depends", "expected"),
    [
        ({}, 1),
        ({"a": ()}, 1),
        ({"net": (), "a": ("net",), "b": ("net",), "c": ("net",), "task": ("a", "b", "c")}, 3),
        ({"a": (), "b": ("a",), "c": ("b",)}, 1),
        ({"b": ("not chosen",), "c": ()}, 2),
    ],
)
def test_stacks_that_need_no_other_are_counted(depends: dict[str, tuple[str, ...]], expected: int) -> None:
    stacks = [Stack(name, name, "", depends=needed) for name, needed in depends.items()]
    assert independent(stacks) == expected


def test_a_role_is_in_the_partition_of_its_region() -> None:
    regions = ("eu-central-1", "cn-north-1", "us-gov-west-1")
    assert [partition(each) for each in regions] == ["aws", "aws-cn", "aws-us-gov"]
