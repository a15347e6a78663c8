"""Taking a release back, without a database: what the record says of it, what stays deployed, what a restore costs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from seedbed.deployment.assembly import fingerprint
from seedbed.documents.plan import PlanDocument
from seedbed.errors import Busy, LeaseLost, Refused, hint_text
from seedbed.model.deployment import Change, ResourceChange, StackPlan
from seedbed.model.environment import Environment
from seedbed.model.migration import Direction, Phase
from seedbed.model.plan import DatabasePlan, Plan
from seedbed.model.release import SNAPSHOT, Evidence, Release, StepName
from seedbed.model.resource import ResourceAction
from seedbed.planning.releases import SILENCE, choices, claim, end, hold, taken_back
from seedbed.project.releasing import former as formers
from seedbed.project.releasing import opening
from seedbed.project.releasing.cost import after_contract
from seedbed.project.releasing.operator import Operator
from seedbed.project.releasing.unpacked import Unpacked
from seedbed.releases.directory_store import DirectoryStore
from tests.support.release_steps import (
    ANA,
    BEN,
    HOUR,
    ROBOT,
    T0,
    USER,
    a_release,
    done_until,
    facts,
    lenient,
    with_step,
)

CONTRACT = StepName.CONTRACT
CART = "cart/dynamodb"
OPEN = facts(T0 + HOUR, rules=lenient())


# --- the record


def test_from_its_beginning_on_nothing_leads_forward_whoever_died() -> None:
    held = hold(done_until(StepName.MIGRATE), "one", ANA, T0)
    late = replace(OPEN, now=T0 + SILENCE + HOUR)
    with pytest.raises(Refused, match="migrate of release 12 of prod is refused") as raised:
        claim(held, StepName.MIGRATE, "two", late)
    assert "it is being taken back since 2026-11-30 00:53 UTC" in raised.value.because
    assert hint_text(raised.value.try_, "prod", "") == "go on with that: seedbed release back -e prod 12"
    found = {each.verb: each.because for each in choices(held, late)}
    assert "it is being taken back" in found["next"]
    assert found["back"] == found["abandon"] == ""
    with pytest.raises(Busy):
        hold(held, "two", BEN, T0 + 1)
    assert hold(held, "two", BEN, T0 + SILENCE + 1).returning == T0


def test_the_end_of_it_is_one_change_of_whoever_has_it() -> None:
    held = hold(done_until(StepName.MIGRATE), "one", ANA, T0)
    over = taken_back(held, StepName.MIGRATE, "one", ANA, T0 + 5, "", [])
    assert (over.state, over.ended_by, over.revision) == ("returned", ANA, held.revision + 1)
    other = hold(held, "two", BEN, T0 + SILENCE + 1)
    with pytest.raises(LeaseLost, match="taken over by ben"):
        taken_back(other, StepName.MIGRATE, "one", ANA, T0 + 99, "", [])


def test_a_step_that_was_never_begun_did_not_fail_when_its_release_was_taken_back() -> None:
    steps = [taken_back(hold(a_release(), "one", ANA, T0), StepName.EXPAND, "one", ANA, T0 + 5, "", [])]
    begun = with_step(
        a_release(), StepName.EXPAND, began=T0, state="failed", because="no route to the database"
    )
    steps.append(taken_back(hold(begun, "one", ANA, T0), StepName.EXPAND, "one", ANA, T0 + 5, "", []))
    found = [each.step(StepName.EXPAND) for each in steps]
    assert [(each.state, each.by, each.ended, each.because) for each in found] == [
        ("waiting", None, 0.0, ""),
        ("failed", ANA, T0 + 5, "no route to the database"),
    ]


def test_what_began_to_contract_meanwhile_or_has_ended_is_not_held() -> None:
    begun = with_step(done_until(CONTRACT), CONTRACT, state="failed", began=T0)
    with pytest.raises(Refused, match="cannot be taken back any more"):
        hold(begun, "one", ANA, T0)
    with pytest.raises(Refused, match="cannot be taken back any more"):
        hold(end(a_release(), "superseded", ANA, T0), "one", ANA, T0)
    returned = end(a_release(), "returned", ANA, T0)
    assert (
        taken_back(hold(returned, "one", ANA, T0), StepName.EXPAND, "one", ANA, T0, "", []).state
        == "returned"
    )


# --- what was there before


def test_the_release_before_was_closed_or_carried_on(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path, "prod")
    for release in (
        a_release(1, state="closed"),
        a_release(2, state="superseded"),
        a_release(3, state="abandoned"),
        a_release(4, state="returned", supersedes=2),
        a_release(5),
    ):
        assert store.create(release)
    found = [getattr(formers.former(store, a_release(each)), "number", 0) for each in (1, 2, 3, 5)]
    assert found == [0, 1, 2, 2]


def unpacked(plan: PlanDocument, assembly: Path | None = None) -> Unpacked:
    project = SimpleNamespace(platform=SimpleNamespace(name="shop"))
    found = SimpleNamespace(
        project=project, environment=Environment("prod"), plan=lambda _: plan, assembly=assembly
    )
    return cast("Unpacked", found)


def plan_of(*stacks: StackPlan, changes: tuple[Change, ...] = ()) -> PlanDocument:
    return PlanDocument.of(
        Plan("prod", Direction.UP, (DatabasePlan(CART, (), changes=changes),), stacks=stacks), "plan"
    )


TABLE = ResourceChange("Carts", "AWS::DynamoDB::Table", ResourceAction.MODIFY)
QUEUE = ResourceChange("Queue", "AWS::SQS::Queue", ResourceAction.ADD)
SERVICE = ResourceChange("Service", "AWS::ECS::Service", ResourceAction.MODIFY)


def test_what_stays_is_told_with_whether_it_harms() -> None:
    plan = plan_of(
        StackPlan("shop-prod-cart-dynamodb", "a", "b", (TABLE,)),
        StackPlan("shop-prod-web", "a", "b", (QUEUE, SERVICE)),
        StackPlan("shop-prod-new", None, "b", (SERVICE,)),
        changes=(Change(Phase.EXPAND, "carts: add index by_day"),),
    )
    begun = with_step(a_release(), StepName.EXPAND, began=T0)
    found = {
        each.text.partition(" stays")[0]: each.verdict for each in formers.stays(unpacked(plan), begun, T0)
    }
    assert found == {
        f"{CART}: carts: add index by_day": "good",
        "shop-prod-web: add Queue (SQS::Queue)": "good",
        "shop-prod-web: modify Service (ECS::Service)": "unknown",
        "shop-prod-new: modify Service (ECS::Service)": "good",
    }
    assert formers.stays(unpacked(plan), a_release(), T0) == []


def an_assembly(directory: Path, **stacks: object) -> Path:
    artifacts = {
        name: {
            "type": "aws:cloudformation:stack",
            "properties": {"stackName": name, "templateFile": f"{name}.json"},
        }
        for name in stacks
    }
    directory.mkdir()
    (directory / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    for name, template in stacks.items():
        (directory / f"{name}.json").write_text(json.dumps(template))
    return directory


def test_what_was_not_deployed_as_the_release_before_has_it_is_not_deployed_again(tmp_path: Path) -> None:
    before = {"Resources": {"Carts": {"Type": "AWS::DynamoDB::Table"}}}
    old = unpacked(plan_of(), an_assembly(tmp_path / "cdk.out", one=before, still={}))
    same = StackPlan("one", fingerprint(before), "b", (TABLE,))
    new = StackPlan("two", None, "b", (TABLE,))
    still = StackPlan("still", "of an hour ago", "b")
    assert formers._new(plan_of(same, new, still), old, a_release(13), a_release(12)) == ("two",)
    for other in (replace(same, deployed="c"), StackPlan("three", "c", "d", (TABLE,))):
        with pytest.raises(Refused, match="what was deployed before release 13 is not known"):
            formers._new(plan_of(other), old, a_release(13), a_release(12))


# --- what a restore costs


def test_after_the_contract_it_is_told_what_a_restore_costs() -> None:
    began = T0 + 30 * HOUR
    contracted: Release = with_step(done_until(CONTRACT), CONTRACT, state="done", began=began, by=ROBOT)
    taken = Evidence(SNAPSHOT, "good", f"{USER}: r12 is available, 1.2 GB", T0 + HOUR, about=USER, since=T0)
    drill = Evidence("drill", "good", f"{USER}: restored in 3 min 0 s, 12 rows", T0, about=USER)
    elsewhere = Evidence(SNAPSHOT, "unknown", f"{CART}: Neo4j keeps its own", T0, about=CART)
    release = with_step(contracted, StepName.SNAPSHOT, evidence=(taken, drill, elsewhere))
    error = after_contract(release, [USER, CART, "ai/opensearch"])
    assert error.because.splitlines() == [
        "what it removes since 2026-12-01 06:53 UTC comes back from a snapshot alone",
        f"{USER}: r12 is available, 1.2 GB",
        "  lost: what was written since 2026-11-30 00:53 UTC, of what is taken from there",
        "  beside: seedbed snapshot restore -e prod -s user --engine postgres --release 12; "
        f"the last drill: {USER}: restored in 3 min 0 s, 12 rows",
        f"{CART}: Neo4j keeps its own: seedbed has none, and its operator may have",
        "ai/opensearch: this release has no snapshot of it, so what went is lost",
    ]
    assert "seedbed snapshot restore -e prod" in hint_text(error.try_, "prod", "")
    without = hint_text(after_contract(release, [CART, "ai/opensearch"]).try_, "prod", "")
    assert without == "deploy what it removed anew; or go forward with another release"


# --- what is not known when one is opened


@pytest.mark.parametrize(
    ("environment", "is_told"),
    [
        (Environment("prod", access="task"), True),
        (Environment("prod", access="task", files="upload"), False),
        (Environment("prod"), False),
    ],
)
def test_that_the_files_of_a_task_are_not_known_yet_is_told(environment: Environment, is_told: bool) -> None:
    told: list[str] = []
    opening._tell_of_image(cast("Operator", SimpleNamespace(tell=told.append)), environment)
    assert [each.partition(" has these")[0] for each in told] == ["whether the task's image"] * is_told
