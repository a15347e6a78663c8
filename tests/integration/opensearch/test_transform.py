"""Documents transformed by a function on their way into a next index: on a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.opensearch.running.reindex import existing
from seedbed.errors import StepFailed
from seedbed.model.event import ServerNotice, WorkProgressed
from tests.support.opensearch.searches import LESSONS, Stage, moves, opened, spied
from tests.support.servers import Settings

COUNT = """
def up(doc):
    doc["number"] += 1
    return doc


def down(doc):
    doc["number"] -= 1
    return doc
"""
VECTORS = """
[[indexes.lessons.versions]]
number = 1
settings = {number_of_replicas = 0, knn = true}
[indexes.lessons.versions.mappings]
dynamic = "strict"
[indexes.lessons.versions.mappings.properties]
title = {type = "text"}
v3 = {type = "knn_vector", dimension = 3, method = {name = "hnsw", engine = "lucene"}}

[[indexes.lessons.versions]]
number = 2
settings = {number_of_replicas = 0, knn = true}
[indexes.lessons.versions.mappings]
dynamic = "strict"
[indexes.lessons.versions.mappings.properties]
title = {type = "text"}
v3 = {type = "knn_vector", dimension = 3, method = {name = "hnsw", engine = "lucene"}}
v4 = {type = "knn_vector", dimension = 4, method = {name = "hnsw", engine = "lucene"}}

[[indexes.lessons.versions]]
number = 3
settings = {number_of_replicas = 0, knn = true}
[indexes.lessons.versions.mappings]
dynamic = "strict"
[indexes.lessons.versions.mappings.properties]
title = {type = "text"}
v4 = {type = "knn_vector", dimension = 4, method = {name = "hnsw", engine = "lucene"}}
"""


@pytest.fixture
def there(opensearch_settings: Settings, tmp_path: Path) -> Iterator[Stage]:
    with opened(opensearch_settings, tmp_path) as stage:
        stage.declare(LESSONS)
        stage.apply(moves("lessons", 1), "1")
        yield stage


def numbers(stage: Stage) -> dict[str, int]:
    return {id_: each["number"] for id_, each in stage.documents("lessons").items()}


def test_every_document_goes_through_the_function_once_and_back(there: Stage) -> None:
    there.put("lessons", {str(each): {"number": each} for each in range(40)})
    text = moves("lessons", 2, "batch=7", COUNT)
    told = there.apply(text, "2")
    assert numbers(there) == {str(each): each + 1 for each in range(40)}
    assert sum(isinstance(each, WorkProgressed) for each in told) >= 40 / 7
    there.revert(text, "2")
    assert numbers(there) == {str(each): each for each in range(40)}


def test_what_is_written_meanwhile_goes_through_it_too(there: Stage) -> None:
    there.put("lessons", {str(each): {"number": each} for each in range(10)})
    done: list[str] = []

    def spy(method: str, path: str) -> None:
        if path.startswith("/lessons-1-reader") and not done:
            done.append(path)
            there.client.call("PUT", "/lessons/_doc/3", {"number": 100})
            there.client.call("DELETE", "/lessons/_doc/4")

    spied(there.client, spy)
    there.apply(moves("lessons", 2, "", COUNT), "2")
    assert numbers(there) == {str(each): 101 if each == 3 else each + 1 for each in range(10) if each != 4}


def test_a_function_may_leave_documents_out(there: Stage) -> None:
    there.put("lessons", {str(each): {"number": each} for each in range(10)})
    code = "def up(doc):\n    return doc if doc['number'] % 2 else None\n"
    there.apply(moves("lessons", 2, "", code), "2")
    assert set(numbers(there).values()) == {1, 3, 5, 7, 9}


def test_without_a_version_the_definition_stays(there: Stage) -> None:
    there.put("lessons", {"a": {"number": 1}})
    there.apply(f"# seedbed: index=lessons\n{COUNT}", "2")
    (found,) = existing.look(there.client, "lessons")
    assert (found.name, found.version) == ("lessons-2", 1)
    assert found.settings["number_of_shards"] == "2"
    assert numbers(there) == {"a": 2}


def test_a_function_that_fails_says_on_which_document_and_line(there: Stage) -> None:
    there.put("lessons", {"good": {"number": 1}, "bad": {"title": "no number"}})
    with pytest.raises(StepFailed) as caught:
        there.apply(moves("lessons", 2, "", COUNT), "2")
    assert "'bad'" in caught.value.what
    assert caught.value.at is not None
    assert caught.value.at.line == 4
    assert there.behind("lessons") == ["lessons-1"]


def test_a_function_that_says_another_thing_each_time_ends_all_the_same(there: Stage) -> None:
    there.put("lessons", {str(each): {"number": each} for each in range(10)})
    code = "from random import random\n\n\ndef up(doc):\n    doc['title'] = str(random())\n    return doc\n"
    there.apply(moves("lessons", 2, "", code), "2")
    assert len(numbers(there)) == 10


def test_an_embedding_changes_its_dimension_by_expand_migrate_contract(
    opensearch_settings: Settings, tmp_path: Path
) -> None:
    embed = "def up(doc):\n    doc['v4'] = [each / 3 for each in (*doc['v3'], 1)]\n    return doc\n"
    with opened(opensearch_settings, tmp_path) as there:
        there.declare(VECTORS)
        there.apply(moves("lessons", 1), "1")
        there.put("lessons", {"a": {"title": "x", "v3": [0.1, 0.2, 0.3]}})
        there.apply(moves("lessons", 2), "2")  # the new field, in place; both are written from now on
        assert there.behind("lessons") == ["lessons-1"]
        there.apply(f"# seedbed: index=lessons phase=migrate\n{embed}", "3")
        found = there.documents("lessons")["a"]
        assert found["v4"] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 1 / 3])
        there.apply(moves("lessons", 3), "4")  # the old field goes
        assert there.documents("lessons")["a"].keys() == {"title", "v4"}
        told: list[Any] = there.revert(moves("lessons", 3), "4")
        assert there.documents("lessons")["a"].keys() == {"title", "v4"}
        assert not [each for each in told if isinstance(each, ServerNotice) and "taken out" in each.text]
