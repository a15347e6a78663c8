"""The stacks of a plan, as a part of its page."""

from __future__ import annotations

from seedbed.documents.stacks import StackPlanEntry
from seedbed.model.deployment import Refusal, ResourceChange, StackPlan
from seedbed.model.resource import Replacement, ResourceAction
from seedbed.report.styles import Look, Style, Table, render
from seedbed.report.text.stacks import stacks_text

CLUSTER = "AWS::RDS::DBCluster"
ANEW = ResourceChange(
    "Db",
    CLUSTER,
    ResourceAction.MODIFY,
    Replacement.YES,
    ("Properties.DatabaseName",),
    "DatabaseName would change",
    holds=True,
)
PERHAPS = ResourceChange(
    "Task", "AWS::ECS::Service", ResourceAction.MODIFY, Replacement.PERHAPS, ("Properties.Cluster",), "so"
)
GONE = ResourceChange("Old", CLUSTER, ResourceAction.REMOVE, holds=True)
NEW = [ResourceChange(name, "AWS::SSM::Parameter", ResourceAction.ADD) for name in "ABCDE"]


def _entry(*changes: ResourceChange, **fields: object) -> StackPlanEntry:
    return StackPlanEntry.of(StackPlan("shop-prod-user-postgres", "old", "new", changes, **fields))  # type: ignore[arg-type]


def test_what_is_made_anew_or_lost_is_red_and_what_is_added_is_one_line() -> None:
    page = stacks_text([_entry(*NEW, ANEW, PERHAPS, GONE)], "")
    assert render(page, Look()).splitlines() == [
        "stack shop-prod-user-postgres",
        "  +  add     5 resources           A, B, C and 2 more",
        "  ~  modify  Db (RDS::DBCluster)   DatabaseName",
        "      made anew, and empty: DatabaseName would change",
        "  ~  modify  Task (ECS::Service)   Cluster",
        "      perhaps made anew: so",
        "  -  remove  Old (RDS::DBCluster)",
        "      removed with what it holds",
        "",
    ]
    (table,) = [each for each in page if isinstance(each, Table)]
    red = [
        span.text
        for each in table.rows
        for span in (each.spans if hasattr(each, "spans") else each.cells)
        if span.style is Style.BAD
    ]
    assert red == [
        "made anew, and empty: DatabaseName would change",
        "perhaps made anew: so",
        "removed with what it holds",
    ]


def test_a_refusal_has_its_reason_and_the_way_round_and_what_is_as_it_should_be_is_left_out() -> None:
    same = StackPlanEntry.of(StackPlan("shop-prod-network", "a", "a"))
    refused = _entry(refusals=(Refusal("replace Db", "it is set at its creation", "copy the data"),))
    text = render(stacks_text([same, refused], "the CDK CLI needs Node"), Look())
    assert "shop-prod-network" not in text
    assert "refused: replace Db\n" in text
    assert "because it is set at its creation\n" in text
    assert "try: copy the data\n" in text
    assert "stacks were not looked at: the CDK CLI needs Node" in text
