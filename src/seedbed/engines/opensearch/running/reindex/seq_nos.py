"""Find deleted documents by their sequence numbers, without reading every document again.

A document keeps its _seq_no until it is written or deleted. Given the numbers that a shard had, count how many of each
range are left and divide the ranges where some are missing: the cost depends on how many are deleted, and hardly on how
many there are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex.existing import require_all
from seedbed.engines.opensearch.running.reindex.pages import Key
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.client import Client

PARTS = 256  # that a range is cut into
AT_ONCE = 1000  # ranges in a request

Range = tuple[int, int]  # positions in the list of known documents, the second exclusive


class KnownDocuments:
    """The documents that a shard of an index had: keys by number.

    `limit`: the number up to which every operation was done by then: documents with these numbers are known, and can
    only become fewer. Beyond it another document may still come in between, so that a count proves nothing.
    """

    def __init__(self, numbered: Mapping[Key, int], limit: int) -> None:
        pairs = sorted((number, key) for key, number in numbered.items())
        self.numbers = [number for number, _ in pairs]
        self.keys = [key for _, key in pairs]
        self.sure = bisect_right(self.numbers, limit)  # how many of them have a number up to the limit

    def renewed(self, gone: Iterable[Key], numbered: Mapping[Key, int], limit: int) -> KnownDocuments:
        """Return the known documents after some were deleted (`gone`), and others have new numbers."""
        found = dict(zip(self.keys, self.numbers, strict=True))
        for each in gone:
            found.pop(each, None)
        return KnownDocuments({**found, **numbered}, limit)

    def parts(self, of: Range) -> Iterator[Range]:
        """Yield the range `of` cut into PARTS, or into single documents."""
        first, end = of
        size = max(1, -(-(end - first) // PARTS))
        for start in range(first, end, size):
            yield start, min(start + size, end)

    def bounds(self, of: Range) -> dict[str, int]:
        """Return the numbers of a range as an aggregation takes them: `from` inclusive, `to` exclusive."""
        return {"from": self.numbers[of[0]], "to": self.numbers[of[1] - 1] + 1}


def changed_since(client: Client, index: str, shard: str, known: KnownDocuments) -> list[Key]:
    """Return the keys of `known` documents that were written again or deleted.

    Those beyond the limit are always among them. What searches do not see yet is not found. Raises StepFailed.
    """
    found = known.keys[known.sure :]
    ranges = list(known.parts((0, known.sure)))
    while ranges:
        smaller: list[Range] = []
        for first in range(0, len(ranges), AT_ONCE):
            some = ranges[first : first + AT_ONCE]
            for each, count in zip(some, _counts(client, index, shard, known, some), strict=True):
                if count == each[1] - each[0]:
                    continue
                if each[1] - each[0] == 1:
                    found.append(known.keys[each[0]])
                elif count == 0:
                    found += known.keys[each[0] : each[1]]
                else:
                    smaller += known.parts(each)
        ranges = smaller
    return found


def _counts(
    client: Client, index: str, shard: str, known: KnownDocuments, ranges: Sequence[Range]
) -> list[int]:
    """Return how many of the numbers in each of `ranges` are left."""
    asked = [known.bounds(each) for each in ranges]
    body: dict[str, Any] = {
        "size": 0,
        "track_total_hits": False,
        "query": {"range": {"_seq_no": {"gte": asked[0]["from"], "lt": max(each["to"] for each in asked)}}},
        "aggs": {"left": {"range": {"field": "_seq_no", "ranges": asked}}},
    }
    answer = client.call(
        "POST",
        path(index, "_search"),
        body,
        params={
            "preference": f"_shards:{shard}|_primary",
            "filter_path": "_shards,aggregations.*.buckets.from,aggregations.*.buckets.to,"
            "aggregations.*.buckets.doc_count",
        },
        idempotent=True,
        shape=shapes.LeftInRanges,
    )
    require_all(index, answer["_shards"])
    counts = {
        (int(each["from"]), int(each["to"])): int(each["doc_count"])
        for each in answer["aggregations"]["left"]["buckets"]
    }
    return [counts[each["from"], each["to"]] for each in asked]
