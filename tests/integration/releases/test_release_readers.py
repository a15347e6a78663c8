"""Whether somebody still reads what a release removes, as PostgreSQL counts it between the steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.release import StepName
from seedbed.project.releasing.readers import LOOK
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
