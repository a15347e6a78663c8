"""A request is allowed because it is understood: what a migration may ask of OpenSearch, and of what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seedbed.engines.opensearch.files.parse import parse
from seedbed.engines.opensearch.files.requests import request
from seedbed.engines.opensearch.rules.endpoints import ENDPOINTS
from seedbed.engines.opensearch.rules.kinds import kind_of
from seedbed.errors import MigrationFileError, SeveralErrors
from seedbed.model.migration import Migration, MigrationFile, Source, checksum

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "opensearch-migrations.md"


def migration(text: str) -> Migration:
    data = text.encode()
    return parse(MigrationFile("1", "some", Source("m.http", ".http", data), checksum(data)))


REFUSED = [
    # every index, however it is written
    ("DELETE /_all", "not for a migration"),
    ("DELETE //_all", "not a plain path"),
    ("DELETE /_all/", "not a plain path"),
    ("DELETE /%5Fall", "does not name one index"),
    ("DELETE /%5fa%6cl", "does not name one index"),
    ("DELETE /a/../_all", "not a plain path"),
    ("DELETE /%2e/a", "not a plain path"),
    ("DELETE /*", "does not name one index"),
    ("DELETE /%2A", "does not name one index"),
    ("DELETE /a*", "does not name one index"),
    ("DELETE /a,b", "does not name one index"),
    ("DELETE /a%2Cb", "does not name one index"),
    ("DELETE /-a", "does not name one index"),
    ("DELETE /*,-a", "does not name one index"),
    ("DELETE /<logs-{now}>", "another index each day"),
    ("DELETE /%3Clogs-%7Bnow%2Fd%7D%3E", "another index each day"),
    ("DELETE /a%2Fb", "cannot be the name"),
    ("DELETE /other:a", "cannot be the name"),
    ("DELETE /a%252A", "cannot be the name"),
    ("DELETE /", "not a plain path"),
    ("DELETE /.opendistro_security", "belongs to the server"),
    ("POST /_refresh", "names no index"),
    ("PUT /_settings\n\n{}", "names no index"),
    ("PUT /_mapping\n\n{}", "names no index"),
    ("POST /_forcemerge", "names no index"),
    ("POST /_all/_close", "not for a migration"),
    ("POST /*/_close", "does not name one index"),
    ("PUT /*/_mapping\n\n{}", "does not name one index"),
    ("POST /m*/_refresh", "reaches migrations_history"),
    ("PUT /m*_history/_settings\n\n{}", "reaches migrations_history"),
    ("DELETE /*/_alias/a", "does not name one index"),
    ("DELETE /a/_alias/_all", "not a request that seedbed knows"),
    ("DELETE /a/_alias/*", "does not name one index"),
    ("DELETE /_index_template/*", "does not name one template"),
    ("DELETE /_template/a*", "does not name one template"),
    ("DELETE /_component_template/a,b", "does not name one template"),
    ("DELETE /_ingest/pipeline/*", "does not name one pipeline"),
    ("DELETE /_search/pipeline/*", "does not name one pipeline"),
    ("DELETE /_data_stream/*", "does not name one index"),
    ("DELETE /_scripts/*", "does not name one script"),
    # parameters that widen what is reached, or hide a failure
    ("DELETE /a?expand_wildcards=all", "'expand_wildcards' is not known"),
    ("DELETE /a?ignore_unavailable=true", "'ignore_unavailable' is not known"),
    ("PUT /a/_mapping?allow_no_indices=true\n\n{}", "'allow_no_indices' is not known"),
    ('POST /a/_bulk?filter_path=took\n\n{"index": {}}\n{}', "'filter_path' is not known"),
    ("POST /a/_delete_by_query?source={}", "'source' is not known"),
    ("POST /a/_update_by_query?pipeline=*", "does not name one pipeline"),
    # the cluster, its users, its plugins, its backups
    ("PUT /_cluster/settings\n\n{}", "not for a migration"),
    ("POST /_cluster/reroute", "not for a migration"),
    ("PUT /_plugins/_security/api/roles/a\n\n{}", "not for a migration"),
    ("PATCH /_plugins/_security/api/securityconfig\n\n{}", "not for a migration"),
    ("PUT /_opendistro/_security/api/roles/a\n\n{}", "not for a migration"),
    ("POST /_nodes/reload_secure_settings", "not for a migration"),
    ("POST /_tasks/_cancel", "not for a migration"),
    ("DELETE /_snapshot/a", "not for a migration"),
    ("DELETE /_snapshot/a/b", "not for a migration"),
    ("POST /_snapshot/a/b/_restore", "not for a migration"),
    ("PUT /_snapshot/a/b", "does not say of what"),
    ('PUT /_snapshot/a/b\n\n{"indices": "a,*"}', "does not name one index"),
    ("PUT /_ilm/policy/a\n\n{}", "not for a migration"),
    # bodies
    ('POST /_aliases\n\n{"actions": [{"remove_index": {"index": "*"}}]}', "does not name one index"),
    (
        'POST /_aliases\n\n{"actions": [{"remove_index": {"indices": ["a", "b*"]}}]}',
        "does not name one index",
    ),
    (
        'POST /_aliases\n\n{"actions": [{"remove": {"index": "a", "alias": "*"}}]}',
        "does not name one index",
    ),
    ('POST /_aliases\n\n{"actions": [{"drop": {"index": "a"}}]}', "unknown action"),
    ('POST /_aliases\n\n{"actions": []}', "nothing to do"),
    (
        'POST /_aliases\n\n{"actions": [{"add": {"index": "a", "alias": "migrations\\u005fhistory_lease_1_0"}}]}',
        "belongs to seedbed",
    ),
    ('PUT /a\n\n{"aliases": {"migrations_history_write": {}}}', "belongs to seedbed"),
    ('POST /_bulk\n\n{"index": {}}\n{}', "names no index"),
    ('POST /a/_bulk\n\n{"delete": {"_index": "<a-{now}>", "_id": "1"}}\n', "another index each day"),
    ('POST /_reindex\n\n{"source": {"index": "a*"}, "dest": {"index": "b"}}', "does not name one index"),
    ('POST /_reindex\n\n{"source": {"index": "a"}, "dest": {"index": "b,c"}}', "does not name one index"),
    ('POST /_reindex\n\n{"source": {"index": "a"}}', "what is copied"),
    (
        'POST /_reindex\n\n{"source": {"index": "a", "remote": {"host": "http://b"}}, "dest": {"index": "b"}}',
        "name a host",
    ),
    (
        'POST /_reindex\n\n{"source": {"index": "a"}, "dest": {"index": "b"},'
        ' "script": {"source": "ctx._index = ctx._source.x"}}',
        "chooses the index",
    ),
    ('PUT /_index_template/a\n\n{"index_patterns": ["*"]}', "reaches migrations_history"),
    ('PUT /_template/a\n\n{"index_patterns": "m*"}', "reaches migrations_history"),
    (
        'PUT /_ingest/pipeline/a\n\n{"processors": [{"set": {"field": "_index", "value": "migrations_history"}}]}',
        "belongs to seedbed",
    ),
    ("PUT /a/_clone/migrations_history_copy", "belongs to seedbed"),
    ("PUT /a/_clone/B", "cannot be the name of an index"),
    ("DELETE /a\n\n{}", "has no body"),
    ("PUT /a\n\n[1]", "not an object"),
    # what is not known, and what is mistyped
    ("POST /a/_updat_by_query", "not a request that seedbed knows"),
    ("PUT /a/doc/1\n\n{}", "not a request that seedbed knows"),
    ("POST /_something", "not a request that seedbed knows"),
    ("POST /a", "not a request that seedbed knows"),
    ("PUT /Logs", "cannot be the name of an index"),
    # Elasticsearch's
    ('PUT /a\n\n{"mappings": {"properties": {"b": {"type": "flattened"}}}}', "no type flattened"),
    ('PUT /a/_mapping\n\n{"runtime": {"b": {"type": "long"}}}', "no section runtime"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
@pytest.mark.parametrize("section", ["up", "down"])
def test_what_reaches_more_than_it_names_or_is_not_known_is_refused(
    text: str, says: str, section: str
) -> None:
    other = "PUT /a-1"
    up, down = (text, other) if section == "up" else (other, text)
    with pytest.raises(MigrationFileError, match=re.escape(says)) as caught:
        migration(f"# migrate:up\n{up}\n# migrate:down\n{down}\n")
    assert caught.value.because
    assert caught.value.at is not None
    assert caught.value.at.line == (2 if section == "up" else 4)


def test_an_unknown_request_is_answered_with_what_is_known() -> None:
    with pytest.raises(MigrationFileError) as caught:
        migration("# migrate:up\nPOST /lessons/_updat_by_query\n")
    assert caught.value.try_ == "known are POST /{indexes}/_update_by_query"
    with pytest.raises(MigrationFileError) as caught:
        migration("# migrate:up\nPUT /lessons/_refresh\n")
    assert caught.value.because == "/{indexes}/_refresh is known with POST"


def test_everything_that_is_wrong_with_a_request_is_said_at_once() -> None:
    with pytest.raises(MigrationFileError) as caught:
        migration("# migrate:up\nDELETE /Lessons?expand_wildcards=all\n")
    assert "cannot be the name" in caught.value.what
    assert "'expand_wildcards' is not known here" in caught.value.because


def test_all_requests_that_are_refused_are_said_at_once_with_their_lines() -> None:
    with pytest.raises(SeveralErrors) as caught:
        migration("# migrate:up\nDELETE /_all\n###\nPUT /a\n###\nPUT /B\n# migrate:down\nDELETE /*\n")
    assert [each.at and each.at.line for each in caught.value.errors] == [2, 6, 8]
    assert caught.value.errors[1].what == "'B' cannot be the name of an index"


@pytest.mark.parametrize(
    "text",
    [
        "PUT /lessons/_doc/a%2F_all%2C*\n\n{}",  # an id is any text
        "PUT /lessons/_doc/_search\n\n{}",
        'PUT /lessons/_doc/1\n\n{"note": "migrations_history is an index"}',  # and so is a document
        "PUT /%C3%A9tudes-1",
        "POST /logs-*/_refresh",
        "PUT /_search/pipeline/a\n\n{}",
        "PUT /lessons/_mapping?timeout=5s&master_timeout=5s\n\n{}",
        'POST /_bulk?refresh\n\n{"index": {"_index": "a", "_id": "1"}}\n{}',
        'PUT /_snapshot/nightly/before\n\n{"indices": ["a"], "include_global_state": false}',
    ],
)
def test_what_is_understood_is_accepted(text: str) -> None:
    assert migration(f"# migrate:up\n{text}\n").up


def test_every_known_request_has_a_kind_and_stands_in_the_reference() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for each in ENDPOINTS:
        path = each.form.replace("{id}", "1").replace("{block}", "write")
        body = '\n\n{"index": {}}\n{}' if each.form.endswith("_bulk") else ""
        assert kind_of(request(f"{each.methods[0]} {re.sub('[{}]', '', path)}{body}", 1))
        assert f"`{each.form}`" in page, f"{each.form} is not in the reference"
