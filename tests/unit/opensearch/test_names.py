"""Which indexes a migration makes, and which it needs."""

from __future__ import annotations

import pytest

from seedbed.engines.opensearch.files.parse import parse
from seedbed.engines.opensearch.rules.names import named
from seedbed.model.migration import MigrationFile, Source


@pytest.mark.parametrize(
    ("request_", "makes", "needs"),
    [
        ('PUT /a-1\n{"aliases": {"a": {}}}', {"a-1", "a"}, []),
        ("DELETE /a", set(), ["a"]),
        ('PUT /a/_mapping\n{"properties": {}}', set(), ["a"]),
        ('PUT /a-*/_mapping\n{"properties": {}}', set(), []),
        ("PUT /a/_alias/b", {"b"}, ["a"]),
        ("DELETE /a/_alias/b", set(), ["a"]),
        ("PUT /a/_clone/b", {"b"}, ["a"]),
        ("POST /a/_rollover/b", {"b"}, ["a"]),
        ("PUT /_data_stream/s", {"s"}, []),
        ('POST /_aliases\n{"actions": [{"add": {"index": "a", "alias": "b"}}]}', {"b"}, ["a"]),
        ('POST /_aliases\n{"actions": [{"remove_index": {"indices": ["a", "c"]}}]}', set(), ["a", "c"]),
        ('POST /_reindex\n{"source": {"index": "a"}, "dest": {"index": "b"}}', {"b"}, ["a"]),
        ('PUT /a/_doc/1\n{"x": 1}', {"a"}, []),
        ('POST /a/_update_by_query\n{"query": {"match_all": {}}}', set(), ["a"]),
        ('PUT /_ingest/pipeline/p\n{"processors": []}', set(), []),
    ],
)
def test_names_of_a_request(request_: str, makes: set[str], needs: list[str]) -> None:
    text = f"# migrate:up\n{request_}\n"
    file = MigrationFile("1", "name", Source("1_name.http", ".http", text.encode()), "checksum")
    found = named(parse(file))
    assert found.makes == makes
    assert sorted(each.name for each in found.needs) == needs
    assert all(each.line == 2 for each in found.needs)
