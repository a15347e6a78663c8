"""What engines make of a large seed is in memory some rows at a time, while it is checked and while it is loaded."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256

import pytest

from seedbed.engines.dynamodb.schema.shape import Key
from seedbed.engines.dynamodb.schema.shape import TableShape as ItemTable
from seedbed.engines.dynamodb.seeds import items
from seedbed.engines.neo4j.seeds.table import table_of
from seedbed.engines.opensearch.seeds import documents
from seedbed.model.migration import StepText
from seedbed.model.seed import RowSource, Script, SeedKind
from seedbed.seeding.planned import planned_seeds
from tests.support.seeds import opened, seed_file

MORE = 2_500  # rows
MOST = 450 << 10  # bytes that they may add; as texts alone they take 700 KB
SOME = {"dynamodb": 2_000, "opensearch": 2_000, "neo4j": 10_000}  # rows of some batches


def dynamodb(source: RowSource) -> Iterator[int]:
    part = items.SeedPart(source, ItemTable("t", Key(("id",)), {"id": "N"}), ("N", "", ""))
    part.check()
    yield from map(len, part.chunks())


def dynamodb_volume(source: RowSource) -> Iterator[int]:
    part = items.SeedPart(source, ItemTable("t", Key(("id",)), {"id": "N"}), ("N", "", ""))
    yield from (1 for _ in part.plain_items())


def opensearch(source: RowSource) -> Iterator[int]:
    part = documents.SeedPart(
        source, documents.SeedIndex("t", False, {"id": {"type": "long"}}, False), ("id",)
    )
    part.check()
    yield from map(len, part.chunks())


def opensearch_volume(source: RowSource) -> Iterator[int]:
    part = documents.SeedPart(
        source, documents.SeedIndex("t", False, {"id": {"type": "long"}}, False), ("id",)
    )
    yield from (1 for _ in part.plain_documents())


def neo4j(source: RowSource) -> Iterator[int]:
    yield from map(len, table_of(source).checked().chunks())


@pytest.mark.parametrize("read", [dynamodb, dynamodb_volume, opensearch, opensearch_volume, neo4j])
def test_an_engine_holds_some_rows_of_a_seed_and_not_all(read: Callable[[RowSource], Iterable[int]]) -> None:
    some = SOME[read.__name__.removesuffix("_volume")]
    assert memory(read, some + MORE) - memory(read, some) < MOST


def test_a_seed_is_counted_and_hashed_for_its_review_without_being_held() -> None:
    text = "id,name\n" + "".join(f"{number},user {number}\n" for number in range(100_000))
    file = seed_file("s/t.csv", text, piece=1 << 13)
    tracemalloc.start()
    try:
        (found,) = planned_seeds(
            SeedKind.REFERENCE,
            [file],
            platform="p",
            scripts=(),
            vary=False,
            text_of=lambda _: StepText("", ()),
        )
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.rows, found.sha256) == (100_000, sha256(text.encode()).hexdigest())
    assert held < 700 << 10 < len(text)


def memory(read: Callable[[RowSource], Iterable[int]], count: int) -> int:
    """Return the most bytes that are held at once while `count` rows are read."""
    lines = (f"{number},user {number},{'x' * 40}\n" for number in range(count))
    source = opened("s/T.csv", "# seedbed: key=id\nid,name,note\n" + "".join(lines), piece=1 << 16)
    assert not isinstance(source, Script)
    tracemalloc.start()
    try:
        assert sum(read(source)) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
