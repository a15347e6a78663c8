"""A release whose operator is killed at each change of its record, and in the midst of each command, goes on."""

from __future__ import annotations

import itertools
import signal
import time

import pytest

from seedbed.model.release import StepName
from tests.support.postgres.wire import connected
from tests.support.released import ENV, Users

WRITES = 22  # more than the record of this release has changes


def killed_at(users: Users, write: int, delay: float) -> bool:
    """Take steps, and kill that `delay` seconds after the record's change number `write`; False: it ended before."""
    before = users.release.revision
    running = users.start("release", "next", "-e", ENV)
    end = time.monotonic() + 120
    while running.poll() is None and users.release.revision < before + write:
        assert time.monotonic() < end
        time.sleep(0.001)
    time.sleep(delay if running.poll() is None else 0)
    running.send_signal(signal.SIGKILL)
    out, err = running.communicate()
    assert running.returncode in {0, -signal.SIGKILL}, (out, err)
    return running.returncode != 0


@pytest.mark.soak
@pytest.mark.parametrize(("write", "delay"), list(itertools.product(range(1, WRITES), (0.0, 0.25))))
def test_a_release_that_was_killed_anywhere_comes_to_the_same_end(
    site: Users, write: int, delay: float
) -> None:
    site.approve(StepName.CODE)
    site.approve(StepName.CONTRACT, reason="no reader since May")
    killed_at(site, write, delay)
    if site.release.state == "open":
        site.age()
    on = site.next()
    assert on.code == 0, on.everything
    release = site.release
    assert release.state == "closed"
    assert site.columns == ["display", "id"]
    for each in release.steps:
        assert each.is_over
        assert len(set(each.commands)) == len(each.commands)
    with connected(site.server, site.database) as connection:
        rows = connection.execute("SELECT version FROM seedbed.migrations_history ORDER BY 1").fetchall()
        assert [row[0] for row in rows] == [f"2026010100000{n}" for n in range(1, 5)]
