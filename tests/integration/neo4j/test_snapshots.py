"""Dumps as snapshots of a graph: taken once, whole or not at all; a label is copied back from one as documented."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.snapshots import TakenElsewhere
from seedbed.errors import Refused
from seedbed.execution.stopping import Stop
from seedbed.model.names import CONTROL_TABLE
from seedbed.project import Project
from seedbed.project.drills import drill
from seedbed.project.snapshots import ReleaseSnapshots
from tests.support.neo4j.graphs import graph
from tests.support.servers import Settings

RUNBOOK = Path(__file__).parents[3] / "docs" / "how-to" / "restore-a-snapshot.md"
FIRST = "// migrate:up\nCREATE CONSTRAINT tutor FOR (t:Tutor) REQUIRE t.id IS UNIQUE;\n// migrate:down\nDROP CONSTRAINT tutor;\n"
DROP = (
    '// seedbed: phase=contract\n// seedbed: irreversible because "who is senior is gone"\n'
    "// migrate:up\nMATCH (t:Senior) REMOVE t:Senior;\n"
)


class Site:
    """`tutor-matching/neo4j` in staging: ten tutors, every second one senior."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root, self.graph = root, graph(settings)
        self.migrations = root / "services" / "tutor-matching" / "neo4j" / "migrations"
        self.migrations.mkdir(parents=True)
        (root / "seedbed.toml").write_text(
            '[platform]\nname = "shop"\n[services.tutor-matching.neo4j]\n[environments.staging]\n'
        )
        self.environ = {"NEO4J_URI": settings["uri"], "NEO4J_USER": "", "NEO4J_PASSWORD": ""}
        self.migration("20260101000001_tutors", FIRST)
        self.apply()
        self.graph.do(
            "UNWIND range(1, 10) AS n CREATE (:Tutor {id: n})",
            "MATCH (t:Tutor) WHERE t.id % 2 = 0 SET t:Senior",
        )

    def migration(self, name: str, text: str) -> None:
        (self.migrations / f"{name}.cypher").write_text(text)

    def senior(self) -> list[int]:
        return [each["id"] for each in self.graph.ask("MATCH (t:Senior) RETURN t.id AS id ORDER BY id")]

    def project(self, **more: str) -> Project:
        return Project.open(self.root, environ={**self.environ, **more})

    def snapshots(self, **more: str) -> ReleaseSnapshots:
        project = self.project(**more)
        where = project.catalog.environment("staging")
        return ReleaseSnapshots(project.targets, where, stop=Stop(), tell=lambda _: None)

    @property
    def database(self) -> Any:
        return self.project().catalog.databases()[0]

    def apply(self) -> None:
        with self.project().run("staging") as run:
            outcome = run.apply()
        assert outcome.exit_code == 0, [each.error for each in outcome.targets]

    def take(self, **more: str) -> Any:
        (result,) = self.snapshots(**more).take([self.database], 12)
        return result


@pytest.fixture
def site(tmp_path: Path, neo4j_settings: Settings) -> Site:
    return Site(tmp_path, neo4j_settings)


def script(root: Path) -> Path:
    """Return the script of the runbook, written to a file."""
    section = RUNBOOK.read_text(encoding="utf-8").partition("\n## Neo4j\n")[2]
    file = root / "labels_back.py"
    file.write_text(section.partition("```python")[2].partition("\n")[2].partition("```")[0])
    return file


def ran(file: Path, *words: str, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, str(file), *words], env={**os.environ, **env}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_label_that_a_contract_removed_is_copied_back_as_documented_and_what_came_since_stays(
    site: Site,
) -> None:
    before = site.senior()
    assert site.take().evidence(0).verdict == "good"
    site.migration("20260101000002_no_seniors", DROP)
    site.apply()
    assert site.senior() == []
    site.graph.do("CREATE (:Tutor:Senior {id: 11})", "MATCH (t:Tutor {id: 2}) DELETE t")
    copy = site.snapshots().restore(site.database, 12).copy
    said = ran(script(site.root), copy.settings["file"], "Senior", "id", env=site.environ)
    assert said == "4 of 5 nodes are Senior again\n"
    assert site.senior() == sorted({*before, 11} - {2})


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


def test_a_drill_says_what_to_do_instead(site: Site) -> None:
    site.take()
    with pytest.raises(Refused, match="has no drill"):
        drill(site.snapshots(), site.project().targets, site.database, 12, stop=Stop())


def test_a_dump_lies_where_it_is_told_to_and_not_with_a_bundle_that_goes(site: Site, tmp_path: Path) -> None:
    project = site.project()
    where = project.catalog.environment("staging")
    kept = ReleaseSnapshots(project.targets, where, stop=Stop(), tell=lambda _: None, home=tmp_path / "kept")
    (result,) = kept.take([site.database], 12)
    assert result.snapshot is not None
    assert Path(result.snapshot.parts["tutor-matching/neo4j"]).parent == tmp_path / "kept"
