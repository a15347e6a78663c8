"""Reviewed plans: which stacks may change, and what in them."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from seedbed.documents.document import text
from seedbed.documents.plan import PlanDocument
from seedbed.errors import StalePlan
from seedbed.model.deployment import ResourceChange, StackPlan
from seedbed.model.resource import Replacement, ResourceAction
from seedbed.planning.reviewed import ReviewedPlan, read, require_resources_as_shown, require_stack_as_shown
from tests.unit.golden.report import samples

STACK, CLUSTER = "shop-prod-user-postgres", "AWS::RDS::DBCluster"
SIZE = ResourceChange("Db", CLUSTER, ResourceAction.MODIFY, scope=("Properties.BackupRetentionPeriod",))
PERHAPS = ResourceChange("Db", CLUSTER, ResourceAction.MODIFY, Replacement.PERHAPS, holds=True)
NEW = ResourceChange("Alarm", "AWS::CloudWatch::Alarm", ResourceAction.ADD)


def _reviewed(*changes: ResourceChange, unseen: str = "") -> ReviewedPlan:
    plan = samples.plan()
    stacks = (StackPlan(STACK, "old", "new", changes),) if not unseen else ()
    document = PlanDocument.of(replace(plan, stacks=stacks, stacks_unseen=unseen), "plan")
    return read(json.dumps(json.loads(text(document))).encode(), "plan.json")


def _now(*changes: ResourceChange, **fields: str) -> StackPlan:
    return replace(StackPlan(STACK, "other", "new", changes), **fields)


def test_what_was_shown_and_what_is_left_of_it_may_be_deployed() -> None:
    shown = _reviewed(SIZE, NEW)
    require_stack_as_shown(shown, _now(SIZE, NEW))
    require_stack_as_shown(shown, _now(NEW))
    # It was made meanwhile, and lacks a part of what it was to have.
    require_stack_as_shown(
        shown, _now(replace(NEW, action=ResourceAction.MODIFY, scope=("Properties.Period",)))
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replace(SIZE, id="Other"), "modify Other (RDS::DBCluster) Properties.BackupRetentionPeriod"),
        (replace(SIZE, scope=("Properties.Port",)), "modify Db (RDS::DBCluster) Properties.Port"),
        (replace(SIZE, replacement=Replacement.YES), "Properties.BackupRetentionPeriod, made anew"),
        (replace(SIZE, replacement=Replacement.PERHAPS), "perhaps made anew"),
        (replace(SIZE, action=ResourceAction.REMOVE, scope=()), "remove Db (RDS::DBCluster)"),
        (replace(NEW, type=CLUSTER), "add Alarm (RDS::DBCluster)"),
    ],
)
def test_any_other_change_is_refused_by_name(change: ResourceChange, words: str) -> None:
    with pytest.raises(StalePlan, match=f"no longer fits stack {STACK}") as caught:
        require_stack_as_shown(_reviewed(SIZE, NEW), _now(change))
    assert words in caught.value.because


def test_another_template_is_refused_though_it_changes_the_same_properties() -> None:
    with pytest.raises(StalePlan) as caught:
        require_stack_as_shown(_reviewed(SIZE), _now(SIZE, wanted="newer"))
    assert "another template of it than the one that was reviewed" in caught.value.because


@pytest.mark.parametrize(
    ("plan", "because"),
    [
        (_reviewed(SIZE), "it is not among the stacks that were looked at"),
        (_reviewed(unseen="the CDK CLI needs Node"), "was made: the CDK CLI needs Node"),
    ],
)
def test_a_stack_that_was_not_shown_is_refused_and_the_reason_is_told(
    plan: ReviewedPlan, because: str
) -> None:
    with pytest.raises(StalePlan, match="does not show stack shop-prod-network") as caught:
        require_stack_as_shown(plan, _now(SIZE, stack="shop-prod-network"))
    assert because in caught.value.because


def test_a_plan_says_of_what_it_names_whether_that_may_be_made_anew() -> None:
    assert _reviewed(PERHAPS).may_be_replaced(STACK, "Db")
    assert not _reviewed(SIZE).may_be_replaced(STACK, "Db")
    assert not _reviewed(PERHAPS).may_be_replaced("shop-prod-network", "Db")


def test_what_a_change_set_names_has_to_be_named_by_the_plan() -> None:
    require_resources_as_shown(_reviewed(SIZE), STACK, [replace(SIZE, scope=("Tags",))])
    with pytest.raises(StalePlan, match="no longer fits stack"):
        require_resources_as_shown(_reviewed(SIZE), STACK, [NEW])
