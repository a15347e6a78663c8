"""What OpenSearch answers with 200 and did not do is reported as what it is, and never called applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from seedbed.engines.opensearch.wire.outcome import PartlyDone
from seedbed.errors import ExitCode, OutcomeUnknown, StepFailed
from seedbed.model.history import RevisionState
from tests.support.opensearch.stage import Stage, stage
from tests.support.opensearch.works import VERSION, apply, indexes, migration, revision

BULK = """
    # migrate:up
    POST /lessons/_bulk?refresh

    {"index": {"_id": "a"}}
    {"minutes": 10}
    {"index": {"_id": "b"}}
    {"minutes": "a while"}
    {"index": {"_id": "c"}}
    {"minutes": 30}
"""


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        yield made


def test_a_bulk_with_one_failing_item_fails_with_item_and_reason_and_is_not_applied(here: Stage) -> None:
    here.index("lessons", minutes="long")
    with pytest.raises(PartlyDone) as caught:
        apply(here, migration(BULK))
    said = str(caught.value)
    assert f"{VERSION}_some" in said
    assert "index lessons/b" in said
    assert "a while" in said  # the server's own reason
    assert "2 documents were changed" in said
    assert caught.value.at is not None
    assert caught.value.at.line == 3
    assert caught.value.exit_code is ExitCode.PARTIAL
    found = revision(here)
    assert found is not None
    assert (found.state, found.step, found.in_step) == (RevisionState.STARTED, 0, False)  # it may be mended
    assert here.session.history().applied == ()


@pytest.mark.parametrize("action", ["index", "create"])
def test_a_mended_bulk_goes_on_and_writes_what_was_missing(here: Stage, action: str) -> None:
    here.index("lessons", minutes="long")
    bulk = BULK.replace('"index"', f'"{action}"')
    assert action in bulk
    with pytest.raises(PartlyDone):
        apply(here, migration(bulk))
    apply(here, migration(bulk.replace('"a while"', "20")))
    assert [each.version for each in here.session.history().applied] == [VERSION]
    assert here.documents("lessons") == {"a": {"minutes": 10}, "b": {"minutes": 20}, "c": {"minutes": 30}}


def test_an_index_that_the_server_fails_to_make_is_refused_with_its_reason_and_not_tried_again(
    here: Stage,
) -> None:
    analysis = """{"filter": {"words": {"type": "hunspell", "locale": "en_GB"}},
      "analyzer": {"mine": {"tokenizer": "standard", "filter": ["words"]}}}"""
    with pytest.raises(StepFailed) as caught:
        apply(
            here, migration(f'# migrate:up\nPUT /lessons-1\n\n{{"settings": {{"analysis": {analysis}}}}}\n')
        )
    assert "OpenSearch refused PUT /lessons-1: illegal_state_exception" in caught.value.what
    assert "hunspell dictionary" in caught.value.because
    assert not caught.value.try_  # and not "run it again"
    assert (revision(here), indexes(here)) == (None, set())


def test_a_bulk_of_which_nothing_succeeds_leaves_nothing_behind(here: Stage) -> None:
    here.index("lessons", minutes="date")
    with pytest.raises(StepFailed) as caught:
        apply(here, migration(BULK.replace("10", '"x"').replace("30", '"y"')))
    assert "index lessons/a" in str(caught.value)
    assert revision(here) is None


def test_a_task_that_fails_later_fails_with_the_document_and_the_reason_and_is_not_applied(
    here: Stage,
) -> None:
    here.index("lessons", minutes="keyword")
    here.index("longer", minutes="long")
    for id_, minutes in (("a", "10"), ("b", "a while"), ("c", "30")):
        here.put("lessons", id_, {"minutes": minutes})
    text = """
        # migrate:up
        POST /_reindex

        {"source": {"index": "lessons"}, "dest": {"index": "longer"}}
    """
    with pytest.raises(PartlyDone) as caught:
        apply(here, migration(text))
    said = str(caught.value)
    assert "longer/b" in said
    assert "a while" in said
    assert here.session.history().applied == ()
    with pytest.raises(OutcomeUnknown, match="longer/b"):  # and no later run takes it for done
        apply(here, migration(text))
    assert here.session.history().applied == ()


def test_a_task_that_fails_as_a_whole_says_why(here: Stage) -> None:
    here.index("lessons", minutes="long")
    here.put("lessons", "a", {"minutes": 10})
    text = """
        # migrate:up
        POST /lessons/_update_by_query

        {"script": {"source": "ctx._source.minutes = ctx._source.nothing.there"}}
    """
    with pytest.raises((PartlyDone, StepFailed)) as caught:
        apply(here, migration(text))
    assert "script_exception" in str(caught.value)
    assert here.session.history().applied == ()


def test_a_repeatable_task_that_failed_runs_again_once_its_cause_is_gone(here: Stage) -> None:
    here.index("lessons", minutes="keyword")
    here.index("longer", minutes="long")
    here.put("lessons", "a", {"minutes": "a while"})
    text = """
        # seedbed: repeatable because "the same documents are written again"
        # migrate:up
        POST /_reindex?refresh

        {"source": {"index": "lessons"}, "dest": {"index": "longer"}}
    """
    with pytest.raises(PartlyDone):
        apply(here, migration(text))
    here.put("lessons", "a", {"minutes": "20"})
    apply(here, migration(text))
    assert here.documents("longer") == {"a": {"minutes": "20"}}
    assert [each.version for each in here.session.history().applied] == [VERSION]


def test_a_request_that_is_refused_leaves_nothing_and_says_why(here: Stage) -> None:
    text = """
        # migrate:up
        PUT /lessons-1

        {"mappings": {"properties": {"title": {"type": "textual"}}}}
    """
    with pytest.raises(StepFailed, match="textual"):
        apply(here, migration(text))
    assert revision(here) is None
    assert indexes(here) == set()


def test_a_failing_request_leaves_the_ones_before_it_recorded(here: Stage) -> None:
    text = """
        # migrate:up
        PUT /lessons-1

        ###
        PUT /lessons-1/_mapping

        {"properties": {"title": {"type": "textual"}}}
    """
    with pytest.raises(StepFailed, match="textual"):
        apply(here, migration(text))
    found = revision(here)
    assert found is not None
    assert (found.state, found.step, found.in_step) == (RevisionState.STARTED, 1, False)
    apply(here, migration(text.replace("textual", "text")))
    assert [each.version for each in here.session.history().applied] == [VERSION]
