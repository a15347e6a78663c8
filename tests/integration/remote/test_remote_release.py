"""A release of an environment that is reached by a task: its records lie in the table, and the task looks there."""

from __future__ import annotations

import pytest

from seedbed.model.release import StepName
from seedbed.releases.table_store import TableStore
from tests.support.afar import Afar


@pytest.mark.slow
def test_the_task_carries_out_a_plan_only_while_its_step_is_taken(afar: Afar) -> None:
    root = afar.files.root
    (root / "seedbed.toml").write_text((root / "seedbed.toml").read_text() + "\n[release]\n")
    afar.files.tables(1)
    store = TableStore(afar.control.table, afar.control.bucket, afar.name)
    with afar.waited_on():
        assert afar.call("apply").code == 0
        afar.files.tables(1, first=2)
        with afar.start("release", "build", "-o", "release.tar") as building:
            assert building.wait(60) == 0, building.communicate()
        opened = afar.call("release", "open", "release.tar")
        assert opened.code == 0, opened.everything
        release = store.load(1)
        assert release is not None
        (root / "plan.json").write_bytes(store.get(release.step(StepName.EXPAND).plan))
        early = afar.call("apply", "plan.json")
        assert (early.code, "only while its step is being taken" in early.err) == (3, True), early.everything

        waits = afar.call("release", "next")
        assert waits.code == 6, waits.everything
        assert "t2" in waits.err
        late = afar.call("apply", "plan.json")
        assert (late.code, "only while its step is being taken" in late.err) == (3, True), late.everything
        words = ("--step", "code", "--digest", release.digest[:12])
        assert afar.call("release", "approve", *words).code == 0
        done = afar.call("release", "next")
        assert done.code == 0, done.everything
    closed = store.load(1)
    assert closed is not None
    assert (closed.state, closed.step(StepName.EXPAND).commands) == ("closed", ("apply",))
