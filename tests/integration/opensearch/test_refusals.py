"""What is refused before anything is sent, what the server refuses, and under which names it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from seedbed.errors import Refused, SeedFileError, StepFailed
from tests.support.opensearch.stage import Stage, rows, stage
from tests.support.opensearch.works import apply, indexes, migration, revision


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        yield made


VECTOR = """
    # migrate:up
    PUT /some-1

    {{"settings": {{"index.knn": true}},
     "mappings": {{"properties": {{"v": {{"type": "knn_vector", "dimension": 3{method}}}}}}}}}
"""


@pytest.mark.parametrize("method", ["", ', "method": {"name": "hnsw", "engine": "faiss"}'])
def test_a_vector_that_would_end_the_sandbox_is_refused_before_it_is_sent(here: Stage, method: str) -> None:
    here.session.cluster.is_sandbox = True
    text = migration(VECTOR.format(method=method))
    (hazard,) = here.session.examine([text])[text.version]
    assert (hazard.code, hazard.line) == ("OS312", 3)
    with pytest.raises(Refused, match="the sandbox lacks") as caught:
        apply(here, text)
    assert 'engine = "lucene"' in caught.value.try_
    assert indexes(here) == set()
    assert revision(here) is None
    apply(here, migration(VECTOR.format(method=', "method": {"name": "hnsw", "engine": "lucene"}')))
    assert indexes(here) == {"some-1"}


def test_an_analyzer_that_cannot_be_built_is_told_with_the_servers_reason(here: Stage) -> None:
    body = '{"settings": {"analysis": {"analyzer": {"a": {"tokenizer": "standard", "filter": ["nothing_like_it"]}}}}}'
    with pytest.raises(StepFailed) as caught:
        apply(here, migration(f"# migrate:up\nPUT /some-1\n\n{body}\n"))
    assert "nothing_like_it" in caught.value.because


@pytest.mark.parametrize(
    "body",
    ['{"settings": {"number_of_shards": "many"}}', '{"mappings": {"properties": {"a": {"type": "b"}}}}'],
)
def test_a_new_index_is_refused_under_the_name_that_the_file_gives(here: Stage, body: str) -> None:
    with pytest.raises(StepFailed) as caught:
        apply(here, migration(f"# migrate:up\nPUT /some-1\n\n{body}\n"))
    assert "migrations_history" not in str(caught.value)
    assert "/some-1" in str(caught.value)


def test_an_index_that_exists_is_refused_under_its_name(here: Stage) -> None:
    here.index("some-1")
    with pytest.raises(StepFailed) as caught:
        apply(here, migration("# migrate:up\nPUT /some-1\n"))
    assert "migrations_history" not in str(caught.value)
    assert "some-1" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("migrations_history", "belongs to seedbed"),
        ("migrations_history_write", "belongs to seedbed"),
        ("*", "does not name one index"),
        ("_all", "does not name one index"),
        (".kibana", "belongs to the server"),
    ],
)
def test_a_seed_reaches_no_index_but_the_one_that_it_names(here: Stage, table: str, says: str) -> None:
    here.index("some-1", a="keyword")
    with pytest.raises(SeedFileError, match=says):
        here.load(rows(table, "_id a", ("1", "b")))
    assert here.documents("some-1") == {}


def test_a_history_without_its_state_is_not_read(here: Stage) -> None:
    apply(here, migration("# migrate:up\nPUT /some-1\n"))
    here.client.call("DELETE", "/migrations_history/_doc/state", params={"refresh": True})
    with pytest.raises(Refused, match="is not whole"):
        here.session.history()
