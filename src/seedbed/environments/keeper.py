"""A process that keeps servers of the sandbox running. Run as `python -m seedbed.environments.keeper ROOM < WISH`.

It ends with 0 when the servers run, and leaves behind the process that owns them: see `keeping`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from seedbed.engines import registry
from seedbed.environments import keeping, sandbox
from seedbed.environments.keeping import Wish
from seedbed.errors import SeedbedError
from seedbed.support.typed import ready

LOOK_SECONDS = 2.0


def main(folder: Path, wish: Wish) -> int:
    """Return 0 once another process owns what `wish` names, and says so in `folder`; 1 if there is none."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        os._exit(_keep(folder, wish, writing))
    os.close(writing)
    return 0 if os.read(reading, 1) else 1


def _keep(folder: Path, wish: Wish, ready: int) -> int:
    """Own the servers until SIGTERM comes; `ready` is told when they run, and closed if they do not."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        engines = [(name, registry.load(engine)) for name, engine in wish.databases.items()]
        with sandbox.settings(engines, Path(wish.home)):
            path, _ = keeping.write(folder, wish.databases)
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
    sys.exit(main(Path(sys.argv[1]), msgspec.json.decode(sys.stdin.buffer.read(), type=ready(Wish))))
