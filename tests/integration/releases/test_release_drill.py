"""A contract that waits until a snapshot was tried, and snapshots that stay while a release is open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.release import DRILL, StepName
from tests.support.forked import DOOR
from tests.support.projects import ProjectFiles
from tests.support.released import ENV, RELEASE, Users, write_users


@pytest.mark.slow
def test_a_contract_waits_until_a_snapshot_was_tried(
    tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str], warm: str
) -> None:
    write_users(ProjectFiles(tmp_path), f'{RELEASE}drill_max_age = "31d"\nsnapshot_keep = "30d"\n')
    site = Users(tmp_path, postgres_server, new_database())
    site.env = {**site.env, DOOR: warm}
    site.build()
    assert site.open().code == 0
    for step in (StepName.CODE, StepName.CONTRACT):
        site.approve(step, reason="it is no cluster of Aurora")
    waits = site.next("--through", "contract")
    assert (waits.code, "no snapshot of user/postgres was tried" in waits.err) == (6, True), waits.everything
    tried = site.run("release", "drill", "-e", ENV)
    assert tried.code == 0, tried.everything
    (found,) = [each for each in site.release.step(StepName.SNAPSHOT).evidence if each.kind == DRILL]
    assert (found.verdict, found.about) == ("unknown", "user/postgres")
    assert "is no cluster of Amazon Aurora" in site.run("release", "show", "-e", ENV).out
    done = site.next("--through", "contract")
    assert done.code == 0, done.everything
    kept = site.run("snapshot", "delete", "-e", ENV, "--release", "1", "--yes")
    assert (kept.code, "is no cluster of Amazon Aurora" in kept.everything) == (3, True), kept.everything
