"""Dumps as snapshots of a graph: taken once, whole or not at all; restored beside, copied back from, tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.neo4j.dump_restore.file_format import read
from seedbed.engines.neo4j.snapshots import beside
from seedbed.engines.snapshots import TakenElsewhere
from seedbed.errors import Refused
from seedbed.execution.stopping import Stop
from seedbed.model.names import CONTROL_TABLE
from seedbed.project.drills import drill
from seedbed.project.snapshots import ReleaseSnapshots
from tests.support.neo4j.snapshot_site import DROP, RUNBOOK, Site
from tests.support.servers import Settings


@pytest.fixture
def site(tmp_path: Path, neo4j_settings: Settings) -> Site:
    return Site(tmp_path, neo4j_settings)


def documented() -> str:
    """Return the migration of the runbook's section on Neo4j."""
    section = RUNBOOK.read_text(encoding="utf-8").partition("\n## Neo4j\n")[2]
    return section.partition("```cypher")[2].partition("\n")[2].partition("```")[0]


def test_a_label_that_a_contract_removed_is_given_back_as_documented_and_what_came_since_stays(
    site: Site,
) -> None:
    before, at_first = site.senior(), site.content()
    site.migration("20260101000002_seniors_back", documented())
    site.apply()
    assert site.content() == at_first  # where there is no copy, it changes nothing
    assert site.take().evidence(0).verdict == "good"
    site.migration("20260101000003_no_seniors", DROP)
    site.apply()
    assert site.senior() == []
    site.graph.do("CREATE (:Tutor:Senior {id: 11})", "MATCH (t:Tutor {id: 2}) DETACH DELETE t")
    now = site.content()
    restored = site.snapshots().restore(site.database, 12)
    assert (restored.copy.state, restored.copy.settings) == ("available", {"prefix": "r12."})
    assert site.content() == now  # it is beside: no node, no relationship, no constraint is another one
    site.migration("20260601090000_seniors_back", documented())
    site.apply()
    assert site.senior() == sorted({*before, 11} - {2})
    site.snapshots().drop(site.database, "r12")
    assert site.everything() == site.content()
    assert site.snapshots().look([site.database], 12)[0].snapshot is not None


def test_a_copy_that_is_half_made_goes_on_and_one_that_is_half_gone_is_none(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.take()
    monkeypatch.setattr(beside, "BATCH", 3)
    real, left = beside._part, [0]

    def part(*words: Any) -> Any:
        left[0] += 1
        found = real(*words)
        if left[0] % 2 == 0:
            raise KeyboardInterrupt  # as if it were killed behind a batch
        return found

    monkeypatch.setattr(beside, "_part", part)
    monkeypatch.setattr(beside, "SECONDS", 60.0)
    states = []
    is_done = False
    while not is_done:
        try:
            is_done = site.snapshots().restore(site.database, 12).copy.state == "available"
        except KeyboardInterrupt:
            (half,) = site.snapshots().listed([site.database])[0].copies
            states.append(half.state)
    assert len(states) > 4
    assert "making" in states
    assert site.copied("Tutor") == site.copied("Tutor", "r12.")
    assert site.graph.ask("MATCH (:`r12.Tutor`)-[r:`r12.KNOWS`]->(:`r12.Tutor`) RETURN count(r) AS n") == [
        {"n": 9}
    ]
    monkeypatch.undo()
    (second,) = site.snapshots().take([site.database], 13)  # a dump has nothing of a copy
    assert second.snapshot is not None
    first, then = (
        read(Path(each.parts["tutor-matching/neo4j"]).read_bytes())
        for each in (site.take().snapshot, second.snapshot)
    )
    assert (first.nodes, first.relationships, first.schema) == (then.nodes, then.relationships, then.schema)
    site.graph.do(
        "MATCH (c:restored_copy {restored_copy: 'r12'}) SET c.done = -1"
    )  # killed behind its first step
    (there,) = site.snapshots().listed([site.database])
    assert [each.doing for each in there.copies] == ["it is taken away"]
    with pytest.raises(Refused, match="is being taken away"):
        site.snapshots().restore(site.database, 12)
    site.snapshots().drop(site.database, "r12")
    assert site.snapshots().restore(site.database, 12).copy.state == "available"


def test_a_dump_is_taken_once_and_is_partial_where_its_file_was_changed(site: Site) -> None:
    first = site.take().snapshot
    assert site.take().snapshot == first
    file = Path(first.parts["tutor-matching/neo4j"])
    assert file.parent == site.root / ".seedbed" / "snapshots"
    file.write_bytes(file.read_bytes()[:-20])
    (found,) = site.snapshots().look([site.database], 12)
    assert found.evidence(0).verdict == "bad"
    with pytest.raises(Refused, match="cannot be restored"):
        site.snapshots().restore(site.database, 12)
    assert site.snapshots().delete([site.database], release=12)[0].snapshot is not None
    assert not file.exists()


def test_in_a_task_whose_files_go_with_it_the_evidence_is_unknown(site: Site) -> None:
    result = site.take(**{CONTROL_TABLE: "records"})
    assert isinstance(result.error, TakenElsewhere)
    assert result.evidence(0).verdict == "unknown"


@pytest.mark.slow(15)
def test_a_drill_shows_its_figures_and_leaves_nothing(site: Site) -> None:
    site.take()
    site.migration("20260101000002_no_seniors", DROP)
    site.apply()
    now = site.everything()
    found = drill(site.snapshots(), site.project().targets, site.database, 12, stop=Stop())
    assert [(each.name, each.is_good) for each in found.checks] == [
        ("identity", True),
        ("history", True),
        ("rows", True),
        ("expectation every tutor has an id", True),
    ]
    assert "1 fewer than the database has now" in found.checks[1].text
    assert found.rows == {"Tutor": 10, "Senior": 5, "[:KNOWS]": 9}
    assert site.everything() == now
    assert list((site.root / ".seedbed" / "snapshots" / "drills").glob("seedbed*")) == []
    assert site.snapshots().listed([site.database])[0].copies == ()


def test_a_dump_lies_where_it_is_told_to_and_not_with_a_bundle_that_goes(site: Site, tmp_path: Path) -> None:
    project = site.project()
    where = project.catalog.environment("staging")
    kept = ReleaseSnapshots(project.targets, where, stop=Stop(), tell=lambda _: None, home=tmp_path / "kept")
    (result,) = kept.take([site.database], 12)
    assert result.snapshot is not None
    assert Path(result.snapshot.parts["tutor-matching/neo4j"]).parent == tmp_path / "kept"
