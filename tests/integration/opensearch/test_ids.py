"""Ids of a field: from the index where it has them as they are, else from documents; and what ends reading them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from seedbed.engines.opensearch.running import ids
from seedbed.engines.opensearch.running.reindex import pages
from seedbed.errors import Interrupted, StepFailed
from seedbed.model.platform import ALL, DatabaseId, Field, Reference, Where
from seedbed.model.verification import Holders, Suspect
from tests.support.opensearch.beside import client
from tests.support.opensearch.stage import Document, Stage, stage
from tests.support.verified_sessions import verified

HERE = DatabaseId("ai/opensearch")
WHEN = datetime(2026, 11, 3, 12, tzinfo=UTC)
UUID = "7D444840-9DC0-11D1-B245-5FFDCE74FAD2"
AT = datetime(2026, 5, 8, 10, tzinfo=UTC)
FIELDS: Document = {
    "user": "keyword",
    "short": {"type": "keyword", "ignore_above": 3},
    "lower": {"type": "keyword", "normalizer": "lowercase"},
    "words": "text",
    "named": {"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 256}}},
    "number": "long",
    "hidden": {"type": "keyword", "index": False, "doc_values": False},
    "within": {"properties": {"id": {"type": "keyword"}}},
    "at": "date",
}


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        made.index("lessons-3", alias="lessons", **FIELDS)
        made.put(
            "lessons-3", "a", {each: "Long" for each in FIELDS if each not in {"number", "within", "at"}}
        )
        made.put(
            "lessons-3",
            "b",
            {"user": ["Long", UUID], "number": 7, "within": [{"id": "x"}, {"id": "y"}], "at": AT.isoformat()},
        )
        made.put("lessons-3", "c", {"number": [7, 8], "at": "2026-05-09T10:00:00Z"})
        yield made


def texts(here: Stage, path: str, where: Where = ALL) -> tuple[list[str], int]:
    """Return the ids of `path`, sorted, and how many documents have none."""
    blocks = list(here.session.ids(path, where))
    return sorted(text for each in blocks for text in each.texts), sum(each.empty for each in blocks)


@pytest.mark.parametrize("size", [2, 1000])
def test_ids_are_read_as_documents_have_them(here: Stage, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(ids, "_VALUES", size)
    monkeypatch.setattr(ids, "_SOURCES", size)
    assert texts(here, "lessons.user") == ([UUID, "Long", "Long"], 1)
    assert texts(here, "lessons.number") == (["7", "7", "8"], 1)
    assert texts(here, "lessons.within.id") == (["x", "y"], 2)
    for field in ("short", "lower", "words", "named", "hidden"):
        assert texts(here, f"lessons.{field}") == (["Long"], 2), field
    with client({"endpoint": here.client.address.endpoint}) as whole:
        assert whole.call("GET", "/_search/point_in_time/_all", idempotent=True).get("pits", []) == []


@pytest.mark.parametrize("field", ["user", "short", "lower", "words", "named", "hidden"])
def test_ids_are_found_with_the_documents_that_hold_them(here: Stage, field: str) -> None:
    assert here.session.found(f"lessons.{field}", ["Long", "long", "Lon"]) == {"Long"}
    held = here.session.holders(f"lessons.{field}", [Suspect("Long"), Suspect("no")], time="", most=1)
    count = 2 if field == "user" else 1
    assert {id_: (each.count, len(each.rows)) for id_, each in held.items()} == {"Long": (count, 1)}


def test_an_id_is_as_long_as_the_index_counts_it(here: Stage) -> None:
    two = "\U0001f600" * 2  # four of Java's characters: too long for `short`
    here.put("lessons-3", "d", {"short": two})
    assert here.session.found("lessons.short", [two]) == {two}
    assert set(here.session.holders("lessons.short", [Suspect(two)], time="", most=1)) == {two}


def test_numbers_beyond_63_bits_and_what_lies_in_documents_of_their_own_are_ids(here: Stage) -> None:
    within = {"type": "nested", "properties": {"id": {"type": "keyword"}}}
    here.index("nested", big="unsigned_long", within=within)
    most = (1 << 64) - 2
    here.put("nested", "a", {"big": most, "within": [{"id": "x"}, {"id": "y"}]})
    for field, every in (("big", [str(most)]), ("within.id", ["x", "y"])):
        path = f"nested.{field}"
        assert texts(here, path) == (every, 0)
        assert here.session.found(path, every) == {*every}
        assert set(here.session.holders(path, list(map(Suspect, every)), time="", most=1)) == {*every}


@pytest.mark.parametrize(
    ("where", "seven", "empty"),
    [
        ((("number", ("7",)),), ["7", "7", "8"], 0),
        ((("number", ("7",)), ("user", ("Long",))), ["7"], 0),
        ((("user", ("Long",)),), ["7"], 1),
        ((("words", ("Long",)),), [], 1),  # a text is judged by the document
        ((("lower", ("long",)),), [], 0),
    ],
)
def test_only_the_documents_are_read_that_a_reference_is_about(
    here: Stage, where: Any, seven: list[str], empty: int
) -> None:
    assert texts(here, "lessons.number", Where(where)) == (seven, empty)
    held = here.session.holders("lessons.number", [Suspect("7")], time="at", most=5, where=Where(where))
    assert {id_: each.count for id_, each in held.items()} == ({"7": seven.count("7")} if seven else {})


def test_what_holds_an_id_is_told_with_the_time_of_the_oldest(here: Stage) -> None:
    suspects = [Suspect("7"), Suspect(UUID.lower()), Suspect("seven"), Suspect("9" * 30)]
    held = here.session.holders("lessons.number", suspects, time="at", most=5)
    assert held == {"7": Holders(2, ("b", "c"), AT)}
    assert here.session.found("lessons.user", [UUID.lower()]) == {UUID.lower()}


@pytest.mark.parametrize(
    ("mapped", "old", "new"),
    [
        ({"type": "date"}, "2026-11-03T13:59:59+02:00", "2026-11-03T14:00:00+02:00"),
        ({"type": "date"}, 1793707199999, 1793707200000),
        ({"type": "date", "format": "epoch_second"}, 1793707199, 1793707200),
        ({"type": "date", "format": "dd.MM.yyyy HH:mm"}, "03.11.2026 11:59", "03.11.2026 12:00"),
        ({"type": "date", "index": False}, "2026-11-03T11:59:59Z", "2026-11-03T12:00:00Z"),
        ({"type": "date_nanos"}, "2026-11-03T11:59:59.999999999Z", "2026-11-03T12:00:00.000000001Z"),
        ({"type": "keyword"}, "2026-11-03T11:59:59Z", "2026-11-03T12:00:00Z"),
        ({"type": "long"}, 1793707199, 1793707200),
    ],
    ids=["date", "milliseconds", "seconds", "format", "not-indexed", "nanos", "keyword", "long"],
)
def test_new_orphans_are_found_and_old_ones_left_out_whatever_tells_the_time(
    here: Stage, mapped: Document, old: Any, new: Any
) -> None:
    here.index("visits", who="keyword", at=mapped)
    here.index("people", id="keyword")
    here.put("people", "p", {"id": "ana"})
    for number, (who, at) in enumerate((("before", old), ("after", new), ("ana", new), ("ever", None))):
        here.put("visits", str(number), {"who": who, **({"at": at} if at else {})})
    reference = Reference(Field(HERE, "visits.who"), Field(HERE, "people.id"), grace=0, time="at")
    (found,) = verified({HERE: here.session}, reference, since=WHEN).references
    assert (found.ids, [each.id for each in found.samples], found.error) == (3, ["after", "ever"], None)
    assert [each.holders.since for each in found.samples] == [WHEN, None]
    (whole,) = verified({HERE: here.session}, reference).references
    assert [each.id for each in whole.samples] == ["after", "before", "ever"]


@pytest.mark.parametrize("size", [2, 1000])
def test_the_ids_of_documents_themselves_are_a_field(
    here: Stage, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(ids, "_VALUES", size)
    monkeypatch.setattr(ids, "_TERMS", size)
    assert texts(here, "lessons._id") == (["a", "b", "c"], 0)
    assert texts(here, "lessons._id", Where((("number", ("7",)),))) == (["b", "c"], 0)
    assert texts(here, "lessons._id", Where((("words", ("Long",)),))) == (["a"], 0)
    assert here.session.found("lessons._id", ["a", "c", "nothing", "A"]) == {"a", "c"}
    suspects = [Suspect("a"), Suspect("c"), Suspect("nothing")]
    held = here.session.holders("lessons._id", suspects, time="at", most=5)
    assert held == {"a": Holders(1, ("a",)), "c": Holders(1, ("c",), datetime(2026, 5, 9, 10, tzinfo=UTC))}
    seven = Where((("number", ("7",)),))
    assert set(here.session.holders("lessons._id", suspects, time="", most=5, where=seven)) == {"c"}


def test_an_index_or_a_field_that_is_not_there_is_refused_by_name(here: Stage) -> None:
    with pytest.raises(StepFailed, match="there is no index courses"):
        texts(here, "courses.id")
    with pytest.raises(StepFailed, match="there is no field usr in lessons"):
        texts(here, "lessons.usr")
    with pytest.raises(StepFailed, match="within is an object, not an id"):
        texts(here, "lessons.within")


def test_a_read_that_is_interrupted_ends(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_VALUES", 1)
    blocks = here.session.ids("lessons.user")
    next(blocks)
    here.session.interrupt()
    with pytest.raises(Interrupted):
        list(blocks)


def test_a_point_in_time_that_is_gone_is_told(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_VALUES", 1)
    blocks = here.session.ids("lessons.user")
    next(blocks)
    with client({"endpoint": here.client.address.endpoint}) as whole:
        whole.call("DELETE", "/_search/point_in_time/_all", idempotent=True)
    with pytest.raises(StepFailed, match="the point in time at which lessons-3 was read is gone"):
        list(blocks)


@pytest.mark.parametrize(
    "stored",
    [{"enabled": False}, {"excludes": ["with*"]}, {"excludes": ["within.id"]}, {"includes": ["user"]}],
)
def test_a_field_that_documents_are_stored_without_is_refused_unless_the_index_has_it(
    here: Stage, stored: Document
) -> None:
    properties = {"user": {"type": "keyword"}, "within": {"properties": {"id": {"type": "text"}}}}
    here.client.call("PUT", "/cut", {"mappings": {"_source": stored, "properties": properties}})
    here.put("cut", "a", {"user": "ana", "within": {"id": "x"}})
    assert texts(here, "cut.user") == (["ana"], 0)
    for look in (lambda: texts(here, "cut.within.id"), lambda: here.session.found("cut.within.id", ["x"])):
        with pytest.raises(StepFailed, match=r"the field within\.id of cut cannot be read"):
            look()


def test_an_index_that_is_made_anew_while_it_is_read_is_told(
    here: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "_VALUES", 1)
    here.client.call("PUT", "/again", {"mappings": {"properties": {"user": {"type": "keyword"}}}})
    for name in "ab":
        here.put("again", name, {"user": name})

    def anew(*given: Any) -> Any:
        here.client.call("DELETE", "/again")
        here.client.call("PUT", "/again", {"mappings": {"properties": {"user": {"type": "keyword"}}}})
        return pages.point_in_time(*given)

    monkeypatch.setattr(ids, "point_in_time", anew)
    with pytest.raises(StepFailed, match="again was deleted and created again while it was read"):
        texts(here, "again.user")
