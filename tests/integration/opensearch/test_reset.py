"""Emptying a cluster, and what it looks like: everything that people made, nothing of the server's or seedbed's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from seedbed.errors import LeaseLost
from seedbed.model.history import Identity
from tests.support.opensearch.stage import Stage, stage


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        yield made


def everything(here: Stage) -> None:
    """Make one thing of each kind."""
    here.index("lessons-2", alias="lessons", n="long")
    here.index("lessons-1", n="keyword")  # stood behind the alias before
    here.index("other", dynamic="true", title="text", raw={"properties": {"n": {"type": "keyword"}}})
    for id_ in ("a", "b"):
        here.put("lessons", id_, {"n": 1})
    puts: Mapping[str, Mapping[str, object]] = {
        "/_index_template/logs": {"index_patterns": ["logs-*"], "data_stream": {}, "composed_of": ["part"]},
        "/_template/old": {"index_patterns": ["old-*"]},
        "/_ingest/pipeline/texts": {"processors": [{"lowercase": {"field": "n"}}]},
        "/_search/pipeline/texts": {"request_processors": []},
        "/_scripts/similar": {"script": {"lang": "mustache", "source": {"size": 1}}},
    }
    here.client.call("PUT", "/_component_template/part", {"template": {"settings": {"number_of_shards": 1}}})
    for path, body in puts.items():
        here.client.call("PUT", path, body)
    here.client.call("PUT", "/_data_stream/logs-app")


def test_reset_removes_all_kinds_of_things_and_says_so(here: Stage) -> None:
    everything(here)
    with here.lease() as lease:
        lease.bind(Identity("edtech", "ai/opensearch", "dev-test"))
        assert lease.reset() == (
            "3 indexes (lessons-2: 2), 1 data stream, 1 index template, 1 component template, 1 template,"
            " 1 ingest pipeline, 1 search pipeline, 1 stored script and the history"
        )
        assert here.session.history().identity is None
        assert here.session.schema() == []
        assert lease.reset() == "the history; there was nothing else"


def test_reset_leaves_what_is_managed_by_somebody_else(here: Stage) -> None:
    body = {"index_patterns": ["x-*"], "_meta": {"managed": True}}
    here.client.call("PUT", "/_index_template/theirs", body)
    with here.lease() as lease:
        lease.reset()
    assert [each["name"] for each in here.client.call("GET", "/_index_template")["index_templates"]] == [
        "theirs"
    ]


def test_a_lease_that_is_gone_resets_nothing(here: Stage) -> None:
    everything(here)
    before = here.session.schema()
    with here.lease() as lease:
        here.session.unlock(actor="eve@desk")
        with pytest.raises(LeaseLost):
            lease.reset()
    assert here.session.schema() == before


def test_the_schema_says_each_setting_on_a_line_and_no_number_of_an_index(here: Stage) -> None:
    everything(here)
    assert here.session.schema() == [
        'component template part = {"template": {"settings": {"index": {"number_of_shards": "1"}}}}',
        "data stream logs-app",
        "index lessons",
        "index lessons alias lessons",
        'index lessons field n = {"type": "long"}',
        'index lessons mapping dynamic = "strict"',
        'index lessons setting number_of_replicas = "0"',
        'index lessons setting number_of_shards = "1"',
        'index lessons setting refresh_interval = "-1"',
        "index other",
        'index other field raw.n = {"type": "keyword"}',
        'index other field title = {"type": "text"}',
        'index other mapping dynamic = "true"',
        'index other setting number_of_replicas = "0"',
        'index other setting number_of_shards = "1"',
        'index other setting refresh_interval = "-1"',
        'index template logs = {"composed_of": ["part"], "data_stream": {"timestamp_field": {"name": "@timestamp"}},'
        ' "index_patterns": ["logs-*"]}',
        'ingest pipeline texts = {"processors": [{"lowercase": {"field": "n"}}]}',
        'search pipeline texts = {"request_processors": []}',
        'stored script similar = {"lang": "mustache", "options": {"content_type": "application/json; charset=UTF-8"},'
        ' "source": "{\\"size\\":1}"}',
        'template old = {"aliases": {}, "index_patterns": ["old-*"], "mappings": {}, "order": 0, "settings": {}}',
    ]


def test_fields_that_documents_made_are_no_drift(here: Stage) -> None:
    here.index("other", dynamic="true", title="text")
    before = here.session.schema()
    here.put(
        "other", "a", {"text": "x", "n": 1, "part": 1.5, "is": True, "at": "2026-01-01", "in": {"ner": "x"}}
    )
    assert here.session.schema() == before
    here.client.call("PUT", "/other/_mapping", {"properties": {"code": {"type": "keyword"}}})
    assert here.session.schema() != before
