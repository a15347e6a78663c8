"""A recorded item: a dict in every way, that knows what was asked of it."""

from __future__ import annotations

import copy
import json
import operator
import pickle
from collections.abc import Callable
from string import Template
from typing import Any

import pytest

from seedbed.engines.dynamodb.running.transform.recording import UNREAD, RecordedItem
from seedbed.engines.dynamodb.wire.values import from_attribute

RAW = {"id": {"S": "1"}, "title": {"S": "a"}, "tags": {"L": [{"S": "x"}]}}
PLAIN = {"id": "1", "title": "a", "tags": ["x"]}


def recorded() -> RecordedItem:
    return RecordedItem(RAW, from_attribute)


@pytest.mark.parametrize(
    ("look", "reads"),
    [
        (lambda item: item["title"], {"title"}),
        (lambda item: item.get("title"), {"title"}),
        (lambda item: item.get("no"), {"no"}),
        (lambda item: "no" in item, {"no"}),
        (lambda item: "title" in item, {"title"}),
        (lambda item: item.pop("title"), {"title"}),
        (lambda item: item.pop("no", None), {"no"}),
        (lambda item: item.setdefault("no", 1), {"no"}),
        (lambda item: item.setdefault("title", 1), {"title"}),
        (lambda item: item.__delitem__("title"), {"title"}),
        (lambda item: Template("$title").substitute(item), {"title"}),
        (lambda item: "{title}".format_map(item), {"title"}),
        (lambda item: item.update(title=1, no=2), set()),
        (lambda item: item.__setitem__("title", 1), set()),
        (lambda item: item.__ior__({"title": 1}), set()),
        (lambda item: item.clear(), set()),
    ],
    ids=range(16),
)
def test_asking_for_one_attribute_records_that_one_there_or_not(
    look: Callable[[RecordedItem], Any], reads: set[str]
) -> None:
    item = recorded()
    look(item)
    assert item.reads == reads
    assert not item.has_read_everything


def matched(item: Any) -> Any:
    match item:
        case {"title": "a", **rest}:
            return rest


def called(**values: Any) -> Any:
    return values


@pytest.mark.parametrize(
    "look",
    [
        list,
        len,
        bool,
        dict,
        str,
        repr,
        json.dumps,
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        matched,
        sorted,
        lambda item: item.keys(),
        lambda item: item.values(),
        lambda item: item.items(),
        lambda item: item.copy(),
        lambda item: list(reversed(item)),
        lambda item: item == PLAIN,
        lambda item: operator.eq(PLAIN, item),
        lambda item: item != {},
        lambda item: {**item},
        lambda item: called(**item),
        lambda item: item | {"a": 1},
        lambda item: {"a": 1} | item,
        lambda item: {}.update(item),
        lambda item: item.popitem(),
        lambda item: f"{item}",
    ],
    ids=range(27),
)
def test_asking_for_more_records_all(look: Callable[[Any], Any]) -> None:
    item = recorded()
    look(item)
    assert item.has_read_everything
    assert item.reads >= RAW.keys()


@pytest.mark.parametrize(
    "view",
    [
        dict,
        copy.copy,
        copy.deepcopy,
        lambda item: item.copy(),
        lambda item: {**item},
        lambda item: item | {},
        lambda item: {} | item,
        lambda item: called(**item),
        lambda item: json.loads(json.dumps(item)),
        lambda item: pickle.loads(pickle.dumps(item)),
        lambda item: dict(item.items()),
        lambda item: dict(zip(item, item.values(), strict=True)),
        lambda item: {key: item[key] for key in item},
    ],
    ids=range(13),
)
def test_every_way_to_look_shows_the_values(view: Callable[[Any], Any]) -> None:
    found = view(recorded())
    assert found == PLAIN
    assert type(found) is dict


def test_it_behaves_like_the_dict_that_it_is() -> None:
    item = recorded()
    assert isinstance(item, dict)
    assert item == PLAIN
    assert operator.eq(PLAIN, item)
    assert item == recorded()
    assert len(item) == 3
    with pytest.raises(KeyError, match="no"):
        item["no"]
    with pytest.raises(KeyError, match="no"):
        item.pop("no")
    with pytest.raises(KeyError, match="no"):
        del item["no"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(item)


def test_a_value_stays_the_same_object_so_that_changes_inside_of_it_stay() -> None:
    item = recorded()
    item["tags"].append("y")
    assert item["tags"] == ["x", "y"]
    assert RAW["tags"] == {"L": [{"S": "x"}]}


def test_what_goes_round_its_methods_meets_a_placeholder_instead_of_a_value_that_nobody_recorded() -> None:
    item = recorded()
    assert dict.get(item, "title") is UNREAD
    assert item.reads == frozenset()
    import msgspec

    with pytest.raises((TypeError, msgspec.MsgspecError)):
        msgspec.json.encode(recorded())


def test_what_was_stored_can_be_listed_without_a_look() -> None:
    item = recorded()
    item["title"] = "b"
    assert dict(item.stored()) == {"id": UNREAD, "title": "b", "tags": UNREAD}
    assert item.reads == frozenset()
