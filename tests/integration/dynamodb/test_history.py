"""What a DynamoDB target remembers, as items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.store import history
from seedbed.engines.dynamodb.store.history import read
from seedbed.errors import ForeignTarget, LeaseLost, Refused
from seedbed.model.history import FORMAT, Identity, Revision, RevisionState
from seedbed.model.migration import Direction, Phase
from tests.support.dynamodb.tables import EACH_SERVER, Stage, spied, stage

OURS = Identity("edtech", "courses/dynamodb", "dev-test")


@pytest.fixture
def here(world: World) -> Iterator[Stage]:
    with stage(world) as made:
        yield made


def revision(version: str, **others: Any) -> Revision:
    return Revision(version, "name", "0" * 64, Phase.EXPAND, **others)


@EACH_SERVER
def test_every_setting_of_a_revision_comes_back(here: Stage) -> None:
    whole = Revision(
        version="20260101000000",
        name="split_title",
        checksum="c" * 64,
        phase=Phase.CONTRACT,
        state=RevisionState.STARTED,
        direction=Direction.DOWN,
        step=2,
        in_step=True,
        checkpoint="by segment",
        overtakes=("20250101000000", "20250102000000"),
        owner="ana@laptop",
        applied_at=datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
        duration_ms=123_456_789_012,
    )
    with here.lease() as lease:
        lease.record(whole, actor="ana", because="to see it again")
    assert read(here.database).revisions == (whole,)


def test_versions_are_in_order_whatever_their_length(here: Stage) -> None:
    with here.lease() as lease:
        for version in ("10", "9", "20260101000000", "1"):
            lease.record(revision(version), actor="ana", because="…")
    assert [each.version for each in read(here.database).revisions] == ["1", "9", "10", "20260101000000"]


@EACH_SERVER
def test_a_history_of_many_pages_is_read_whole(here: Stage) -> None:
    with here.lease() as lease:
        lease.bind(OURS)
        for number in range(9):
            lease.record(revision(f"{number}"), actor="ana", because="…")
        lease.checkpoint("1", 0, "a")
        lease.checkpoint("1", 1, "b")
        lease.checkpoint("1", 2, "c")
    asked = []

    def smaller(operation: str, body: Mapping[str, Any]) -> None:
        asked.append(operation)
        assert isinstance(body, dict)
        body["Limit"] = 2

    spied(here.client, smaller)
    found = read(here.database)
    assert found.identity == OURS
    assert len(found.revisions) == 9
    assert asked.count("Query") > 4
    assert history.checkpoints(here.database, "1") == {0: "a", 1: "b", 2: "c"}


@EACH_SERVER
def test_the_identity_is_written_once(here: Stage) -> None:
    with here.lease() as lease:
        lease.bind(OURS)
        lease.bind(OURS)
        with pytest.raises(ForeignTarget):
            lease.bind(Identity("other", "courses/dynamodb", "dev-test"))
    assert read(here.database).identity == OURS
    (item,) = [each for each in stored(here) if each["sk"] == "identity"]
    assert item["format"] == FORMAT


def test_a_newer_format_is_refused_under_the_lease_as_well(here: Stage) -> None:
    with here.lease() as lease:
        lease.bind(OURS)
        here.put("migrations_history", {**history.IDENTITY, "format": FORMAT + 1})
        with pytest.raises(Refused):
            lease.history()


@EACH_SERVER
def test_decisions_are_kept_in_order_and_never_replaced(here: Stage) -> None:
    with here.lease() as lease:
        for number in range(5):
            lease.record(revision("1"), actor=f"person {number}", because="…")
        lease.forget("1", actor="person 5", because="…")
    lines = [each for each in stored(here) if each["pk"] == "audit"]
    assert [each["actor"] for each in sorted(lines, key=lambda each: str(each["sk"]))] == [
        f"person {number}" for number in range(6)
    ]
    assert [each["action"] for each in sorted(lines, key=lambda each: str(each["sk"]))][-1] == "forget"
    assert read(here.database).revisions == ()


def test_without_the_lease_nothing_is_remembered(here: Stage) -> None:
    with here.lease() as lease:
        lease.held.lost("because the test says so")
        with pytest.raises(LeaseLost):
            lease.bind(OURS)
        with pytest.raises(LeaseLost):
            lease.record(revision("1"), actor="ana", because="…")
        with pytest.raises(LeaseLost):
            lease.forget("1", actor="ana", because="…")
    assert {each["pk"] for each in stored(here)} == {"lease"}


def stored(here: Stage) -> list[dict[str, Any]]:
    """Return all items of the history's table."""
    from seedbed.engines.dynamodb.wire.values import from_item

    request = {"TableName": here.database.history, "ConsistentRead": True}
    return [from_item(each) for each in here.client.call("Scan", request)["Items"]]
