"""What an open index takes, and pipelines and templates: on a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seedbed.engines.opensearch.running.reindex import existing
from seedbed.errors import Refused, StepFailed
from seedbed.model.event import ServerNotice
from tests.support.opensearch.searches import Stage, moves, opened
from tests.support.servers import Settings

DECLARED = """
[[indexes.notes.versions]]
number = 1
settings = {number_of_replicas = 0}
mappings = {properties = {title = {type = "text"}}}

[[indexes.notes.versions]]
number = 2
settings = {number_of_replicas = 0, refresh_interval = "5s"}
[indexes.notes.versions.mappings.properties]
title = {type = "text", fields = {exact = {type = "keyword"}}}
by = {type = "keyword"}

[[pipelines.clean.versions]]
number = 1
body = {processors = [{trim = {field = "title"}}]}

[[pipelines.clean.versions]]
number = 2
body = {processors = [{lowercase = {field = "title"}}]}

[[templates.logs.versions]]
number = 1
body = {index_patterns = ["logs-*"], template = {settings = {number_of_replicas = 0}}}
"""


@pytest.fixture
def there(opensearch_settings: Settings, tmp_path: Path) -> Iterator[Stage]:
    with opened(opensearch_settings, tmp_path) as stage:
        stage.declare(DECLARED)
        yield stage


def test_the_first_version_makes_the_index_and_its_way_down_removes_it(there: Stage) -> None:
    there.apply(moves("notes", 1), "1")
    (found,) = existing.look(there.client, "notes")
    assert (found.name, found.version, dict(found.aliases)) == ("notes-1", 1, {"notes": {}})
    there.revert(moves("notes", 1), "1")
    assert there.indexes() == []
    assert there.recorded() == {}


def test_an_index_that_is_there_already_is_not_made_again(there: Stage) -> None:
    there.client.call("PUT", "/notes")
    with pytest.raises(Refused, match="exists already"):
        there.apply(moves("notes", 1), "1")


def test_fields_and_settings_come_in_place_and_go_by_a_new_index(there: Stage) -> None:
    there.apply(moves("notes", 1), "1")
    told = there.apply(moves("notes", 2), "2")
    there.put("notes", {"a": {"title": "One", "by": "ana"}})
    (found,) = existing.look(there.client, "notes")
    assert (found.name, found.version, dict(found.aliases)) == ("notes-1", 2, {"notes": {}})
    assert found.settings["refresh_interval"] == "5s"
    assert found.mappings["properties"]["title"]["fields"] == {"exact": {"type": "keyword"}}
    assert any("title.exact" in each.text for each in told if isinstance(each, ServerNotice))
    back = there.revert(moves("notes", 2), "2")
    (found,) = existing.look(there.client, "notes")
    assert (found.name, found.version) == ("notes-2", 1)
    assert "refresh_interval" not in found.settings
    assert there.documents("notes") == {"a": {"title": "One", "by": "ana"}}
    assert any("by: left in" in each.text for each in back if isinstance(each, ServerNotice))


def test_a_field_that_documents_made_before_it_was_declared_takes_a_new_index(there: Stage) -> None:
    there.apply(moves("notes", 1), "1")
    there.put("notes", {"a": {"by": "ana"}})  # a text, by the dynamic mapping
    told = there.apply(moves("notes", 2), "2")
    assert there.behind("notes") == ["notes-2"]
    assert any(
        "by is text in the index already" in each.text for each in told if isinstance(each, ServerNotice)
    )


def test_a_rebuild_fills_a_new_index_where_the_change_would_go_in_place(there: Stage) -> None:
    there.apply(moves("notes", 1), "1")
    there.put("notes", {"a": {"title": "One"}})
    there.apply(moves("notes", 2, "rebuild"), "2")
    assert there.behind("notes") == ["notes-2"]
    query = {"query": {"term": {"title.exact": "One"}}}
    there.client.call("POST", "/notes/_refresh")
    assert there.client.call("POST", "/notes/_search", query)["hits"]["total"]["value"] == 1


def test_what_is_missing_is_named(there: Stage) -> None:
    with pytest.raises(Refused, match="no index notes"):
        there.apply(moves("notes", 2), "2")
    with pytest.raises(Refused, match="version 9 of notes is not declared"):
        there.apply(moves("notes", 9), "2")


def test_a_definition_that_the_cluster_does_not_know_is_refused_in_its_words(there: Stage) -> None:
    there.declare(DECLARED.replace('{type = "text"}}}', '{type = "txet"}}}'))
    with pytest.raises(StepFailed) as caught:
        there.apply(moves("notes", 1), "1")
    assert "txet" in caught.value.because
    assert there.indexes() == []


def test_pipelines_go_from_version_to_version_and_away(there: Stage) -> None:
    first, second = (f"# seedbed: pipeline=clean version={each}\n" for each in (1, 2))

    def processors() -> list[str]:
        found = there.client.ask("GET", "/_ingest/pipeline").data  # 404 where there is none
        return [name for each in found.get("clean", {}).get("processors", []) for name in each]

    there.apply(first, "1")
    there.apply(second, "2")
    assert processors() == ["lowercase"]
    there.revert(second, "2")
    assert processors() == ["trim"]
    there.revert(first, "1")
    assert processors() == []


def test_a_template_comes_and_goes(there: Stage) -> None:
    text = "# seedbed: template=logs version=1\n"
    there.apply(text, "1")
    there.client.call("PUT", "/logs-1")
    assert existing.look(there.client, "logs-1")[0].settings["number_of_replicas"] == "0"
    there.revert(text, "1")
    assert there.client.ask("GET", "/_index_template").data.get("index_templates", []) == []
