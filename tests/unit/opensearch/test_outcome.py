"""Success is what the body says."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.engines.opensearch.wire.errors import CONFLICT, cause, failed
from seedbed.engines.opensearch.wire.outcome import outcome_of

MAPPER = {
    "type": "mapper_parsing_exception",
    "reason": "failed to parse field [n] of type [long]",
    "caused_by": {"type": "illegal_argument_exception", "reason": 'For input string: "x"'},
}


def item(action: str, id_: str, error: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        action: {
            "_index": "lessons",
            "_id": id_,
            "status": 400 if error else 200,
            **({"error": error} if error else {}),
        }
    }


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "OK",
        {"acknowledged": True, "shards_acknowledged": True, "index": "lessons"},
        {"_shards": {"total": 2, "successful": 1, "failed": 0}, "result": "created"},
        {"took": 3, "timed_out": False, "updated": 7, "version_conflicts": 0, "failures": []},
        {"errors": False, "items": [item("index", "1")]},
    ],
)
def test_what_succeeded_is_a_success(answer: Any) -> None:
    assert outcome_of(answer).is_success


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"acknowledged": False}, "did not acknowledge"),
        (
            {"_shards": {"total": 2, "failed": 1, "failures": [{"reason": MAPPER}]}},
            "1 of 2 shards failed: failed to parse",
        ),
        ({"timed_out": True, "updated": 3}, "timed out"),
        ({"canceled": "by user request", "updated": 3}, "cancelled: by user request"),
        (
            {"version_conflicts": 4, "updated": 3, "failures": []},
            "4 documents were changed by another process",
        ),
        (
            {"failures": [{"index": "lessons", "id": "7", "cause": MAPPER}]},
            "lessons/7: mapper_parsing_exception",
        ),
        (
            {"failures": [{"index": "lessons", "shard": 0, "reason": MAPPER}]},
            "lessons: mapper_parsing_exception",
        ),
        ({"error": MAPPER}, 'mapper_parsing_exception: failed to parse field .*: For input string: "x"'),
        (
            {"errors": True, "items": [item("index", "1"), item("create", "2", MAPPER)]},
            "create lessons/2: mapper",
        ),
    ],
)
def test_a_success_in_name_only_is_a_failure_and_says_of_what(answer: Any, says: str) -> None:
    import re

    found = outcome_of(answer)
    assert not found.is_success
    assert re.search(says, found.message)


def test_conflicts_that_are_meant_to_be_passed_over_are_no_failure() -> None:
    assert outcome_of({"version_conflicts": 4, "updated": 3, "failures": []}, conflicts=True).is_success


def test_an_item_that_was_there_already_is_done_where_a_former_run_may_have_written_it() -> None:
    answer = {"errors": True, "items": [item("create", "1", {"type": CONFLICT, "reason": "exists"})]}
    assert not outcome_of(answer).is_success
    assert outcome_of(answer, tolerated=[CONFLICT]).is_success


def test_many_failures_are_counted_and_a_few_are_shown() -> None:
    found = outcome_of(
        {"errors": True, "items": [item("index", str(number), MAPPER) for number in range(10)]}
    )
    assert len(found.failures) == 10
    assert found.message.endswith("and 7 more")
    assert found.done == 0


def test_reasons_are_told_with_what_caused_them_and_not_twice() -> None:
    assert cause(MAPPER) == 'failed to parse field [n] of type [long]: For input string: "x"'
    assert cause({"reason": "a: b", "caused_by": {"reason": "b"}}) == "a: b"


@pytest.mark.parametrize(
    ("body", "type_", "reason"),
    [
        ({"error": {"type": "x_exception", "reason": "no"}, "status": 400}, "x_exception", "no"),
        ({"error": "no handler found"}, "", "no handler found"),
        ({"result": "not_found"}, "", "not_found"),
        ({"message": "The security token is expired"}, "", "The security token is expired"),
        ("<html>Bad gateway</html>", "", "<html>Bad gateway</html>"),
        (None, "", ""),
    ],
)
def test_whatever_answers_no_is_told_in_its_own_words(body: Any, type_: str, reason: str) -> None:
    error = failed(400, body, "PUT /lessons")
    assert (error.type, error.reason) == (type_, reason)
    assert "PUT /lessons" in str(error)
