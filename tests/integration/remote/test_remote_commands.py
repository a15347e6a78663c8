"""The command line where databases are reached by a task: whatever runs there, it is as if it ran here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from seedbed.aws import clients
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.files.platform import platform_digest
from seedbed.model.environment import Environment
from seedbed.project import Project
from seedbed.remote import place, warm
from seedbed.remote.control import Control
from seedbed.remote.files import pack
from seedbed.remote.records import Run, blob_of, new_id
from seedbed.remote.tasks import Tasks
from tests.support.afar import GROUP, IMAGE, PASSWORD, Afar, define, put_facts
from tests.support.aws_proxy import Proxy
from tests.support.fargate import Fargate, Image
from tests.support.forked import Forked
from tests.support.processes import until
from tests.support.projects import Ran, clean_environment, command
from tests.support.remote import asked

ON_THE_WAY = (
    "run 0",
    "a warm worker",
    "waiting for a worker",
    "the task is",
)  # what only who waits for a task is told


def emptied(afar: Afar, server: EmbeddedServer) -> None:
    """Bring the database back to what it was at first."""
    with psycopg.connect(**server.dsn(afar.variables["DB_NAME"]), autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE; DROP SCHEMA IF EXISTS seedbed CASCADE")
        connection.execute("CREATE SCHEMA public")


def plain(text: str) -> str:
    """Return a text without times, ids, process ids and what a task says of stacks: two runs of one command are alike."""
    text = re.sub(r"(digest\"?:? \"?)[0-9a-f]{64}", r"\1DIGEST", text)  # of that, too
    text = re.sub(r"(stacks were not looked at: )?a task has no CDK app; [^\n\"]*(\n\n)?", "", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00| UTC|Z)?", "TIME", text)
    text = re.sub(r"<?\b\d+(\.\d+)? (ms|s)\b", "DURATION", text)
    text = re.sub(r'("(?:seconds|waited|began|ended|at)": )[\d.e-]+', r"\1N", text)
    return re.sub(r"\bpid \d+|\b[0-9a-f]{32}\b", "ID", text)


def same(ours: Ran, theirs: Ran) -> None:
    """Assert that two calls ended with the same code and the same words."""
    assert (ours.code, plain(ours.out)) == (theirs.code, plain(theirs.out)), ours.err
    lines = [line for line in plain(ours.err).splitlines() if not line.startswith(ON_THE_WAY)]
    assert lines == plain(theirs.err).splitlines()


def fine(afar: Afar) -> None:
    afar.files.tables(2)


def fails(afar: Afar) -> None:
    afar.files.migration("20260102000000_bad", "INSERT INTO missing VALUES (1);", "SELECT 1;")


def half(afar: Afar) -> None:
    fine(afar)
    fails(afar)


def wrong(afar: Afar) -> None:
    afar.files.migration("20260102000000_commits", "CREATE TABLE a (id int);\nCOMMIT;", "")


def twice(afar: Afar) -> None:
    afar.files.migration("20260101000001_a", "SELECT 1;")
    afar.files.migration("20260101000001_b", "SELECT 1;")


MORE = {
    "done, for people",
    "a wrong call",
    "a plan",
    "in colours",
}  # only in soak: each is a second of a processor
CASES: list[tuple[str, Callable[[Afar], None], list[str], int]] = [
    ("done", fine, ["apply", "--json"], 0),
    ("done, for people", fine, ["apply", "-v"], 0),
    ("a wrong file", wrong, ["apply", "--json"], 2),
    ("a wrong call", fine, ["apply", "-s", "nobody"], 2),
    ("refused", twice, ["apply", "--json"], 3),
    ("partly", half, ["apply", "--json"], 5),
    ("found", fine, ["status", "--fresh", "--exit-code"], 6),
    ("failed", fails, ["apply", "-q"], 7),
    ("a plan", fine, ["plan", "--fresh", "--json"], 0),
    ("not confirmed", fine, ["reset"], 3),
    ("in colours", fine, ["status", "--fresh", "--color", "always"], 0),
]


@pytest.mark.parametrize(
    ("prepare", "words", "code"),
    [
        pytest.param(*case[1:], id=case[0], marks=[pytest.mark.soak] if case[0] in MORE else [])
        for case in CASES
    ],
)
def test_a_command_ends_in_a_task_as_it_ends_here(
    prepare: Callable[[Afar], None],
    words: list[str],
    code: int,
    afar: Afar,
    postgres_server: EmbeddedServer,
) -> None:
    prepare(afar)
    here = afar.here(*words)
    assert here.code == code, here.everything
    emptied(afar, postgres_server)
    with afar.waited_on():
        there = afar.call(*words)
    same(there, here)
    (run,) = afar.control.runs()
    assert (run.state, run.exit_code, run.command) == ("done", code, words[0])


def test_a_database_that_does_not_answer_is_unavailable_from_the_task_too(afar: Afar) -> None:
    fine(afar)
    away = {"DB_PORT": "1"}
    with afar.waited_on(away):
        same(afar.call("apply", "--json"), afar.here("apply", "--json", env=away))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_the_task(
    number: signal.Signals, code: int, afar: Afar, postgres_server: EmbeddedServer
) -> None:
    afar.files.migration("20260102000000_sleeps", "CREATE TABLE t (id int); SELECT pg_sleep(600);", "")
    with afar.waited_on(), afar.start("apply", "--json", "-e", afar.name) as process:
        assert until(lambda: sleeps(postgres_server, afar), 30)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert json.loads(out)["exit_code"] == code
    assert not sleeps(postgres_server, afar)


def sleeps(server: EmbeddedServer, afar: Afar) -> bool:
    with psycopg.connect(**server.dsn("postgres"), autocommit=True) as connection:  # type: ignore[arg-type]
        text = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND query LIKE '%%pg_sleep%%' AND state = 'active'"
        return bool(connection.execute(text, [afar.variables["DB_NAME"]]).fetchall())


def test_errors_stand_beside_their_lines_on_github_too(afar: Afar, postgres_server: EmbeddedServer) -> None:
    fails(afar)
    github = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(afar.files.root.parent)}
    here = afar.here("apply", env=github)
    emptied(afar, postgres_server)
    with afar.waited_on():
        there = afar.call("apply", env=github)
        same(there, here)
        assert "::error title=seedbed%3A user/postgres,file=project/services/user/" in there.err
        wrong(afar)
        there = afar.call("apply", env=github)
        same(there, afar.here("apply", env=github))
        assert ",file=project/services/user/" in there.err


def test_a_plan_file_comes_back_and_goes_there_again(afar: Afar) -> None:
    fine(afar)
    here = afar.here("plan", "--out", "plan.json")
    plan = afar.files.root / "plan.json"
    made_here = plan.read_bytes()
    with afar.waited_on():
        same(afar.call("plan", "--fresh", "--out", "plan.json"), here)  # over what is there, as here
        assert plain(plan.read_text()) == plain(made_here.decode())
        nowhere = afar.call("plan", "--fresh", "--out", "nowhere/plan.json")
        same(nowhere, afar.here("plan", "--out", "nowhere/plan.json"))
        assert nowhere.code == 2
        absolute = str(plan.with_name("more.json"))
        assert f"written to {absolute}" in afar.call("plan", "--fresh", "--out", absolute).err
        applied = afar.call("apply", "plan.json")
        assert applied.code == 0, applied.everything
        assert afar.call("apply", "plan.json", "-s", "user").code == 2
    listing = afar.control.runs(most=2)[1]
    assert (listing.command, listing.argv[-1]) == ("apply", "plan.json")
    assert sorted(each.name for each in afar.files.root.glob("*.json")) == ["more.json", "plan.json"]
    assert not list(afar.files.root.glob(".*.json*"))


def test_a_developers_environment_comes_up_by_its_task(afar: Afar) -> None:
    fine(afar)
    afar.files.seed("01_t1.csv", "id\n1\n")
    with afar.waited_on(), afar.start("env", "up", afar.name) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    assert [(each.command, "--seed" in each.argv) for each in afar.control.runs()] == [("apply", True)]
    assert f"{afar.name} is up: 2 migrations applied, 1 row inserted or updated in" in out
    assert "20260101000002_t2  applied" in err


def test_what_breaks_off_in_a_task_ends_in_its_record(afar: Afar, postgres_server: EmbeddedServer) -> None:
    fine(afar)
    afar.files.seed("01_t1.py", "# seedbed: table=t1\ndef rows():\n    raise SystemExit(9)\n    yield {}\n")
    assert afar.here("apply").code == 0
    here = afar.here("seed", "--json")
    with afar.waited_on():
        same(afar.call("seed", "--json"), here)
    (run,) = afar.control.runs()
    assert (run.state, run.exit_code) == ("done", here.code)


def test_somebody_at_a_terminal_is_asked_there(afar: Afar) -> None:
    fine(afar)
    with afar.waited_on():
        assert afar.call("apply").code == 0
        for typed, code in ((b"n\n", 130), (b"y\n", 0)):
            keyboard, terminal = os.openpty()
            with afar.start("reset", "-e", afar.name, stdin=terminal) as process:
                os.close(terminal)
                os.write(keyboard, typed)
                out, err = process.communicate(timeout=60)
            os.close(keyboard)
            assert f"Empty user/postgres in {afar.name}? [y/N]" in err
            assert process.returncode == code, out + err
        assert "3 " not in afar.call("status", "--fresh", "--summary").out


def test_a_terminal_shows_it_live(afar: Afar) -> None:
    fine(afar)
    screen, terminal = os.openpty()
    with (
        afar.waited_on(),
        afar.start(
            "apply", "-e", afar.name, env={"TERM": "xterm", "NO_COLOR": ""}, stderr=terminal
        ) as process,
    ):
        os.close(terminal)
        shown = b""
        with suppress(OSError):  # the other end is closed
            while data := os.read(screen, 65_536):
                shown += data
        out, _ = process.communicate(timeout=60)
    os.close(screen)
    assert process.returncode == 0, out
    assert "✓" in shown.decode()
    assert "2 applied" in shown.decode()
    lines = [line for _, each in afar.control.lines(afar.control.runs()[0].id) for line in each]
    assert any('"totals":{"user/postgres":2}' in line for line in lines)


def test_no_secret_is_in_the_record_the_bucket_or_the_log(afar: Afar) -> None:
    fine(afar)
    afar.files.seed(
        "01_t1.py",
        "# seedbed: table=t1\nimport os\n\n\ndef rows():\n    said = os.environ['DB_PASSWORD']\n"
        "    print(said, flush=True)\n    raise ValueError(f'it is {said}')\n    yield {'id': 1}\n",
    )
    with afar.waited_on():
        assert afar.call("apply").code == 0
        ran = afar.call("seed", "-vv", "--json")
        planned = afar.call("plan", "--fresh", "--out", "plan.json", "-vv")
    assert ran.code not in {0, 4}, ran.everything
    assert "it is ********" in ran.everything
    cloud, found = afar.control.table.cloud, [ran.everything, afar.log, planned.everything]
    found.append((afar.files.root / "plan.json").read_text())
    failed = next(each.id for each in afar.control.runs() if each.command == "seed")
    told = [afar.call(*words).everything for words in (["runs", "--json"], ["runs", "attach", failed])]
    assert "it is ********" in told[1]
    found += told
    found.append(
        json.dumps(clients.call(cloud, "dynamodb", "Scan", TableName=afar.control.table.name), default=repr)
    )
    listed = clients.call(cloud, "s3", "ListObjectsV2", Bucket=afar.control.bucket.name)
    found += [repr(afar.control.bucket.get(each["Key"])) for each in listed.get("Contents", ())]
    assert "it is ********" in found[1]
    assert [PASSWORD in each for each in found] == [False] * len(found)


def test_a_run_that_nobody_waits_for_is_listed_followed_and_stopped(
    afar: Afar, postgres_server: EmbeddedServer
) -> None:
    fine(afar)
    assert "no run in dev-" in afar.call("runs").out
    assert (afar.call("runs", "attach").code, "has no run yet" in afar.call("runs", "attach").err) == (
        2,
        True,
    )
    with afar.waited_on():
        left = afar.call("apply", "--json", "--detach")
        assert left.code == 0, left.everything
        id_ = left.out.strip()
        assert f"seedbed runs attach -e {afar.name} {id_}" in left.err
        followed = afar.call("runs", "attach", id_)
        assert (followed.code, followed.document["changed"]) == (0, True)
        assert followed.out == afar.call("runs", "attach", id_).out == afar.call("runs", "attach").out
        (listed,) = afar.call("runs", "--json").document["runs"]
        assert (listed["id"], listed["called"], listed["exit_code"]) == (id_, "apply", 0)
        afar.files.migration("20260102000000_sleeps", "SELECT pg_sleep(600);", "")
        id_ = afar.call("apply", "--detach").out.strip()
        assert until(lambda: sleeps(postgres_server, afar), 30)
        busy = afar.call("seed")
        assert (busy.code, f"seedbed runs attach -e {afar.name} {id_}" in busy.err) == (4, True)
        assert "asked to stop" in afar.call("runs", "stop", id_).out
        assert afar.call("runs", "attach", id_).code == 130
        assert "is over" in afar.call("runs", "stop", id_).out
    assert afar.call("runs", "attach", "0" * 26).code == 2
    assert "dev-other has no run" in put_elsewhere(afar, id_).err


def put_elsewhere(afar: Afar, id_: str) -> Ran:
    """Ask another environment, that has the same table, for a run."""
    facts = {"control": {"table": afar.control.table.name, "bucket": afar.control.bucket.name}}
    put_facts(afar.control.table.cloud, "sample", "dev-other", facts)
    with afar.start("runs", "attach", id_, "-e", "dev-other") as process:
        out, err = process.communicate(timeout=60)
    return Ran(process.returncode, out, err)


def test_what_has_no_effect_or_may_not_be_is_refused(afar: Afar) -> None:
    text = (afar.files.root / "seedbed.toml").read_text()
    (afar.files.root / "seedbed.toml").write_text(
        text.replace("[environments.prod]\n", '[environments.prod]\naccess = "task"\n')
    )
    for words, code, said in (
        (["status", "-e", "prod", "--local"], 3, "--local is refused in prod"),
        (["status", "-e", "staging", "--detach"], 2, "--detach has no effect in staging"),
        (["plan", "-e", afar.name, "--detach", "--out", "p"], 2, "which --detach would leave in the bucket"),
        (["runs", "-e", "staging"], 2, "no command runs in a task in staging"),
        (["status", "-e", "dev-new"], 2, "dev-new was never deployed"),
    ):
        with afar.start(*words) as process:
            _, err = process.communicate(timeout=60)
        assert (process.returncode, said in err) == (code, True), err


def test_a_record_has_nothing_carried_out_that_its_task_may_not(afar: Afar, tmp_path: Path) -> None:
    """Who may write into the table may write any record: the task's definition has the last word."""
    fine(afar)
    sent = afar.control.put_files(pack(afar.files.root)[0])
    right: dict[str, Any] = {
        "command": "status",
        "argv": ("-e", afar.name),
        "environment": afar.name,
        "writes": False,
    }
    inside = {"SEEDBED_FILES": "image"}
    databases = Project.open(afar.files.root).platform.databases
    digest = platform_digest(afar.files.root, [Path(each.directory) for each in databases])
    whole = {"files": sent, "platform_digest": digest}
    cases: tuple[tuple[dict[str, Any], dict[str, str], str], ...] = (
        ({"files": sent}, inside, f"{afar.name} carries out the files of its image only"),
        ({"files": sent}, {"SEEDBED_FILES": ""}, f"{afar.name} carries out the files of its image only"),
        ({"environment": "dev-other"}, {}, f"the run is for dev-other, and this task is {afar.name}'s"),
        ({"argv": ("-e", "prod")}, {}, f"the run is for {afar.name}, and its arguments name prod"),
        ({"command": "init"}, {}, "a task does not carry out 'init'"),
        ({"command": "env"}, {}, "a task does not carry out 'env'"),
        ({"command": "nothing"}, {}, "a task does not carry out 'nothing'"),
        ({"inputs": {"../../found": blob_of(b"x")}}, {}, "leads out of the run's directory"),
        (
            {**whole, "command": "apply", "argv": ("-e", afar.name, "/proc/self/environ")},
            {},
            "'/proc/self/environ' is no file of the run",
        ),
        (
            {**whole, "command": "plan", "argv": ("-e", afar.name, f"--out={tmp_path / 'found'}")},
            {},
            "found' is no file of the run",
        ),
    )
    for more, extra, said in cases:
        ask = asked(**{**right, **more})
        id_ = new_id()
        if "inputs" in more:
            ask = msgspec.structs.replace(ask, inputs={"../../found": afar.control.store(id_, b"x", ask)})
        assert afar.control.create(id_, ask) == ""
        ended = by_hand(afar, id_, extra)
        assert ended.exit_code == 3, said
        told = "".join(line for _, lines in afar.control.lines(id_) for line in lines)
        assert said in told
    assert not list(tmp_path.rglob("found"))


def by_hand(afar: Afar, id_: str, extra: dict[str, str]) -> Run:
    """Carry out a run as its task does, and return how it ended."""
    ran = Forked(
        command("--run", id_),
        cwd=afar.files.root.parent,
        env=clean_environment({**afar.inside, **extra}),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with ran:
        ran.communicate(timeout=60)
    run = afar.control.run(id_)
    assert run is not None
    return run


def test_a_task_has_the_files_of_its_image_and_no_others(
    afar: Afar, tasks: Fargate, aws: Proxy, tmp_path: Path
) -> None:
    fine(afar)
    manifest = afar.files.root / "seedbed.toml"
    manifest.write_text(manifest.read_text() + '[environments."dev-*".task]\nfiles = "image"\n')
    image = tmp_path / "image"
    shutil.copytree(afar.files.root, image)
    more = {"AWS_ENDPOINT_URL": aws.endpoint, "LANG": "C.UTF-8"}
    tasks.images[IMAGE] = Image({"python": [sys.executable]}, environment=more, directory=image)
    ran = afar.call("apply", "--json", "-v")
    assert ran.code == 0, ran.everything
    assert ran.document["changed"] is True
    task = tasks.wait()
    assert task.told["containers"][0]["exitCode"] == 0
    assert f"in task {task.arn.rpartition('/')[2]}; its log is in {GROUP}" in ran.err
    assert f"log-events/seedbed$252Fseedbed$252F{task.arn.rpartition('/')[2]}" in ran.err
    assert afar.control.bucket.get("files/") is None
    afar.files.tables(1, first=3)
    other = afar.call("status", "--fresh", "--json")
    assert other.code == 3
    assert "the task has other files than the caller" in other.document["errors"][0]["error"]
    assert not any(afar.judge.refused.values())


def test_who_starts_a_task_with_other_variables_has_the_same_carried_out(
    afar: Afar, tasks: Fargate, aws: Proxy, network: dict[str, str], tmp_path: Path
) -> None:
    """Its definition says `image`, and IAM lets whoever may start it give it any variables."""
    fine(afar)
    found = tmp_path / "found"
    more = {"AWS_ENDPOINT_URL": aws.endpoint, "LANG": "C.UTF-8"}
    tasks.images[IMAGE] = Image({"python": [sys.executable]}, environment=more, directory=tmp_path)
    cloud, bound = afar.control.table.cloud, {**afar.variables, "SEEDBED_FILES": "image"}
    ask = asked(afar.name, files=afar.control.put_files(pack(afar.files.root)[0]))
    id_ = new_id()
    assert afar.control.create(id_, ask) == ""
    given = {
        "SEEDBED_FILES": "upload",
        "SEEDBED_ENV": "dev-other",
        # A warning's category is imported; this module starts a browser.
        "PYTHONWARNINGS": "all:0:antigravity.x:0:0",
        "BROWSER": f"/bin/sh -c 'touch {found}' #%s",
    }
    clients.call(
        cloud,
        "ecs",
        "RunTask",
        cluster=network["cluster"],
        taskDefinition=define(cloud, bound),
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": [network["subnets"]],
                "securityGroups": [network["security-group"]],
            }
        },
        overrides={
            "containerOverrides": [
                {
                    "name": "seedbed",
                    "command": ["--run", id_],
                    "environment": [{"name": name, "value": value} for name, value in given.items()],
                }
            ]
        },
    )
    assert tasks.wait().exit_code == 3
    told = "".join(line for _, lines in afar.control.lines(id_) for line in lines)
    assert f"{afar.name} carries out the files of its image only" in told
    assert not found.exists()


def test_a_worker_that_waits_takes_runs_until_it_is_ended(
    afar: Afar, tasks: Fargate, aws: Proxy, tmp_path: Path
) -> None:
    fine(afar)
    more = {"AWS_ENDPOINT_URL": aws.endpoint, "LANG": "C.UTF-8"}
    tasks.images[IMAGE] = Image({"python": [sys.executable]}, environment=more, directory=tmp_path)
    begun = afar.call("runs", "warm")
    assert (begun.code, "begins to wait for runs" in begun.out) == (0, True), begun.everything
    assert until(lambda: afar.control.warm() is not None, 30)
    again = afar.call("runs", "warm")
    assert (again.code, "waits for runs already" in again.out) == (0, True), again.everything
    ran = afar.call("apply", "--json")
    assert (ran.code, ran.document["changed"]) == (0, True), ran.everything
    assert "by a worker that was waiting for one" in ran.err
    ended = afar.call("runs", "warm", "--end")
    assert (ended.code, f"ended: {tasks.tasks[0].arn}" in ended.out) == (0, True), ended.everything
    assert (len(tasks.tasks), tasks.tasks[0].exit_code) == (1, 0)
    assert afar.call("runs", "warm", "--end").out == "no worker waits for runs\n"


def test_destroy_ends_the_worker_that_waits_and_none_of_a_neighbour_in_the_same_cluster(
    afar: Afar, tasks: Fargate
) -> None:
    tasks.images[IMAGE] = Image({"python": ["/bin/sh", "-c", "exec sleep 60"]})
    assert afar.call("runs", "warm").code == 0
    task = tasks.wait("RUNNING")
    afar.control.warm_beat(task.arn)
    table = afar.control.table
    there = place.find(table.cloud, "sample", Environment(afar.name)).require_task()
    warm.begin(Control(table, afar.control.bucket, "dev-ben"), Tasks(table.cloud, there))
    neighbour = tasks.tasks[1]
    ran = afar.call("destroy", "--yes")
    assert (ran.code, task.status) == (0, "STOPPED"), ran.everything
    assert neighbour.status != "STOPPED"
    neighbour.end()
    assert "which waits for runs, is being ended" in ran.err


def test_no_worker_waits_where_data_is_to_stay(afar: Afar) -> None:
    manifest = afar.files.root / "seedbed.toml"
    declared = "[environments.staging]\n"
    manifest.write_text(manifest.read_text().replace(declared, f'{declared}access = "task"\n'))
    with afar.start("runs", "warm", "-e", "staging") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "not an ephemeral environment" in err) == (3, True), out + err
