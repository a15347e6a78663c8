"""Snapshots of a cluster: taken, restored beside, copied back as documented, tried; with calls and answers lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seedbed.aws import rights
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.snapshots import clusters
from seedbed.engines.snapshots import TakenElsewhere
from seedbed.errors import Refused, SeedbedError
from seedbed.project import Project
from seedbed.project.drills import drill
from seedbed.project.snapshots import ReleaseSnapshots
from tests.support.aws_proxy import Asked, Proxy, allows, on
from tests.support.postgres.aurora import GROUP, PARAMETERS, SUBNETS
from tests.support.postgres.snapshot_site import CLUSTER, COPY, DROP, RUNBOOK, Site, opened

NOTES = "-- migrate:up\nCREATE TABLE notes (id bigint PRIMARY KEY);\n-- migrate:down\nDROP TABLE notes;\n"


@pytest.fixture
def site(
    tmp_path: Path,
    ministack_account: World,
    aws: Proxy,
    postgres_server: EmbeddedServer,
    new_database: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    with opened(tmp_path, ministack_account, aws, postgres_server, new_database(), monkeypatch) as made:
        yield made


def documented(kind: str, number: int) -> str:
    """Return a block of the runbook's section on Aurora."""
    section = (
        RUNBOOK.read_text(encoding="utf-8").partition("\n## PostgreSQL on Aurora\n")[2].partition("\n## ")[0]
    )
    block = section.split(f"```{kind}")[number]
    return block.partition("\n")[2].partition("```")[0]


def test_what_a_contract_removed_is_copied_back_as_documented_and_what_came_since_stays(site: Site) -> None:
    before = site.sql("SELECT id, nickname FROM users ORDER BY id")
    assert site.take().evidence(0).verdict == "good"
    site.migration("20260101000002_no_nicknames", DROP)
    site.apply()
    site.sql("INSERT INTO users VALUES (101); DELETE FROM users WHERE id = 2")

    restored = site.snapshots.restore(site.database, 12)
    port = restored.copy.settings["port"]
    assert site.sql("SELECT id, nickname FROM users ORDER BY id", port) == before
    site.migration("20260601090000_nicknames_back", documented("sql", 1))
    site.apply()
    site.sql("UPDATE users SET nickname = 'written since' WHERE id = 1")
    script = documented("sh", 1)
    environment = {
        "COPY": site.conninfo(port),
        "DATABASE": site.conninfo(),
        "PATH": f"{site.server.bin}:/usr/bin:/bin",
    }
    done = subprocess.run(
        ["sh", "-euc", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    site.migration("20260601100000_nicknames_set", documented("sql", 2))
    site.apply()

    wanted = {**dict(before), 1: "written since", 101: None}
    del wanted[2]
    assert dict(site.sql("SELECT id, nickname FROM users")) == wanted
    site.snapshots.drop(site.database, "r12")
    assert [*site.rds.clusters] == [CLUSTER]


# Which of the things that a call names IAM asks about, by the field that names it
_KINDS = {
    "DBClusterIdentifier": "cluster",
    "DBClusterSnapshotIdentifier": "cluster-snapshot",
    "SnapshotIdentifier": "cluster-snapshot",
    "DBInstanceIdentifier": "db",
    "DBSubnetGroupName": "subgrp",
    "DBClusterParameterGroupName": "cluster-pg",
}
_TAGGED = {
    "CreateDBClusterSnapshot": "cluster-snapshot",
    "RestoreDBClusterFromSnapshot": "cluster",
    "CreateDBInstance": "db",
}


def test_the_task_s_rights_to_snapshots_suffice_and_leave_its_own_cluster_alone(site: Site) -> None:
    site.aws.forget()
    site.take()
    site.snapshots.restore(site.database, 12)
    site.snapshots.drop(site.database, "r12")
    names = rights.Names("shop", "staging", "aws", "1", "eu-central-1", "records", "bucket")
    held = rights.statements(rights.SNAPSHOT, names)
    calls = [each for each in site.aws.calls if each.service == "rds"]
    assert len({each.operation for each in calls}) == 8
    for call in calls:
        about = [(kind, call.asked[field]) for field, kind in _KINDS.items() if field in call.asked]
        if call.operation.startswith("Describe"):
            about = [("any", "*")]
        for kind, name in about:
            resource = names.arn("rds", f"{kind}:{name}") if kind != "any" else "*"
            assert allows(held, Asked(f"rds:{call.operation}", resource)), (call.operation, resource)
            if _TAGGED.get(call.operation) == kind:
                assert allows(held, Asked("rds:AddTagsToResource", resource)), resource
    for action in ("DeleteDBCluster", "ModifyDBCluster", "AddTagsToResource", "RestoreDBClusterFromSnapshot"):
        assert not allows(held, Asked(f"rds:{action}", names.arn("rds", f"cluster:{CLUSTER}"))), action


def test_a_copy_has_the_network_of_its_database_and_one_instance_like_its_writer(site: Site) -> None:
    site.take()
    site.snapshots.restore(site.database, 12)
    made = site.rds.clusters[COPY]
    assert (made["group"], made["subnets"], made["parameters"]) == (GROUP, SUBNETS, PARAMETERS)
    assert [each["DBInstanceClass"] for each in site.rds.instances.values() if each["cluster"] == COPY] == [
        "db.r7g.large"
    ]
    found = site.snapshots.restore(site.database, 12)
    assert found.lost[0] == "its readers: a copy has one instance"
    assert site.rds.asked.count("RestoreDBClusterFromSnapshot") == 1
    assert site.rds.asked.count("CreateDBInstance") == 1


def test_nothing_is_made_twice_where_every_answer_is_lost_once(site: Site) -> None:
    lost = [
        site.aws.drop(on(name, service="rds"), when="answered")
        for name in (
            "CreateDBClusterSnapshot",
            "RestoreDBClusterFromSnapshot",
            "CreateDBInstance",
            "DeleteDBInstance",
            "DeleteDBCluster",
        )
    ]
    assert site.take().evidence(0).verdict == "good"
    site.snapshots.restore(site.database, 12)
    site.snapshots.drop(site.database, "r12")
    assert [each.hits for each in lost] == [1] * 5
    assert len(site.rds.snapshots) == 1
    assert [*site.rds.clusters] == [CLUSTER]
    assert len(site.rds.instances) == 2


def test_a_drill_shows_its_figures_and_leaves_nothing(site: Site) -> None:
    site.take()
    site.snapshots.restore(site.database, 12, name="r12-drill")  # as one leaves it that was killed
    found = drill(site.snapshots, site.project.targets, site.database, 12, stop=site.stop)
    assert [each.name for each in found.checks] == [
        "identity",
        "history",
        "rows",
        "expectation every user has an id",
    ]
    assert found.is_good, found.checks
    assert found.rows == {"public.users": 100}
    assert [*site.rds.clusters] == [CLUSTER]


def test_a_drill_names_a_table_that_has_rows_only_now_and_finds_no_fault_in_it(site: Site) -> None:
    site.sql("DELETE FROM users")
    site.take()
    site.sql("INSERT INTO users VALUES (1)")
    found = drill(site.snapshots, site.project.targets, site.database, 12, stop=site.stop)
    assert found.is_good, found.checks
    assert "0 rows in 1 table; rows only now: public.users" in [each.text for each in found.checks]


def test_a_drill_misses_no_table_that_was_made_since_the_snapshot(site: Site) -> None:
    site.take()
    site.sql("CREATE TABLE notes (id bigint)")
    site.sql("INSERT INTO notes VALUES (1)")
    by_hand = drill(site.snapshots, site.project.targets, site.database, 12, stop=site.stop)
    assert [each.text for each in by_hand.checks if not each.is_good] == [
        "public.notes has rows in the database, and none in the copy"
    ]
    site.sql("DROP TABLE notes")
    site.migration("20260101000002_notes", NOTES)
    site.apply()
    site.sql("INSERT INTO notes VALUES (1)")
    found = drill(site.snapshots, site.project.targets, site.database, 12, stop=site.stop)
    assert found.is_good, found.checks
    assert found.rows == {"public.users": 100}


@pytest.mark.parametrize("status", ["failed", "incompatible-restore", "deleting"])
def test_a_snapshot_that_is_not_available_keeps_the_contract_shut(site: Site, status: str) -> None:
    site.take()
    site.rds.snapshots[COPY]["status"] = status
    (found,) = site.snapshots.look([site.database], 12)
    assert found.evidence(0).verdict == "bad"
    assert status in found.evidence(0).text
    with pytest.raises(Refused, match="cannot be restored"):
        site.snapshots.restore(site.database, 12)


def test_a_cluster_that_is_busy_is_waited_for_and_one_that_is_stopped_is_named(site: Site) -> None:
    site.rds.clusters[CLUSTER]["status"] = "stopped"
    result = site.take()
    assert isinstance(result.error, Refused)
    assert "is stopped" in result.error.what
    site.rds.clusters[CLUSTER]["status"] = "backing-up"
    looks: list[str] = []

    def free(call: Any) -> bool:
        looks.append(call.operation)
        if len(looks) > 8:
            site.rds.clusters[CLUSTER]["status"] = "available"
        return False

    site.aws.drop(free)
    assert site.take().evidence(0).verdict == "good"


def test_quotas_are_named(site: Site) -> None:
    site.rds.most_snapshots = 0
    assert "SnapshotQuotaExceeded" in site.take().error.because
    site.rds.most_snapshots, site.rds.most_clusters = 100, 1
    site.take()
    with pytest.raises(Refused) as caught:
        site.snapshots.restore(site.database, 12)
    assert "DBClusterQuotaExceeded" in caught.value.because


def test_what_has_our_name_and_not_our_tags_is_neither_taken_for_ours_nor_touched(site: Site) -> None:
    site.take()
    site.snapshots.restore(site.database, 12)
    site.rds.clusters[COPY]["tags"] = {}
    site.rds.instances[COPY]["tags"] = {}
    site.rds.snapshots[COPY]["tags"] = {}
    before = list(site.rds.asked)
    for attempt in (
        lambda: site.snapshots.drop(site.database, "r12"),
        lambda: site.snapshots.restore(site.database, 12),
    ):
        with pytest.raises(Refused):
            attempt()
    assert isinstance(site.take().error, Refused)
    assert site.snapshots.delete([site.database], release=12) == []
    assert site.rds.asked == before


@pytest.mark.parametrize(
    ("host", "cluster"),
    [
        ("shop-user.cluster-c3v8.eu-central-1.rds.amazonaws.com", "shop-user"),
        ("shop-user.cluster-ro-c3v8.eu-central-1.rds.amazonaws.com", ""),
        ("reports.cluster-custom-c3v8.eu-central-1.rds.amazonaws.com", ""),
        ("shop-user.c3v8.eu-central-1.rds.amazonaws.com", ""),
    ],
)
def test_a_cluster_is_known_by_its_own_endpoint_alone(host: str, cluster: str) -> None:
    address = Address(host=host, user="u", name="n")
    if cluster:
        assert clusters.cluster_id(address) == cluster
    else:
        with pytest.raises(TakenElsewhere):
            clusters.cluster_id(address)


def test_in_the_sandbox_a_snapshot_is_a_database_beside_the_database(
    site: Site, postgres_server: EmbeddedServer
) -> None:
    environ = {name: value for name, value in site.environ.items() if name.startswith("AWS_")}
    running = {"user/postgres": postgres_server.settings_of(site.name)}
    project = Project.open(site.root, environ={**environ, "AWS_ENDPOINT_URL": ""}, running=running)
    kept = ReleaseSnapshots(
        project.targets, project.catalog.environment("sandbox"), stop=site.stop, tell=lambda _: None
    )
    try:
        (taken,) = kept.take([site.database], 12)
        assert taken.evidence(0).verdict == "good", taken
        site.sql("ALTER TABLE users DROP COLUMN nickname")
        copy = kept.restore(site.database, 12).copy
        with psycopg.connect(**postgres_server.dsn(copy.settings["name"])) as connection:  # type: ignore[arg-type]
            assert connection.execute("SELECT count(nickname) FROM users").fetchone() == (100,)
        (listed,) = kept.listed([site.database])
        assert [each.name for each in listed.copies] == ["r12"]
        kept.drop(site.database, "r12")
        assert kept.delete([site.database], release=12)[0].snapshot is not None
        with psycopg.connect(site.conninfo()):
            (busy,) = kept.take([site.database], 13)
        assert isinstance(busy.error, SeedbedError)
        assert "while there are connections" in busy.error.what
    finally:
        for end in ("s12-1", "s13-1", "r12"):
            postgres_server.drop_database(f"{site.name}.{end}")
