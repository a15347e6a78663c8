"""Snapshots as the core takes, restores and tries them, from what an engine answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from seedbed.documents.document import text
from seedbed.documents.snapshot import DrillDocument, SnapshotsDocument
from seedbed.engines.snapshots import TakenElsewhere
from seedbed.errors import ExitCode, Interrupted, Refused
from seedbed.execution.stopping import Stop
from seedbed.model.platform import Database
from seedbed.model.release import DRILL
from seedbed.model.snapshot import Drill, Snapshot, known_id, snapshot_id
from seedbed.project import drills, snapshots
from seedbed.project.releasing.children import Ended
from seedbed.project.releasing.drilling import told as drill_told
from seedbed.project.releasing.snapshots import taken, told
from seedbed.project.snapshots import ReleaseSnapshots
from tests.support.snapshots import KeptSnapshots

SHOP = Database("shop", "memory", Path("services/shop/memory"))
STOCK = Database("stock", "memory", Path("services/stock/memory"))


class Site:
    """Two databases and what keeps their snapshots; one may be missing."""

    def __init__(self) -> None:
        self.kept = {str(each.id): KeptSnapshots(str(each.id)) for each in (SHOP, STOCK)}
        self.stop = Stop()
        self.told: list[str] = []
        self.home = Path("nowhere", "sandbox")

    @property
    def snapshots(self) -> ReleaseSnapshots:
        """What a process of its own would have: it knows nothing of an earlier one."""
        found = ReleaseSnapshots(
            cast(Any, self), cast(Any, SimpleNamespace(name="dev")), stop=self.stop, tell=self.told.append
        )
        cast(Any, found)._service = lambda target, _: self.service(target.id)
        return found

    def service(self, database: str) -> KeptSnapshots:
        if database not in self.kept:
            raise TakenElsewhere("its operator takes them")
        return self.kept[database]

    def open(self, _: object, databases: Any) -> Any:
        from contextlib import nullcontext

        return nullcontext([SimpleNamespace(id=str(each.id)) for each in databases])


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(snapshots, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(snapshots, "LONGEST_PAUSE", 0.001)
    return Site()


def test_all_snapshots_are_asked_for_before_any_is_waited_for(site: Site) -> None:
    results = site.snapshots.take([SHOP, STOCK], 12)
    assert [each.evidence(0).verdict for each in results] == ["good", "good"]
    assert site.told == [
        "shop/memory: seedbed-shop-dev-shop-r12 is being made, 0 %",
        "stock/memory: seedbed-shop-dev-shop-r12 is being made, 0 %",
    ]


def test_a_snapshot_is_taken_once_however_often_it_is_asked_for(site: Site) -> None:
    first = site.snapshots.take([SHOP], 12)
    assert site.snapshots.take([SHOP], 12) == first
    assert len(site.kept["shop/memory"].there) == 1


def test_one_that_is_too_old_is_taken_again_under_another_name_and_the_old_one_stays(site: Site) -> None:
    site.snapshots.take([SHOP], 12)
    (again,) = site.snapshots.take([SHOP], 12, since=2000.0)
    assert again.snapshot is not None
    assert again.snapshot.id == "seedbed-shop-dev-shop-r12-2"
    assert len(site.kept["shop/memory"].there) == 2
    assert [each.snapshot for each in site.snapshots.look([SHOP], 12)] == [again.snapshot]


def test_an_answer_that_was_lost_fails_one_database_and_the_next_call_finds_what_was_made(site: Site) -> None:
    site.kept["shop/memory"].silent = 1
    lost, good = site.snapshots.take([SHOP, STOCK], 12)
    assert lost.evidence(0).verdict == "bad"
    assert good.evidence(0).verdict == "good"
    (found,) = site.snapshots.take([SHOP], 12)
    assert found.snapshot is not None
    assert len(site.kept["shop/memory"].there) == 1


def test_what_seedbed_takes_no_snapshots_of_is_unknown_and_not_good(site: Site) -> None:
    del site.kept["stock/memory"]
    assert [each.evidence(0).verdict for each in site.snapshots.take([SHOP, STOCK], 12)] == [
        "good",
        "unknown",
    ]


def test_there_is_no_evidence_for_one_that_was_never_taken(site: Site) -> None:
    (result,) = site.snapshots.look([SHOP], 12)
    assert result.evidence(0).verdict == "bad"
    assert "no snapshot of this release" in result.evidence(0).text


@pytest.mark.parametrize("state", ["making", "partial", "gone"])
def test_only_an_available_snapshot_is_good_and_can_be_restored(site: Site, state: Any) -> None:
    site.snapshots.take([SHOP], 12)
    kept = site.kept["shop/memory"]
    kept.there = {name: replace(each, state=state) for name, each in kept.there.items()}
    (result,) = site.snapshots.look([SHOP], 12)
    assert result.evidence(0).verdict == "bad"
    with pytest.raises(Refused, match="cannot be restored"):
        site.snapshots.restore(SHOP, 12)
    assert kept.made == {}


def test_a_stop_ends_the_wait_and_the_same_call_goes_on(site: Site) -> None:
    site.kept["shop/memory"].takes = 10_000
    site.stop.request(ExitCode.TERMINATED)
    with pytest.raises(Interrupted):
        site.snapshots.take([SHOP], 12)
    site.stop, site.kept["shop/memory"].takes = Stop(), 1
    assert [each.evidence(0).verdict for each in site.snapshots.take([SHOP], 12)] == ["good"]


def test_a_copy_is_restored_under_the_name_of_its_release_and_taken_away_again(site: Site) -> None:
    site.snapshots.take([SHOP], 12)
    restored = site.snapshots.restore(SHOP, 12)
    assert (restored.copy.name, restored.copy.state) == ("r12", "available")
    assert restored.lost == ("its readers",)
    site.snapshots.drop(SHOP, "r12")
    assert site.kept["shop/memory"].made == {}


def test_what_is_deleted_is_told_as_gone(site: Site) -> None:
    site.snapshots.take([SHOP], 12)
    (result,) = site.snapshots.delete([SHOP], release=12)
    assert result.snapshot is not None
    assert result.snapshot.state == "gone"
    assert result.evidence(0).verdict == "bad"
    assert site.snapshots.delete([SHOP], release=12) == []


def test_what_is_older_than_it_has_to_be_is_deleted_and_nothing_else(site: Site) -> None:
    for release in (11, 12):
        site.snapshots.take([SHOP], release)
    kept = site.kept["shop/memory"]
    kept.there = {name: replace(each, taken=each.release * 100.0) for name, each in kept.there.items()}
    gone = site.snapshots.delete([SHOP, STOCK], before=1150.0)
    assert [each.snapshot.release for each in gone if each.snapshot] == [11]
    assert [each.release for each in kept.there.values()] == [12]


def test_names_of_snapshots_are_read_back_and_those_of_others_are_not() -> None:
    name = snapshot_id("my_shop", "prod", "user", 12, 2)
    assert name == "seedbed-my-shop-prod-user-r12-2"
    assert known_id("my_shop", "prod", "user", name) == (12, 2)
    assert known_id("my_shop", "prod", "user", snapshot_id("my_shop", "prod", "user", 7)) == (7, 1)
    assert known_id("my_shop", "prod", "user", "seedbed-my-shop-prod-user-r12-final") is None
    assert known_id("my_shop", "prod", "user", "seedbed-my-shop-prod-users-r12") is None


def test_what_a_task_says_of_a_snapshot_is_evidence_of_when_it_was_taken_and_anything_else_is_none() -> None:
    (kept,) = (
        Snapshot(id="x", database="user/postgres", release=12, state="available", taken=1_793_440_800.25),
    )
    document = SnapshotsDocument.of("prod", [kept], (), "snapshot take", evidence=[kept.evidence(5.0)])
    data = text(document).encode()
    assert told(data, "user/postgres", 7.0) == replace(kept.evidence(5.0), at=7.0)
    assert told(data, "payment/postgres", 7.0) is None
    assert told(b"", "user/postgres", 7.0) is None
    assert told(b"[]", "user/postgres", 7.0) is None


class Unpacked:
    """A bundle of an environment that is reached by a task; `words`: the commands that were run."""

    def __init__(self, ended: Ended) -> None:
        self.environment = SimpleNamespace(has_runs=True, name="prod")
        self.ended, self.words = ended, list[str]()

    def seedbed(self, words: Any, stop: Stop) -> Ended:
        self.words.append(" ".join(words))
        return self.ended


def test_where_databases_are_reached_by_a_task_each_snapshot_is_taken_there_as_a_person_would() -> None:
    operator: Any = SimpleNamespace(stop=Stop(), tell=lambda _: None, store=SimpleNamespace(now=lambda: 9.0))
    unpacked: Any = Unpacked(Ended(4, b""))
    (found,) = taken(operator, unpacked, ["user/postgres"], 12, 0.0)
    assert unpacked.words == [
        "snapshot take -e prod --release 12 --since 1970-01-01T00:00:00+00:00 -s user --engine postgres --json"
    ]
    assert (found.verdict, found.about) == ("bad", "user/postgres")
    assert "exit code 4" in found.text


@pytest.mark.parametrize(
    ("copy", "filled", "is_same", "said"),
    [
        ({"users": 2, "notes": 0}, None, True, "2 rows in 2 tables; rows only now: notes"),
        ({"users": 2}, None, True, "notes has rows in the database, and none in the copy"),
        ({"users": 2}, None, False, "2 rows in 1 table; rows only now: notes"),
        ({"users": 2, "notes": 0}, ["users"], True, "2 rows in 2 tables; rows only now: notes"),
        ({"users": 2}, ["users"], True, "2 rows in 1 table; rows only now: notes"),
        ({"users": 2}, ["notes", "users"], False, "notes had rows in the snapshot, and none in the copy"),
    ],
)
def test_a_copy_has_rows_where_its_snapshot_had_some_and_more_now_than_then_is_no_fault(
    copy: dict[str, int], filled: list[str] | None, is_same: bool, said: str
) -> None:
    found = drills._rows({"users": 9, "notes": 1}, copy, filled=filled, is_same=is_same)
    assert (found.text, found.is_good) == (said, "none in the copy" not in said)


def test_what_a_drill_says_is_kept_as_evidence_and_what_has_none_is_unknown() -> None:
    drill = Drill(
        snapshot=Snapshot(id="s", database=str(SHOP.id), release=12, state="available"),
        place="beside", restoring=664.0, checking=1.0, cleaning=2.0, rows={"carts": 3},
    )  # fmt: skip
    errors = [TakenElsewhere("its operator takes them")]
    errors[0].target = str(STOCK.id)
    at = datetime(2026, 11, 28, tzinfo=UTC)
    said = text(DrillDocument.of("prod", 12, [drill], errors, at, "snapshot drill")).encode()
    shop = drill_told(said, str(SHOP.id), 5.0, "blob")
    assert (shop.kind, shop.verdict, shop.at, shop.blob) == (DRILL, "good", 5.0, "blob")
    assert shop.text == "shop/memory: restored in 11 min 4 s, 3 rows"
    assert drill_told(said, str(STOCK.id), 5.0).verdict == "unknown"
    assert drill_told(b"", str(SHOP.id), 5.0).verdict == "bad"


def test_snapshots_of_a_release_that_is_open_are_not_deleted(site: Site) -> None:
    for release in (11, 12):
        site.snapshots.take([SHOP], release)
    with pytest.raises(Refused, match="release 12 of dev is open"):
        site.snapshots.delete([SHOP], release=12, kept={12: False})
    gone = site.snapshots.delete([SHOP], before=9999.0, kept={12: False})
    assert [each.snapshot.release for each in gone if each.snapshot] == [11]
    (left,) = site.snapshots.listed([SHOP])
    assert [each.release for each in left.of] == [12]


def test_what_cannot_be_restored_is_deleted_while_its_release_is_open_until_its_contract_begins(
    site: Site,
) -> None:
    site.snapshots.take([SHOP, STOCK], 12)
    kept = site.kept["shop/memory"]
    for state, begun in (("available", False), ("making", False), ("partial", True)):
        kept.there = {name: replace(each, state=cast(Any, state)) for name, each in kept.there.items()}
        with pytest.raises(Refused, match="release 12 of dev is open"):
            site.snapshots.delete([SHOP], release=12, kept={12: begun})
    assert site.snapshots.delete([SHOP], before=9999.0, kept={12: False}) == []
    gone = site.snapshots.delete([SHOP, STOCK], release=12, kept={12: False})
    assert [(each.database, each.snapshot.state) for each in gone if each.snapshot] == [
        ("shop/memory", "gone")
    ]
    assert [len(each.of) for each in site.snapshots.listed([SHOP, STOCK])] == [0, 1]
    assert site.snapshots.delete([SHOP], release=12, kept={12: False}) == []
    assert [each.evidence(0).verdict for each in site.snapshots.take([SHOP], 12)] == ["good"]
