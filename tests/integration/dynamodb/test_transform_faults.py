"""Transformations over a line that loses answers, and on a table that is throttled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.errors import SeedbedError, StepFailed, Unavailable
from tests.support.aws_proxy import Call, Proxy, proxy
from tests.support.aws_proxy.http import Response
from tests.support.dynamodb.tables import COURSES, Stage, stage

COUNT = """
def up(item):
    item["count"] += 1
    return item
"""
LOOK = """
def up(item):
    if "done" not in item:
        item["count"] += 1
        item["done"] = True
    return item
"""
SPLIT = """
def up(item):
    if "/" in item["id"] or "done" in item:
        return item
    item["count"] += 1
    item["done"] = True
    return [item, {"id": item["id"] + "/x", "count": 0}]
"""
WAYS = [("from=1 to=2", COUNT), ("", COUNT), ('repeatable because "it looks"', LOOK), ("from=1 to=2", SPLIT)]
NAMES = ["versioned", "paged", "repeatable", "splitting"]
EACH_WAY = pytest.mark.parametrize(("directives", "code"), WAYS, ids=NAMES)
# A throttle is told otherwise in a transaction (paged) than alone; the other ways write as one of the two.
TWO_WAYS = pytest.mark.parametrize(
    ("directives", "code"),
    [*WAYS[:2], *(pytest.param(*each, marks=pytest.mark.soak) for each in WAYS[2:])],
    ids=NAMES,
)


@pytest.fixture
def aws(dynamodb_local_account: World) -> Iterator[Proxy]:
    with proxy(dynamodb_local_account.endpoint) as found:
        yield found


@pytest.fixture
def there(aws: Proxy, dynamodb_local_account: World) -> Iterator[Stage]:
    with stage(replace(dynamodb_local_account, endpoint=aws.endpoint), COURSES) as made:
        made.fill("courses", [{"id": f"c-{number:03d}", "count": number} for number in range(100)])
        yield made


def text(directives: str, code: str) -> str:
    return f"# seedbed: phase=migrate table=courses batch=20 segments=2 {directives}\n{code}"


def writes_items(call: Call) -> bool:
    return call.mutates and any("-courses-" in each for each in call.tables)


def counts(there: Stage) -> dict[str, Any]:
    return {each["id"]: each["count"] for each in there.items("courses") if "/" not in each["id"]}


ONCE = {f"c-{number:03d}": number + 1 for number in range(100)}


@EACH_WAY
def test_a_write_whose_answer_was_lost_is_not_done_twice(
    aws: Proxy, there: Stage, directives: str, code: str
) -> None:
    with aws.drop(writes_items, when="answered", times=3) as lost:
        there.apply(text(directives, code))
    assert lost.hits == 3
    assert counts(there) == ONCE


@EACH_WAY
def test_a_write_that_never_arrived_is_sent_again(
    aws: Proxy, there: Stage, directives: str, code: str
) -> None:
    with aws.drop(writes_items, when="asked", times=3):
        there.apply(text(directives, code))
    assert counts(there) == ONCE


@TWO_WAYS
def test_throttles_slow_a_run_down_and_do_not_stop_it(
    aws: Proxy, there: Stage, directives: str, code: str
) -> None:
    there.client.policy = structs.replace(
        there.client.policy, attempts=2
    )  # the rest is the walk's own patience
    with aws.throttle(writes_items, times=6) as writes, aws.throttle("Scan", times=3) as scans:
        there.apply(text(directives, code))
    assert (writes.hits, scans.hits) == (6, 3)
    assert counts(there) == ONCE


def test_what_the_server_says_no_to_is_told_with_the_items_key(aws: Proxy, there: Stage) -> None:
    with (
        aws.refuse(writes_items, "ValidationException", "the stars are wrong", times=1),
        pytest.raises(StepFailed, match=r"item id=c-\d+ of courses") as caught,
    ):
        there.apply(text("from=1 to=2", COUNT))
    assert "the stars are wrong" in caught.value.because
    there.apply(text("from=1 to=2", COUNT))
    assert counts(there) == ONCE


def test_a_run_that_is_told_nothing_any_more_leaves_a_table_that_the_next_one_finishes(
    aws: Proxy, there: Stage
) -> None:
    for _ in range(3):
        with aws.drop(writes_items, when="answered", times=None) as line:
            there.client.policy = structs.replace(there.client.policy, attempts=2)
            with pytest.raises(SeedbedError):
                there.apply(text("from=1 to=2", COUNT))
            assert line.hits
    there.apply(text("from=1 to=2", COUNT))
    assert counts(there) == ONCE


@pytest.mark.parametrize(
    ("status", "says"), [("CREATING", "is still being created"), ("DELETING", "is being deleted")]
)
def test_a_table_that_cannot_be_used_is_named_before_an_item_is_touched(
    aws: Proxy, there: Stage, status: str, says: str
) -> None:
    def changed(call: Call, response: Response) -> Response:
        return response.with_body(response.body.replace(b'"ACTIVE"', f'"{status}"'.encode(), 1))

    before = len(aws.calls)
    with aws.rewrite("DescribeTable", changed), pytest.raises(Unavailable, match=says):
        there.apply(text("from=1 to=2", COUNT))
    assert not [each for each in aws.calls[before:] if writes_items(each)]
