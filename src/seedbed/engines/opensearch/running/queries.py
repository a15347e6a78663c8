"""Rows of searches that expectations ask: hits, or buckets. Reads only; what was not refreshed yet is not seen.

The rows of a search are its hits; with aggregations, the buckets of these. A search that leaves something out, a shard
that failed or the smaller ones of too many terms, is an error: what was not looked at is not known to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from seedbed.engines.kit.rows import not_a_number, query_row
from seedbed.engines.opensearch.cluster import Cluster, translate_errors
from seedbed.engines.opensearch.files.searches import Search, search
from seedbed.engines.opensearch.running.reindex.existing import failures
from seedbed.errors import StepFailed
from seedbed.model.verification import QueryRow


def rows(cluster: Cluster, query: str, most: int) -> Sequence[QueryRow]:
    """Return the first `most` rows of `query`. Raises UsageError, StepFailed, Unreachable, Interrupted."""
    with translate_errors(cluster, "reading the rows of a query"):
        asked = search(query)
        if asked.is_count:
            count = _answer(cluster, asked, asked.body)["count"]
            return [query_row(["count"], [count])] if count else []
        if asked.aggregations:
            return [query_row(each, each.values()) for each in islice(_all_buckets(cluster, asked), most)]
        answer = _answer(cluster, asked, {**asked.body, "size": most, "track_total_hits": False})
        found = [{"_id": each["_id"], **_fields(each)} for each in answer["hits"]["hits"]]
        return [query_row(each, each.values()) for each in found]


def number(cluster: Cluster, query: str) -> Decimal:
    """Return the number that `query` has: a count, how many hits, or the value of its only aggregation.

    Raises as `rows` does.
    """
    with translate_errors(cluster, "reading the number of a query"):
        asked = search(query)
        if asked.is_count:
            return Decimal(_answer(cluster, asked, asked.body)["count"])
        answer = _answer(cluster, asked, {**asked.body, "size": 0, "track_total_hits": True})
        if not asked.aggregations:
            return Decimal(answer["hits"]["total"]["value"])
        values = [each.get("value") for each in answer["aggregations"].values()]
        if len(values) != 1 or values[0] is None:
            raise not_a_number(f"it has {len(values)} aggregations, and the value of one is compared")
        return Decimal(repr(values[0]))


def _answer(cluster: Cluster, asked: Search, body: Mapping[str, Any]) -> dict[str, Any]:
    params: dict[str, str | bool] = {**asked.params, "allow_no_indices": False}
    if not asked.is_count:
        params["allow_partial_search_results"] = False
    # Without a body where there is nothing in it: a count with one does not know `q`.
    answer: dict[str, Any] = cluster.client.call(
        "POST", asked.path, body or None, params=params, idempotent=True
    )
    if answer.get("timed_out") or answer.get("_shards", {}).get("failed"):
        raise StepFailed(
            f"{asked.path} could not be answered in full",
            because="; ".join(failures(answer.get("_shards", {}))) or "the search timed out",
            try_="check the health of the cluster, then run the same command again",
        )
    return answer


def _fields(hit: Mapping[str, Any]) -> Mapping[str, Any]:
    return hit.get("_source") or hit.get("fields") or {}


def _all_buckets(cluster: Cluster, asked: Search) -> Iterator[dict[str, Any]]:
    """Yield the buckets of all aggregations, those of a composite one page by page. Raises StepFailed."""
    wanted = asked.aggregations
    while True:
        body = {**asked.body, "size": 0, "aggregations": wanted}
        body.pop("aggs", None)
        found = _answer(cluster, asked, body)["aggregations"]
        yield from _buckets(found)
        pages = {name: each["after_key"] for name, each in found.items() if "after_key" in each}
        if not pages:
            return
        wanted = {
            name: {**wanted[name], "composite": {**wanted[name]["composite"], "after": after}}
            for name, after in pages.items()
        }


def _buckets(aggregations: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the buckets of each aggregation, with what was aggregated in them. Raises StepFailed."""
    for name, found in aggregations.items():
        buckets = found.get("buckets")
        if buckets is None:
            raise StepFailed(
                f"the aggregation {name} has no buckets",
                because="buckets are the rows of an expectation, and none of them means that it is kept",
                try_="use terms, composite or filters with bucket_selector, or compare its value with `equal`",
            )
        if found.get("sum_other_doc_count"):
            raise StepFailed(
                f"the aggregation {name} did not look at everything",
                because="there are more buckets than its size",
                try_="raise its size, narrow the query, or use composite, whose buckets are all looked at",
            )
        listed = (
            buckets if isinstance(buckets, list) else [{"key": key, **each} for key, each in buckets.items()]
        )
        for each in listed:
            yield {key: _value(value) for key, value in each.items()}


def _value(found: Any) -> Any:
    """Return of a metric in a bucket its value."""
    return found["value"] if isinstance(found, dict) and found.keys() >= {"value"} else found
