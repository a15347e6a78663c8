"""Whether somebody still reads what a release removes, as PostgreSQL counts it between the steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.release import READER, StepName
from seedbed.project.releasing.readers import LOOK
from tests.support.aws_proxy import proxy
from tests.support.ecs import Cluster
from tests.support.postgres.wire import connected
from tests.support.projects import ProjectFiles
from tests.support.released import ENV, Users

RELEASE = """
[release]
approvals = {expand = 0, contract = 1}
soak = "0s"
[[expectations]]
name = "it is read by verify"
database = "user/postgres"
query = "SELECT id FROM old WHERE id < 0"
"""


@pytest.mark.slow
def test_a_read_between_the_steps_closes_the_gate_and_those_of_the_steps_do_not(
    files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    files.manifest(["user"], RELEASE)
    files.migration("20260101000001_make", "CREATE TABLE old (id int);", "DROP TABLE old;")
    files.migration("20260101000002_fill", "UPDATE old SET id = id;", directives="phase=migrate")
    files.migration("20260101000003_drop", "DROP TABLE old;", directives="phase=contract")
    site = Users(files.root, postgres_server, new_database())
    site.build()
    assert site.open().code == 0
    site.next("--through", "expand")
    digest = site.release.digest[:12]
    assert site.run("release", "approve", "-e", ENV, "--step", "code", "--digest", digest).code == 0
    through = site.next("--through", "snapshot")
    assert through.code == 0, through.everything
    looks = [one for each in site.release.steps for one in each.evidence if one.kind == LOOK]
    assert [each.text for each in looks] == ["opens", "closes", "opens", "closes", "opens"]
    assert all(each.blob for each in looks)

    quiet = site.run("release", "check", "-e", ENV)
    assert "open    readers: user/postgres: table old was not used" in quiet.everything
    with connected(site.server, site.database) as connection:
        connection.execute(b"SELECT * FROM old")
        connection.execute(b"SELECT pg_stat_force_next_flush()")
    used = site.run("release", "check", "-e", ENV)
    assert "closed  readers: user/postgres: table old was used 1 time" in used.everything
    site.approve(StepName.CONTRACT, reason="whatever")
    refused = site.next()
    assert (refused.code, "table old was used 1 time" in refused.err) == (6, True), refused.everything
    assert site.release.step(StepName.CONTRACT).state == "waiting"


IMAGE, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.slow
def test_an_old_task_closes_the_gate_however_the_code_came_there(
    files: ProjectFiles,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
    ministack_account: World,
) -> None:
    files.manifest(["user"], f'{RELEASE[: RELEASE.index("[[")]}store = ".seedbed/releases"\n')
    manifest = files.root / "seedbed.toml"
    said = f'account = "{ministack_account.account}"\nregion = "{ministack_account.region}"'
    manifest.write_text(manifest.read_text().replace('account = "333333333333"', said))
    files.migration("20260101000001_make", "CREATE TABLE old (id int);", "DROP TABLE old;")
    files.migration("20260101000002_drop", "DROP TABLE old;", directives="phase=contract")
    site = Users(files.root, postgres_server, new_database())
    cluster = Cluster({"platform": "sample", "environment": ENV})
    cluster.service("api")
    cluster.task("service:api", IMAGE)
    with proxy(ministack_account.endpoint) as aws:
        cluster.serve(aws)
        keys = {"AWS_ACCESS_KEY_ID": ministack_account.account, "AWS_SECRET_ACCESS_KEY": "none-is-needed"}
        site.env = {**site.env, **keys, "AWS_ENDPOINT_URL": aws.endpoint}
        site.build(images={"api": f"repo@{IMAGE}"})
        assert site.open().code == 0
        site.next("--through", "expand")
        digest = site.release.digest[:12]
        assert site.run("release", "approve", "-e", ENV, "--step", "code", "--digest", digest).code == 0
        through = site.next("--through", "snapshot")
        assert through.code == 0, through.everything
        cluster.task("service:api", OLD, last="STOPPING", desired="STOPPED")
        site.approve(StepName.CONTRACT, reason="whatever")
        refused = site.next()
        assert (refused.code, "ECS: api has 1 task with other images" in refused.err) == (6, True), (
            refused.everything
        )
        assert site.release.step(StepName.CONTRACT).state == "waiting"
        cluster.tasks[-1]["lastStatus"] = "STOPPED"
        gone = site.next()
        assert gone.code == 0, gone.everything
        evidence = site.release.step(StepName.CONTRACT).evidence
        assert {each.text for each in evidence if each.kind == READER} == {
            "user/postgres: table old was not used",
            "ECS: 1 task with images of the release, and no others",
        }
