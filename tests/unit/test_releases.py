"""How the record of a release changes from step to step, and whether another may be opened beside it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from seedbed.documents.plan import PlanDocument
from seedbed.documents.stacks import StackPlanEntry
from seedbed.errors import Busy, GateClosed, LeaseLost, Refused, hint_text
from seedbed.model.deployment import Change, ResourceChange, StackPlan
from seedbed.model.migration import Direction, Migration, Phase
from seedbed.model.plan import Action, DatabasePlan, Plan
from seedbed.model.release import SNAPSHOT, VERIFY, ReleaseState, StepName
from seedbed.model.resource import Replacement, ResourceAction
from seedbed.model.seed import PlannedSeed, SeedKind
from seedbed.planning.opening import contracted, may_open, soak_of, steps_of, to_carry_on, works
from seedbed.planning.releases import (
    SILENCE,
    again,
    beat,
    carried_out,
    choices,
    claim,
    end,
    fail,
    finish,
    is_silent,
)
from tests.support.release_steps import (
    ANA,
    BEN,
    HOUR,
    ROBOT,
    T0,
    USER,
    a_release,
    approval,
    done_until,
    facts,
    good,
    lenient,
    taken,
    with_step,
)

EXPAND, CODE, MIGRATE, CONTRACT = StepName.EXPAND, StepName.CODE, StepName.MIGRATE, StepName.CONTRACT
NOW = T0
OPEN = facts(NOW, rules=lenient())


# --- transitions


def test_a_step_is_claimed_beaten_and_finished_each_as_a_revision_of_its_own() -> None:
    claimed = claim(a_release(), EXPAND, "one", replace(OPEN, caller=ANA))
    step = claimed.step(EXPAND)
    assert (step.state, step.token, step.by, step.began, step.beat) == ("running", "one", ANA, NOW, NOW)
    ran = carried_out(claimed, EXPAND, "one", NOW + 5, "deploy", [good("deploy", NOW + 5)])
    done = finish(beat(ran, EXPAND, "one", NOW + 9), EXPAND, "one", NOW + 10, [good("apply", NOW + 10)])
    step = done.step(EXPAND)
    assert (step.state, step.commands, step.ended, step.began) == ("done", ("deploy",), NOW + 10, NOW)
    assert [each.kind for each in step.evidence] == ["deploy", "apply"]
    assert [each.revision for each in (claimed, ran, done)] == [1, 2, 4]
    assert done.current is not None
    assert done.current.name is CODE


def test_the_digest_stays_whatever_happens_in_the_steps() -> None:
    release = a_release()
    claimed = claim(release, EXPAND, "one", OPEN)
    failed = fail(claimed, EXPAND, "one", NOW, "no connection", [good("apply", NOW)])
    done = done_until(CONTRACT)
    assert release.digest == claimed.digest == failed.digest == done.digest
    assert end(failed, "abandoned", ANA, NOW, "wrong").digest == release.digest


def test_a_closed_gate_leaves_the_record_as_it_is() -> None:
    with pytest.raises(GateClosed):
        claim(a_release(), CODE, "one", OPEN)
    with pytest.raises(Refused, match="expand of release 12 is done"):
        claim(done_until(CODE), EXPAND, "one", OPEN)


def test_of_two_operators_one_is_told_that_the_other_is_at_work() -> None:
    claimed = claim(a_release(), EXPAND, "one", replace(OPEN, caller=ANA))
    other = replace(OPEN, now=NOW + SILENCE, caller=BEN)
    with pytest.raises(Busy, match="expand of release 12 is being taken") as raised:
        claim(claimed, EXPAND, "two", other)
    assert "by ana, heard of 30 s ago" in raised.value.because
    assert claim(claimed, EXPAND, "one", other).step(EXPAND).token == "one"


def test_a_step_that_is_not_heard_of_is_taken_over_behind_what_was_carried_out() -> None:
    claimed = carried_out(claim(a_release(), EXPAND, "one", OPEN), EXPAND, "one", NOW + 1, "deploy")
    late = NOW + 1 + SILENCE + 1
    assert is_silent(claimed.step(EXPAND), late)
    over = claim(claimed, EXPAND, "two", replace(OPEN, now=late, caller=BEN))
    step = over.step(EXPAND)
    assert (step.token, step.by, step.commands, step.began) == ("two", BEN, ("deploy",), NOW)
    for lost in (beat, finish):
        with pytest.raises(LeaseLost, match="was taken over by ben"):
            lost(over, EXPAND, "one", late)
    with pytest.raises(LeaseLost):
        carried_out(over, EXPAND, "one", late, "apply")


def test_a_step_that_failed_is_taken_again_behind_what_was_carried_out() -> None:
    claimed = carried_out(claim(a_release(), EXPAND, "one", OPEN), EXPAND, "one", NOW + 1, "deploy")
    failed = fail(claimed, EXPAND, "one", NOW + 2, "no connection")
    assert (failed.step(EXPAND).state, failed.step(EXPAND).because) == ("failed", "no connection")
    retried = claim(failed, EXPAND, "two", replace(OPEN, now=NOW + 3))
    assert retried.step(EXPAND).commands == ("deploy",)
    assert (retried.step(EXPAND).because, retried.step(EXPAND).ended) == ("", 0.0)


def test_evidence_that_grew_old_is_gathered_again_and_the_old_one_stays() -> None:
    release, now = done_until(CONTRACT), T0 + 40 * HOUR
    late = facts(now, verify_max_age=24 * HOUR, rules=replace(lenient(), snapshot_max_age=24 * HOUR))
    first = again(release, late)
    assert first is not None
    assert first.step(StepName.VERIFY).state == "waiting"
    assert [each.kind for each in first.step(StepName.VERIFY).evidence] == [VERIFY]
    assert first.step(StepName.SOAK).state == "done"
    step = StepName.VERIFY
    verified = finish(claim(first, step, "t", late), step, "t", late.now, [good(VERIFY, late.now)])
    second = again(verified, late)
    assert second is not None
    assert second.step(StepName.SNAPSHOT).state == "waiting"
    step = StepName.SNAPSHOT
    kept = finish(claim(second, step, "t", late), step, "t", late.now, [good(SNAPSHOT, late.now, USER)])
    assert again(kept, late) is None


@pytest.mark.parametrize("state", ["closed", "abandoned", "returned", "superseded"])
def test_a_release_that_has_ended_stays_so(state: ReleaseState) -> None:
    ended = end(done_until(StepName.CLOSE) if state == "closed" else a_release(), state, ANA, NOW, "enough")
    assert (ended.state, ended.ended, ended.ended_by, ended.because) == (state, NOW, ANA, "enough")
    with pytest.raises(Refused, match=f"is {state}"):
        end(ended, "abandoned", ANA, NOW)
    with pytest.raises(Refused):
        claim(ended, EXPAND if state != "closed" else StepName.CLOSE, "one", OPEN)


def test_a_release_is_closed_when_its_steps_are_done() -> None:
    with pytest.raises(Refused, match="cannot be closed"):
        end(done_until(CONTRACT), "closed", ANA, NOW)


def test_nothing_ends_while_a_step_is_taken() -> None:
    claimed = claim(a_release(), EXPAND, "one", OPEN)
    with pytest.raises(Busy, match="is under way"):
        end(claimed, "abandoned", ANA, NOW)
    assert end(claimed, "abandoned", ANA, NOW + SILENCE + 1).state == "abandoned"


@pytest.mark.parametrize("state", ["returned", "superseded"])
def test_after_its_contract_has_begun_there_is_no_way_back(state: ReleaseState) -> None:
    begun = with_step(done_until(CONTRACT), CONTRACT, state="failed", began=NOW)
    with pytest.raises(Refused, match="what that removed is gone"):
        end(begun, state, ANA, NOW)
    assert end(begun, "abandoned", ANA, NOW).state == "abandoned"


def test_choices_say_what_can_be_done_and_what_cannot() -> None:
    found = {each.verb: each for each in choices(a_release(), facts(T0))}
    assert list(found) == ["next", "approve", "back", "abandon"]
    assert found["next"].because == "approvals: 0 of 1 approval"
    begun = with_step(done_until(CONTRACT), CONTRACT, state="failed", began=NOW)
    found = {each.verb: each for each in choices(begun, facts(NOW, rules=lenient()))}
    assert (found["next"].what, found["next"].because) == ("take contract again", "")
    assert "comes back from a snapshot alone" in found["back"].because
    assert choices(end(a_release(), "abandoned", ANA, NOW), OPEN) == ()


def test_who_says_that_the_new_code_is_everywhere_is_told_how() -> None:
    release = done_until(CODE)
    found = {each.what: each for each in choices(release, OPEN)}
    assert found["take code"].because == "new code: it is not said yet that the new code is everywhere"
    early = {each.what for each in choices(a_release(), OPEN)}
    assert "say that the new code is everywhere" not in early
    said = hint_text(found["say that the new code is everywhere"].hint, "prod", "")
    assert said == f"seedbed release approve -e prod 12 --step code --digest {release.digest[:12]}"


# --- steps of a new release


def _plan(gate: Phase, *works: tuple[str, str, Phase], seeds: bool = False) -> PlanDocument:
    """Return a plan through `gate` of migrations as database, version and phase; of versions with a blank, changes."""
    databases = {database for database, _, _ in works} | {USER}
    return PlanDocument.of(
        Plan(
            "prod",
            Direction.UP,
            tuple(
                DatabasePlan(
                    each,
                    tuple(
                        Action(each, Migration(version, "m", "m.sql", "", phase, ()))
                        for database, version, phase in works
                        if database == each and " " not in version
                    ),
                    changes=tuple(
                        Change(phase, what)
                        for database, what, phase in works
                        if database == each and " " in what
                    ),
                    seeds=(_SEED,) if seeds else (),
                )
                for each in sorted(databases)
            ),
            gate=gate,
        ),
        "plan",
    )


CART = "cart/dynamodb"
_SEED = PlannedSeed(SeedKind.REFERENCE, "seeds/reference/a.csv", "a", "0" * 64, 1)
E1, M1, C1 = (USER, "1", Phase.EXPAND), (USER, "2", Phase.MIGRATE), (USER, "3", Phase.CONTRACT)
INDEX = (CART, "carts: remove index by_day", Phase.CONTRACT)
Through = Mapping[Phase, PlanDocument]


def through(*all_: tuple[str, str, Phase], seeds: bool = False) -> Through:
    """Return a plan for each phase, of what is at most that far."""
    return {
        gate: _plan(gate, *(each for each in all_ if each[2].rank <= gate.rank), seeds=seeds)
        for gate in Phase
    }


DIGESTS = {each: each.value for each in Phase}


def skipped(plans: Through, *, verifies: bool = True) -> dict[str, str]:
    found = steps_of(plans, DIGESTS, verifies=verifies)
    assert [each.name for each in found] == list(StepName)
    return {each.name.value: each.because for each in found if each.state == "skipped"}


def test_each_step_has_what_none_before_it_has_done() -> None:
    own = works(through(E1, M1, C1, INDEX))
    assert {name: {each.what for each in work} for name, work in own.items()} == {
        EXPAND: {"1"},
        MIGRATE: {"2"},
        CONTRACT: {"3", "carts: remove index by_day"},
    }
    assert contracted(through(E1, M1, C1, INDEX)) == (CART, USER)
    assert contracted(through(E1, M1)) == ()


def test_a_step_carries_out_the_plan_of_its_phase() -> None:
    found = steps_of(through(E1, M1, C1), DIGESTS, verifies=True)
    assert [each.plan for each in found] == ["expand", "", "migrate", "", "", "", "contract", ""]
    assert {each.state for each in found} == {"waiting"}


def test_steps_without_work_are_skipped_and_say_why() -> None:
    no_contract = dict.fromkeys(("soak", "snapshot", "contract"), "there is nothing to contract")
    assert skipped(through(E1, M1, C1)) == {}
    assert skipped(through(E1)) == {"migrate": "there is nothing to migrate", **no_contract}
    assert skipped(through(M1), verifies=False) == {
        "expand": "there is nothing to expand",
        "verify": "nothing is declared that could be verified",
        **no_contract,
    }
    assert "expand" not in skipped(through(M1, seeds=True))
    assert set(skipped(through())) == {"expand", "migrate", *no_contract}
    assert set(skipped(through(INDEX))) == {"expand", "migrate"}


def test_a_contract_of_stacks_alone_takes_no_snapshot() -> None:
    resource = ResourceChange("Bucket", "AWS::S3::Bucket", ResourceAction.REMOVE, Replacement.NO)
    plans = dict(through(E1))
    gone = StackPlan("shop-prod-web", "a", "b", (resource,))
    plans[Phase.CONTRACT] = replace(plans[Phase.CONTRACT], stacks=(StackPlanEntry.of(gone),))
    assert skipped(plans) == {
        "migrate": "there is nothing to migrate",
        "snapshot": "the contract changes no database",
    }


def test_a_soak_is_never_shorter_than_the_manifest_says_where_it_is_protected() -> None:
    rules = lenient(soak=24 * HOUR)
    assert soak_of(rules, None, protected=True) == 24 * HOUR
    assert soak_of(rules, 48 * HOUR, protected=True) == 48 * HOUR
    assert soak_of(rules, 0.0, protected=False) == 0.0
    with pytest.raises(Refused, match="a soak of 1 h is shorter"):
        soak_of(rules, HOUR, protected=True)


# --- another one beside it


def test_a_release_is_opened_where_no_other_is_open() -> None:
    passed = a_release(10, state="superseded")
    for others in (
        [],
        [a_release(11, state="closed")],
        [passed, a_release(11, state="closed", supersedes=10)],
    ):
        found = may_open(through(E1, M1, C1), others, {})
        assert (found.gate.is_open, found.supersedes) == (True, 0)


SOAKING = done_until(StepName.SOAK)
NEW = (USER, "4", Phase.EXPAND)


def test_what_soaks_is_carried_on_by_what_adds_expands_alone() -> None:
    plans = {12: through(E1, M1, C1, INDEX)}
    found = may_open(through(NEW, C1, INDEX), [SOAKING, a_release(11, state="closed")], plans)
    assert (found.gate.is_open, found.supersedes) == (True, 12)
    for step in (StepName.VERIFY, StepName.SNAPSHOT, CONTRACT):
        assert may_open(through(NEW, C1, INDEX), [done_until(step)], plans).supersedes == 12


@pytest.mark.parametrize(
    ("plans", "said"),
    [
        (through(NEW, C1, (USER, "5", Phase.MIGRATE)), "this one migrates: user/postgres 5"),
        (through(NEW, C1, (USER, "5", Phase.CONTRACT)), "this one adds to its contract: user/postgres 5"),
        (through(NEW, C1, INDEX), "this one adds to its contract: cart/dynamodb carts: remove index"),
        (through(NEW), "this one lacks what it has left to contract: user/postgres 3"),
    ],
)
def test_what_soaks_is_not_carried_on_by_anything_else(plans: Through, said: str) -> None:
    found = may_open(plans, [SOAKING], {12: through(E1, M1, C1)})
    assert (found.gate.is_open, found.gate.kind, found.supersedes) == (False, "wait", 0)
    assert said in found.gate.because


def test_what_ended_for_a_release_that_was_never_opened_is_carried_on_by_the_next_that_can() -> None:
    ended = end(SOAKING, "superseded", ANA, NOW, "release 13 carries it on")  # whoever did that was killed
    plans = {12: through(E1, M1, C1)}
    assert to_carry_on([a_release(11, state="closed"), ended]) == ended
    assert may_open(through(NEW, C1), [ended], plans).supersedes == 12
    for other in (through(NEW), through(NEW, C1, (USER, "5", Phase.MIGRATE))):
        found = may_open(other, [ended], plans)
        assert (found.gate.is_open, found.supersedes) == (True, 0)


def test_what_does_not_soak_yet_or_contracts_is_not_carried_on() -> None:
    plans = {12: through(E1, M1, C1)}
    for step in (EXPAND, CODE, MIGRATE):
        found = may_open(through(NEW, C1), [done_until(step)], plans)
        assert found.gate.because == f"release 12 is open, and its step is {step}"
    begun = with_step(done_until(CONTRACT), CONTRACT, state="failed", began=NOW)
    assert "its contract has begun" in may_open(through(NEW, C1), [begun], plans).gate.because
    busy = with_step(SOAKING, StepName.SOAK, state="running")
    assert "soak is being taken" in may_open(through(NEW, C1), [busy], plans).gate.because
    two = [a_release(11), SOAKING]
    assert "releases 11, 12 are open" in may_open(through(NEW, C1), two, plans).gate.because


# --- the whole of it


def test_a_release_goes_from_its_opening_to_its_end() -> None:
    release, now = a_release(), T0
    for step in (EXPAND, CODE, MIGRATE, StepName.VERIFY):
        now += HOUR
        known = facts(now, approvals=[approval(release, EXPAND, at=now), approval(release, CODE, ROBOT, now)])
        release = taken(release, step, known)
    release = with_step(release, CODE, evidence=(good("code", now - 2 * HOUR),))
    with pytest.raises(GateClosed, match="soak of release 12 of prod waits"):
        claim(release, StepName.SOAK, "t", facts(now))
    now += 24 * HOUR
    for step in (StepName.SOAK, StepName.SNAPSHOT):
        release = taken(release, step, facts(now))
    evidence = [good("reader", now), good("snapshot", now, USER), good("verify", now)]
    with pytest.raises(GateClosed, match="contract of release 12 of prod waits") as raised:
        claim(release, CONTRACT, "t", facts(now, evidence=evidence))
    assert raised.value.because == "approvals: 0 of 1 approval"
    known = facts(now, evidence=evidence, approvals=[approval(release, CONTRACT, at=now)])
    release = taken(taken(release, CONTRACT, known), StepName.CLOSE, known)
    assert release.current is None
    assert end(release, "closed", ROBOT, now).state == "closed"
