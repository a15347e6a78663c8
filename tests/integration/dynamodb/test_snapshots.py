"""Backups of tables as snapshots: taken, restored beside, copied back by a migration, tried; killed in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from seedbed.aws import rights
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.values import to_item
from seedbed.errors import Refused
from seedbed.project.drills import drill
from tests.support.aws_proxy import Asked, Call, Proxy, allows
from tests.support.aws_proxy.permissions import Place
from tests.support.dynamodb.snapshot_site import COPY_BACK, DROP, ITEMS, TABLES, Site, opened
from tests.support.dynamodb.tables import creation


@pytest.fixture
def site(
    tmp_path: Path, ministack_account: World, aws: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    with opened(tmp_path, ministack_account, aws, monkeypatch) as made:
        yield made


def _documented(kind: str, heading: str) -> str:
    """Return the first block of `kind` below `heading` in the how-to."""
    text = COPY_BACK.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    return text.partition(f"```{kind}")[2].partition("\n")[2].partition("```")[0]


def test_what_a_contract_removed_is_copied_back_by_the_documented_migration_and_what_came_since_stays(
    site: Site,
) -> None:
    site.apply_first()
    assert site.take().evidence(0).verdict == "good"
    site.migration("20260101000002_drop_subtitle", DROP)
    site.apply()
    assert not [each for each in site.items() if "subtitle" in each]
    site.put({"id": "c1", "title": "t1", "subtitle": "written since"}, {"id": "new", "title": "n"})

    restored = site.snapshots.restore(site.database, 12)
    assert restored.copy.state == "available"
    assert restored.lost[0] == "the TTL of courses-courses-staging: nothing expires in the copy"
    assert site.items("courses.r12") == sorted(ITEMS, key=lambda each: each["id"])
    site.migration("20260101000003_subtitles_back", _documented("python", "DynamoDB"))
    site.apply()

    wanted = [
        *(each for each in ITEMS if each["id"] != "c1"),
        {"id": "c1", "title": "t1", "subtitle": "written since"},
        {"id": "new", "title": "n"},
    ]
    assert site.items() == sorted(wanted, key=lambda each: each["id"])
    site.snapshots.drop(site.database, "r12")
    assert not [each for each in site.client.call("ListTables", {})["TableNames"] if ".r12" in each]
    assert site.take().snapshot is not None  # and it is still there


def test_a_take_that_was_killed_between_two_tables_is_partial_until_it_is_called_again(site: Site) -> None:
    with site.aws.refuse("CreateBackup", code="InternalServerError", status=500, times=40):
        first = site.take()
    assert first.evidence(0).verdict == "bad"
    with closing(Client(site.client.cloud)) as client:  # one of three
        client.call(
            "CreateBackup",
            {"TableName": site.physical("courses"), "BackupName": "seedbed-shop-staging-courses-r12"},
        )
    (found,) = site.snapshots.look([site.database], 12)
    assert found.snapshot is not None
    assert found.snapshot.state == "partial"
    assert "courses-lessons-staging" in found.snapshot.because
    with pytest.raises(Refused, match="cannot be restored"):
        site.snapshots.restore(site.database, 12)
    assert site.take().evidence(0).verdict == "good"
    assert len(site.client.call("ListBackups", {})["BackupSummaries"]) == 3


def test_a_backup_whose_answer_was_lost_is_found_and_not_taken_twice(site: Site) -> None:
    site.aws.drop("CreateBackup", when="answered", times=3)
    assert site.take().evidence(0).verdict == "good"
    assert len(site.client.call("ListBackups", {})["BackupSummaries"]) == 3


def test_a_backup_that_somebody_deleted_makes_the_snapshot_partial(site: Site) -> None:
    snapshot = site.take().snapshot
    site.client.call("DeleteBackup", {"BackupArn": snapshot.parts[site.physical("lessons")]})
    (found,) = site.snapshots.look([site.database], 12)
    assert found.snapshot is not None
    assert found.evidence(0).verdict == "bad"
    assert found.snapshot.because == "courses-lessons-staging has no backup"


def test_a_table_that_the_contract_removed_is_in_the_snapshot_and_in_the_copy(site: Site) -> None:
    site.take()
    site.client.call("DeleteTable", {"TableName": site.physical("lessons")})
    (site.root / "services" / "courses" / "dynamodb" / "tables.toml").write_text(
        TABLES.partition("[tables.lessons]")[0]
    )
    restored = site.snapshots.restore(site.database, 12)
    assert "courses-lessons.r12-staging" in site.client.call("ListTables", {})["TableNames"]
    (listed,) = site.snapshots.listed([site.database])
    assert [(each.name, each.state) for each in listed.copies] == [("r12", "available")]
    site.snapshots.drop(site.database, "r12")
    assert restored.copy.name == "r12"
    assert not [each for each in site.client.call("ListTables", {})["TableNames"] if ".r12" in each]


def test_a_restore_that_was_stopped_goes_on_and_restores_nothing_twice(site: Site) -> None:
    site.take()
    site.aws.refuse("RestoreTableFromBackup", code="LimitExceededException", status=400, times=4)
    site.aws.drop("RestoreTableFromBackup", when="answered", times=1)
    restored = site.snapshots.restore(site.database, 12)
    assert restored.copy.state == "available"
    there = site.client.call("ListTables", {})["TableNames"]
    assert [each for each in there if ".r12" in each] == [
        "courses-courses.r12-staging",
        "courses-lessons.r12-staging",
        "courses-migrations_history.r12-staging",
    ]


def test_a_copy_of_another_snapshot_is_not_taken_for_this_one_s(site: Site) -> None:
    site.take()
    site.snapshots.restore(site.database, 12)
    site.snapshots.delete([site.database], release=12)
    site.take()
    with pytest.raises(Refused, match="was restored from another backup"):
        site.snapshots.restore(site.database, 12)


def test_a_drill_shows_its_figures_and_leaves_nothing(site: Site) -> None:
    site.apply_first()
    site.take()
    site.snapshots.restore(site.database, 12, name="r12-drill")  # a drill that was killed left it
    found = drill(site.snapshots, site.project.targets, site.database, 12, stop=site.stop)
    assert [each.name for each in found.checks] == ["identity", "history", "rows", "expectation titles"]
    assert found.is_good, found.checks
    assert found.rows == {"courses": 40, "lessons": 0}
    assert found.restoring > 0
    assert not [each for each in site.client.call("ListTables", {})["TableNames"] if "." in each]


def test_a_drill_finds_a_copy_that_is_not_what_it_should_be(site: Site) -> None:
    site.apply_first()
    site.put({"id": "odd"})
    site.take()
    site.client.call("DeleteItem", {"TableName": site.physical("courses"), "Key": to_item({"id": "odd"})})
    found = drill(site.snapshots, site.project.targets, site.database, 12, stop=site.stop)
    assert [each.name for each in found.checks if not each.is_good] == ["expectation titles"]
    assert found.evidence(0).verdict == "bad"


def test_a_drill_misses_no_table_that_was_made_since_the_snapshot(site: Site) -> None:
    site.apply_first()
    site.client.call("DeleteTable", {"TableName": site.physical("lessons")})
    site.take()
    time.sleep(1.1)  # the emulator tells when a table was made in whole seconds
    (lessons,) = (each for each in site.declared.tables if each.name == "lessons")
    site.client.call("CreateTable", creation(site.physical("lessons"), lessons))
    item = to_item({"course": "c1", "number": 1})
    site.client.call("PutItem", {"TableName": site.physical("lessons"), "Item": item})
    site.migration("20260101000002_drop_subtitle", DROP)
    site.apply()
    found = drill(site.snapshots, site.project.targets, site.database, 12, stop=site.stop)
    assert found.is_good, found.checks
    assert found.rows == {"courses": 40}


def test_the_task_s_rights_to_snapshots_suffice_for_all_that_is_asked(
    site: Site, ministack_account: World
) -> None:
    site.apply_first()
    site.aws.forget()
    site.take()
    site.snapshots.restore(site.database, 12)
    assert drill(site.snapshots, site.project.targets, site.database, 12, stop=site.stop).is_good
    site.snapshots.drop(site.database, "r12")
    account, region = ministack_account.account, ministack_account.region
    names = rights.Names("shop", "staging", "aws", account, region, "records", "bucket")
    # Beside them it may read and write the items of its own tables, as ever.
    own = [
        names.arn("dynamodb", f"table/{site.physical(each)}")
        for each in ("courses", "lessons", "migrations_history")
    ]
    reads = ["GetItem", "Query", "Scan", "PartiQLSelect"]
    held = [
        *rights.statements(rights.SNAPSHOT, names),
        {"Effect": "Allow", "Action": [f"dynamodb:{each}" for each in reads], "Resource": own},
    ]
    place = Place(account, region)
    needed = {each for call in site.aws.calls if call.service != "sts" for each in _asked(place, call)}
    assert [each for each in sorted(needed) if not allows(held, Asked(*each))] == []
    assert (
        "dynamodb:PartiQLSelect",
        names.arn("dynamodb", "table/courses-courses.r12-drill-staging"),
    ) in needed


def _asked(place: Place, call: Call) -> Iterator[tuple[str, str]]:
    if call.operation == "RestoreTableFromBackup":
        yield f"dynamodb:{call.operation}", str(call.asked["BackupArn"])
        beside = f"arn:aws:dynamodb:{place.region}:{place.account}:table/{call.asked['TargetTableName']}"
        for each in (
            "RestoreTableFromBackup",
            "BatchWriteItem",
            "DeleteItem",
            "GetItem",
            "PutItem",
            "Query",
            "Scan",
            "UpdateItem",
        ):
            yield f"dynamodb:{each}", beside
        return
    yield from ((each.action, each.resource) for each in place.asked(call))


def _started(site: Site, *words: str) -> subprocess.Popen[str]:
    environ = {**os.environ, **site.environ, "AWS_EC2_METADATA_DISABLED": "true"}
    argv = [
        sys.executable,
        "-m",
        "seedbed",
        "-C",
        str(site.root),
        "snapshot",
        *words,
        "-e",
        "staging",
        "--json",
    ]
    return subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _ran(site: Site, *words: str) -> tuple[int, Any]:
    child = _started(site, *words)
    out, err = child.communicate(timeout=120)
    assert out, err
    return child.returncode, json.loads(out)


@pytest.mark.slow(40)
def test_commands_that_are_killed_while_they_ask_are_called_again_and_go_on(site: Site) -> None:
    site.apply_first()
    for operation, *words in (
        ("CreateBackup", "take", "--release", "12"),
        ("RestoreTableFromBackup", "restore", "--release", "12"),
        ("DeleteTable", "drop", "--release", "12"),
    ):
        with site.aws.hold(operation, when="answered", times=1) as held:
            child = _started(site, *words)
            held.wait_until_inside()
            child.kill()
            child.communicate()
        code, document = _ran(site, *words)
        assert code == 0, document
    assert [each["BackupName"] for each in site.client.call("ListBackups", {})["BackupSummaries"]] == [
        "seedbed-shop-staging-courses-r12"
    ] * 3
    assert not [each for each in site.client.call("ListTables", {})["TableNames"] if "." in each]
    code, document = _ran(site, "list")
    assert (code, [each["state"] for each in document["snapshots"]]) == (0, ["available"])
    code, document = _ran(site, "drill", "--release", "12")
    assert (code, document["evidence"][0]["verdict"]) == (0, "good"), document
    code, document = _ran(site, "delete", "--release", "12", "--yes")
    assert (code, [each["state"] for each in document["snapshots"]]) == (0, ["gone"])
    assert _ran(site, "restore", "--release", "12")[0] == 3
