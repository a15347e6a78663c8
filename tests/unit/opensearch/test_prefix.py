"""Names below a prefix: what leaves for a shared domain, what is refused, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seedbed.engines.opensearch.address import address
from seedbed.engines.opensearch.options import Options
from seedbed.engines.opensearch.prefix.names import Beyond, Names, owner_of, prefix_of
from seedbed.engines.opensearch.prefix.routes import ROUTES, is_name, route_of
from seedbed.engines.opensearch.prefix.translator import Sent, answered, sent
from seedbed.engines.opensearch.rules.endpoints import ENDPOINTS
from seedbed.errors import UsageError

ANA = Names("dev-ana.search.")


def leaves(path: str, body: Any = None, **params: Any) -> Sent:
    return sent(ANA, path, b"" if body is None else json.dumps(body).encode(), params=params)


def body_of(path: str, body: Any) -> Any:
    return json.loads(leaves(path, body).body)


def comes(path: str, answer: Any, body: Any = None, *, status: int = 200) -> Any:
    return json.loads(answered(ANA, leaves(path, body), status, json.dumps(answer).encode()))


def test_no_prefix_begins_another_one() -> None:
    pairs = [
        ("dev-a", "b"),
        ("dev-a-b", "c"),
        ("dev-a", "b-c"),
        ("dev-a-b", "b"),
        ("dev", "a"),
        ("dev", "a-b"),
    ]
    prefixes = [prefix_of(*each) for each in pairs]
    assert not [
        (one, other) for one in prefixes for other in prefixes if one != other and other.startswith(one)
    ]
    assert [owner_of(f"{each}lessons") for each in prefixes] == pairs
    assert owner_of(".ds-dev-a.b.logs-000001") == ("dev-a", "b")
    assert owner_of("lessons") is owner_of("staging.search.lessons") is owner_of("dev-ana-lessons") is None


@pytest.mark.parametrize(
    ("path", "outside"),
    [
        ("/", "/"),
        ("/lessons", "/dev-ana.search.lessons"),
        ("/lessons,-lessons-1/_refresh", "/dev-ana.search.lessons,-dev-ana.search.lessons-1/_refresh"),
        ("/_all", "/dev-ana.search.*"),
        ("/_all/_search", "/dev-ana.search.*/_search"),
        ("/lessons/_doc/a%2Fb", "/dev-ana.search.lessons/_doc/a%2Fb"),
        ("/lessons/_doc/_all", "/dev-ana.search.lessons/_doc/_all"),
        ("/_alias/migrations_history_lease_*", "/_alias/dev-ana.search.migrations_history_lease_*"),
        ("/_index_template", "/_index_template/dev-ana.search.*"),
        ("/_ingest/pipeline/plain", "/_ingest/pipeline/dev-ana.search.plain"),
        ("/_cluster/health/lessons", "/_cluster/health/dev-ana.search.lessons"),
        ("/lessons/_clone/more", "/dev-ana.search.lessons/_clone/dev-ana.search.more"),
        ("/.tasks/_search", "/.tasks/_search"),
        ("/_tasks/node:17/_cancel", "/_tasks/node%3A17/_cancel"),
    ],
)
def test_names_in_a_path_are_put_below_the_prefix(path: str, outside: str) -> None:
    assert leaves(path).path == outside


@pytest.mark.parametrize(
    "path",
    [
        "/dev-ben.search.lessons",
        "/dev-ana.search.lessons",
        "/lessons,dev-ben.search.lessons/_search",
        "/.kibana",
        "/.tasks",
        "/.tasks/_doc/1",
        "/%3Clessons-%7Bnow%7D%3E",
        "/other:lessons/_search",
        "/,lessons/_search",
        "/_cluster/settings",
        "/_cluster/state",
        "/_msearch",
        "/_search",
        "/_bulk/more",
        "/_cat/indices",
        "/_snapshot/mine",
        "/_scripts",
        "/_plugins/_security/api/roles",
        "/_sql",
        f"/{'l' * 250}",
    ],
)
def test_what_may_reach_further_is_refused_before_it_is_sent(path: str) -> None:
    with pytest.raises(Beyond):
        leaves(path)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_aliases", {"actions": [{"add": {"index": "dev-ben.search.lessons-1", "alias": "lessons"}}]}),
        ("/_aliases", {"actions": [{"remove_index": {"indices": ["dev-ben.search.lessons-1"]}}]}),
        ("/_aliases", {"add": {"index": "lessons"}}),
        ("/_reindex", {"source": {"index": "dev-ben.search.lessons"}, "dest": {"index": "lessons"}}),
        (
            "/lessons/_search",
            {"query": {"terms": {"by": {"index": "dev-ben.search.users", "id": "1", "path": "x"}}}},
        ),
        ("/lessons/_search", {"query": {"query_string": {"query": "_index:dev-ben*"}}}),
        (
            "/_ingest/pipeline/p",
            {"processors": [{"set": {"field": "_index", "value": "dev-ben.search.lessons"}}]},
        ),
        ("/_ingest/pipeline/p", {"processors": [{"script": {"source": "ctx._index = 'x'"}}]}),
        ("/_ingest/pipeline/p", {"processors": [{"foreach": {"processor": {"date_index_name": {}}}}]}),
        (
            "/_reindex",
            {
                "source": {"index": "a"},
                "dest": {"index": "b"},
                "script": {"source": "ctx._index = 'dev-ben.search.lessons'"},
            },
        ),
        (
            "/_reindex",
            {
                "source": {"index": "a"},
                "dest": {"index": "b"},
                "script": {"source": "ctx[params.f] = 'x'", "params": {"f": "_index"}},
            },
        ),
        ("/_scripts/move", {"script": {"lang": "painless", "source": "ctx['_index'] = 'lessons'"}}),
        ("/_search", {"query": {"match": {"pit": "x"}}}),
        ("/_search", {"pit": None, "query": {"match_all": {}}}),
        ("/_search", ["pit"]),
        (
            "/lessons/_search",
            {"aggs": {"doc": {"filter": {"terms": {"by": {"index": "dev-ben.search.users", "id": "1"}}}}}},
        ),
        ("/_snapshot/repository/one", {"indices": "lessons"}),
        ("/_snapshot/repository/one", {"include_global_state": False}),
    ],
)
def test_a_body_that_reaches_further_is_refused(path: str, body: Any) -> None:
    with pytest.raises(Beyond):
        leaves(path, body)


def test_a_query_string_and_a_bulk_body_are_looked_into() -> None:
    with pytest.raises(Beyond):
        leaves("/lessons/_count", q="_index:x")
    for lines in (
        b'{"index":{"_index":"dev-ben.search.lessons"}}\n{}\n',
        b'{"index":{"\\u005findex":"dev-ben.search.lessons"}}\n{}\n',
        b'{"index":',
        b'{"index":{}}\n',
    ):
        with pytest.raises(Beyond):
            sent(ANA, "/_bulk", lines)
    with pytest.raises(Beyond):
        sent(ANA, "/lessons/_bulk", b'{"delete":{"_id":"1","\\u005findex":".tasks"}}\n')
    with pytest.raises(Beyond):
        sent(ANA, "/_bulk", b'{"index":{"_id":"1"}}\n{}\n')


def test_documents_leave_and_come_back_as_they_are() -> None:
    lines = b'{"index":{"_id":"1"}}\n{"title": "dev-ana.search.x",  "n": 1.10}\n'
    assert sent(ANA, "/lessons/_bulk", lines).body is lines
    mixed = b'{"index":{"_id":"1"}}\n{"_index": "x",  "n": 1.10}\n{"delete":{"_id":"2","_index":"more"}}\n'
    assert sent(ANA, "/lessons/_bulk", mixed).body == (
        b'{"index":{"_id":"1"}}\n{"_index": "x",  "n": 1.10}\n{"delete":{"_id":"2","_index":"dev-ana.search.more"}}\n'
    )
    document = b'{"_index": "x", "title":  "dev-ana.search.x"}'
    assert sent(ANA, "/lessons/_doc/1", document).body is document
    answer = b'{"took":1,"_shards":{"failed":0},"hits":{"hits":[{"_source":{"a": "dev-ana.search.x"}}]}}'
    assert answered(ANA, leaves("/lessons/_search", {}), 200, answer) is answer
    named = leaves("/lessons/_search", {"query": {"term": {"_index": "lessons-1"}}})
    found = json.loads(answered(ANA, named, 200, answer))
    assert found["hits"]["hits"][0]["_source"] == {"a": "dev-ana.search.x"}


def test_names_in_bodies_are_put_below_the_prefix_and_come_back() -> None:
    made = {
        "settings": {"index": {"default_pipeline": "plain", "search.default_pipeline": "_none"}},
        "mappings": {
            "_meta": {"seedbed": {"index": "lessons"}},
            "properties": {"default_pipeline": {"type": "text"}},
        },
        "aliases": {"lessons": {"filter": {"term": {"_index": "lessons-1"}}}},
    }
    found = body_of("/lessons-1", made)
    assert found["settings"]["index"] == {
        "default_pipeline": "dev-ana.search.plain",
        "search.default_pipeline": "_none",
    }
    assert found["mappings"] == made["mappings"]
    assert found["aliases"] == {
        "dev-ana.search.lessons": {"filter": {"term": {"_index": "dev-ana.search.lessons-1"}}}
    }
    there = {"dev-ana.search.lessons-1": found, "dev-ben.search.lessons-1": found}
    assert comes("/_all", there) == {"lessons-1": made}
    template = {"index_patterns": ["logs-*"], "composed_of": ["base"], "template": made, "priority": 3}
    sent_ = body_of("/_index_template/logs", template)
    assert sent_["index_patterns"] == ["dev-ana.search.logs-*"]
    assert sent_["composed_of"] == ["dev-ana.search.base"]
    listed = [{"name": f"dev-{who}.search.logs", "index_template": sent_} for who in ("ana", "ben")]
    assert comes("/_index_template", {"index_templates": listed}) == {
        "index_templates": [{"name": "logs", "index_template": template}]
    }
    pipeline = {"processors": [{"pipeline": {"name": "other"}}, {"script": {"id": "stored"}}]}
    stored = body_of("/_ingest/pipeline/plain", pipeline)
    assert stored == {
        "processors": [
            {"pipeline": {"name": "dev-ana.search.other"}},
            {"script": {"id": "dev-ana.search.stored"}},
        ]
    }
    assert comes("/_ingest/pipeline", {"dev-ana.search.plain": stored, "theirs": stored}) == {
        "plain": pipeline
    }


def test_a_copy_by_the_server_stays_below_the_prefix() -> None:
    body = {
        "source": {"index": ["a", "b-*"], "query": {"match_all": {}}},
        "dest": {"index": "c", "pipeline": "p"},
    }
    assert body_of("/_reindex", body) == {
        "source": {"index": ["dev-ana.search.a", "dev-ana.search.b-*"], "query": {"match_all": {}}},
        "dest": {"index": "dev-ana.search.c", "pipeline": "dev-ana.search.p"},
    }


def test_a_query_names_indexes_where_queries_can_and_nowhere_else() -> None:
    asked = {
        "query": {
            "bool": {
                "filter": [
                    {"term": {"index": "lessons"}},
                    {"terms": {"by": ["lessons"]}},
                    {"terms": {"by": {"index": "users", "id": "1", "path": "ids"}}},
                    {"terms": {"_index": ["lessons"]}},
                    {"prefix": {"_index": {"value": "les", "boost": 2}}},
                    {"script": {"script": {"id": "stored", "params": {"_index": "x"}}}},
                    {"geo_shape": {"at": {"indexed_shape": {"index": "shapes", "id": "x"}}}},
                ]
            }
        },
        "sort": [{"_index": "asc"}],
        "indices_boost": [{"lessons": 2}],
        "aggs": {"each": {"terms": {"field": "_index"}}},
    }
    text = leaves("/lessons/_search", asked).body.decode()
    found = json.loads(text)
    assert text.count("dev-ana.search.") == 6
    assert found["query"]["bool"]["filter"][0] == {"term": {"index": "lessons"}}
    assert found["sort"] == asked["sort"]
    assert found["aggs"] == asked["aggs"]
    answer = {
        "_shards": {"failed": 0},
        "hits": {"hits": [{"_index": "dev-ana.search.lessons-1", "_id": "1"}]},
        "aggregations": {"each": {"buckets": [{"key": "dev-ana.search.lessons-1", "doc_count": 1}]}},
    }
    plain = comes("/lessons/_search", answer, asked)
    assert plain["hits"]["hits"][0]["_index"] == "lessons-1"
    assert plain["aggregations"]["each"]["buckets"] == [{"key": "lessons-1", "doc_count": 1}]


def test_a_stored_script_of_a_search_and_one_that_changes_documents_leave() -> None:
    for source in ("doc['_index'].value", "ctx._source.n = 1"):
        body = {"script": {"lang": "painless", "source": source}}
        assert body_of("/_scripts/s", body) == body
    point = {"pit": {"id": "x"}, "query": {"match_all": {}}}
    assert body_of("/_search", point) == point


def test_names_of_aggregations_are_the_files_own() -> None:
    asked = {
        "aggs": {"doc": {"filter": {"term": {"_index": "lessons"}}}, "_index": {"terms": {"field": "by"}}}
    }
    assert body_of("/lessons/_search", asked) == {
        "aggs": {
            "doc": {"filter": {"term": {"_index": "dev-ana.search.lessons"}}},
            "_index": {"terms": {"field": "by"}},
        }
    }


def test_a_search_by_a_stored_script_names_it_below_the_prefix() -> None:
    assert body_of("/lessons/_search/template", {"id": "similar", "params": {"id": "x"}}) == {
        "id": "dev-ana.search.similar",
        "params": {"id": "x"},
    }


def test_tasks_of_other_environments_are_not_seen() -> None:
    asked = sent(ANA, "/_reindex", b"", headers={"X-Opaque-Id": "seedbed:search/opensearch:1:1:m"})
    mark = asked.headers["X-Opaque-Id"]
    assert mark == "dev-ana.search.seedbed:search/opensearch:1:1:m"
    running = {
        "tasks": {
            "n:1": {"headers": {"X-Opaque-Id": mark}, "description": "reindex from [dev-ana.search.a]"},
            "n:2": {"headers": {"X-Opaque-Id": mark.replace("ana", "ben")}},
            "n:3": {"headers": {}},
        }
    }
    assert comes("/_tasks", running) == {
        "tasks": {
            "n:1": {
                "headers": {"X-Opaque-Id": "seedbed:search/opensearch:1:1:m"},
                "description": "reindex from [a]",
            }
        }
    }
    ended = [{"_id": name, "_source": {"task": task}} for name, task in running["tasks"].items()]
    assert [each["_id"] for each in comes("/.tasks/_search", {"hits": {"hits": ended}})["hits"]["hits"]] == [
        "n:1"
    ]


def test_errors_have_the_names_that_files_have() -> None:
    error = {
        "error": {"type": "index_not_found_exception", "reason": "no such index [dev-ana.search.lessons]"}
    }
    assert comes("/lessons", error, status=404)["error"]["reason"] == "no such index [lessons]"
    failed = {
        "errors": True,
        "items": [{"index": {"_id": "dev-ana.search.1", "_index": "dev-ana.search.lessons"}}],
    }
    assert comes("/lessons/_bulk", failed) == {
        "errors": True,
        "items": [{"index": {"_id": "dev-ana.search.1", "_index": "lessons"}}],
    }
    shards = {"_shards": {"total": 2, "failed": 1, "failures": [{"index": "dev-ana.search.lessons"}]}}
    assert comes("/lessons/_search", shards, {})["_shards"]["failures"] == [{"index": "lessons"}]
    lost = {"acknowledged": False, "index": "dev-ana.search.lessons"}
    assert comes("/lessons", lost) == {"acknowledged": False, "index": "lessons"}
    assert answered(ANA, leaves("/lessons"), 200, b"<html>") == b"<html>"


def test_every_request_that_a_migration_may_hold_has_a_route() -> None:
    for endpoint in ENDPOINTS:
        parts = tuple("x" if each.startswith("{") else each for each in endpoint.path)
        route = route_of(parts)
        assert route is not None, endpoint.form
        for form, known in zip(endpoint.path, route.path, strict=True):
            is_free = form in {"{id}", "{block}", "{context}", "{repository}"}
            assert is_name(known) == (form.startswith("{") and not is_free), endpoint.form


def test_no_two_routes_are_about_one_path() -> None:
    paths = [each.path for each in ROUTES]
    assert len(paths) == len(set(paths))


def test_a_prefix_is_that_of_an_environment() -> None:
    settings = {"endpoint": "http://127.0.0.1:9200"}
    assert address({**settings, "prefix": "dev-ana.search."}, Options()).prefix == "dev-ana.search."
    assert address(settings, Options()).prefix == ""
    for wrong in ("dev-ana-", "dev-ana.search", "dev-ana..", "*", "a.b.c.", "Dev.a.", "dev--a.b."):
        with pytest.raises(UsageError):
            address({**settings, "prefix": wrong}, Options())
