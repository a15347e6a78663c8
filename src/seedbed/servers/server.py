"""Get a server running and own it: start it if it does not run, share it if it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from seedbed.errors import SandboxError
from seedbed.servers import locks, log
from seedbed.servers.identity import SUPERVISOR, Identity
from seedbed.servers.surroundings import surroundings

STOP_SECONDS = 90.0  # the most that a newcomer waits for the last server to be gone
ORPHAN_SECONDS = 10.0  # what is left of a killed server has this long to end before it is killed


@dataclass(frozen=True, slots=True)
class Check:
    """One sign of readiness; all of a server's checks must hold at once.

    kind     needs            holds when
    unix     path             the socket accepts and, where `hears` is given, answers `says` with it
    tcp      port             the same on 127.0.0.1
    file     path, contains   the file contains the text
    command  argv             it exits with 0 within ten seconds; it runs as ourselves
    """

    kind: str
    path: str = ""
    port: int = 0
    contains: str = ""
    argv: tuple[str, ...] = ()
    says: str = ""  # hexadecimal
    hears: str = ""  # hexadecimal


@dataclass(frozen=True, slots=True)
class Preparation:
    """A command that fills the directory `makes`, which is then renamed to `becomes`; skipped if that exists."""

    argv: Sequence[str]
    makes: Path
    becomes: Path


@dataclass(frozen=True, slots=True)
class Server:
    """What to run, as whom, and how to tell that it is ready; `directory` is a private directory that exists.

    `stop` is a sequence of (signal, seconds of patience); SIGKILL follows by itself. `death_signal` is what the
    kernel sends to the server when its supervisor is killed. `before` runs just before a start, when nothing of an
    earlier server is alive any more.
    """

    name: str
    directory: Path
    argv: Sequence[str]
    environment: Mapping[str, str]
    identity: Identity
    ready: Sequence[Check]
    stop: Sequence[tuple[int, float]]
    prepare: Sequence[Preparation] = ()
    death_signal: int = signal.SIGKILL
    start_seconds: float = 180.0
    before: Callable[[], None] = field(default=lambda: None)

    @property
    def log(self) -> Path:
        """What the server and its supervisor wrote since the last start."""
        return self.directory / "log"

    def to_json(self) -> dict[str, object]:
        """Return what `supervisor.py` reads."""
        return {
            "argv": list(self.argv),
            "environment": dict(self.environment),
            "identity": self.identity.to_json(),
            "ready": [asdict(check) for check in self.ready],
            "stop": [[int(number), seconds] for number, seconds in self.stop],
            "prepare": [
                {"argv": list(step.argv), "makes": str(step.makes), "becomes": str(step.becomes)}
                for step in self.prepare
            ],
            "death_signal": int(self.death_signal),
            "start_seconds": self.start_seconds,
            "owners": str(self.directory / "owners.lock"),
            "state": str(self.directory / "state.json"),
        }


@dataclass(frozen=True, slots=True)
class Running:
    """A server that was ready when we looked: pids of it and its supervisor, and its command line."""

    server: int
    supervisor: int
    argv: tuple[str, ...]


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """Own a running `server` for the time of the context; started if nobody owns it yet. Raises SandboxError.

    When the last owner leaves, or dies, the server is stopped; nobody waits for that but the next one to start it.
    """
    directory = server.directory
    deadline = time.monotonic() + server.start_seconds + STOP_SECONDS
    owned = locks.acquire(directory / "owners.lock", exclusive=False, seconds=STOP_SECONDS)
    if owned is None:
        raise SandboxError(
            f"an earlier {server.name} does not end", because=f"its supervisor still holds {directory}"
        )
    try:
        try:
            with locks.holding(directory / "start.lock", exclusive=True, seconds=deadline - time.monotonic()):
                found = _find_or_start(server, deadline)
        except TimeoutError as error:
            raise SandboxError(
                f"another process does not finish starting {server.name}", because=str(error)
            ) from error
        yield found
    finally:
        os.close(owned)


def is_running(directory: Path) -> bool:
    """Return whether a supervisor lives in `directory`; changes nothing."""
    return locks.is_held(directory / "supervisor.lock")


def log_tail(server: Server) -> str:
    """Return what of the server's log says why it does not run: the line that tells most comes first."""
    try:
        text = server.log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return log.reason(text).replace("\n", "\n           ")


def _find_or_start(server: Server, deadline: float) -> Running:
    """Return the running server. Must be called with both owners.lock (shared) and start.lock (exclusive) held."""
    lock = server.directory / "supervisor.lock"
    ours = False
    while time.monotonic() < deadline:
        free = locks.acquire(lock, exclusive=True, seconds=0)
        if free is not None:
            try:
                if ours:
                    raise SandboxError(
                        f"{server.name} did not start", because=log_tail(server), try_=f"read {server.log}"
                    )
                _start(server, free)
                ours = True
            finally:
                os.close(free)
        elif (state := _state(server)) and _lives(state.supervisor) and _lives(state.server):
            return state
        time.sleep(locks.POLL_SECONDS)
    raise SandboxError(
        f"{server.name} was not ready within {server.start_seconds:g} s",
        because=log_tail(server),
        try_=f"read {server.log}",
    )


def _lives(pid: int) -> bool:
    """Return whether the process `pid` runs: one that was killed may hold its locks for a moment longer."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # Its name, in parentheses, may hold anything; the state comes after it.
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no /proc, or gone by now: the lock tells
        return True
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _start(server: Server, supervisor_lock: int) -> None:
    """Start a supervisor, which inherits `supervisor_lock`; returns before the server is ready."""
    directory = server.directory
    server_lock = _take_over(server)
    try:
        (directory / "state.json").unlink(missing_ok=True)
        server.before()
        if server.log.exists():
            server.log.replace(directory / "log.old")
        # In a file and not among the arguments: everybody may read those, and the environment may hold a password.
        specification = directory / "server.json"
        specification.unlink(missing_ok=True)
        mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(specification, mode, 0o600), "w", encoding="utf-8") as file:
            json.dump(server.to_json(), file)
        with open(os.open(server.log, mode, 0o600), "wb") as output:
            subprocess.run(
                [
                    sys.executable,
                    *("-I", "-S", str(SUPERVISOR), str(specification)),
                    *(str(supervisor_lock), str(server_lock)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=surroundings(),
                pass_fds=(supervisor_lock, server_lock),
                start_new_session=True,
                check=False,
            )
    except OSError as error:
        raise SandboxError(f"cannot start {server.name}", because=str(error)) from error
    finally:
        os.close(server_lock)


def _take_over(server: Server) -> int:
    """Return server.lock, held, once nothing of an earlier server is left.

    Where its supervisor was killed, the server had a signal from the kernel and is on its way; what does not go is
    killed: it has no owner that could miss it.
    """
    lock = server.directory / "server.lock"
    taken = locks.acquire(lock, exclusive=True, seconds=ORPHAN_SECONDS)
    if taken is None:
        programs = {
            os.path.realpath(argv[0]) for argv in (server.argv, *(step.argv for step in server.prepare))
        }
        for pid in locks.holders(lock):
            _kill(pid, programs)
        taken = locks.acquire(lock, exclusive=True, seconds=ORPHAN_SECONDS)
    if taken is None:
        left = ", ".join(map(str, sorted(locks.holders(lock)))) or "unknown"
        raise SandboxError(
            f"an earlier {server.name} lost its supervisor and does not end",
            because=f"processes: {left}",
            try_="kill them",
        )
    return taken


def _kill(pid: int, programs: set[str]) -> None:
    """Kill `pid` if it runs one of `programs`: a process of ours that was forked at a bad moment has the lock, too."""
    try:
        if os.path.realpath(f"/proc/{pid}/exe") in programs:
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass  # gone, or not ours: the caller looks again


def _state(server: Server) -> Running | None:
    try:
        state = json.loads((server.directory / "state.json").read_bytes())
    except FileNotFoundError:
        return None
    return Running(state["server"], state["supervisor"], tuple(state["argv"]))
