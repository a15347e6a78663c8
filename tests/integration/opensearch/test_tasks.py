"""Requests that go on by themselves: followed to their end, whoever started them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from seedbed.engines.opensearch.running import tasks
from seedbed.engines.opensearch.running.requests import RequestTag
from seedbed.errors import OutcomeUnknown
from seedbed.model.event import StepProbed, TakenOver, WorkProgressed
from tests.support.opensearch.stage import Stage, stage
from tests.support.opensearch.works import VERSION, apply, begun, indexes, migration

TEXT = """
    # migrate:up
    ### one more minute
    POST /lessons/_update_by_query?refresh&requests_per_second=20&scroll_size=5

    {"script": {"source": "ctx._source.minutes += 1"}}
"""
MARK = "0123456789ab"
TICKET = RequestTag("ai/opensearch", VERSION, "0", MARK)


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        made.index("lessons", minutes="long")
        for number in range(20):
            made.put("lessons", str(number), {"minutes": number})
        yield made


def minutes(here: Stage) -> list[int]:
    here.client.call("POST", "/lessons/_refresh", idempotent=True)
    found = here.documents("lessons")
    return [found[str(number)]["minutes"] for number in range(20)]


def start(here: Stage, opaque_id: str) -> str:
    """Start the task as a runner does that is killed right afterwards."""
    body = {"script": {"source": "ctx._source.minutes += 1"}}
    params = {"requests_per_second": 20, "scroll_size": 5}
    return tasks.start(
        here.client, "POST", "/lessons/_update_by_query", body, opaque_id=opaque_id, params=params
    )


def leave(here: Stage, checkpoint: Mapping[str, str]) -> None:
    """Record what that runner left: the step was begun."""
    with here.lease() as lease:
        lease.commit(begun(migration(TEXT), checkpoint=json.dumps(checkpoint)))


def test_a_task_is_followed_to_its_end_and_tells_how_far_it_is(here: Stage) -> None:
    told = apply(here, migration(TEXT))
    progress = [each for each in told if isinstance(each, WorkProgressed)]
    assert any(0 < each.done < each.total == 20 for each in progress)
    assert minutes(here) == list(range(1, 21))
    assert [each.version for each in here.session.history().applied] == [VERSION]


def test_a_task_whose_runner_died_before_it_knew_its_name_is_found_by_its_mark_and_followed(
    here: Stage,
) -> None:
    start(here, TICKET.opaque_id)
    leave(here, {"mark": MARK})
    told = apply(here, migration(TEXT))
    assert any(isinstance(each, StepProbed) and "found" in each.verdict for each in told)
    assert minutes(here) == list(range(1, 21))


def test_a_task_that_ended_before_anybody_came_is_found_by_its_mark_as_well(here: Stage) -> None:
    task = start(here, TICKET.opaque_id)
    list(tasks.follow(here.client, task, lambda: None))
    leave(here, {"mark": MARK})
    apply(here, migration(TEXT))
    assert minutes(here) == list(range(1, 21))
    assert [each.version for each in here.session.history().applied] == [VERSION]


def test_the_task_of_another_attempt_is_not_taken_for_this_one(here: Stage) -> None:
    task = start(here, TICKET.opaque_id)
    list(tasks.follow(here.client, task, lambda: None))
    assert tasks.find(here.client, TICKET.opaque_id) == task
    leave(here, {"mark": "another"})
    with pytest.raises(OutcomeUnknown):
        apply(here, migration(TEXT))


@pytest.mark.parametrize("kept", [{"mark": MARK}, {"mark": MARK, "task": "nobodysnodeXXXXXXXXXXX:4711"}])
def test_a_task_that_nobody_knows_is_unknown_and_not_done(here: Stage, kept: Mapping[str, str]) -> None:
    leave(here, kept)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            apply(here, migration(TEXT))
    assert here.session.history().applied == ()
    assert minutes(here) == list(range(20))


def test_the_task_of_a_former_run_has_ended_before_another_migration_begins(here: Stage) -> None:
    start(here, TICKET.opaque_id)
    other = migration("# migrate:up\nPUT /others-1\n", "20260101000002")
    told = apply(here, other)
    assert [each for each in told if isinstance(each, TakenOver)]
    assert not tasks.running(here.client, "ai/opensearch")
    assert minutes(here) == list(range(1, 21))


def test_a_reset_ends_what_would_write_after_it(here: Stage) -> None:
    body = {"source": {"index": "lessons", "size": 1}, "dest": {"index": "others"}}
    tasks.start(
        here.client,
        "POST",
        "/_reindex",
        body,
        opaque_id=TICKET.opaque_id,
        params={"requests_per_second": 10},
    )
    with here.lease() as lease:
        lease.reset()
    assert not tasks.running(here.client, "ai/opensearch")
    assert indexes(here) == set()


def test_a_task_that_somebody_cancelled_is_no_success(here: Stage) -> None:
    slow = TEXT.replace("requests_per_second=20", "requests_per_second=1")
    start_slowly = {"requests_per_second": 1, "scroll_size": 5}
    body = {"script": {"source": "ctx._source.minutes += 1"}}
    task = tasks.start(
        here.client,
        "POST",
        "/lessons/_update_by_query",
        body,
        opaque_id=TICKET.opaque_id,
        params=start_slowly,
    )
    leave(here, {"mark": MARK, "task": task})
    tasks.cancel(here.client, task)
    with pytest.raises(OutcomeUnknown, match="cancel"):
        apply(here, migration(slow))
    assert here.session.history().applied == ()
