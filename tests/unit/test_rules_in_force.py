"""Which rules a release keeps to: the stricter of its own and of those of the release before it."""

from __future__ import annotations

from datetime import UTC, date
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.model.release import Opening, StepName
from seedbed.model.release_rules import DatedFreeze, NewCode, ReleaseCheck, ReleaseRules
from seedbed.planning.consents import consents
from seedbed.planning.rules_in_force import in_force, with_consent
from seedbed.support.phrases import DAY
from tests.support.release_steps import ANA, BEN, EVA, ROBOT, T0, a_release, approval, facts, with_step

FREEZE = DatedFreeze("2026-12-20/2027-01-06 UTC", date(2026, 12, 20), date(2027, 1, 6), UTC)
BEFORE = ReleaseRules(
    soak=DAY,
    approvals={StepName.CONTRACT: 2},
    approval_max_age=DAY,
    snapshot_max_age=DAY,
    drill_max_age=31 * DAY,
    freezes=(FREEZE,),
    checks=(ReleaseCheck("front page", StepName.CODE, url="https://shop.example/"),),
    code=NewCode(wait="ecs"),
)
LOOSER: dict[str, tuple[dict[str, Any], str]] = {
    "approvals": ({"approvals": {StepName.CONTRACT: 0}}, "0 approvals of contract, before 2"),
    "soak": ({"soak": 3600.0}, "soak is 1 h, before 24 h"),
    "old approvals": ({"approval_max_age": 9 * DAY}, "approval_max_age is 216 h, before 24 h"),
    "old snapshots": ({"snapshot_max_age": 9 * DAY}, "snapshot_max_age is 216 h, before 24 h"),
    "no drills": ({"drill_max_age": 0.0}, "drill_max_age is not there, before 744 h"),
    "old drills": ({"drill_max_age": 40 * DAY}, "drill_max_age is 960 h, before 744 h"),
    "freezes": ({"freezes": ()}, "no freeze 2026-12-20/2027-01-06 UTC"),
    "checks": ({"checks": ()}, "check front page is gone"),
    "other checks": (
        {"checks": (replace(BEFORE.checks[0], url="https://else.example/"),)},
        "check front page is another one",
    ),
    "new code": ({"code": NewCode(wait="manual")}, "the new code is brought, or waited for, in another way"),
}


@pytest.mark.parametrize(("changes", "said"), LOOSER.values(), ids=LOOSER)
def test_what_asks_for_less_is_said_and_wants_an_approval_of_the_first_step(
    changes: dict[str, Any], said: str
) -> None:
    own = replace(BEFORE, **changes)
    found = in_force(own, BEFORE)
    assert found.looser == (said,)
    for name in changes.keys() - {"checks", "code"}:  # those are carried out as the release itself has them
        assert getattr(found.rules, name) == getattr(BEFORE, name)
    release = with_step(a_release(), StepName.EXPAND, state="skipped")
    rules = with_consent(found, release).rules
    assert rules.approvals == {StepName.CONTRACT: 2, StepName.CODE: 1}
    known = facts(rules=rules, looser=found.looser)
    (gate,) = consents(release, StepName.CODE, known)
    assert (gate.is_open, said in gate.because) == (False, True), gate
    given = replace(known, approvals=[approval(release, StepName.CODE, ANA)])
    assert consents(release, StepName.CODE, given)[0].is_open


def test_what_asks_for_more_holds_at_once_and_wants_nothing() -> None:
    own = replace(
        BEFORE, soak=2 * DAY, approvals={StepName.EXPAND: 1, StepName.CONTRACT: 3}, approval_max_age=3600.0
    )
    found = in_force(own, BEFORE)
    assert (found.looser, found.rules) == ((), own)
    assert with_consent(found, a_release()) == found
    assert in_force(own, None).rules == own


def test_who_opened_a_release_is_told_by_what_he_left_and_not_by_the_record() -> None:
    release = a_release(opened_by=ANA)
    known = facts(rules=replace(BEFORE, approvals={StepName.EXPAND: 1}), caller=ROBOT)
    forged = replace(known, openings=())
    assert [each.name for each in consents(release, StepName.EXPAND, forged) if each.kind == "policy"] == [
        "opened"
    ]
    left = Opening(number=12, digest=release.digest, by=EVA, at=T0)
    for other in (replace(left, digest="0" * 64),):
        assert not consents(release, StepName.EXPAND, replace(known, openings=(other,)))[0].is_open
    by_eva = replace(known, openings=(left,), approvals=[approval(release, StepName.EXPAND, EVA)])
    (gate,) = consents(release, StepName.EXPAND, by_eva)
    assert (gate.kind, "who opened a release does not approve it" in gate.because) == ("policy", True)
    by_ben = replace(known, openings=(left,), approvals=[approval(release, StepName.EXPAND, BEN)])
    assert consents(release, StepName.EXPAND, by_ben)[0].is_open
