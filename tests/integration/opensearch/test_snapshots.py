"""Snapshots in a repository: taken, restored beside, copied back as documented, tried; partial ones are no good."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.opensearch.snapshots.repository import RepositorySnapshots
from seedbed.errors import Refused
from seedbed.project.drills import drill
from tests.support.opensearch.snapshot_site import DOCUMENTS, DROP, RUNBOOK, Site, opened
from tests.support.servers import Settings


@pytest.fixture
def site(tmp_path: Path, opensearch_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with opened(tmp_path, opensearch_settings, monkeypatch) as made:
        yield made


def documented(kind: str, number: int = 1) -> str:
    """Return a block of the runbook's section on OpenSearch."""
    section = RUNBOOK.read_text(encoding="utf-8").partition("\n## OpenSearch\n")[2].partition("\n## ")[0]
    return section.split(f"```{kind}")[number].partition("\n")[2].partition("```")[0]


@pytest.mark.slow
def test_an_index_that_a_contract_removed_is_filled_as_documented_and_no_search_meets_the_copy(
    site: Site,
) -> None:
    taken = site.take()
    assert taken.evidence(0).verdict == "good", taken
    site.migration("20260101000002_no_notes", DROP)
    site.apply()
    assert "notes-1" not in site.names()
    site.client.call("PUT", "/lessons/_doc/l1", {"title": "since"}, params={"refresh": True})

    restored = site.snapshots.restore(site.database, 12)
    assert restored.copy.settings == {"prefix": "r12.ai."}
    assert site.documents("r12.ai.notes") == DOCUMENTS  # its alias, below the prefix
    assert not site.client.call("GET", "/_alias/r12*,notes*")["r12.ai.notes-1"]["aliases"].keys() & {"notes"}
    site.migration("20260601090000_notes_back", documented("http"))
    site.apply()
    since = {"text": "written since", "by": "ben"}
    site.client.call("PUT", "/notes/_doc/n1", since, params={"refresh": True})
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    done = subprocess.run(
        ["sh", "-euc", documented("sh", 2)],
        env={**os.environ, **site.environ, **keys},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.documents("notes") == {**DOCUMENTS, "n1": since}
    assert site.documents("lessons") == {"l1": {"title": "since"}}
    site.snapshots.drop(site.database, "r12")
    assert site.names() == ["lessons", "migrations_history", "notes"]


def test_a_partial_snapshot_keeps_the_contract_shut_and_is_taken_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, real_delete = RepositorySnapshots._taken, RepositorySnapshots._delete
    deleted: list[str] = []

    def taken(self: RepositorySnapshots, name: str) -> Any:
        found = real(self, name)
        return {**found, "state": "PARTIAL"} if found and not deleted else found

    def delete(self: RepositorySnapshots, name: str) -> None:
        deleted.append(name)
        real_delete(self, name)

    site.take()
    first = [each.snapshot.taken for each in site.snapshots.look([site.database], 12) if each.snapshot]
    monkeypatch.setattr(RepositorySnapshots, "_taken", taken)
    monkeypatch.setattr(RepositorySnapshots, "_delete", delete)
    assert site.take().evidence(0).verdict == "good"
    assert len(deleted) == 1
    second = [each.snapshot.taken for each in site.snapshots.look([site.database], 12) if each.snapshot]
    assert second >= first  # a server tells the time by its last look at the clock


@pytest.mark.parametrize("state", ["PARTIAL", "FAILED", "IN_PROGRESS"])
def test_what_is_not_whole_is_not_restored(site: Site, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site.take()
    real = RepositorySnapshots._snapshot

    def told(self: RepositorySnapshots, release: int, number: int, said: Any) -> Any:
        return real(self, release, number, {**said, "state": state, "failures": [{"reason": "node left"}]})

    monkeypatch.setattr(RepositorySnapshots, "_snapshot", told)
    (found,) = site.snapshots.look([site.database], 12)
    assert found.evidence(0).verdict == "bad"
    with pytest.raises(Refused, match="cannot be restored"):
        site.snapshots.restore(site.database, 12)


def test_a_restore_of_which_a_part_was_done_goes_on(site: Site) -> None:
    site.take()
    body = {
        "indices": "notes-1",
        "include_aliases": False,
        "rename_pattern": "(.+)",
        "rename_replacement": "r12.ai.$1",
    }
    name = f"seedbed-{site.platform}-staging-ai-r12"
    site.client.call(
        "POST", f"/_snapshot/seedbed/{name}/_restore", body, params={"wait_for_completion": True}
    )
    site.snapshots.restore(site.database, 12)
    assert [each for each in site.names() if each.startswith("r12")] == [
        "r12.ai.lessons",
        "r12.ai.migrations_history",
        "r12.ai.notes-1",
    ]
    (listed,) = site.snapshots.listed([site.database])
    assert [(each.name, each.state) for each in listed.copies] == [("r12", "available")]


def test_a_drill_shows_its_figures_and_leaves_nothing(site: Site) -> None:
    site.take()
    site.snapshots.restore(site.database, 12)  # a copy that is being read stays
    found = drill(site.snapshots, site.project.targets, site.database, 12, stop=site.stop)
    assert [each.name for each in found.checks] == [
        "identity",
        "history",
        "rows",
        "expectation every note has a text",
    ]
    assert found.is_good, found.checks
    assert found.rows == {"lessons": 0, "notes-1": 20}
    assert [each for each in site.names() if "drill" in each] == []
    assert "r12.ai.notes-1" in site.names()


def test_a_cluster_without_a_repository_says_how_to_get_one(site: Site) -> None:
    site.forget()
    result = site.take()
    assert isinstance(result.error, Refused)
    assert "no snapshot repository" in result.error.what
    assert result.evidence(0).verdict == "bad"
    assert site.snapshots.look([site.database], 12)[0].snapshot is None
