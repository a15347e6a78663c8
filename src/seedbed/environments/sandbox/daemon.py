"""The daemon's program. Run as `python -m seedbed.environments.sandbox.daemon DIRECTORY < REQUEST`.

It ends with 0 when the servers run, and leaves behind the process that owns them: see `daemons`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from seedbed.engines import registry
from seedbed.environments.sandbox import daemons, servers
from seedbed.environments.sandbox.daemons import DaemonRequest
from seedbed.errors import SeedbedError
from seedbed.support.typed import ready

LOOK_SECONDS = 2.0


def main(folder: Path, request: DaemonRequest) -> int:
    """Return 0 once another process owns what `request` names, and says so in `folder`; 1 if there is none."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        os._exit(_own(folder, request, writing))
    os.close(writing)
    return 0 if os.read(reading, 1) else 1


def _own(folder: Path, request: DaemonRequest, ready: int) -> int:
    """Own the servers until SIGTERM comes; `ready` is told when they run, and closed if they do not."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        engines = [(name, registry.load(engine)) for name, engine in request.databases.items()]
        with servers.running(engines, Path(request.home)):
            path, _ = daemons.register(folder, request.databases)
            os.write(ready, b"1")
            os.close(ready)
            while path.exists() and not told.wait(LOOK_SECONDS):  # whoever deletes the sandbox asks nobody
                pass
            path.unlink(missing_ok=True)
    except SeedbedError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), msgspec.json.decode(sys.stdin.buffer.read(), type=ready(DaemonRequest))))
