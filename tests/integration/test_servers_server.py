"""The life cycle without an engine: any program can be a server."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from seedbed.errors import SandboxError
from seedbed.servers import locks
from seedbed.servers.identity import Identity
from seedbed.servers.server import Check, Preparation, Server, is_running, log_tail, running

ME = Identity("same", os.geteuid(), os.getegid())
SLEEPER = "import time; print('hello', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


def server(directory: Path, program: str = SLEEPER, **more: object) -> Server:
    settings: dict[str, object] = {
        "name": "a sleeper",
        "directory": directory,
        "argv": [sys.executable, "-I", "-c", program],
        "environment": {},
        "identity": ME,
        "ready": [Check("file", path=str(directory / "log"), contains="hello")],
        "stop": [(signal.SIGTERM, 0.3)],
        "start_seconds": 20.0,
        **more,
    }
    return Server(**settings)  # type: ignore[arg-type]


def gone(directory: Path, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while locks.is_held(directory / "supervisor.lock") or locks.holders(directory / "server.lock"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_server_runs_as_long_as_its_context(tmp_path: Path) -> None:
    with running(server(tmp_path)) as found:
        os.kill(found.server, 0)
        assert is_running(tmp_path)
    assert gone(tmp_path)


def test_a_server_that_ignores_its_stop_signal_is_killed(tmp_path: Path) -> None:
    with running(server(tmp_path, STUBBORN)):
        pass
    assert gone(tmp_path)
    assert "still there 0.3 s after signal 15" in (tmp_path / "log").read_text()


def test_what_a_killed_server_forked_is_gone_before_the_next_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child is in another session and knows nothing of its parent's death; only the lock it inherited tells."""
    monkeypatch.setattr("seedbed.servers.server.ORPHAN_SECONDS", 1.0)
    forking = f"import os, time; os.fork() or os.setsid(); {SLEEPER}"
    with running(server(tmp_path, forking)) as found:
        os.kill(found.supervisor, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while is_running(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert locks.holders(tmp_path / "server.lock")
        with running(server(tmp_path)) as again:
            assert locks.holders(tmp_path / "server.lock") == {again.server, again.supervisor}
    assert gone(tmp_path)


def test_a_server_that_ends_at_once_shows_its_log_tail(tmp_path: Path) -> None:
    with (
        pytest.raises(SandboxError, match="no such luck"),
        running(server(tmp_path, "raise SystemExit('no such luck')")),
    ):
        pass
    assert gone(tmp_path)


def test_a_server_that_never_gets_ready_is_stopped(tmp_path: Path) -> None:
    never = server(tmp_path, "import time; time.sleep(600)", start_seconds=0.5)
    with pytest.raises(SandboxError, match=r"not ready after 0\.5 s"), running(never):
        pass
    assert gone(tmp_path)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(SandboxError, match="cannot run /nonexistent"),
        running(server(tmp_path, argv=["/nonexistent"])),
    ):
        pass


def test_a_failed_preparation_is_not_taken_for_done(tmp_path: Path) -> None:
    made, data = tmp_path / "data.new", tmp_path / "data"
    failing = [sys.executable, "-c", f"open({str(made / 'half')!r}, 'w'); raise SystemExit('disk full')"]
    working = [sys.executable, "-c", f"open({str(made / 'whole')!r}, 'w')"]
    with (
        pytest.raises(SandboxError, match="disk full"),
        running(server(tmp_path, prepare=[Preparation(failing, made, data)])),
    ):
        pass
    assert not data.exists()
    with running(server(tmp_path, prepare=[Preparation(working, made, data)])):
        assert [file.name for file in data.iterdir()] == ["whole"]
    assert gone(tmp_path)


def test_no_environment_of_a_server_is_to_be_seen_by_others(tmp_path: Path) -> None:
    with running(server(tmp_path, environment={"PASSWORD": "secret"})) as found:
        assert b"secret" not in Path(f"/proc/{found.supervisor}/cmdline").read_bytes()
        assert (tmp_path / "server.json").stat().st_mode & 0o077 == 0
    assert gone(tmp_path)


def test_a_tcp_server_is_ready_when_it_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    program = (
        "import socket, time; time.sleep(0.3);"
        f"s = socket.create_server(('127.0.0.1', {port}));"
        "\nwhile True:\n  c, _ = s.accept(); c.recv(4); c.sendall(b'pong'); c.close()"
    )
    check = Check("tcp", port=port, says=b"ping".hex(), hears=b"pong".hex())
    with (
        running(server(tmp_path, program, ready=[check])),
        socket.create_connection(("127.0.0.1", port)) as connection,
    ):
        connection.sendall(b"ping")
        assert connection.recv(4) == b"pong"
    assert gone(tmp_path)


def test_a_command_can_say_that_a_server_is_ready(tmp_path: Path) -> None:
    check = Check("command", argv=("/bin/sh", "-c", f"grep -q hello {tmp_path}/log"))
    with running(server(tmp_path, ready=[check])):
        assert "hello" in log_tail(server(tmp_path))
    assert gone(tmp_path)


def test_an_executed_child_of_an_owner_does_not_own_the_server(tmp_path: Path) -> None:
    with running(server(tmp_path)):
        child = os.posix_spawn("/bin/sleep", ["sleep", "30"], {})
    try:
        assert gone(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
