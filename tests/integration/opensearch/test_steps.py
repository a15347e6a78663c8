"""Requests as steps, on a real cluster: each takes effect once, whatever became of the run that sent it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest
from msgspec.structs import replace

from seedbed.errors import OutcomeUnknown
from seedbed.model.event import StepProbed, WorkProgressed
from seedbed.model.history import RevisionState
from seedbed.model.migration import Direction, Work
from tests.support.opensearch.stage import Stage, stage
from tests.support.opensearch.works import (
    VERSION,
    aliases,
    apply,
    begun,
    indexes,
    lossy,
    migration,
    revision,
)

WHOLE = """
    # Lessons, to be searched.
    # seedbed: phase=expand
    # migrate:up

    ### how texts are read
    PUT /_ingest/pipeline/lessons
    Content-Type: application/json

    {
      "description": "lower case", // the analyzer does it as well
      "processors": [{"lowercase": {"field": "title", "ignore_missing": true}}]
      /* "version": 1 */
    }

    ### the index
    PUT /lessons-1?wait_for_active_shards=1 HTTP/1.1

    {
      "settings": {"default_pipeline": "lessons", "number_of_replicas": 0},
      "mappings": {"properties": {"title": {"type": "keyword"}, "url": {"type": "keyword"}}}
    }

    ###
    POST /_aliases

    {"actions": [{"add": {"index": "lessons-1", "alias": "lessons"}}]}

    ### some lessons
    POST /lessons/_bulk?refresh

    # two of them
    {"index": {"_id": "1"}}
    {"title": "ALGEBRA", "url": "https://example.org/*not a comment*/"}
    {"index": {}}
    {"title": "GEOMETRY"}

    ###
    POST /lessons/_doc?refresh

    {"title": "LOGIC"}

    # migrate:down
    POST /_aliases

    {"actions": [{"remove": {"index": "lessons-1", "alias": "lessons"}}]}

    ###
    DELETE /lessons-1

    ###
    DELETE /_ingest/pipeline/lessons
"""


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        yield made


def test_requests_are_carried_out_in_order_and_their_way_back_takes_all_of_it_away(here: Stage) -> None:
    whole = migration(WHOLE)
    told = apply(here, whole)
    progress = [each for each in told if isinstance(each, WorkProgressed)]
    assert [each.summary for each in progress][:2] == ["how texts are read", "the index"]
    assert aliases(here) == {"lessons": "lessons-1"}
    assert here.documents("lessons") == {
        "1": {"title": "algebra", "url": "https://example.org/*not a comment*/"},
        f"{VERSION}-3-1": {"title": "geometry"},
        f"{VERSION}-4": {"title": "logic"},
    }
    apply(here, whole, direction=Direction.DOWN)
    assert indexes(here) == set()
    assert here.client.ask("GET", "/_ingest/pipeline/lessons").status == 404
    assert here.session.history().revisions == ()


@pytest.mark.parametrize("step", [0, 1, 3, 4])
def test_a_run_that_was_killed_after_a_request_and_before_its_record_goes_on(here: Stage, step: int) -> None:
    up = WHOLE.partition("# migrate:down")[0]
    whole, sent = migration(up), migration("\n    ###".join(up.split("\n    ###")[: step + 2]))
    assert len(sent.up) == step + 1
    apply(here, sent)
    with here.lease() as lease:
        lease.commit(begun(whole, step=step))
    told = apply(here, whole)
    assert [each.step for each in told if isinstance(each, StepProbed)] == [step]
    assert set(here.documents("lessons")) == {"1", f"{VERSION}-3-1", f"{VERSION}-4"}
    assert [each.version for each in here.session.history().applied] == [VERSION]


def test_aliases_of_which_nobody_knows_whether_they_were_changed_are_left_to_a_person(here: Stage) -> None:
    whole = migration(WHOLE)
    apply(here, whole)
    with here.lease() as lease:
        lease.commit(begun(whole, step=2))
    with pytest.raises(OutcomeUnknown):
        apply(here, whole)


@pytest.mark.parametrize("step", range(1, 3))
def test_a_way_back_that_was_killed_after_a_request_goes_on(here: Stage, step: int) -> None:
    whole = migration(WHOLE)
    apply(here, whole)
    here.client.call(
        "POST", "/_aliases", {"actions": [{"remove": {"index": "lessons-1", "alias": "lessons"}}]}
    )
    here.client.call("DELETE", "/lessons-1")
    if step == 2:
        here.client.call("DELETE", "/_ingest/pipeline/lessons")
    left = begun(whole, step=step)
    with here.lease() as lease:
        lease.commit(replace(left, direction=Direction.DOWN))
    apply(here, whole, direction=Direction.DOWN)
    assert here.session.history().revisions == ()
    assert indexes(here) == set()


def test_a_document_without_an_id_is_added_once_for_each_time_its_migration_is_applied(here: Stage) -> None:
    here.index("lessons", title="keyword")
    text = migration('# migrate:up\nPOST /lessons/_doc?refresh\n\n{"title": "logic"}\n')
    apply(here, text)
    with here.lease() as lease:
        lease.commit(begun(text))
    apply(here, text)
    assert len(here.documents("lessons")) == 1


def test_a_document_that_is_there_and_differs_is_left_to_a_person(here: Stage) -> None:
    here.index("lessons", title="keyword")
    text = migration('# migrate:up\nPUT /lessons/_create/1?refresh\n\n{"title": "logic"}\n')
    here.put("lessons", "1", {"title": "rhetoric"})
    with here.lease() as lease:
        lease.commit(begun(text))
    with pytest.raises(OutcomeUnknown):
        apply(here, text)
    here.put("lessons", "1", {"title": "logic"})
    apply(here, text)
    assert [each.version for each in here.session.history().applied] == [VERSION]


def test_settings_without_their_name_make_an_index_as_they_do_for_the_server(here: Stage) -> None:
    apply(here, migration('# migrate:up\nPUT /lessons-1\n\n{"number_of_shards": 2}\n'))
    found = here.client.call("GET", "/lessons-1/_settings")
    assert found["lessons-1"]["settings"]["index"]["number_of_shards"] == "2"


def test_an_index_that_is_there_already_is_refused_and_kept(here: Stage) -> None:
    here.index("lessons-1", title="keyword")
    here.put("lessons-1", "1", {"title": "logic"})
    with pytest.raises(Exception, match="already exists"):
        apply(here, migration("# migrate:up\nPUT /lessons-1\n"))
    assert revision(here) is None
    assert len(here.documents("lessons-1")) == 1


def test_aliases_that_are_refused_leave_the_fence_where_it_is(here: Stage) -> None:
    here.index("lessons-1")
    bad = '{"actions": [{"remove": {"index": "lessons-1", "alias": "nobody", "must_exist": true}}]}'
    with here.lease() as lease:
        with pytest.raises(Exception, match="nobody"):
            list(lease.apply([_work(f"# migrate:up\nPOST /_aliases\n\n{bad}\n")]))
        list(lease.apply([_work("# migrate:up\nPUT /orders-1\n")]))
    assert indexes(here) == {"lessons-1", "orders-1"}


def test_a_step_in_which_a_run_stopped_is_recorded_with_what_finds_it_again(here: Stage) -> None:
    here.index("lessons", times="long")
    text = migration('# migrate:up\nPOST /lessons/_update/1\n\n{"script": "ctx._source.times += 1"}\n')
    with pytest.raises(Exception, match="document_missing"):
        apply(here, text)
    assert revision(here) is None  # refused: nothing of it stayed
    with here.lease() as lease:
        lease.commit(begun(text, checkpoint=json.dumps({"mark": "x"})))
    with pytest.raises(OutcomeUnknown, match="repair"):
        apply(here, text)
    found = revision(here)
    assert found is not None
    assert (found.state, found.in_step) == (RevisionState.STARTED, True)


@pytest.mark.parametrize(
    "loses",
    [
        {"/_rollover/lessons-1": 1},
        {"POST /_aliases": 1},
        {"PUT /migrations_history_write/_doc/state": 3},
        {"POST /migrations_history_write/_bulk": 2},
        {"POST /lessons/_bulk": 1},
        {"PUT /_ingest/pipeline": 1},
        {"DELETE /_ingest/pipeline": 1},
    ],
    ids=lambda each: next(iter(each)),
)
def test_an_answer_that_gets_lost_loses_nothing(
    opensearch_settings: Mapping[str, str], loses: Mapping[str, int]
) -> None:
    whole = migration(WHOLE)
    with lossy(opensearch_settings, loses) as settings, stage(settings) as here:
        apply(here, whole)
        assert aliases(here) == {"lessons": "lessons-1"}
        assert set(here.documents("lessons")) == {"1", f"{VERSION}-3-1", f"{VERSION}-4"}
        assert [each.version for each in here.session.history().applied] == [VERSION]
        apply(here, whole, direction=Direction.DOWN)
        assert indexes(here) == set()
        assert here.session.history().revisions == ()


def test_a_document_whose_answer_got_lost_is_found_by_the_next_run(
    opensearch_settings: Mapping[str, str],
) -> None:
    text = migration('# migrate:up\nPOST /lessons/_doc?refresh\n\n{"title": "logic"}\n')
    with lossy(opensearch_settings, {"/lessons/_create/": 1}) as settings, stage(settings) as here:
        with pytest.raises(OutcomeUnknown):
            apply(here, text)
        apply(here, text)
        assert set(here.documents("lessons")) == {f"{VERSION}-0"}
        assert [each.version for each in here.session.history().applied] == [VERSION]


def _work(text: str) -> Work:
    return Work(migration(text))
