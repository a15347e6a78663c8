"""Ctrl-C in a real terminal, and a caller that is killed: in whatever phase, it is known afterwards what happened."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.event import WorkFinished
from seedbed.remote.records import Happened, Run, decoded
from tests.support.afar import IMAGE, Afar
from tests.support.aws_proxy import Proxy, on
from tests.support.fargate import Fargate, Image
from tests.support.processes import until
from tests.support.projects import clean_environment, command
from tests.support.terminal import Terminal, terminal


@contextmanager
def called(afar: Afar, *words: str) -> Iterator[Terminal]:
    """Call a command in the environment, in a terminal of its own."""
    env = clean_environment({**afar.aws, "TERM": "dumb"})
    with terminal(command(*words, "-e", afar.name), afar.files.root, env) as running:
        yield running


def ended(afar: Afar) -> Run:
    """Return the run of the environment, which is to be the only one, and over."""
    (listed,) = afar.control.runs()
    run = afar.control.run(listed.id)
    assert run is not None
    assert run.state == "done"
    assert afar.control.writing() == ""
    return run


def sleeps(server: EmbeddedServer, afar: Afar) -> Callable[[], bool]:
    def is_at_it() -> bool:
        with psycopg.connect(**server.dsn("postgres"), autocommit=True) as connection:  # type: ignore[arg-type]
            text = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND query LIKE '%%pg_sleep%%' AND state = 'active'"
            return bool(connection.execute(text, [afar.variables["DB_NAME"]]).fetchall())

    return is_at_it


def tables(server: EmbeddedServer, afar: Afar) -> list[str]:
    with psycopg.connect(**server.dsn(afar.variables["DB_NAME"])) as connection:  # type: ignore[arg-type]
        found = connection.execute("SELECT relname FROM pg_class WHERE relname ~ '^t[0-9]$' ORDER BY 1")
        return [name for (name,) in found.fetchall()]


def test_ctrl_c_before_there_is_a_task_touches_nothing(afar: Afar, tasks: Fargate) -> None:
    tasks.without_capacity = 1_000
    afar.files.tables(1)
    with called(afar, "apply") as running:
        assert until(lambda: "no room for the task" in running.shown, 30)
        running.press()
        assert running.ended() == 130, running.shown
    assert tasks.tasks == []
    assert "nothing was touched" in running.shown
    assert (ended(afar).exit_code, ended(afar).worker) == (130, "")


def test_ctrl_c_twice_while_ecs_is_silent_leaves_and_says_that_a_task_may_begin(
    afar: Afar, tasks: Fargate, aws: Proxy
) -> None:
    afar.files.tables(1)
    with aws.hold("RunTask") as held, called(afar, "apply") as running:
        held.wait_until_inside()
        for _ in range(2):
            running.press()
            time.sleep(0.5)  # two signals at once are one
        assert running.ended() == 130, running.shown
    assert "left before it was known whether the run begins" in running.shown
    assert f"seedbed runs list -e {afar.name}" in running.shown


def test_ctrl_c_while_the_task_is_provisioned_ends_it_and_touches_nothing(
    afar: Afar, tasks: Fargate, postgres_server: EmbeddedServer
) -> None:
    tasks.start = 60.0
    afar.files.tables(1)
    with called(afar, "apply") as running:
        assert until(lambda: "the task is provisioning" in running.shown, 30)
        running.press()
        assert running.ended() == 130, running.shown
    assert "nothing was touched" in running.shown
    run = ended(afar)
    assert (run.exit_code, run.because, run.worker) == (130, "Ctrl-C", "")
    assert tasks.tasks[0].told["desiredStatus"] == "STOPPED"
    assert tables(postgres_server, afar) == []


@pytest.fixture
def image(tasks: Fargate, aws: Proxy, tmp_path: Path) -> None:
    """Have tasks run this seedbed."""
    more = {"AWS_ENDPOINT_URL": aws.endpoint, "LANG": "C.UTF-8"}
    tasks.images[IMAGE] = Image({"python": [sys.executable]}, environment=more, directory=tmp_path)


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.slow(25)
def test_ctrl_c_while_a_statement_runs_rolls_it_back_and_twice_ends_the_task(
    afar: Afar, tasks: Fargate, aws: Proxy, postgres_server: EmbeddedServer, presses: int
) -> None:
    afar.files.tables(1)
    afar.files.migration("20260102000000_sleeps", "CREATE TABLE t2 (id int); SELECT pg_sleep(600);", "")
    with called(afar, "apply") as running:
        assert until(sleeps(postgres_server, afar), 60), running.shown
        if presses == 2:  # the record does not hear of the first one
            aws.refuse(on("UpdateItem", containing="SET #stop"), "ThrottlingException")
        running.press()
        assert until(lambda: "again ends its task" in running.shown, 10)
        if presses == 2:
            running.press()
        assert running.ended() == 130, running.shown
    run, why = ended(afar), tasks.wait().told.get("stoppedReason", "")
    expected = (0, 143, True) if presses == 2 else (130, 130, False)
    assert (run.stop, run.exit_code, "Ctrl-C twice" in why) == expected
    assert until(lambda: not sleeps(postgres_server, afar)(), 10)
    assert tables(postgres_server, afar) == ["t1"]


@pytest.mark.slow
def test_of_a_caller_that_was_killed_nothing_is_lost_and_nothing_told_twice(
    afar: Afar, postgres_server: EmbeddedServer
) -> None:
    afar.files.tables(2)
    afar.files.migration("20260102000000_sleeps", "SELECT pg_sleep(2);", "")
    afar.files.migration("20260103000000_last", "CREATE TABLE t3 (id int);", "")
    with afar.waited_on():
        with afar.start("apply", "-e", afar.name) as process:
            assert until(sleeps(postgres_server, afar), 30)
            process.kill()
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        (run,) = afar.control.runs()
        attached = afar.call("runs", "attach", run.id)
        assert afar.call("runs", "attach", run.id).err == attached.err  # and so whenever it is shown again
    assert attached.code == 0, attached.everything
    lines = [decoded(line) for _, each in afar.control.lines(run.id) for line in each]
    told = [
        each.event.version
        for each in lines
        if isinstance(each, Happened) and isinstance(each.event, WorkFinished)
    ]
    assert told == ["20260101000001", "20260101000002", "20260102000000", "20260103000000"]
    assert [attached.err.count(f"{version}_") for version in told] == [1, 1, 1, 1], attached.err
    assert tables(postgres_server, afar) == ["t1", "t2", "t3"]


def test_a_run_that_no_worker_has_taken_yet_is_withdrawn(afar: Afar, tasks: Fargate) -> None:
    tasks.start = 60.0
    afar.files.tables(1)
    id_ = afar.call("apply", "--detach").out.strip()
    stopped = afar.call("runs", "stop", id_)
    assert (stopped.code, "nothing was touched" in stopped.out) == (0, True), stopped.everything
    assert ended(afar).exit_code == 130
    attached = afar.call("runs", "attach", id_)
    assert (attached.code, "was not carried out" in attached.err) == (130, True), attached.everything
    assert tasks.tasks[0].told["desiredStatus"] == "STOPPED"
