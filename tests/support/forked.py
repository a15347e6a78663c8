"""`Forked`: a `subprocess.Popen` that starts seedbed warm, as a fork of a process that has imported it already.

A new interpreter spends a third of a second of a processor on imports, and a run starts a thousand of them. What is
forked is a process like any other all the same, with arguments, a directory, an environment, files, signals and a
death of its own. What needs a new interpreter gets one (see `_entry`), and so does everything with
SEEDBED_TESTS_FORK=0.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO, cast

ENTRIES = {
    "seedbed": "seedbed.cli.process:run",
    "seedbed.testing.runner": "seedbed.testing.runner:main",
    "tests.soak.dynamodb_kill": "tests.soak.dynamodb_kill:main",
    "tests.soak.kill": "tests.soak.kill:main",
    "tests.support.probe": "tests.support.probe:main",
    "tests.support.releases": "tests.support.releases:main",
}
# What looks at no variable of Python's (-I), and so is the same whatever it is started with.
ISOLATED = {"seedbed.cli.travel.task": "seedbed.cli.travel.task:main"}
DRIVERS = ("botocore.session", "neo4j", "postgast", "psycopg.sql", "rich.live", "rich.table")
PROGRAMS = ("seedbed.__main__", "seedbed.cdk", "seedbed.pytest_plugin")  # not to be imported
AT_START = ("PYTHON", "LC_", "LANG", "COVERAGE_")  # variables that an interpreter reads when it starts
ROOT = Path(__file__).parents[2]
MESSAGE = 1 << 20  # bytes
DOOR = "SEEDBED_TESTS_DOOR"  # the program by which a fork calls commands of ours, in place of an interpreter
NOWHERE = "http://127.0.0.1:9"
SERVICES = ("cloudformation", "dynamodb", "ecs", "logs", "s3", "secretsmanager", "ssm", "sts")


class Request(NamedTuple):
    """What is to be forked: a function `module:name`, and what the process has of its own.

    `alone`: it leads a session, whose other processes end with it, as those of a container do; and its directory is none
    from which modules come.
    """

    entry: str
    arguments: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    alone: bool = False


class Forked(subprocess.Popen[str]):
    """Starts `python -m seedbed …` as a fork, and everything else as Popen does.

    It overrides the three methods in which Popen forks and waits, private ones, the same from Python 3.11 to 3.14.
    """

    _link: socket.socket | None = None  # brings the pid, and later the status

    def _execute_child(self, args: Any, *rest: Any) -> None:
        _, preexec, _, pass_fds, cwd, env, _, _, shell, *pipes = rest[:15]
        *more, alone, group = rest[16:22]  # gid, gids, uid, umask, start_new_session, process_group
        is_more = any(each not in {None, -1, False} for each in (*more, group))
        entry = None if preexec or pass_fds or shell or is_more else _entry(args, env, alone=alone)
        if entry is None:
            super()._execute_child(args, *rest)  # type: ignore[misc]  # private
            return
        given = [own if pipe == -1 else pipe for own, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        variables = dict(os.environ if env is None else env)
        request = Request(entry, args[4 if alone else 3 :], str(cwd or Path.cwd()), variables, alone)
        self._link = _server().fork(request, given)
        self.pid = int(self._link.recv(MESSAGE))
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # private

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._link is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc, no-any-return]  # private
        try:
            status = self._link.recv(MESSAGE, socket.MSG_DONTWAIT if wait_flags else 0)
        except BlockingIOError:
            return 0, 0
        self._link.close()
        return self.pid, int(status or signal.SIGKILL)  # nothing comes where the server is gone

    def _internal_poll(self, *state: Any, **more: Any) -> int | None:
        if self._link is None:
            return super()._internal_poll(*state, **more)  # type: ignore[misc, no-any-return]  # private
        lock = self._waitpid_lock  # type: ignore[attr-defined]  # private
        if self.returncode is None and lock.acquire(False):
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            finally:
                lock.release()
        return self.returncode


def _entry(args: Any, env: Mapping[str, str] | None, *, alone: bool) -> str | None:
    """Return the function that a command line comes to; None where only a new interpreter will do."""
    if sys.platform != "linux" or os.environ.get("SEEDBED_TESTS_FORK") == "0" or not isinstance(args, list):
        return None
    if alone:
        return ISOLATED.get(args[3]) if args[:3] == [sys.executable, "-I", "-m"] else None
    if args[:2] != [sys.executable, "-m"] or (env is not None and _at_start(env) != _at_start(_server().env)):
        return None
    return ENTRIES.get(args[2])


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in env.items() if name.startswith(AT_START)}
    if found.get("PYTHONPATH") in {_server().env["PYTHONPATH"], os.environ.get("PYTHONPATH")}:
        found.pop("PYTHONPATH", None)  # what lies there is imported already
    return found


class Server:
    """The process that forks, seen from the one that started it; both end together."""

    def __init__(self) -> None:
        self.env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=ROOT,
                env=self.env,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def fork(self, request: Request, files: Sequence[int]) -> socket.socket:
        """Have a process forked with `files` as its 0, 1, 2; return what brings its pid and status, as texts."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [theirs.fileno(), *files])
        return ours

    def close(self) -> None:
        self._socket.close()
        self._process.wait(60)


@cache
def _server() -> Server:
    server = Server()
    atexit.register(server.close)
    return server


# The process that forks


def serve(requests: socket.socket) -> Request | None:
    """Fork what is asked for until nobody can ask any more. Return twice: in each fork what it is to be, and None."""
    links: dict[int, socket.socket] = {}
    leaders: set[int] = set()

    def bury(*_: object) -> None:
        for pid in list(links):
            with suppress(ChildProcessError):  # of two at once: the signal within this one has it already
                if pid in leaders and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    leaders.discard(pid)
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)  # while its number is nobody else's
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    with links.pop(pid) as link:
                        _tell(link, status)

    signal.signal(signal.SIGCHLD, bury)
    while True:
        data, files, _, _ = socket.recv_fds(requests, MESSAGE, 4)
        if not data:
            return None
        request = Request(*json.loads(data))
        link = socket.socket(fileno=files[0])
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # until its pid is known here
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if request.alone:
                os.setsid()
            _tell(link, os.getpid())
            for each in (requests, link, *links.values()):
                each.close()
            _become(request, files[1:])
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            return request
        for each_file in files[1:]:
            os.close(each_file)
        links[pid] = link
        if request.alone:
            leaders.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _tell(link: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody wants to know any more
        link.send(str(number).encode())


def _become(request: Request, files: Sequence[int]) -> None:
    """Make this fork what a new interpreter would be."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for own, each in enumerate(files):
        os.dup2(each, own)
    for each in files:
        if each > 2:
            os.close(each)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    if DOOR in request.env:
        from seedbed.project.releasing import children

        children.SEEDBED = (request.env[DOOR],)  # type: ignore[assignment]
    sys.argv[1:] = request.arguments
    sys.path[:1] = [] if request.alone else [request.cwd]
    sys.stdin = _text(0, "r", sys.stdin.encoding)
    sys.stdout = _text(1, "w", sys.stdout.encoding)
    sys.stderr = _text(2, "w", sys.stderr.encoding, buffering=1, errors="backslashreplace")


def _text(number: int, mode: str, encoding: str, buffering: int = -1, errors: str | None = None) -> TextIO:
    """Return a standard stream as an interpreter makes it."""
    return cast("TextIO", open(number, mode, buffering, encoding, errors, closefd=False))


def _import_everything() -> None:
    import seedbed

    package = Path(seedbed.__file__).parent
    for path in sorted(package.rglob("*.py")):
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(PROGRAMS):
            importlib.import_module(name)
    for name in (*DRIVERS, "tests.support.probe"):
        importlib.import_module(name)
    _read_what_botocore_reads()


def _read_what_botocore_reads() -> None:
    """Make clients that are never used: what they read takes longer than all else that a short command does."""
    from seedbed.aws import clients
    from seedbed.aws.cloud import Cloud
    from seedbed.model.secret import Secret

    nowhere = Cloud("eu-central-1", endpoint=NOWHERE, access_key="x", secret_key=Secret("x"))
    for service in SERVICES:
        clients.client(nowhere, service)


def _run(entry: str) -> NoReturn:
    """Call a function, and end this process as an interpreter ends, but for taking all that was imported to pieces."""
    module, _, name = entry.partition(":")
    code: Any = 1
    try:
        code = getattr(importlib.import_module(module), name)()
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as an interpreter does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code or 0)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its owner
    _import_everything()
    gc.collect()
    gc.freeze()  # forks leave the memory of what was imported alone
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    if request is not None:
        _run(request.entry)


if __name__ == "__main__":
    main()
