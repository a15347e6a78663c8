"""A domain that two environments share: ours, and another whose part is watched. Nothing is made beside both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from seedbed.engines.opensearch.address import address
from seedbed.engines.opensearch.options import Options
from seedbed.engines.opensearch.prefix.names import prefix_of
from seedbed.engines.opensearch.wire.client import Client

OURS, THEIRS = prefix_of("dev-test", "ai"), prefix_of("dev-test-b", "ai")
_LISTS = {
    "/_all": None,
    "/_data_stream": "data_streams",
    "/_index_template": "index_templates",
    "/_component_template": "component_templates",
    "/_template": None,
    "/_ingest/pipeline": None,
    "/_search/pipeline": None,
}


@contextmanager
def client(settings: Mapping[str, str], prefix: str = "") -> Iterator[Client]:
    """Yield a client of the whole domain, or of what is below `prefix`."""
    with closing(Client(address({**settings, "prefix": prefix}, Options()))) as made:
        yield made


def variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a command reaches what `settings` describe."""
    named = {"endpoint": "OPENSEARCH_ENDPOINT", "prefix": "OPENSEARCH_PREFIX"}
    return {named[key]: value for key, value in settings.items() if key in named}


@contextmanager
def beside_another(settings: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Yield the settings of our part. Afterwards the other has what it had, and what is new is in ours."""
    with client(settings) as whole, client(settings, THEIRS) as theirs:
        furnish(theirs)
        before, held = names(whole), contents(theirs)
        yield {**settings, "prefix": OURS}
        new = [each for each in names(whole) if each not in before and not each.startswith((".", OURS))]
        assert new == []
        assert contents(theirs) == held


def furnish(there: Client) -> None:
    """Make one thing of each kind, named as ours may be."""
    there.call("PUT", "/_component_template/part", {"template": {"settings": {"number_of_shards": 1}}})
    there.call("PUT", "/_index_template/logs", {"index_patterns": ["logs-*"], "composed_of": ["part"]})
    there.call("PUT", "/_template/old", {"index_patterns": ["old-*"]})
    there.call("PUT", "/_ingest/pipeline/texts", {"processors": [{"lowercase": {"field": "title"}}]})
    there.call("PUT", "/_search/pipeline/texts", {"request_processors": []})
    there.call("PUT", "/_scripts/similar", {"script": {"lang": "painless", "source": "ctx._source.n = 1"}})
    settings = {"number_of_shards": 1, "number_of_replicas": 0, "default_pipeline": "texts"}
    for index, alias in (("lessons-1", "lessons"), ("migrations_history", "migrations_history_lease_1_0")):
        there.call("PUT", f"/{index}", {"settings": settings, "aliases": {alias: {}}})
        for number in range(3):
            there.call(
                "PUT", f"/{index}/_doc/{number}", {"title": f"Theirs {number}"}, params={"refresh": True}
            )


def names(whole: Client) -> list[str]:
    """Return the names of everything on the domain."""
    found: list[str] = []
    for path, key in _LISTS.items():
        there = whole.ask("GET", path, params={"expand_wildcards": "all"} if path == "/_all" else {})
        if there.status == 404:  # there is none of the kind
            continue
        answer = there.data
        found += [each["name"] for each in answer[key]] if key else list(answer)
    state = whole.call("GET", "/_cluster/state/metadata", params={"filter_path": "metadata.stored_scripts"})
    return sorted([*found, *state.get("metadata", {}).get("stored_scripts", {})])


def contents(there: Client) -> list[Any]:
    """Return all that is below a prefix: definitions and documents."""
    found: list[Any] = [
        there.call("GET", path, params={"expand_wildcards": "all"} if path == "/_all" else {})
        for path in _LISTS
    ]
    there.call("POST", "/lessons,migrations_history/_refresh")
    answer = there.call(
        "POST", "/lessons,migrations_history/_search", {"sort": ["_id"], "seq_no_primary_term": True}
    )
    return [*found, answer["hits"]["hits"], there.call("GET", "/_scripts/similar")["script"]]
