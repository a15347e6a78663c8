"""Keep one server alive for as long as somebody owns it. Run by path: `python -I -S supervisor.py SPEC.json FD FD`.

Standard library only, and as little of it as possible: this is on the way of every start. It is not imported by
seedbed, so the shape of the specification is written down (and built) in `server.py`.

Four locks tell the story; the kernel releases each of them when its holder dies, however it dies:

  owners.lock      shared by every owner; we block for it exclusively, and get it when no owner is left
  start.lock       held by the client that starts us, while it waits for readiness; not used here
  supervisor.lock  held by us while we live (inherited, so there is no moment without a holder)
  server.lock      held by us, the server and whatever it forks: while it is taken, something still runs here
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time

TYPE_CHECKING = False  # the module typing is worth its import to the type checker only
if TYPE_CHECKING:
    from typing import Any

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.005


def main(arguments: list[str]) -> int:
    """Return 0 when the server was stopped because no owner is left, 1 when it failed, 3 when a probe was refused."""
    if arguments[:1] == ["--probe"]:
        return probe(json.loads(arguments[1]))
    path, supervisor_lock, server_lock = arguments[0], int(arguments[1]), int(arguments[2])
    os.set_inheritable(supervisor_lock, False)
    os.set_inheritable(server_lock, True)
    if os.fork():
        os._exit(0)  # the client waits for this one; the rest is an orphan and leaves no zombie to the client
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    os.umask(0o077)
    return Supervisor(spec).serve()


def probe(identity: dict[str, Any]) -> int:
    """Return 0 if this kernel lets us take on `identity`, else 3."""
    try:
        adopt(identity)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


class Supervisor:
    """One server, from its preparation to its end."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.owners = os.open(self.spec["owners"], os.O_RDONLY)
        self.child = 0
        self.gone = threading.Event()
        self.stopping = threading.Lock()

    def serve(self) -> int:
        """Prepare, start, report ready, wait; return the exit code."""
        signal.alarm(int(self.spec["start_seconds"]))  # a preparation that hangs ends us, and our end ends it
        if not all(self.prepare(step) for step in self.spec["prepare"]):
            return 1
        signal.alarm(0)
        # From the main thread, which lives as long as we do: PR_SET_PDEATHSIG fires when the forking *thread* ends.
        self.child = self.spawn(self.spec["argv"])
        signal.signal(signal.SIGTERM, self.on_signal)
        signal.signal(signal.SIGINT, self.on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        threading.Thread(target=self.stop_without_owners, daemon=True).start()
        deadline = time.monotonic() + self.spec["start_seconds"]
        ready = False
        while not ready and time.monotonic() < deadline:
            if self.exited():
                return 1
            ready = all(is_ready(check) for check in self.spec["ready"])
            if not ready:
                time.sleep(POLL_SECONDS)
        if ready:
            self.report()
        else:
            say(f"not ready after {self.spec['start_seconds']} s, stopping it")
            threading.Thread(target=self.stop, daemon=True).start()
        return self.wait(ready)

    def wait(self, ready: bool) -> int:
        """Return the exit code once the server is gone."""
        _, status = os.waitpid(self.child, 0)
        self.gone.set()
        remove(self.spec["state"])
        if not self.stopping.locked():
            say(f"the server ended by itself: {describe(status)}")
            return 1
        return 0 if ready else 1

    def exited(self) -> bool:
        """Return True if the server ended before it was ready."""
        pid, status = os.waitpid(self.child, os.WNOHANG)
        if pid == 0:
            return False
        self.gone.set()
        say(f"the server ended before it was ready: {describe(status)}")
        return True

    def prepare(self, step: dict[str, Any]) -> bool:
        """Run one command that makes a directory, unless it is made already; return whether the directory is there.

        It is made under another name and renamed when complete, so a half-made one is never taken for whole.
        """
        makes, becomes = step["makes"], step["becomes"]
        if os.path.exists(becomes):
            return True
        if os.path.lexists(makes):
            import shutil

            shutil.rmtree(makes)
        os.mkdir(makes, 0o700)
        hand_over(makes, self.spec["identity"])
        _, status = os.waitpid(self.spawn(step["argv"]), 0)
        if status != 0:
            say(f"{step['argv'][0]}: {describe(status)}")
            return False
        os.rename(makes, becomes)
        return True

    def spawn(self, argv: list[str]) -> int:
        """Return the pid of a child that runs `argv` as the identity and dies when we die."""
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            os.chdir("/")
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores these two, and exec keeps that
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            adopt(self.spec["identity"])
            die_with(parent, self.spec["death_signal"])  # last: a change of credentials would undo it
            os.execve(argv[0], argv, self.spec["environment"])
        except BaseException as error:  # noqa: BLE001  a forked child must not go on as its parent
            say(f"cannot run {argv[0]}: {error}")
        os._exit(127)

    def report(self) -> None:
        """Write the state file, atomically: from now on clients may connect."""
        state = {"supervisor": os.getpid(), "server": self.child, "argv": self.spec["argv"]}
        with open(self.spec["state"] + ".new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(self.spec["state"] + ".new", self.spec["state"])

    def stop_without_owners(self) -> None:
        """Stop the server when no owner is left, and keep newcomers waiting (we hold the lock) until we are gone."""
        fcntl.flock(self.owners, fcntl.LOCK_EX)
        remove(self.spec["state"])
        self.stop()

    def on_signal(self, number: int, frame: object) -> None:
        # In a thread: the main one goes on waiting for the server.
        threading.Thread(target=self.stop, daemon=True).start()

    def stop(self) -> None:
        """Ask the server to stop, ever more firmly. The lock is never released: one stop is enough."""
        if not self.stopping.acquire(blocking=False):
            return
        for number, patience in [*self.spec["stop"], [signal.SIGKILL, 60]]:
            if self.gone.is_set():
                return
            try:
                os.kill(self.child, number)
            except ProcessLookupError:
                return
            if self.gone.wait(patience):
                return
            say(f"still there {patience} s after signal {number}")


def adopt(identity: dict[str, Any]) -> None:
    """Become `identity`: {"kind": "same" | "setuid" | "userns", "uid", "gid"}. Raises OSError where it is refused.

    `userns` keeps the real user for the kernel, so it reaches the same files, and only looks like `uid` to the server.
    """
    kind, uid, gid = identity["kind"], identity["uid"], identity["gid"]
    if kind == "setuid":
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    elif kind == "userns":
        real_uid, real_gid = os.geteuid(), os.getegid()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWUSER) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"unshare(CLONE_NEWUSER): {os.strerror(code)}")
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {real_uid} 1"),
            ("gid_map", f"{gid} {real_gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)


def hand_over(path: str, identity: dict[str, Any]) -> None:
    """Give `path` to the user that the server runs as."""
    if identity["kind"] == "setuid":
        os.chown(path, identity["uid"], identity["gid"])


def die_with(parent: int, death_signal: int) -> None:
    """Have the kernel send us `death_signal` when `parent` dies (Linux; elsewhere nothing does)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(127)


def is_ready(check: dict[str, Any]) -> bool:
    """Return whether one readiness check holds now; it takes two seconds at most (a command: ten)."""
    kind = check["kind"]
    if kind == "command":
        return command_succeeds(check["argv"])
    if kind == "file":
        try:
            with open(check["path"], encoding="utf-8", errors="replace") as file:
                return check["contains"] in file.read()
        except OSError:
            return False
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    address = check["path"] if kind == "unix" else ("127.0.0.1", check["port"])
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(address)
            ready = answers(connection, check)
        except OSError:
            return False
        say_goodbye(connection)
        return ready


def answers(connection: socket.socket, check: dict[str, Any]) -> bool:
    """Return whether the server answers as the check wants; a check that wants no words is content with a connection.

    `says` and `hears` are hexadecimal: what we send, and how the answer must begin.
    """
    if not check.get("hears"):
        return True
    connection.sendall(bytes.fromhex(check["says"]))
    wanted = bytes.fromhex(check["hears"])
    return connection.recv(len(wanted), socket.MSG_WAITALL) == wanted


def say_goodbye(connection: socket.socket) -> None:
    """Read what is left before closing: a server complains in its log about a peer that hangs up on it."""
    connection.settimeout(0.1)
    try:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    except OSError:
        pass


def command_succeeds(argv: list[str]) -> bool:
    import subprocess

    try:
        return subprocess.run(argv, timeout=10, stdin=subprocess.DEVNULL, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # whoever deletes the whole home does not ask us first
        os.unlink(path)


def describe(status: int) -> str:
    """Return a wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def say(text: str) -> None:
    os.write(2, f"supervisor: {text}\n".encode())


if __name__ == "__main__":
    code = 1
    try:
        code = main(sys.argv[1:])
    except BaseException:  # noqa: BLE001  written to the log, which the client shows
        import traceback

        os.write(2, traceback.format_exc().encode())
    os._exit(code)  # not sys.exit: a thread may be blocked in flock, and it must not be waited for
