"""Seeds of OpenSearch: rows become documents; what is there and equal is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from seedbed.engines.opensearch.wire.client import Reply
from seedbed.errors import LeaseLost, Location, SeedFileError, SeveralErrors, StepFailed
from seedbed.model.migration import Source
from seedbed.model.seed import Dataset, Loading, Script, SeedKind
from tests.support.opensearch.stage import Stage, rows, stage

VECTOR = {
    "type": "knn_vector",
    "dimension": 3,
    "method": {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"},
}


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        made.index(
            "lessons-1",
            alias="lessons",
            n="long",
            price="double",
            open="boolean",
            title={"properties": {"en": {"type": "text"}, "de": {"type": "text"}}},
            tags="keyword",
            at="date",
            vector=VECTOR,
        )
        yield made


def test_loading_compares_first_and_counts_what_it_did(here: Stage) -> None:
    part = rows(
        "lessons",
        "_id n price open title tags vector",
        ("a", 1, Decimal("2.50"), True, {"en": "x"}, ["b", "a"], [0.123456789012, 0.1, 1]),
        ("b", 2, None, False, None, None, None),
    )
    assert here.load(part) == [(2, 0, 0)]
    before = here.documents("lessons")
    assert before["a"]["vector"] == [0.12345679, 0.1, 1.0]  # what a float of 32 bit can say of it
    assert before["b"] == {"n": 2, "open": False}
    assert here.load(part) == [(0, 0, 2)]
    same = rows("lessons", "_id n price", ("a", 1, 2.5), ("b", 2, None))
    assert here.load(same) == [(0, 0, 2)]
    changed = rows("lessons", "_id price n", ("a", None, 1), ("b", 1, 2), ("c", 0, None))
    assert here.load(changed) == [(1, 2, 0)]
    after = here.documents("lessons")
    assert after == {
        "a": {name: value for name, value in before["a"].items() if name != "price"},
        "b": {**before["b"], "price": 1},
        "c": {"price": 0},
    }


def test_a_truth_value_is_no_number_and_a_list_is_in_its_order(here: Stage) -> None:
    here.put("lessons", "a", {"tags": ["a", "b"], "title": {"en": "x"}})
    assert here.load(rows("lessons", "_id tags", ("a", ["b", "a"]))) == [(0, 1, 0)]
    assert here.load(rows("lessons", "_id title", ("a", {"en": "x", "de": "y"}))) == [(0, 1, 0)]
    assert here.load(rows("lessons", "_id title", ("a", {"de": "y", "en": "x"}))) == [(0, 0, 1)]


def test_cells_of_a_csv_are_read_as_the_mapping_says(here: Stage) -> None:
    columns = "_id n price open title tags at vector"
    cells = ("1", "7", "9.50", "TRUE", '{"en": "x"}', '["a"]', "2026-01-01", "[1, 2, 3]")
    part = rows("lessons", columns, cells, suffix=".csv")
    assert here.load(part) == [(1, 0, 0)]
    assert here.documents("lessons") == {
        "1": {
            "n": 7,
            "price": 9.5,
            "open": True,
            "title": {"en": "x"},
            "tags": ["a"],
            "at": "2026-01-01",
            "vector": [1.0, 2.0, 3.0],
        }
    }
    assert here.load(part) == [(0, 0, 1)]


def test_ids_come_from_the_key_or_from_what_is_called_id(here: Stage) -> None:
    here.index("plain", id="long", part="keyword", n="long")
    assert here.load(rows("plain", "id n", (1, 1), (2, 2))) == [(2, 0, 0)]
    assert here.load(rows("plain", "id part", (1, "x"), (1, "y"), key="id part")) == [(2, 0, 0)]
    assert here.documents("plain") == {
        "1": {"id": 1, "n": 1},
        "2": {"id": 2, "n": 2},
        "1:x": {"id": 1, "part": "x"},
        "1:y": {"id": 1, "part": "y"},
    }


def test_more_rows_than_one_request_reads(here: Stage) -> None:
    part = rows("lessons", "_id n", *((f"{number:04}", number) for number in range(1203)))
    assert here.load(part, part) == [(1203, 0, 0), (0, 0, 1203)]
    assert len(here.documents("lessons")) == 1203


def test_what_somebody_writes_meanwhile_is_looked_at_again_and_not_lost(
    here: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.put("lessons", "a", {"n": 1, "price": 1})
    others: dict[str, Mapping[str, Any]] = {"a": {"n": 2, "price": 7}, "b": {"n": 5, "price": 5}}

    def meanwhile() -> None:
        while others:
            here.put("lessons", *others.popitem())

    with here.lease() as lease:
        _before_each(lease.cluster.client, "/lessons/_bulk", meanwhile, monkeypatch)
        done = list(lease.load(Dataset(SeedKind.FIXTURE, (rows("lessons", "_id n", ("a", 9), ("b", 9)),))))
    assert [(each.inserted, each.updated, each.unchanged) for each in done] == [(0, 2, 0)]
    assert here.documents("lessons") == {"a": {"n": 9, "price": 7}, "b": {"n": 9, "price": 5}}


def _before_each(client: Any, path: str, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `act` run before each request to `path`, as another client would."""
    ask = client.ask

    def asked(method: str, where: str, *arguments: Any, **named: Any) -> Reply:
        if where == path:
            act()
        found: Reply = ask(method, where, *arguments, **named)
        return found

    monkeypatch.setattr(client, "ask", asked)


@pytest.mark.parametrize(
    ("part", "line", "words"),
    [
        (rows("nope", "_id", ("a",)), 0, "there is no index 'nope'"),
        (rows("lessons", "_id titel", ("a", "x")), 0, "has no field titel"),
        (rows("lessons", "_id n", ("a", 1), ("a", 2)), 3, "two rows have the id a"),
        (rows("lessons", "_id n", ("a", 1), (None, 2)), 3, "_id is empty"),
        (rows("lessons", "n", (1,)), 0, "have no ids"),
        (rows("lessons", "n open", ("1", "perhaps"), suffix=".csv", key="n"), 2, "does not fit"),
        (rows("lessons", "n open", ("1.5", "true"), suffix=".csv", key="n"), 2, "does not fit"),
        (rows("lessons", "_id tags n", ("a", "b", 1), ("a:b", "c", 1), key="_id tags"), 3, "has a colon"),
    ],
    ids=["index", "field", "twice", "null", "key", "boolean", "number", "colon"],
)
def test_rows_that_do_not_fit_are_refused_before_anything_is_written(
    here: Stage, part: Any, line: int, words: str
) -> None:
    with pytest.raises(StepFailed) as caught:
        here.load(rows("lessons", "_id n", ("first", 1)), part)
    assert words in str(caught.value)
    assert caught.value.at == Location(part.path, line)
    assert here.documents("lessons") == {}


@pytest.mark.parametrize("kind", [SeedKind.FIXTURE, SeedKind.VOLUME])
def test_what_the_server_refuses_names_the_row_and_the_reason(here: Stage, kind: SeedKind) -> None:
    part = rows("lessons", "_id n", ("a", 1), ("b", "x"), ("c", 3))
    with pytest.raises(StepFailed) as caught:
        here.load(part, kind=kind)
    assert caught.value.at == Location(part.path, 3)
    assert 'For input string: "x"' in caught.value.because


def test_what_the_first_rows_of_a_volume_show_is_told_at_once_before_anything_is_written(here: Stage) -> None:
    good = rows("lessons", "_id n", *((f"{number}", number) for number in range(700)))
    bad = [rows("lessons", "_id n", (name, 1), suffix=".csv") for name in ("", "x" * 600)]
    with pytest.raises(SeveralErrors) as caught:
        here.load(good, *bad, kind=SeedKind.VOLUME)
    assert [each.what.partition(" xx")[0] for each in caught.value.errors] == ["_id is empty", "the id"]
    assert here.documents("lessons") == {}


def test_all_files_without_an_index_are_told_at_once(here: Stage) -> None:
    with pytest.raises(SeveralErrors) as caught:
        here.load(rows("nowhere", "_id", ("a",)), rows("lessons", "n", (1,)))
    assert [each.what for each in caught.value.errors] == [
        "there is no index 'nowhere'",
        "the documents of lessons have no ids",
    ]


def test_scripts_are_no_seeds(here: Stage) -> None:
    script = Script("seeds/x.http", Source("seeds/x.http", ".http", b"GET /"))
    with pytest.raises(SeedFileError):
        here.load(script)


def test_an_alias_that_stands_for_several_indexes_is_refused(here: Stage) -> None:
    here.index("lessons-2", alias="lessons", n="long")
    with pytest.raises(StepFailed, match="lessons has 2 indexes"):
        here.load(rows("lessons", "_id n", ("a", 1)))


def test_a_lease_that_is_gone_loads_nothing(here: Stage) -> None:
    with here.lease() as lease:
        here.session.unlock(actor="eve@desk")
        with pytest.raises(LeaseLost):
            list(lease.load(Dataset(SeedKind.FIXTURE, (rows("lessons", "_id n", ("a", 1)),))))
    assert here.documents("lessons") == {}


def test_what_a_load_left_is_told_before_it_fails(here: Stage) -> None:
    part = rows("lessons", "_id n", *((f"{at:04}", at if at != 700 else "x") for at in range(800)))
    told: list[Loading] = []
    with here.lease() as lease, pytest.raises(StepFailed) as caught:
        list(lease.load(Dataset(SeedKind.FIXTURE, (part,)), told.append))
    assert caught.value.at == Location(part.path, 702)
    here.client.call("POST", "/lessons/_refresh")
    assert told[-1].changed == len(here.documents("lessons")) == 799


def test_how_far_a_volume_is_is_told_while_it_goes_on(here: Stage) -> None:
    part = rows(
        "lessons", "_id n title", *((f"{at % 3000:04}", at, {"en": "x" * 400}) for at in range(3_100))
    )
    told: list[Loading] = []
    with here.lease() as lease:
        (done,) = lease.bulk_load(Dataset(SeedKind.VOLUME, (part,)), told.append)
    assert done.inserted + done.updated == 3_100
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert len(told) > 2
    assert told[-1] == Loading(part.path, 3_100, 3_100)
