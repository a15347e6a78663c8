"""Who lets a release in: rules that it brings itself, a record that was written by hand, and its opener."""

from __future__ import annotations

import shutil
from typing import Any

from msgspec.structs import replace

from seedbed.model.release import Release, StepName
from tests.support.released import ENV, Users

LOOSE = "approvals = {expand = 0, contract = 0}"


def closed(site: Users) -> None:
    """Have the release that is open be closed, without the seconds that its steps take."""
    steps = tuple(replace(each, state="done") for each in site.release.steps)
    site.change(state="closed", steps=steps, ended=site.store.now())


def by_hand(release: Release, name: StepName) -> dict[str, Any]:
    """Return what makes the record say that a step is being taken, and all before it done."""
    state = "done"
    steps = []
    for each in release.steps:
        state = "running" if each.name is name else "waiting" if state == "running" else state
        steps.append(replace(each, state=state))
    return {"steps": tuple(steps)}


def test_a_release_that_asks_for_less_keeps_to_what_was_asked_for_before(site: Users) -> None:
    closed(site)
    manifest = site.root / "seedbed.toml"
    manifest.write_text(manifest.read_text().replace("approvals = {expand = 0, contract = 1}", LOOSE))
    assert LOOSE in manifest.read_text()
    site.build()
    opened = site.open()
    assert opened.code == 0, opened.everything
    assert "looser than before: 0 approvals of contract, before 1" in opened.out
    waits = site.next()
    assert (waits.code, "it asks for less than the release before" in waits.err) == (6, True), waits.err
    assert site.columns == []
    own = site.run("release", "approve", "-e", ENV, "--step", "expand", "--digest", site.release.digest)
    assert own.code == 3, own.everything
    site.approve(StepName.EXPAND)
    expanded = site.next("--through", "expand")
    assert expanded.code == 0, expanded.everything
    assert site.columns == ["display", "id", "name"]
    shown = {
        each["name"]: each for each in site.run("release", "show", "-e", ENV, "--json").document["steps"]
    }
    (gate,) = (each for each in shown["contract"]["gates"] if each["name"] == "approvals")
    assert gate["because"] == "0 of 1 approval"


def test_the_command_that_changes_the_database_asks_who_approved_itself(site: Users) -> None:
    plan = site.plan_file(StepName.CONTRACT)
    site.change(**by_hand(site.release, StepName.CONTRACT))
    refused = site.run("apply", "-e", ENV, plan)
    assert (refused.code, "contract of release 1 of prod is not approved" in refused.err) == (3, True)
    assert site.columns == []
    site.approve(StepName.CONTRACT)
    assert "is not approved" not in site.run("apply", "-e", ENV, plan).err

    text = (site.root / "seedbed.toml").read_text().replace("contract = 1", "contract = 0")
    site.change(
        manifest=site.store.put(text.encode())
    )  # other rules: it is another release then, which nobody opened
    refused = site.run("apply", "-e", ENV, plan)
    assert (refused.code, "it was not opened as its record has it now" in refused.err) == (3, True), (
        refused.err
    )
    refused = site.next()
    assert (refused.code, "does not keep to the rules of its bundle" in refused.err) == (3, True), refused.err


def test_who_opened_it_is_not_what_the_record_says(site: Users) -> None:
    opener = site.release.opened_by
    site.change(opened_by=replace(opener, user_id="uid-4712", arn="somebody", note="github:eva"))
    words = ("release", "approve", "-e", ENV, "--step", "contract", "--digest", site.release.digest)
    own = site.run(*words)
    assert (own.code, "and does not approve it" in own.err) == (3, True), own.everything
    shutil.rmtree(site.store.directory / "openings")
    refused = site.next()
    assert (refused.code, "it was not opened as its record has it now" in refused.err) == (3, True), (
        refused.err
    )
    assert site.columns == []
