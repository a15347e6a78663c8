"""Searches of expectations: hits and buckets are rows, and an answer in part is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal

import pytest

from seedbed.errors import Interrupted, StepFailed
from tests.support.opensearch.stage import Stage, stage


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        made.index("lessons-3", alias="lessons", lesson="keyword", minutes="long")
        for number, lesson in enumerate(["a", "b", "b", "c", "c", "c"]):
            made.put("lessons-3", str(number), {"lesson": lesson, "minutes": 10 * number})
        yield made


def terms(more: str) -> str:
    return f'GET lessons/_search\n\n{{"aggs": {{"by": {{"terms": {{"field": "lesson"{more}}}}}}}}}'


def test_buckets_are_rows(here: Stage) -> None:
    found = here.session.rows(terms(', "min_doc_count": 2'), 10)
    assert sorted((row["key"], row["doc_count"]) for row in found) == [("b", "2"), ("c", "3")]
    assert len(here.session.rows(terms(""), 2)) == 2


def test_a_composite_is_read_to_its_end(here: Stage) -> None:
    source = '{"sources": [{"lesson": {"terms": {"field": "lesson"}}}], "size": 1}'
    query = f'GET lessons/_search {{"aggs": {{"by": {{"composite": {source}}}}}}}'
    assert [row["key"] for row in here.session.rows(query, 10)] == [
        '{"lesson":"a"}',
        '{"lesson":"b"}',
        '{"lesson":"c"}',
    ]


def test_an_answer_that_leaves_something_out_is_none(here: Stage) -> None:
    with pytest.raises(StepFailed, match="did not look at everything"):
        here.session.rows(terms(', "size": 1'), 10)
    with pytest.raises(StepFailed, match="has no buckets"):
        here.session.rows('GET lessons/_search {"aggs": {"most": {"max": {"field": "minutes"}}}}', 10)
    for nothing in ("GET nothing/_count", "GET nothing/_search", "GET noth*/_count", "GET noth*/_search"):
        with pytest.raises(StepFailed):
            here.session.rows(nothing, 10)


def test_numbers_are_counts_hits_and_values(here: Stage) -> None:
    number = here.session.number
    assert number("GET lessons/_count") == 6
    assert number('GET lessons/_search {"query": {"term": {"lesson": "c"}}}') == 3
    assert number('GET lessons/_search {"aggs": {"sum": {"sum": {"field": "minutes"}}}}') == Decimal("150.0")
    with pytest.raises(StepFailed, match="a query whose number is compared has none"):
        number(terms(""))


def test_of_a_count_that_is_not_zero_there_is_a_row(here: Stage) -> None:
    assert here.session.rows("GET lessons/_count?q=lesson:c", 10) == [{"count": "3"}]
    assert here.session.rows("GET lessons/_count?q=lesson:d", 10) == []
    assert len(here.session.rows("GET lessons/_search?q=lesson:c", 10)) == 3


def test_a_query_that_is_interrupted_does_not_begin(here: Stage) -> None:
    thread = threading.Thread(target=here.session.interrupt)
    thread.start()
    thread.join()
    with pytest.raises(Interrupted):
        here.session.rows("GET lessons/_count", 10)
