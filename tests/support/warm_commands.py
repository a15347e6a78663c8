"""Scripts that call `seedbed` by its name, without a new interpreter for each call: what they find is a door to `Forked`.

Each call is a process of its own all the same, with the script's arguments, directory, environment and files; so are
the commands of a release's step, which it calls itself. What kills one of those kills the door, not what is behind it:
tests that kill take a `seedbed` that is not warm.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

from tests.support.forked import DOOR, Forked
from tests.support.projects import command

_COUNT = itertools.count()
_MESSAGE = 1 << 20
_DOOR = """\
#!{python} -IS
import json, os, socket, sys
link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
link.connect({name!r})
told = {{"words": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
socket.send_fds(link, [json.dumps(told).encode()], [0, 1, 2])
os._exit(int(link.recv(16) or 70))
"""


class WarmCommands:
    """Puts a program `seedbed` into `directory`, whose calls are carried out until `close`."""

    def __init__(self, directory: Path) -> None:
        program = directory / "seedbed"
        self._listener: socket.socket | None = None
        if sys.platform != "linux":
            program.symlink_to(Path(sys.executable).parent / "seedbed")
            return
        self._threads: list[threading.Thread] = []
        name = f"\0seedbed-commands-{os.getpid()}-{next(_COUNT)}"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(name)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, args=(self._listener, program), daemon=True)
        self._thread.start()
        program.write_text(_DOOR.format(python=sys.executable, name=name))
        program.chmod(0o755)

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            for each in (self._thread, *self._threads):
                each.join()
            self._listener.close()

    def _serve(self, listener: socket.socket, program: Path) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:  # closed
                return
            thread = threading.Thread(target=_answer, args=(link, program), daemon=True)
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
            thread.start()


def _answer(link: socket.socket, program: Path) -> None:
    with link:
        code = _carried_out(link, program)
        with suppress(OSError):  # whoever called is gone
            link.send(str(code % 256).encode())


def _carried_out(link: socket.socket, program: Path) -> int:
    """Carry out one call, and return its exit code. What it calls itself finds `program`, too."""
    data, files, _, _ = socket.recv_fds(link, _MESSAGE, 3)
    told = json.loads(data)
    given, out, err = files
    try:
        with Forked(
            command(*told["words"]),
            cwd=told["cwd"],
            env={**told["env"], DOOR: str(program)},
            stdin=given,
            stdout=out,
            stderr=err,
            text=True,
        ) as process:
            return int(process.wait())
    finally:
        for each in files:
            os.close(each)
