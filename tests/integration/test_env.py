"""Environments started, ended and listed: the sandbox kept between commands, the others deployed, applied and seeded."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.environments.sandbox import servers
from seedbed.errors import SandboxError
from seedbed.servers import locks
from tests.support.postgres.clusters import furnish
from tests.support.processes import alive, until
from tests.support.projects import ProjectFiles, run, variables


@pytest.fixture
def project(short_path: Path, cluster: Path) -> ProjectFiles:
    """A project of two PostgreSQL databases, where the sandbox's socket has directory."""
    furnish(short_path / ".seedbed" / "sandbox", cluster)
    files = ProjectFiles(short_path, ("user", "payment"))
    files.tables(2)
    files.seed("010_t1.csv", "id\n1\n2\n")
    return files


def supervisors(root: Path) -> list[Path]:
    """Return the locks of the supervisors that live in the project's sandbox."""
    found = (root / ".seedbed").rglob("supervisor.lock")
    return [each for each in found if locks.is_held(each)]


def daemons(root: Path) -> list[int]:
    return [json.loads(each.read_text())["pid"] for each in (root / ".seedbed").rglob("daemons/*.json")]


def test_the_sandbox_runs_between_commands_until_it_is_ended(project: ProjectFiles) -> None:
    root = project.root
    up = run(root, "env", "up", "sandbox", "-s", "user")
    assert up.code == 0, up.everything
    assert up.out.startswith("user/postgres\n  USER_DB_HOST=/")
    assert up.out.endswith("  USER_DB_NAME=user\n")
    [lock] = supervisors(root)
    before = json.loads((lock.parent / "state.json").read_text())
    assert run(root, "env", "up", "sandbox").code == 0
    assert len(daemons(root)) == 2  # the second one keeps what the first does not
    assert run(root, "apply", "-e", "sandbox").code == 0
    assert json.loads((lock.parent / "state.json").read_text()) == before  # the same server, all the time
    assert "sandbox  ephemeral  runs: payment/postgres, user/postgres\n" in run(root, "env", "list").out
    with embedded(root / ".seedbed" / "sandbox"):
        used = run(root, "env", "down", "sandbox")
    assert used.out.endswith("still used by another command: postgres-18\n")
    assert run(root, "env", "up", "sandbox").code == 0
    down = run(root, "env", "down", "sandbox")
    assert down.out == "stopped; the data is kept: payment/postgres, user/postgres\n"
    assert supervisors(root) == []
    assert daemons(root) == []
    assert run(root, "status", "-e", "sandbox", "--exit-code").code == 0  # what was applied is there


def test_a_machine_reads_where_the_sandbox_is_and_what_runs(project: ProjectFiles) -> None:
    root = project.root
    up = run(root, "env", "up", "sandbox", "-s", "user", "--json")
    [found] = json.loads(up.out)["databases"]
    assert found["database"] == "user/postgres"
    assert found["variables"]["USER_DB_NAME"] == "user"
    listed = json.loads(run(root, "env", "list", "--json").out)["environments"]
    assert {each["pattern"]: each["runs"] for each in listed} == {
        "sandbox": ["user/postgres"],
        "dev-*": [],
        "staging": [],
        "prod": [],
    }
    assert run(root, "env", "down", "sandbox").code == 0
    assert json.loads(run(root, "env", "list", "--json").out)["environments"][0]["runs"] == []


def test_servers_end_with_a_daemon_that_is_killed(project: ProjectFiles) -> None:
    root = project.root
    assert run(root, "env", "up", "sandbox", "-s", "user").code == 0
    assert run(root, "env", "up", "sandbox", "-s", "user").code == 0
    [pid] = daemons(root)  # what is kept already is not kept twice
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not supervisors(root))
    assert "sandbox  ephemeral  does not run\n" in run(root, "env", "list").out
    assert run(root, "env", "down", "sandbox").out == "no server of the sandbox was running\n"


def test_servers_end_with_the_sandbox_that_is_deleted(project: ProjectFiles) -> None:
    root = project.root
    assert run(root, "env", "up", "sandbox", "-s", "user").code == 0
    [pid] = daemons(root)
    shutil.rmtree(root / ".seedbed")
    assert until(lambda: not alive(pid))


def _environment(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/environ").read_bytes().decode()
    return dict(each.split("=", 1) for each in text.split("\0") if each)


@pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="there is no /proc to read environments from"
)
def test_what_goes_on_after_a_command_has_none_of_its_credentials(project: ProjectFiles) -> None:
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "s3cr3t",
        "DB_PASSWORD": "s3cr3t",
        "HTTPS_PROXY": "http://a:s3cr3t@proxy:1",
    }
    assert run(project.root, "env", "up", "sandbox", "-s", "user", env=secrets).code == 0
    [lock] = supervisors(project.root)
    state = json.loads((lock.parent / "state.json").read_text())
    for pid in [*daemons(project.root), state["supervisor"], state["server"]]:
        found = _environment(pid)
        assert "s3cr3t" not in " ".join(found.values())
        assert "PATH" in found
    assert run(project.root, "env", "down", "sandbox").code == 0


def test_a_process_that_a_file_names_is_signalled_only_if_it_holds_the_file(project: ProjectFiles) -> None:
    assert run(project.root, "env", "up", "sandbox", "-s", "user").code == 0
    [path] = (project.root / ".seedbed").rglob("daemons/*.json")
    real = path.read_text()
    victim = subprocess.Popen(["sleep", "600"])
    try:
        path.write_text(json.dumps({**json.loads(real), "pid": victim.pid}))
        down = run(project.root, "env", "down", "sandbox")
        assert down.code == 4
        assert f"names process {victim.pid}, which does not hold it" in down.err
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()
        path.write_text(real)
    assert run(project.root, "env", "down", "sandbox").code == 0


def test_outside_of_a_platform_there_is_the_sandbox_and_this_machine(tmp_path: Path) -> None:
    assert run(tmp_path, "env", "list").out == "sandbox  ephemeral  does not run\n"
    doctor = run(tmp_path, "doctor")
    assert doctor.code == 0, doctor.everything
    assert "to start one: seedbed init" in doctor.out
    assert {"PostgreSQL", "Neo4j", "OpenSearch", "AWS"} <= {
        each.split()[0] for each in doctor.out.splitlines()
    }
    assert run(tmp_path, "doctor", "-e", "staging").code == 2
    assert list(tmp_path.iterdir()) == []


def test_another_environment_is_applied_and_seeded(
    files: ProjectFiles, postgres_server: EmbeddedServer, postgres_database: str
) -> None:
    database = dict(part.split("=") for part in postgres_database.split())["dbname"]
    files.tables(2)
    files.seed("010_t1.csv", "id\n1\n2\n")
    env = variables(postgres_server, database)
    up = run(files.root, "env", "up", "dev-test", env=env)
    assert up.code == 0, up.everything
    assert "user is ready after" in up.err
    assert "1 of 1" in up.err
    assert "2 migrations applied, 2 rows inserted or updated" in up.out
    again = run(files.root, "env", "up", "dev-test", "--json", env=env)
    said = json.loads(again.out)
    assert (again.code, said["changed"], said["stacks"]) == (0, False, [])
    assert [(each["service"], each["readiness"]) for each in said["services"]] == [("user", "ready")]
    assert run(files.root, "status", "-e", "dev-test", "--exit-code", env=env).code == 0


def test_a_platform_with_an_app_is_deployed_whatever_its_engines_are(files: ProjectFiles) -> None:
    (files.root / "cdk").mkdir()
    (files.root / "cdk" / "cdk.json").write_text('{"app": "python3 app.py"}')
    up = run(files.root, "env", "up", "dev-test")
    assert up.code == 2
    assert "dev-test has no region" in up.err  # where it is has to be said before anything else


def test_what_does_not_apply_is_not_seeded(
    files: ProjectFiles, postgres_server: EmbeddedServer, postgres_database: str
) -> None:
    database = dict(part.split("=") for part in postgres_database.split())["dbname"]
    files.migration("20260101000001_bad", "CREATE TABLE t (id nonsense);", "")
    up = run(files.root, "env", "up", "dev-test", env=variables(postgres_server, database))
    assert up.code == 7, up.everything
    assert "nonsense" in up.out
    assert "dev-test is not up: 0 of 1 service ready" in up.out
    assert "the same command goes on with the rest: seedbed env up dev-test" in up.out


def test_what_is_protected_is_neither_started_nor_ended(files: ProjectFiles) -> None:
    up = run(files.root, "env", "up", "prod")
    assert up.code == 3
    assert "prod is protected, and env up asks for no confirmation" in up.err
    assert run(files.root, "env", "down", "prod").code == 3
    assert run(files.root, "env", "down", "staging").code == 3
    assert run(files.root, "env", "up", "nowhere").code == 2


def test_what_is_left_out_of_an_environment_has_to_be_known_and_to_leave_something(
    files: ProjectFiles,
) -> None:
    nothing = run(files.root, "env", "up", "dev-test", "--without", "postgres")
    assert nothing.code == 2
    assert "--without postgres leaves no database" in nothing.err
    unknown = run(files.root, "env", "up", "dev-test", "--without", "oracle")
    assert unknown.code == 2
    assert "oracle" in unknown.err


def test_environments_are_listed_as_they_are_declared(files: ProjectFiles) -> None:
    listed = run(files.root, "env", "list").out.splitlines()
    assert [line.split() for line in listed] == [
        ["sandbox", "ephemeral", "does", "not", "run"],
        ["dev-*", "ephemeral", "111111111111"],
        ["staging", "222222222222"],
        ["prod", "protected", "333333333333"],
    ]


class Toy:
    """An engine whose server is nothing, and tells when it comes and goes."""

    def __init__(self, name: str, told: list[str], meet: threading.Barrier, *, fails: bool = False) -> None:
        self.name = name
        self.told = told
        self.meet = meet
        self.fails = fails

    @contextmanager
    def embedded(self, home: Path) -> Iterator[Toy]:
        self.meet.wait(60)  # all are here at once, or none gets on
        if self.fails:
            raise SandboxError(f"{self.name} did not start")
        self.told.append(f"{self.name} came")
        try:
            yield self
        finally:
            self.told.append(f"{self.name} went")

    def settings(self, database: str) -> dict[str, str]:
        return {"of": database}


def test_engines_start_side_by_side(tmp_path: Path) -> None:
    told: list[str] = []
    meet = threading.Barrier(2)
    one, other = Toy("one", told, meet), Toy("other", told, meet)
    databases: list[Any] = [("a/one", one), ("b/other", other), ("b/one", one)]
    with servers.running(databases, tmp_path) as settings:
        assert settings == {each: {"of": each} for each, _ in databases}
        assert sorted(told) == ["one came", "other came"]
    assert sorted(told) == ["one came", "one went", "other came", "other went"]


def test_one_that_does_not_start_takes_the_others_down_again(tmp_path: Path) -> None:
    told: list[str] = []
    meet = threading.Barrier(2)
    databases: list[Any] = [
        ("a/one", Toy("one", told, meet)),
        ("b/other", Toy("other", told, meet, fails=True)),
    ]
    with pytest.raises(SandboxError, match="other did not start"), servers.running(databases, tmp_path):
        pass
    assert told == ["one came", "one went"]
