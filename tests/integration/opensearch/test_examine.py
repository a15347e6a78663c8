"""What a plan says about index migrations by looking at the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.engines.opensearch.files.parse import parse
from seedbed.engines.opensearch.rules import registry
from seedbed.engines.opensearch.running import examine
from seedbed.model.migration import Migration, MigrationFile, Source, checksum
from tests.support.opensearch.stage import stage

INDEXES = """
[[indexes.lessons.versions]]
number = 1
mappings = {properties = {title = {type = "text"}}}

[[indexes.lessons.versions]]
number = 2
mappings = {properties = {title = {type = "text"}, code = {type = "keyword"}}}

[[indexes.lessons.versions]]
number = 3
mappings = {properties = {title = {type = "keyword"}, code = {type = "keyword"}}}
"""


PARTS = {"parts": {"type": "nested", "properties": {"n": {"type": "keyword"}}}}


def migration(version: str, text: str) -> Migration:
    data = text.encode()
    return parse(
        MigrationFile(version, "m", Source(f"migrations/{version}_m.py", ".py", data), checksum(data))
    )


def test_a_plan_says_how_much_is_copied_and_whether_there_is_room(
    opensearch_settings: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "indexes.toml").write_text(INDEXES)
    in_place = migration("1", "# seedbed: index=lessons version=2\n")
    rebuilt = migration("2", "# seedbed: index=lessons version=3\n")
    transformed = migration("3", "# seedbed: index=lessons\ndef up(doc):\n    return doc\n")
    unknown = migration("4", "# seedbed: index=others\ndef up(doc):\n    return doc\n")
    with stage(opensearch_settings) as here:
        cluster = replace(here.session.cluster, directory=tmp_path)
        here.index("lessons-1", alias="lessons", title="text")
        here.put("lessons", "a", {"title": "x"})
        found = examine.examine(cluster, [in_place, rebuilt, transformed, unknown])
        assert {version: [each.code for each in hazards] for version, hazards in found.items()} == {
            "1": ["OS305"],
            "2": ["OS301", "OS310"],
            "3": ["OS301", "OS310"],
            "4": ["OS301"],
        }
        said = found["3"][1]
        assert said.what.startswith("lessons is copied: 1 document, ")
        here.client.call("PUT", "/lessons-1/_mapping", {"properties": PARTS})
        here.put("lessons", "b", {"parts": [{"n": "1"}, {"n": "2"}, {"n": "3"}]})
        _, nested = examine.examine(cluster, [transformed])["3"]
        assert nested.what.startswith("lessons is copied: 2 documents, ")  # nested objects are none
        assert "there is room for" in said.because
        assert not said.refused
        monkeypatch.setattr(registry, "FULL", 0.0)
        _, refused = examine.examine(cluster, [transformed])["3"]
        assert refused.code == "OS311"
        assert refused.refused
