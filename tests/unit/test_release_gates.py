"""What a step of a release waits for: opened and closed, one gate after the other."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.errors import GateClosed, Refused
from seedbed.model.release import (
    CODE,
    DRILL,
    READER,
    SNAPSHOT,
    VERIFY,
    Approval,
    Evidence,
    Gate,
    Identity,
    Release,
    StepName,
)
from seedbed.model.release_rules import DatedFreeze, NewCode, usual
from seedbed.planning.drills import last_drills
from seedbed.planning.people import same_person, shown
from seedbed.planning.release_facts import Facts
from seedbed.planning.release_gates import gates, opens_at, require_open, worn_out
from seedbed.planning.releases import tried
from seedbed.support.phrases import DAY
from tests.support.release_steps import (
    ANA,
    BEN,
    EVA,
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
    person,
    with_step,
)

EXPAND, CODE_STEP, MIGRATE, SOAK, CONTRACT = (
    StepName.EXPAND,
    StepName.CODE,
    StepName.MIGRATE,
    StepName.SOAK,
    StepName.CONTRACT,
)


def gate(release: Release, step: StepName, known: Facts, name: str) -> Gate:
    return next(each for each in gates(release, step, known) if each.name == name)


def closed(release: Release, step: StepName, known: Facts) -> list[str]:
    return [each.name for each in gates(release, step, known) if not each.is_open]


# --- turn


def test_only_the_step_whose_turn_it_is_is_open() -> None:
    known = facts(rules=lenient())
    release = a_release()
    assert closed(release, EXPAND, known) == []
    assert closed(release, CODE_STEP, known) == ["order", "new code"]
    assert gate(release, CODE_STEP, known, "order").because == "expand comes first, and is not taken yet"


def test_a_step_that_is_over_waits_for_nothing() -> None:
    assert gates(done_until(CODE_STEP), EXPAND, facts()) == ()


def test_no_step_of_a_release_that_is_over_is_taken() -> None:
    release = a_release(state="abandoned", because="wrong version")
    found = gate(release, EXPAND, facts(), "open")
    assert (found.is_open, found.kind, found.because) == (False, "policy", "it is abandoned: wrong version")


def test_a_release_waits_for_the_one_before() -> None:
    release = a_release()
    found = gate(release, EXPAND, facts(others=[a_release(11)]), "alone")
    assert (found.is_open, found.kind) == (False, "wait")
    for state in ("closed", "abandoned", "returned", "superseded"):
        assert gate(release, EXPAND, facts(others=[a_release(11, state=state)]), "alone").is_open


def test_a_release_that_carries_on_another_does_not_wait_for_it_and_that_one_takes_no_more_steps() -> None:
    older, newer = done_until(SOAK), a_release(13, supersedes=12)
    assert gate(newer, EXPAND, facts(others=[older]), "alone").is_open
    found = gate(older, SOAK, facts(others=[newer]), "alone")
    assert (found.is_open, found.kind, found.because) == (False, "policy", "release 13 carries it on")
    abandoned = replace(newer, state="abandoned")
    assert gate(older, SOAK, facts(others=[abandoned]), "alone").is_open


def test_a_release_whose_contract_has_begun_is_waited_for_by_the_one_that_would_carry_it_on() -> None:
    older = with_step(done_until(CONTRACT), CONTRACT, state="running", began=T0 + HOUR)
    newer = a_release(13, supersedes=12)
    assert not gate(newer, EXPAND, facts(others=[older]), "alone").is_open


# --- approvals


def approved(release: Release, *given: Approval, wanted: int = 1, **changes: Any) -> Gate:
    rules = replace(usual(protected=True), approvals={EXPAND: wanted})
    return gate(release, EXPAND, facts(rules=rules, approvals=given, **changes), "approvals")


def test_an_approval_of_the_step_and_its_digest_opens_it() -> None:
    release = a_release()
    found = approved(release, approval(release, EXPAND))
    assert (found.is_open, found.because) == (True, "approved by ana")


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"digest": "0" * 64}, "wait", "it is of another digest"),
        ({"at": T0 - 6}, "wait", "made before the release was opened"),
        ({"at": T0 + 2 * HOUR}, "wait", "made later than now"),
        ({"by": ROBOT}, "policy", "who opened a release does not approve it"),
        ({"by": person("robot", note="github:Ana")}, "policy", "who opened a release"),
        ({"step": CONTRACT}, "wait", "0 of 1 approval"),
        ({"number": 11}, "wait", "0 of 1 approval"),
    ],
)
def test_an_approval_that_does_not_count_says_why(changes: dict[str, Any], kind: str, said: str) -> None:
    opener = replace(ROBOT, note="github:ana")
    release = a_release(opened_by=opener)
    found = approved(release, replace(approval(release, EXPAND), **changes))
    assert (found.is_open, found.kind) == (False, kind)
    assert said in found.because


def test_a_store_whose_parts_tell_whole_seconds_makes_no_approval_invalid() -> None:
    release = a_release(opened=T0 + 0.9)
    assert approved(release, approval(release, EXPAND, at=T0), now=T0 + 1.5).is_open
    assert approved(release, approval(release, EXPAND, at=T0 + 2), now=T0 + 1.0).is_open


def test_an_approval_holds_for_three_days() -> None:
    release = a_release()
    given = approval(release, EXPAND)
    assert approved(release, given, now=given.at + 72 * HOUR).is_open
    found = approved(release, given, now=given.at + 72 * HOUR + 1)
    assert (found.is_open, found.kind) == (False, "wait")
    assert "it is older than 72 h" in found.because


def test_who_carries_out_a_step_does_not_approve_it() -> None:
    release = a_release()
    found = approved(release, approval(release, EXPAND), caller=ANA)
    assert (found.is_open, found.kind) == (False, "policy")
    assert approved(release, approval(release, EXPAND), approval(release, EXPAND, BEN), caller=ANA).is_open


def test_two_approvals_are_of_two_people() -> None:
    release = a_release()
    given = approval(release, EXPAND)
    for same in (given, replace(given, by=person("ana", "AROAOTHER")), replace(given, at=T0 + 90)):
        found = approved(release, given, same, wanted=2)
        assert (found.is_open, found.because) == (False, "1 of 2 approvals, by ana")
    assert approved(release, given, replace(given, by=BEN), wanted=2).is_open


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ANA, ANA, True),
        (ANA, person("ANA", "AROAOTHER"), True),
        (ANA, BEN, False),
        (person("GitHubActions", "AROAONE"), person("GitHubActions", "AROATWO"), False),
        (person("botocore-session-1796000000", "AROAONE"), person("botocore-session-1796000000"), False),
        (person("AWSCodeBuild-0a1b2c3d-4e5f", "A"), person("AWSCodeBuild-0a1b2c3d-4e5f", "B"), False),
        (person("GitLabRunner-7-12", "A"), person("GitLabRunner-7-12", "B"), False),
        (person("deploy", "A"), person("deploy", "B"), False),
        (person("ana@shop.example", "A"), person("Ana@shop.example", "B"), True),
        (person("beadface", "A"), person("beadface", "B"), True),
        (person("i-0abcdef0123456789", "AROAONE"), person("i-0abcdef0123456789"), False),
        (person("GitHubActions", "A", "github:ana"), person("GitHubActions", "B", "GitHub:ana "), True),
        (person("GitHubActions", "A", "github:ana"), person("GitHubActions", "B", "github:ben"), False),
        (person("GitHubActions", "A", "github:ana"), person("GitHubActions", "B"), False),
        (Identity("AIDAUSER", "arn:aws:iam::333333333333:user/ana"), ANA, False),
        (Identity("1000", "ana"), Identity("1001", "ben"), False),
    ],
)
def test_who_is_the_same_person(one: Identity, other: Identity, same: bool) -> None:
    assert same_person(one, other) is same_person(other, one) is same


def test_people_are_shown_by_their_names() -> None:
    assert shown(ANA) == "ana"
    assert shown(Identity("AIDAUSER", "arn:aws:iam::333333333333:user/ana")) == "ana"
    assert shown(person("GitHubActions", note="github:ana")) == "github:ana (GitHubActions)"


# --- freeze

HOLIDAYS = DatedFreeze("the holidays", date(2026, 11, 30), date(2026, 12, 1), UTC)
FROZEN = lenient(freezes=(HOLIDAYS,))


def test_a_freeze_closes_what_changes_something_and_says_until_when() -> None:
    found = gate(a_release(), EXPAND, facts(rules=FROZEN), "freeze")
    assert not found.is_open
    assert found.because == "nothing is changed until 2026-12-02 00:00 UTC: the holidays"
    assert found.opens_at == datetime(2026, 12, 2, tzinfo=UTC).timestamp()
    assert gate(a_release(), EXPAND, facts(found.opens_at, rules=FROZEN), "freeze").is_open


def test_a_freeze_closes_neither_what_only_looks_nor_what_has_begun() -> None:
    known = facts(rules=FROZEN)
    for step in (StepName.VERIFY, SOAK, StepName.SNAPSHOT, StepName.CLOSE):
        assert closed(done_until(step, a_release(soak=0.0)), step, known) == []
    begun = with_step(a_release(), EXPAND, state="failed", began=T0)
    assert closed(begun, EXPAND, known) == []


def test_a_freeze_closes_code_only_where_it_is_a_command_of_ours() -> None:
    waiting = facts(rules=replace(FROZEN, code=NewCode(wait="ecs")))
    running = facts(rules=replace(FROZEN, code=NewCode(run=("./deploy.sh",))))
    assert closed(done_until(CODE_STEP), CODE_STEP, waiting) == []
    assert closed(done_until(CODE_STEP), CODE_STEP, running) == ["freeze"]


# --- soak


def test_a_soak_is_counted_from_when_the_new_code_is_everywhere() -> None:
    everywhere = T0 + 2 * HOUR
    evidence = Evidence(CODE, "good", "12 of 12 tasks", everywhere + 5 * HOUR, since=everywhere)
    release = with_step(done_until(SOAK), CODE_STEP, evidence=(evidence,))
    early = gate(release, SOAK, facts(everywhere + DAY - 1), "soak")
    assert (early.is_open, early.kind, early.opens_at) == (False, "wait", everywhere + DAY)
    assert gate(release, SOAK, facts(everywhere + DAY), "soak").is_open


def test_a_soak_does_not_begin_before_it_is_known_since_when_the_code_is_everywhere() -> None:
    release = with_step(done_until(SOAK), CODE_STEP, evidence=())
    assert not gate(release, SOAK, facts(T0 + 9 * DAY), "soak").is_open
    old = with_step(
        release,
        CODE_STEP,
        evidence=(good(CODE, T0), Evidence(CODE, "bad", "3 of 12 tasks have old images", T0 + 1)),
    )
    found = gate(old, SOAK, facts(T0 + 9 * DAY), "soak")
    assert (found.is_open, found.because) == (False, "3 of 12 tasks have old images")


def test_without_a_soak_there_is_nothing_to_wait_for() -> None:
    release = with_step(done_until(SOAK, a_release(soak=0.0)), CODE_STEP, evidence=())
    assert gate(release, SOAK, facts(), "soak").is_open


# --- before the contract

READY = T0 + 30 * HOUR


def ready(**evidence: Evidence | None) -> tuple[Release, Facts]:
    """Return a release whose contract may begin, and what is known; `evidence` in place of that which is good."""
    release = done_until(CONTRACT)
    release = with_step(release, SOAK, ended=READY - 2 * HOUR)
    found = {
        "reader": good(READER, READY - HOUR),
        "snapshot": good(SNAPSHOT, READY - HOUR, USER),
        "verify": good(VERIFY, READY - HOUR),
        **evidence,
    }
    known = facts(
        READY,
        approvals=[approval(release, CONTRACT)],
        evidence=[each for each in found.values() if each],
        verify_max_age=DAY,
    )
    return release, known


def test_a_contract_begins_with_approval_snapshot_verify_and_no_reader() -> None:
    assert closed(*_of(ready())) == []


def _of(known: tuple[Release, Facts]) -> tuple[Release, StepName, Facts]:
    return known[0], CONTRACT, known[1]


@pytest.mark.parametrize(
    ("evidence", "name", "kind", "said"),
    [
        (
            {"reader": Evidence(READER, "bad", "user@11 reads users.name", READY)},
            "readers",
            "wait",
            "user@11 reads",
        ),
        ({"reader": Evidence(READER, "unknown", "no statistics", READY)}, "readers", "wait", "no statistics"),
        ({"reader": None}, "readers", "wait", "whether what it removes is still read is not known"),
        ({"snapshot": None}, "snapshot", "wait", "more than 24 h ago"),
        (
            {"snapshot": Evidence(SNAPSHOT, "bad", "it is gone", READY, about=USER)},
            "snapshot",
            "wait",
            "it is gone",
        ),
        (
            {"snapshot": Evidence(SNAPSHOT, "good", "there", READY, about=USER, since=T0 + 60)},
            "snapshot",
            "wait",
            "the data were changed until",
        ),
        (
            {"snapshot": Evidence(SNAPSHOT, "unknown", "not ours", READY, about=USER)},
            "snapshot",
            "wait",
            "not ours",
        ),
        ({"verify": None}, "verify", "wait", "more than 24 h ago"),
        ({"verify": Evidence(VERIFY, "bad", "3 orphans", READY)}, "verify", "policy", "3 orphans"),
        (
            {"verify": Evidence(VERIFY, "good", "ok", READY, since=T0 + 60)},
            "verify",
            "policy",
            "and changed until",
        ),
    ],
)
def test_a_contract_waits_for_each_of_them(
    evidence: dict[str, Evidence | None], name: str, kind: str, said: str
) -> None:
    release, known = ready(**evidence)
    assert closed(release, CONTRACT, known) == [name]
    found = gate(release, CONTRACT, known, name)
    assert said in found.because
    assert found.kind == kind


def test_without_any_snapshot_there_is_no_contract() -> None:
    release, known = ready(snapshot=None)
    release = with_step(release, StepName.SNAPSHOT, evidence=())
    assert gate(release, CONTRACT, known, "snapshot").because == f"there is no snapshot of {USER}"


def test_each_database_that_the_contract_changes_has_its_own_snapshot() -> None:
    release, known = ready()
    both = replace(known, contracted=(USER, "cart/dynamodb"))
    assert gate(release, CONTRACT, both, "snapshot").because == "there is no snapshot of cart/dynamodb"


@pytest.mark.parametrize("kind", [READER, SNAPSHOT])
def test_what_is_unknown_is_accepted_by_an_approval_with_a_reason(kind: str) -> None:
    about = USER if kind == SNAPSHOT else ""
    release, known = ready(**{kind: Evidence(kind, "unknown", "nobody can say", READY, about=about)})
    for reason, is_open in (("", False), ("  ", False), ("the service was switched off", True)):
        accepted = replace(known, approvals=[approval(release, CONTRACT, reason=reason)])
        assert (closed(release, CONTRACT, accepted) == []) is is_open
    own = [approval(release, CONTRACT), approval(release, CONTRACT, ROBOT, reason="I know it")]
    assert closed(release, CONTRACT, replace(known, approvals=own)) != []


def test_where_no_approval_is_asked_for_what_is_unknown_is_told_and_closes_nothing() -> None:
    release, known = ready(reader=None)
    found = gate(release, CONTRACT, replace(known, rules=lenient()), "readers")
    assert found.is_open
    assert "no approval is asked for here" in found.because


def test_readers_that_were_gone_before_the_soak_was_over_may_be_back() -> None:
    release, known = ready(reader=good(READER, READY - 3 * HOUR))
    assert closed(release, CONTRACT, known) == ["readers"]


def test_a_contract_that_was_begun_goes_on_without_what_it_waited_for() -> None:
    release, known = ready(reader=None, snapshot=None, verify=None)
    begun = with_step(release, CONTRACT, state="failed", began=READY - 60)
    assert closed(begun, CONTRACT, replace(known, evidence=())) == []


def test_where_nothing_is_verified_a_contract_does_not_wait_for_it() -> None:
    release, known = ready(verify=None)
    skipped = with_step(release, StepName.VERIFY, state="skipped", evidence=())
    assert closed(skipped, CONTRACT, known) == []


# --- what has grown old


def test_what_was_verified_and_kept_too_long_ago_is_done_again_one_after_the_other() -> None:
    release, known = ready(snapshot=None, verify=None)
    assert worn_out(release, known) is StepName.VERIFY
    verified = replace(known, evidence=[*known.evidence, good(VERIFY, READY - 1)])
    assert worn_out(release, verified) is StepName.SNAPSHOT
    assert worn_out(*ready()) is None


def test_nothing_is_done_again_while_something_else_is_waited_for() -> None:
    release, known = ready(snapshot=None, verify=None)
    assert worn_out(release, replace(known, approvals=())) is None
    assert worn_out(release, replace(known, evidence=())) is None, "readers are not known"
    frozen = replace(known.rules, freezes=(DatedFreeze("f", date(2026, 12, 1), date(2026, 12, 1), UTC),))
    assert worn_out(release, replace(known, rules=frozen)) is None


def test_what_is_unknown_is_not_asked_again_and_again() -> None:
    release, known = ready(snapshot=Evidence(SNAPSHOT, "unknown", "not ours", READY, about=USER))
    assert closed(release, CONTRACT, known) == ["snapshot"]
    assert worn_out(release, known) is None


def test_what_was_done_again_just_now_is_not_done_once_more() -> None:
    gone = Evidence(SNAPSHOT, "bad", "it is gone", READY, about=USER)
    release, known = ready(snapshot=gone)
    assert worn_out(release, known) is StepName.SNAPSHOT
    assert worn_out(with_step(release, StepName.SNAPSHOT, ended=READY - 60), known) is None
    assert worn_out(with_step(release, StepName.SNAPSHOT, ended=READY - 61), known) is StepName.SNAPSHOT


def test_nothing_is_done_again_before_the_contract_or_once_it_has_begun() -> None:
    release, known = ready(snapshot=None)
    assert worn_out(done_until(SOAK), known) is None
    assert worn_out(with_step(release, CONTRACT, began=READY, state="failed"), known) is None


# --- what is made of gates


def test_a_closed_gate_waits_and_a_forbidden_one_refuses() -> None:
    release = a_release()
    known = facts()
    with pytest.raises(GateClosed, match="expand of release 12 of prod waits") as raised:
        require_open(release, EXPAND, gates(release, EXPAND, known))
    assert raised.value.because == "approvals: 0 of 1 approval"
    own = replace(known, approvals=[approval(release, EXPAND, ROBOT)])
    with pytest.raises(Refused, match="expand of release 12 of prod is refused"):
        require_open(release, EXPAND, gates(release, EXPAND, own))
    given = replace(known, approvals=[approval(release, EXPAND, EVA)])
    require_open(release, EXPAND, gates(release, EXPAND, given))


def test_it_is_told_when_all_gates_open_by_themselves() -> None:
    soon, later, by_hand = (
        Gate(name="a", is_open=False, because="", opens_at=each) for each in (5.0, 9.0, 0.0)
    )
    assert opens_at([soon, later]) == 9.0
    assert opens_at([soon, by_hand]) == 0.0
    assert opens_at([]) == 0.0


# --- drills


def tried_of(release: Release, at: float, verdict: Any = "good") -> Release:
    evidence = Evidence(DRILL, verdict, f"user/postgres: restored in 11 min, {verdict}", at, about=USER)
    return tried(release, evidence)


def test_a_contract_waits_for_a_drill_of_each_of_its_databases_that_is_young_enough() -> None:
    now = T0 + 100 * HOUR
    rules = replace(lenient(), drill_max_age=24 * HOUR)
    release = done_until(CONTRACT)

    def found(release: Release, *others: Release) -> Gate:
        known = replace(facts(now, rules=rules, others=list(others)), contracted=(USER,))
        return gate(release, CONTRACT, known, "drill")

    assert (found(release).is_open, found(release).kind) == (False, "wait")
    assert found(release).because == f"no snapshot of {USER} was tried"
    assert "release drill" in found(release).try_
    assert "more than 24 h ago" in found(tried_of(release, now - 25 * HOUR)).because
    assert not found(tried_of(release, now - HOUR, "bad")).is_open
    assert found(tried_of(release, now - HOUR)).is_open
    earlier = tried_of(replace(a_release(11), state="closed"), now - HOUR)
    assert found(release, earlier).is_open  # whichever release it was of
    assert found(tried_of(release, now - 25 * HOUR), earlier).is_open
    known = replace(facts(now, rules=replace(rules, drill_max_age=0.0)), contracted=(USER,))
    assert "drill" not in {each.name for each in gates(release, CONTRACT, known)}


def test_the_last_drill_of_a_database_is_told_once() -> None:
    release = tried_of(tried_of(done_until(CONTRACT), T0), T0 + HOUR)
    assert [each.at for each in release.step(StepName.SNAPSHOT).evidence if each.kind == DRILL] == [T0 + HOUR]
    older = tried_of(a_release(11), T0)
    assert last_drills([release, older])[USER].at == T0 + HOUR
