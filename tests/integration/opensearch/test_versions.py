"""Which version an index has: plans know it, from the files and from the cluster, and reverts go back to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.opensearch.wire.client import Client
from tests.support.opensearch.beside import client, variables
from tests.support.projects import Ran, run

MANIFEST = """
[platform]
name = "school"

[services.ai.opensearch]

[environments."dev-*"]
account   = "111111111111"
ephemeral = true
"""
INDEXES = """
[[indexes.notes.versions]]
number = 1
mappings = {dynamic = "strict", properties = {title = {type = "text"}}}

[[indexes.notes.versions]]
number = 2
mappings = {dynamic = "strict", properties = {title = {type = "text"}, by = {type = "keyword"}}}

[[indexes.notes.versions]]
number = 3
mappings = {dynamic = "strict", properties = {by = {type = "keyword"}}}

[[pipelines.clean.versions]]
number = 1
body = {processors = [{trim = {field = "title"}}]}
"""
NOTE = {"title": "One", "by": "ana"}


@dataclass
class School:
    root: Path
    client: Client
    environ: Mapping[str, str]

    def write(self, version: int, directives: str) -> str:
        """Write a migration, and return how errors name the place of its directives."""
        path = f"services/ai/opensearch/migrations/{version}_m.py"
        (self.root / path).write_text(f'"""One more."""\n# seedbed: {directives}\n')
        return f"{path}:2"

    def run(self, *words: str) -> Ran:
        return run(self.root, *words, "-e", "dev-ana", env=self.environ)

    def applied(self, *directives: str) -> None:
        for version, each in enumerate(directives, 1):
            self.write(version, each)
        done = self.run("apply")
        assert done.code == 0, done.everything

    def version(self) -> int:
        (found,) = self.client.call("GET", "/notes/_mapping").values()
        return int(found["mappings"]["_meta"]["seedbed"]["version"])

    def note(self) -> Any:
        return self.client.call("GET", "/notes/_doc/a")["_source"]


@pytest.fixture
def school(opensearch_settings: Mapping[str, str], tmp_path: Path) -> Iterator[School]:
    (tmp_path / "services" / "ai" / "opensearch" / "migrations").mkdir(parents=True)
    (tmp_path / "seedbed.toml").write_text(MANIFEST)
    (tmp_path / "services" / "ai" / "opensearch" / "indexes.toml").write_text(INDEXES)
    with client(opensearch_settings, opensearch_settings.get("prefix", "")) as asked:
        yield School(tmp_path, asked, variables(opensearch_settings))


def test_a_rebuild_keeps_the_version_and_so_does_its_revert(school: School) -> None:
    school.applied("index=notes version=1", "index=notes version=2")
    school.client.call("PUT", "/notes/_doc/a", NOTE, params={"refresh": True})
    school.write(3, "index=notes version=2 rebuild")
    refused = school.run("plan")
    assert refused.code == 2
    assert "# seedbed: index=notes rebuild, for a new index of version 2" in refused.err

    school.write(3, "index=notes rebuild")
    plan = school.run("plan", "--json").document["databases"][0]
    assert [each["code"] for each in plan["hazards"]] == ["OS301", "OS310"]
    assert school.run("apply").code == 0
    assert school.client.call("GET", "/_alias/notes").keys() == {"notes-2"}
    assert (school.version(), school.note()) == (2, NOTE)

    back = school.run("revert")
    assert back.code == 0, back.everything
    assert (school.version(), school.note()) == (2, NOTE)
    assert school.client.call("GET", "/_alias/notes").keys() == {"notes-2"}


def test_a_version_that_is_not_the_next_is_refused_by_plan_and_by_apply_before_anything_is_touched(
    school: School,
) -> None:
    school.applied("index=notes version=1")
    first = school.write(2, "index=notes version=3")
    second = school.write(3, "index=notes version=1")
    for verb in ("plan", "apply"):
        refused = school.run(verb)
        assert refused.code == 2
        assert f"{first}: error: 2_m leads notes to version 3, and it is at version 1" in refused.err
        assert f"{second}: error: 3_m leads notes to version 1, and it is at version 3" in refused.err
        assert "# seedbed: index=notes version=2" in refused.err
    assert school.version() == 1


def test_a_plan_asks_the_cluster_where_the_files_cannot_say(school: School) -> None:
    place = school.write(1, "index=notes version=2")  # that index may be there by other means
    missing = school.run("plan")
    assert missing.code == 3
    assert f"{place}: error: 1_m: there is no index notes" in missing.err
    school.client.call(
        "PUT", "/notes", {"mappings": {"_meta": {"seedbed": {"index": "notes", "version": 3}}}}
    )
    other = school.run("apply")
    assert other.code == 3
    assert "leads notes from version 1 to version 2, and it is at version 3" in other.err
    assert "nothing was changed" not in other.err  # that is not even in question
    school.write(1, "index=notes version=1")
    assert "notes exists already" in school.run("plan").err
    school.write(1, "pipeline=clean version=1")
    assert school.run("plan").code == 0


def test_a_revert_of_an_index_that_is_elsewhere_is_refused_before_anything_is_touched(school: School) -> None:
    school.applied("index=notes version=1", "index=notes version=2")
    school.client.call("PUT", "/notes/_mapping", {"_meta": {"seedbed": {"index": "notes", "version": 3}}})
    refused = school.run("revert")
    assert refused.code == 3
    assert "leads notes from version 2 to version 1, and it is at version 3" in refused.err
    assert "database failed" not in refused.everything  # the lease was not even taken
    assert school.client.call("GET", "/_alias/notes").keys() == {"notes-1"}


def test_a_plan_that_was_reviewed_is_refused_once_the_definition_is_another_one(school: School) -> None:
    school.applied("index=notes version=1")
    school.write(2, "index=notes version=2")
    assert school.run("plan", "--out", "plan.json").code == 0
    declared = school.root / "services" / "ai" / "opensearch" / "indexes.toml"
    declared.write_text(
        INDEXES.replace('by = {type = "keyword"}', 'by = {type = "keyword"}, more = {type = "text"}', 1)
    )
    refused = school.run("apply", "plan.json")
    assert refused.code == 3
    assert "the plan file does not show what would be done" in refused.err
    assert school.version() == 1
    declared.write_text(INDEXES)
    assert school.run("apply", "plan.json").code == 0
    assert school.version() == 2
