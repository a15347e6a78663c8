"""Requests of expectations: a search or a count, on several lines or one, and nothing that writes or looks at a part."""

from __future__ import annotations

import pytest

from seedbed.engines.opensearch.files.searches import search
from seedbed.errors import StepFailed, UsageError


@pytest.mark.parametrize(
    "query",
    [
        'GET lessons/_search\n\n{"size": 0} // nothing',
        'POST /lessons/_search {"size": 0}',
        '\n  GET /lessons/_search\n  {"size": 0}\n',
    ],
)
def test_a_search_is_read(query: str) -> None:
    found = search(query)
    assert (found.path, found.body, found.is_count) == ("/lessons/_search", {"size": 0}, False)


def test_a_count_is_read_with_its_parameters() -> None:
    found = search("GET /lessons,questions/_count?q=kind:video")
    assert (found.path, found.params, found.is_count) == (
        "/lessons,questions/_count",
        {"q": "kind:video"},
        True,
    )


@pytest.mark.parametrize(
    "query",
    ["DELETE /lessons", 'POST /lessons/_doc {"a": 1}', "PUT /lessons/_doc/_search", "GET /_cat/indices"],
)
def test_what_is_no_search_is_refused(query: str) -> None:
    with pytest.raises(UsageError, match="would write"):
        search(query)


@pytest.mark.parametrize(
    ("query", "because"),
    [
        ("lessons", "does not begin a request"),
        ("GET /_search", "names no index"),
        ("GET /lessons/_search?scroll=1m", "no parameter scroll"),
        ("GET /lessons/_search?ignore_unavailable=true", "no parameter ignore_unavailable"),
        ('GET /lessons/_search {"terminate_after": 1}', "with terminate_after"),
        ('GET /lessons/_search {"from": 1}', "with from"),
        ("GET /lessons/_search\n\n[]", "is an object"),
        ("GET /lessons/_search\n\n{", "not valid JSON"),
    ],
)
def test_a_search_that_is_wrong_says_why(query: str, because: str) -> None:
    with pytest.raises(StepFailed) as caught:
        search(query)
    assert because in caught.value.because
