"""From one definition of an index to the next: in place, or why not."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.engines.opensearch.schema.changes import IndexChange, change
from seedbed.engines.opensearch.schema.shape import IndexDefinition, definition


def made(settings: dict[str, Any] | None = None, **mappings: Any) -> IndexDefinition:
    return definition(1, settings or {}, mappings)


def fields(**properties: Any) -> IndexDefinition:
    return made(properties=properties)


def between(old: IndexDefinition, new: IndexDefinition) -> IndexChange:
    return change(old, new)


TEXT = {"type": "text"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (fields(a=TEXT), fields(a=TEXT, b={"type": "keyword"})),
        (fields(a={"properties": {"b": TEXT}}), fields(a={"properties": {"b": TEXT, "c": TEXT}})),
        (fields(a=TEXT), fields(a={**TEXT, "search_analyzer": "english"})),
        (fields(a={"type": "keyword"}), fields(a={"type": "keyword", "ignore_above": 100})),
        (made({"refresh_interval": "1s"}), made({"refresh_interval": "5s"})),
        (made({"number_of_replicas": 1}), made({"number_of_replicas": "1"})),
        (made({"default_pipeline": "a"}), made()),
        (made(dynamic="true"), made(dynamic="strict")),
        (made(_meta={"by": "ana"}), made(_meta={"by": "ben"})),
        (made(dynamic_templates=[{"a": {}}]), made(dynamic_templates=[{"a": {}}, {"b": {}}])),
    ],
)
def test_what_an_open_index_takes_is_done_in_place(old: IndexDefinition, new: IndexDefinition) -> None:
    assert between(old, new).is_in_place


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (fields(a=TEXT), fields(a={"type": "keyword"}), "a changes its type, text -> keyword"),
        (fields(a=TEXT, b=TEXT), fields(a=TEXT), "b is removed"),
        (fields(a=TEXT), fields(a={**TEXT, "analyzer": "english"}), "a changes analyzer, default -> english"),
        (fields(a={"properties": {"b": TEXT}}), fields(a={"properties": {}}), "a.b is removed"),
        (fields(a={"properties": {}}), fields(a={"type": "nested", "properties": {}}), "object -> nested"),
        (
            fields(v={"type": "knn_vector", "dimension": 3}),
            fields(v={"type": "knn_vector", "dimension": 4}),
            "3 -> 4",
        ),
        (made({"number_of_shards": 1}), made({"number_of_shards": 2}), "setting number_of_shards, 1 -> 2"),
        (made(), made({"analysis": {"analyzer": {"a": {"type": "simple"}}}}), "analysis of analyzer.a"),
        (made(_routing={"required": True}), made(), "mappings._routing"),
        (made(dynamic="strict"), made(), "mappings.dynamic"),
        (made(dynamic_templates=[{"a": {}}]), made(dynamic_templates=[]), "dynamic_templates"),
    ],
)
def test_what_it_does_not_take_is_a_reason_for_a_new_one(
    old: IndexDefinition, new: IndexDefinition, reason: str
) -> None:
    found = between(old, new)
    assert not found.is_in_place
    assert any(reason in each for each in found.reasons), found.reasons


def test_a_setting_that_is_no_more_declared_goes_back_to_its_default() -> None:
    assert between(made({"refresh_interval": "5s"}), made()).settings == {"refresh_interval": None}


def test_what_documents_lack_after_a_change_in_place_is_said() -> None:
    exact = {**TEXT, "fields": {"exact": {"type": "keyword"}}}
    found = between(fields(a=TEXT), fields(a=exact))
    assert found.is_in_place
    assert "a.exact" in found.partial[0]
    assert between(fields(), fields(a=exact)).partial == ()
    inner: dict[str, Any] = {"b": {"properties": {}}}
    loose = made(dynamic=False, properties=inner)  # documents may have fields that the index does not know
    assert between(loose, made(dynamic=False, properties={**inner, "a": TEXT})).partial[0].startswith("a: ")
    (deep,) = between(loose, made(dynamic=False, properties={"b": {"properties": {"c": TEXT}}})).partial
    assert deep.startswith("b.c: ")


def test_fields_that_go_are_named_by_the_outermost() -> None:
    inner = {"properties": {"b": TEXT, "c": TEXT}}
    assert between(fields(a=inner), fields()).removed == ("a",)
    assert between(fields(a=inner), fields(a={"properties": {"b": TEXT}})).removed == ("a.c",)


def test_the_same_is_no_change() -> None:
    found = between(fields(a=TEXT), fields(a=TEXT))
    assert found == IndexChange({})
