"""Whether somebody still reads what a release removes, as PostgreSQL counts it between the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.release import StepName
from seedbed.project.releasing.readers import CLOSES, LOOK, OPENS
from tests.support.aws_proxy import proxy
from tests.support.ecs import Cluster
from tests.support.forked import DOOR
from tests.support.postgres.wire import connected
from tests.support.projects import ProjectFiles
from tests.support.released import ENV, Users

IMAGE, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64
RELEASE = """
[release]
approvals = {expand = 0, contract = 1}
soak = "0s"
store = ".seedbed/releases"
[[expectations]]
name = "it is read by verify"
database = "user/postgres"
query = "SELECT id FROM old WHERE id < 0"
"""


@pytest.fixture
def cluster(ministack_account: World) -> Iterator[tuple[Cluster, Mapping[str, str]]]:
    """A cluster of ECS with a task of the release, and the variables by which it is reached."""
    made = Cluster({"platform": "sample", "environment": ENV})
    made.service("api")
    made.task("service:api", IMAGE)
    with proxy(ministack_account.endpoint) as aws:
        made.serve(aws)
        yield (
            made,
            {
                "AWS_ACCESS_KEY_ID": ministack_account.account,
                "AWS_SECRET_ACCESS_KEY": "none-is-needed",
                "AWS_ENDPOINT_URL": aws.endpoint,
            },
        )


@pytest.mark.slow
def test_a_read_between_the_steps_closes_the_gate_as_an_old_task_does_and_those_of_the_steps_do_not(
    files: ProjectFiles,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
    cluster: tuple[Cluster, Mapping[str, str]],
    warm: str,
) -> None:
    files.manifest(["user"], RELEASE)
    manifest = files.root / "seedbed.toml"
    where = f'account = "{cluster[1]["AWS_ACCESS_KEY_ID"]}"\nregion = "eu-central-1"'
    manifest.write_text(manifest.read_text().replace('account = "333333333333"', where))
    files.migration("20260101000001_make", "CREATE TABLE old (id int);", "DROP TABLE old;")
    files.migration("20260101000002_fill", "UPDATE old SET id = id;", directives="phase=migrate")
    files.migration("20260101000003_drop", "DROP TABLE old;", directives="phase=contract")
    site = Users(files.root, postgres_server, new_database())
    site.env = {**site.env, **cluster[1], DOOR: warm}
    site.build(images={"api": f"repo@{IMAGE}"})
    assert site.open().code == 0
    site.next("--through", "expand")
    digest = site.release.digest[:12]
    assert site.run("release", "approve", "-e", ENV, "--step", "code", "--digest", digest).code == 0
    through = site.next("--through", "snapshot")
    assert through.code == 0, through.everything
    looks = [one for each in site.release.steps for one in each.evidence if one.kind == LOOK]
    assert [each.text for each in looks] == [OPENS, CLOSES, OPENS, CLOSES, OPENS]
    assert all(each.blob for each in looks)

    quiet = site.run("release", "check", "-e", ENV)
    assert (
        "open    readers: user/postgres: table old was not used; ECS: 1 task with images of the release, and no others"
        in quiet.everything
    )
    cluster[0].task("service:api", OLD, last="STOPPING", desired="STOPPED")
    stopping = site.run("release", "check", "-e", ENV)
    assert stopping.code == 6, stopping.everything
    assert "closed  readers: ECS: api has 1 task with other images" in stopping.everything
    cluster[0].tasks[-1]["lastStatus"] = "STOPPED"
    with connected(site.server, site.database) as connection:
        connection.execute(b"SELECT * FROM old")
        connection.execute(b"SELECT pg_stat_force_next_flush()")
    used = site.run("release", "check", "-e", ENV)
    assert "closed  readers: user/postgres: table old was used 1 time" in used.everything
    assert "ECS" not in used.everything
    site.approve(StepName.CONTRACT, reason="whatever")
    refused = site.next()
    assert (refused.code, "table old was used 1 time" in refused.err) == (6, True), refused.everything
    assert site.release.step(StepName.CONTRACT).state == "waiting"
