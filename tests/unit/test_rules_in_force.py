"""Which rules a release keeps to: the stricter of its own and of those of the release before it."""

from __future__ import annotations

from datetime import UTC, date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.model.release import READER, SNAPSHOT, VERIFY, Evidence, Opening, StepName
from seedbed.model.release_rules import DatedFreeze, NewCode, ReleaseCheck, ReleaseRules
from seedbed.planning.consents import consents
from seedbed.planning.release_gates import gates
from seedbed.planning.rules_in_force import in_force, with_consent
from seedbed.project.rules import declared, rules_before, rules_for, rules_of
from seedbed.releases.directory_store import DirectoryStore
from seedbed.support.phrases import DAY
from tests.support.release_steps import (
    ANA,
    BEN,
    EVA,
    ROBOT,
    T0,
    USER,
    a_release,
    approval,
    done_until,
    facts,
    good,
    with_step,
)

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


def manifest(contract: int, soak: str = "1h") -> bytes:
    """Return a manifest whose environment prod asks for so many approvals of a contract."""
    rules = f'[release]\napprovals = {{expand = 0, contract = {contract}}}\nsoak = "{soak}"\n'
    return f'[platform]\nname = "shop"\n[environments.prod]\nprotected = true\n{rules}'.encode()


def test_what_carries_on_a_release_that_soaks_keeps_to_its_rules_and_to_those_of_what_was_closed(
    tmp_path: Path,
) -> None:
    store = DirectoryStore(tmp_path, "prod")
    of_closed, of_soaking, of_next = (
        store.put(each) for each in (manifest(1, "2h"), manifest(2), manifest(0))
    )
    assert store.create(a_release(1, manifest=of_closed, state="closed"))
    assert store.create(a_release(2, manifest=of_soaking, state="superseded"))
    assert store.create(a_release(3, manifest=of_next, state="superseded", supersedes=2))
    own = declared(manifest(1), "prod")
    for supersedes in (2, 3):  # and what that one carried on
        found = rules_before(store, 4, own, supersedes)
        assert (found.rules.approvals[StepName.CONTRACT], found.rules.soak) == (2, 7200.0)
        assert found.looser == ("soak is 1 h, before 2 h", "1 approval of contract, before 2")
    alone = rules_before(store, 4, own, 0)
    assert (alone.rules.approvals[StepName.CONTRACT], alone.looser) == (1, ("soak is 1 h, before 2 h",))
    assert rules_for(store, a_release(4, supersedes=2), own).rules.approvals[StepName.CONTRACT] == 2
    assert rules_before(store, 4, own, 4) == alone  # a record that somebody wrote by hand leads nowhere


def test_one_person_alone_releases_as_the_page_has_it(tmp_path: Path) -> None:
    page = (
        Path(__file__).parents[2].joinpath("docs", "explanation", "releases.md").read_text(encoding="utf-8")
    )
    said = page.partition("\n### Alone\n")[2].partition("```toml\n")[2].partition("```")[0]
    text = f'[platform]\nname = "shop"\n[environments.prod]\nprotected = true\n{said}'
    alone = declared(text.encode(), "prod")
    release = done_until(StepName.CONTRACT, a_release(opened_by=ANA, soak=0.0))
    left = [Opening(number=release.number, digest=release.digest, by=ANA, at=release.opened)]
    now = T0 + 2 * DAY
    unknown = [Evidence(kind, "unknown", "nobody can say", now, about=USER) for kind in (READER, SNAPSHOT)]
    evidence = [*unknown, good(VERIFY, now)]
    known = facts(now, rules=rules_of(alone), caller=ANA, openings=left, evidence=evidence)
    for step in (StepName.EXPAND, StepName.CONTRACT):
        each = release if step is StepName.CONTRACT else a_release(opened_by=ANA, soak=0.0)
        assert [one for one in gates(each, step, known) if not one.is_open] == []
    wrong = replace(known, evidence=[Evidence(READER, "bad", "read by shop", now, about=USER), *evidence[1:]])
    assert [one.name for one in gates(release, StepName.CONTRACT, wrong) if not one.is_open] == ["readers"]

    # The rules of a protected environment that says nothing of releases are the usual ones; these come later.
    store = DirectoryStore(tmp_path, "prod")
    before = store.put(text.partition("[environments.prod.release]")[0].encode())
    assert store.create(a_release(1, manifest=before, state="closed"))
    later = rules_for(store, a_release(2, opened_by=ANA), alone)
    assert later.looser == ("0 approvals of expand, before 1", "0 approvals of contract, before 1")
    asked = facts(rules=later.rules, looser=later.looser, caller=ANA, openings=left)
    assert "approvals" in {one.name for one in gates(a_release(2), StepName.EXPAND, asked) if not one.is_open}


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
