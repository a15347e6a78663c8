"""The parts of a reindex that need no server."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import PurePath
from random import Random
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.files.programs import Function
from seedbed.engines.opensearch.running.reindex.checkpoint import ReindexCheckpoint, from_text
from seedbed.engines.opensearch.running.reindex.creation import final_health
from seedbed.engines.opensearch.running.reindex.pages import StoredDocument
from seedbed.engines.opensearch.running.reindex.run_aliases import RunAliases, is_run_alias
from seedbed.engines.opensearch.running.reindex.seq_nos import PARTS, KnownDocuments, changed_since
from seedbed.engines.opensearch.running.reindex.states import WRITES_BLOCKED, ReindexState
from seedbed.engines.opensearch.running.reindex.transform import DocumentTransform
from seedbed.engines.opensearch.running.reindex.watchdog import decode_order, encode_order
from seedbed.engines.opensearch.wire.client import Client
from seedbed.errors import StepFailed
from seedbed.model.history import History, Revision, RevisionState
from seedbed.model.migration import Phase
from seedbed.model.platform import Database, Platform
from seedbed.model.secret import Secret
from seedbed.planning.statuses import migration_statuses
from seedbed.project.catalog import Catalog
from tests.support.opensearch.searches import migration_file


def stored(source: str, id_: str = "l1") -> StoredDocument:
    return StoredDocument(id_, 1, 0, 1, "", msgspec.Raw(source.encode()))


def transform(
    function: Function | None = None, *removed: str, vectors: tuple[str, ...] = ()
) -> DocumentTransform:
    return DocumentTransform("m.py", function, removed, vectors)


@pytest.mark.parametrize("state", list(ReindexState))
def test_a_checkpoint_says_everything_again(state: ReindexState) -> None:
    standing = ReindexCheckpoint(
        "a-1", "a-2", "c", "d", state, copied={"0": 7}, compared={"0": 3}, task="n:1"
    )
    assert from_text(standing.to_text()) == standing


def test_a_checkpoint_of_something_else_is_none() -> None:
    assert from_text("") is None
    assert from_text('{"page": 3}') is None


def test_writers_are_held_only_around_the_swap() -> None:
    assert {ReindexState.BLOCKING, ReindexState.BLOCKED, ReindexState.SWAPPING} == WRITES_BLOCKED


def test_every_making_is_marked_by_its_own() -> None:
    assert ReindexCheckpoint("a-1", "a-2", "c", "d").made != ReindexCheckpoint("a-1", "a-2", "c", "d").made


def test_a_copy_keeps_every_byte() -> None:
    raw = '{"b": 1.10,\n "a": 12345678901234567890}'
    assert transform().apply(stored(raw)) == raw.encode()
    assert transform().is_copy


def test_fields_are_taken_out_wherever_they_are() -> None:
    found = transform(None, "a.b", "c").apply(stored('{"a":[{"b":1,"d":2},{"b":3}],"c":4,"a.b":5,"e":6}'))
    assert found is not None
    assert msgspec.json.decode(found) == {"a": [{"d": 2}, {}], "e": 6}


def test_code_may_leave_a_document_out() -> None:
    assert transform(lambda doc: None).apply(stored("{}")) is None


@pytest.mark.parametrize("result", [3, "x", []])
def test_what_is_no_document_is_refused_by_name(result: object) -> None:
    with pytest.raises(StepFailed, match="'l1'"):
        transform(lambda doc: result).apply(stored("{}"))  # type: ignore[arg-type,return-value]


def test_what_is_no_json_is_refused_by_name() -> None:
    with pytest.raises(StepFailed, match="not valid JSON"):
        transform(lambda doc: {"a": object()}).apply(stored("{}"))


def test_documents_are_the_same_however_they_are_written() -> None:
    same = transform().is_same
    assert same(b'{"a":1,"b":[1.0]}', b'{ "b": [1], "a": 1.0 }')
    assert not same(b'{"a":1}', b'{"a":2}')
    assert not same(b'{"v":[0.1234567890123]}', b'{"v":[0.12345679]}')


def test_vectors_are_compared_as_they_are_kept() -> None:
    same = transform(vectors=("v", "o.v")).is_same
    assert same(b'{"v":[0.1234567890123,1]}', b'{"v":[0.12345679,1.0]}')
    assert same(b'{"o":[{"v":[0.1234567890123]}]}', b'{"o":[{"v":[0.12345679]}]}')
    assert not same(b'{"v":[0.1]}', b'{"v":[0.2]}')


def test_a_range_of_numbers_is_cut_until_it_is_one() -> None:
    known = KnownDocuments({(f"l{each}", ""): each * 3 for each in range(100 * PARTS)}, 10**9)
    parts = list(known.parts((0, 100 * PARTS)))
    assert len(parts) == PARTS
    assert parts[0][0] == 0
    assert parts[-1][1] == 100 * PARTS
    assert all(one[1] == other[0] for one, other in pairwise(parts))
    assert known.bounds((2, 4)) == {"from": 6, "to": 10}
    assert list(known.parts((5, 7))) == [(5, 6), (6, 7)]


class Counting:
    """A cluster with one shard, of which it counts numbers in ranges."""

    def __init__(self, numbers: set[int]) -> None:
        self.numbers = numbers

    def call(self, method: str, path: str, body: dict[str, Any], **named: object) -> dict[str, Any]:
        buckets = [
            {**each, "doc_count": sum(each["from"] <= number < each["to"] for number in self.numbers)}
            for each in body["aggs"]["left"]["range"]["ranges"]
        ]
        return {"_shards": {"total": 1, "failed": 0}, "aggregations": {"left": {"buckets": buckets}}}


@given(st.integers())
def test_whatever_lost_its_number_is_found_however_others_come_in_between(seed: int) -> None:
    rng = Random(seed)
    numbers, limit = {rng.randrange(3000) for _ in range(rng.randrange(1, 600))}, rng.randrange(3000)
    known = KnownDocuments({(f"l{each}", ""): each for each in numbers}, limit)
    left = {each for each in numbers if rng.random() < 0.9}
    others = {each for each in range(limit + 1, 3100) if rng.random() < 0.1}  # later than all that is counted
    found = changed_since(cast(Client, Counting(left | others)), "a", "0", known)
    gone = {(f"l{each}", "") for each in numbers - left}
    beyond = {(f"l{each}", "") for each in numbers if each > limit}
    assert set(found) == gone | beyond


def test_a_run_alias_is_known_by_its_form() -> None:
    one, other = RunAliases("a-1", "a-2"), RunAliases("a-1", "a-2")
    assert is_run_alias(one.reader)
    assert is_run_alias(one.writer)
    assert not is_run_alias("a-reader")
    assert {one.reader, one.writer}.isdisjoint({other.reader, other.writer})


def test_the_watchdog_gets_all_that_it_needs_through_a_pipe() -> None:
    address = Address("http://127.0.0.1:1", auth="basic", user="ana", password=Secret("hidden"))
    run_aliases = RunAliases("a-1", "a-2")
    there, its = decode_order(encode_order(address, run_aliases))
    assert there == address
    assert (its.source, its.target, its.reader, its.writer) == tuple(vars(run_aliases).values())


@pytest.mark.parametrize(
    ("health", "words"),
    [
        ({"status": "green"}, "green"),
        ({"status": "red"}, ""),
        (
            {"status": "yellow", "active_primary_shards": 1, "active_shards": 1, "unassigned_shards": 1},
            "yellow",
        ),
        (
            {
                "status": "yellow",
                "active_primary_shards": 1,
                "active_shards": 1,
                "unassigned_shards": 1,
                "number_of_data_nodes": 3,
            },
            "",
        ),
        (
            {
                "status": "yellow",
                "active_primary_shards": 1,
                "active_shards": 1,
                "unassigned_shards": 1,
                "initializing_shards": 1,
            },
            "",
        ),
    ],
)
def test_an_index_is_waited_for_as_long_as_it_may_get_better(health: dict[str, object], words: str) -> None:
    assert final_health(health).startswith(words)
    assert bool(final_health(health)) is bool(words)


@pytest.mark.parametrize(
    ("checkpoint", "text"),
    [
        (
            ReindexCheckpoint(
                "l-1", "l-2", "c", "d", ReindexState.FILLING, "m", done=1200, total=5000
            ).to_text(),
            "l-2: filling, 1 200 of 5 000 documents",
        ),
        (
            ReindexCheckpoint("l-1", "l-2", "c", "d", ReindexState.COMPARING, made="m").to_text(),
            "l-2: comparing",
        ),
        (ReindexCheckpoint("", "l-1", "c", "d", made="m").to_text(), "l-1: planned"),
        ('{"mark": "abc"}', "a request was sent, and no answer to it is recorded"),
        ('{"mark": "abc", "task": "node:7"}', "task node:7 is on the server"),
        ('{"failed": "2 of 3 shards"}', "a request failed in part: 2 of 3 shards"),
    ],
)
def test_status_says_how_far_a_migration_is_that_was_left(checkpoint: str, text: str) -> None:
    started = Revision("1", "m", "c", Phase.EXPAND, RevisionState.STARTED, checkpoint=checkpoint, owner="ana")
    said = Catalog(Platform("school", PurePath(), ())).checkpoint_text
    where = partial(said, Database("ai", "opensearch", PurePath("services/ai/opensearch")))
    file = migration_file("# seedbed: index=l version=2\n")
    (line,) = migration_statuses(
        "ai/opensearch", History(None, (replace(started, checksum=file.checksum),)), [file], str, None, where
    )
    assert line.detail == f"up, {text}, by ana"


def test_what_no_checkpoint_tells_is_not_told() -> None:
    said = Catalog(Platform("school", PurePath(), ())).checkpoint_text
    assert said(Database("courses", "dynamodb", PurePath()), "by segment") == "some of its items done"
    assert said(Database("user", "postgres", PurePath()), "1234") == "at 1234"
