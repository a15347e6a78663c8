"""The sandbox's OpenSearch: fetched and unpacked at first use, a cluster for each database. Real starts, real ends."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from seedbed.engines.opensearch.sandbox import diagnose, embedded, local
from seedbed.errors import SandboxError
from seedbed.servers import locks
from tests.support.processes import gone, listening, until
from tests.support.servers import Pool, Settings, owner

MODULE = "seedbed.engines.opensearch.sandbox"
DATABASE = "ai/opensearch"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}


@pytest.fixture
def home() -> Iterator[Path]:
    """A new sandbox; at the end nothing may be running in it."""
    parent = Path(tempfile.mkdtemp(prefix="sb-"))
    yield parent / "sandbox"
    for lock in parent.rglob("server.lock"):
        assert until(lambda lock=lock: not locks.holders(lock))  # type: ignore[misc]
    shutil.rmtree(parent)


def client(settings: Settings) -> Any:
    return OpenSearch(settings["endpoint"], timeout=60)


@pytest.mark.slow
def test_it_dies_with_its_owner_and_what_it_held_is_there_again(home: Path) -> None:
    with owner(MODULE, home, DATABASE) as first:
        with client(first.settings) as search:
            search.index(index="lessons", id="1", body={"title": "one"})
        first.kill()
        assert gone(first.directory, first.supervisor, first.server)
    with owner(MODULE, home, DATABASE) as second:
        assert second.settings == first.settings  # the same port, so that applications find it again
        with client(second.settings) as search:
            assert search.get(index="lessons", id="1")["_source"] == {"title": "one"}
        assert listening(second.server)
        assert listening(second.server) <= LOOPBACK
        os.kill(second.supervisor, signal.SIGKILL)
        assert gone(second.directory, second.supervisor, second.server)


def test_vectors_are_found_by_the_engine_that_is_there(opensearch_settings: Settings) -> None:
    method = {"engine": "lucene", "name": "hnsw", "space_type": "l2"}
    vector = {"type": "knn_vector", "dimension": 3, "method": method}
    mappings = {"properties": {"v": vector}}
    with client(opensearch_settings) as search:
        search.indices.create(index="lessons", body={"settings": {"index.knn": True}, "mappings": mappings})
        for number in range(3):
            search.index(index="lessons", id=str(number), body={"v": [number, 0, 0]}, refresh=True)
        query = {"query": {"knn": {"v": {"vector": [2, 0, 0], "k": 1}}}}
        assert [each["_id"] for each in search.search(index="lessons", body=query)["hits"]["hits"]] == ["2"]


def test_a_test_finds_its_server_wiped(opensearch_servers: Pool) -> None:
    with opensearch_servers.borrowed() as settings, client(settings) as search:
        search.index(index=".hidden", id="1", body={})
        search.indices.create(index="one-1", body={"aliases": {"one": {}}})
        search.indices.put_index_template(name="t", body={"index_patterns": ["t-*"]})
        search.ingest.put_pipeline(id="p", body={"processors": []})
        search.put_script(id="s", body={"script": {"lang": "painless", "source": "1"}})
        search.cluster.put_settings(body={"persistent": {"action.auto_create_index": "false"}})
        before = settings
    with opensearch_servers.borrowed() as settings, client(settings) as search:
        assert settings == before
        assert search.cat.indices(params={"expand_wildcards": "all", "format": "json"}) == []
        assert search.indices.get_index_template()["index_templates"] == []
        assert search.ingest.get_pipeline(ignore=404) == {}
        assert search.get_script(id="s", ignore=404)["found"] is False
        assert search.cluster.get_settings()["persistent"] == {}


def test_a_bad_start_says_what_the_server_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "OPTIONS", ("-Xmx1",))
    monkeypatch.setenv("CI", "true")  # nothing is recorded with options that do not work
    with (
        pytest.raises(SandboxError, match=r"k-NN did not start\n(.*\n)*.*Too small maximum heap"),
        embedded(home) as servers,
    ):
        servers.settings(DATABASE)


def test_doctor_fetches_nothing_and_says_what_would_be(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "ai.opensearch").mkdir(parents=True)
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path))
    told = dict(diagnose(home))
    assert told["OpenSearch"] == "OpenSearch 3.6.0 with k-NN"
    assert told["software"].endswith(", 183 MB to be fetched")
    assert told["ai.opensearch"].startswith("does not run, in ")
    assert list(tmp_path.iterdir()) == []
