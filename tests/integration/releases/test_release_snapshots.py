"""A contract removes a column, an attribute, a label and an index, and a snapshot has them: each engine, as released.

What no longer can be restored keeps the contract shut, whatever the step before it has found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from seedbed.documents.document import text
from seedbed.documents.snapshot import SnapshotsDocument
from seedbed.model.release import SNAPSHOT, StepName
from seedbed.model.snapshot import Snapshot, SnapshotState
from seedbed.planning import release_gates
from seedbed.project import snapshots
from seedbed.project.releasing.snapshots import listed
from tests.support.dynamodb import snapshot_site as courses
from tests.support.neo4j import snapshot_site as tutors
from tests.support.opensearch import snapshot_site as notes
from tests.support.postgres import snapshot_site as users
from tests.support.released_sites import ENV, Released


def bring_to_its_contract(it: Released, drop: str) -> None:
    """Take a release that drops something to where its contract is next, with a snapshot."""
    it.site.migration("20260101000002_drop", drop)
    it.open()
    through = it.next("--through", "snapshot")
    assert through.code == 0, through.everything
    kinds = [each.verdict for each in it.release.step(StepName.SNAPSHOT).evidence if each.kind == SNAPSHOT]
    assert kinds == ["good"]


def keeps_it_shut(it: Released, said: str) -> None:
    """A contract whose snapshot cannot be restored is not begun, and nothing is touched."""
    before = it.kept.content()
    checked = it.run("release", "check", "-e", ENV)
    assert (checked.code, "closed  snapshot" in checked.everything) == (6, True), checked.everything
    shut = it.next()
    assert (shut.code, said in shut.err) == (6, True), shut.everything
    assert it.kept.content() == before
    assert it.release.step(StepName.CONTRACT).state == "waiting"


def deleted_elsewhere(it: Released) -> None:
    """Delete the snapshots past seedbed, which refuses that while the release is open."""
    with it.kept.reached() as ours:
        for each in ours.listed():
            ours.delete(each)


def is_shut_by_what_cannot_be_restored(it: Released) -> None:
    kept = it.kept
    with kept.unfinished() as are_slow:
        if are_slow:
            keeps_it_shut(it, "still being made")
    deleted_elsewhere(it)
    keeps_it_shut(it, "there is no snapshot of this release")
    it.good("snapshot", "take", *it.selection, "--release", "1")
    with kept.reached() as ours:
        is_spoilt = kept.spoil(ours.listed()[0])
    if is_spoilt:
        keeps_it_shut(it, "partial")
    deleted_elsewhere(it)
    it.good("snapshot", "take", *it.selection, "--release", "1")


def comes_back(it: Released, copy_back: Callable[[Released, str], None]) -> None:
    """Contract, and bring back from the snapshot what that removed, as the runbook says; what came since stays."""
    before = it.kept.content()
    done = it.next()
    assert done.code == 0, done.everything
    gone = it.kept.content()
    assert gone != before
    drilled = json.loads(it.good("snapshot", "drill", *it.selection, "--release", "1", "--json").out)
    (drill,) = drilled["drills"]
    assert all(each["passed"] for each in drill["checks"]), drill
    assert all(drill[each] >= 0 for each in ("restoring", "checking", "cleaning"))
    assert sum(drill["rows"].values()) > 0
    told = it.good("snapshot", "restore", *it.selection, "--release", "1", "--json")
    assert it.kept.content() == gone
    copy_back(it, json.loads(told.out)["copy"]["settings"].get("port", ""))
    assert it.kept.content() == before
    it.good("snapshot", "drop", *it.selection, "--release", "1")
    assert json.loads(it.good("snapshot", "list", *it.selection, "--json").out)["copies"] == []
    assert it.kept.content() == before


def as_a_release(it: Released, name: str, text: str) -> None:
    """Write a migration of the runbook, and release it."""
    it.site.migration(name, text)
    it.open()
    done = it.next()
    assert done.code == 0, done.everything


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LONGEST_PAUSE", 0.05)


def test_an_attribute_of_items_comes_back(attribute: Released) -> None:
    bring_to_its_contract(attribute, courses.DROP)
    is_shut_by_what_cannot_be_restored(attribute)
    comes_back(
        attribute,
        lambda it, _: as_a_release(it, "20260601090000_subtitles_back", it.documented("python")),
    )


@pytest.mark.slow
def test_a_snapshot_that_failed_is_deleted_while_its_release_is_open_and_taken_anew(
    column: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_to_its_contract(column, users.DROP)
    delete = ("snapshot", "delete", *column.selection, "--release", "1", "--yes")
    refused = column.run(*delete)
    assert (refused.code, "release 1 of staging is open" in refused.err) == (3, True), refused.everything
    with column.kept.reached() as ours:
        assert column.kept.spoil(ours.listed()[0])

    hint = "snapshot delete -e staging -s user --engine postgres --release 1"
    shut = column.next()
    assert (shut.code, hint in " ".join(shut.err.split())) == (6, True), shut.everything
    monkeypatch.setattr(release_gates, "_RENEWED", -1.0)  # as a minute later
    failed = column.next()
    assert (failed.code, hint in " ".join(failed.err.split())) == (7, True), failed.everything
    column.good(*delete)
    column.good(*delete)  # nothing of it is there any more
    done = column.next()
    assert done.code == 0, done.everything
    step = column.release.step(StepName.SNAPSHOT)
    verdicts = [each.verdict for each in step.evidence if each.kind == SNAPSHOT]
    assert (step.state, verdicts) == ("done", ["good", "bad", "bad", "good"])
    assert column.release.step(StepName.CONTRACT).state == "done"


@pytest.mark.soak
def test_a_column_comes_back(column: Released) -> None:
    bring_to_its_contract(column, users.DROP)
    is_shut_by_what_cannot_be_restored(column)
    for each in column.site.rds.snapshots.values():
        each["at"] -= timedelta(days=2)
    keeps_it_shut(column, "more than 24 h ago")
    deleted_elsewhere(column)
    column.good("snapshot", "take", *column.selection, "--release", "1")

    def copied(it: Released, port: str) -> None:
        as_a_release(it, "20260601090000_nicknames_back", it.documented("sql", 1))
        site: users.Site = it.site
        it.psql(it.documented("sh"), COPY=site.conninfo(port), DATABASE=site.conninfo())
        as_a_release(it, "20260601100000_nicknames_set", it.documented("sql", 2))

    comes_back(column, copied)


@pytest.mark.soak
def test_a_label_comes_back(label: Released) -> None:
    bring_to_its_contract(label, tutors.DROP)
    is_shut_by_what_cannot_be_restored(label)
    comes_back(label, lambda it, _: as_a_release(it, "20260601090000_seniors_back", it.documented("cypher")))


@pytest.mark.soak
def test_an_index_comes_back(index: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    site: notes.Site = index.site

    def written() -> object:
        """Return which index it is and how much was written to it: whoever reads it is a reader to the gate."""
        told = site.client.call("GET", "/notes/_stats/docs", params={"level": "shards"})
        shards = {
            name: [each["seq_no"] for copies in one["shards"].values() for each in copies]
            for name, one in told["indices"].items()
        }
        return {name: one["uuid"] for name, one in told["indices"].items()}, shards

    at_first = written()

    def content() -> Mapping[str, Any]:
        """Return the documents below the name that applications use; without a look at them while they are as put."""
        if site.client.ask("GET", "/notes").status != 200:
            return {}
        return notes.DOCUMENTS if written() == at_first else site.documents("notes")

    monkeypatch.setattr(index.kept, "content", content)
    bring_to_its_contract(index, notes.DROP)
    is_shut_by_what_cannot_be_restored(index)

    def copied(it: Released, _: str) -> None:
        as_a_release(it, "20260601090000_notes_back", it.documented("http"))
        it.shell(it.documented("sh", 2), AWS_ACCESS_KEY_ID="any", AWS_SECRET_ACCESS_KEY="any")

    comes_back(index, copied)


@pytest.mark.parametrize("state", ["available", "making", "partial"])
def test_what_a_task_lists_is_told_as_what_is_listed_here(state: SnapshotState) -> None:
    because = "a node left" if state == "partial" else ""
    kept = Snapshot(
        id="seedbed-shop-prod-user-r1", database="user/postgres", release=1, state=state, taken=1780308000.0,
        size=12_900_000_000, because=because,
    )  # fmt: skip
    document = text(SnapshotsDocument.of("prod", [kept], (), "snapshot list")).encode()
    assert listed(document, "user/postgres") == kept.evidence(0.0)


def test_of_what_a_task_does_not_list_there_is_no_snapshot() -> None:
    document = text(SnapshotsDocument.of("prod", (), (), "snapshot list")).encode()
    found = listed(document, "user/postgres")
    assert (found.verdict, found.text) == ("bad", "user/postgres: there is no snapshot of this release")
    unknown = listed(b"", "user/postgres", 5)
    assert (unknown.verdict, unknown.text) == ("bad", "user/postgres: snapshot list ended with exit code 5")
