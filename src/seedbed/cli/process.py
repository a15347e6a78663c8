"""The process that `seedbed` is: how it begins, and how it ends once the command line is through.

Most commands last a tenth of a second, and a third of that would go into looking for cycles among what was just
imported and into taking it to pieces again at the end. See docs/adr/0033.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading

# Objects that may be added before cycles are looked for. What is imported stays below that; Python's own 700 looks
# a hundred times on the way.
_OBJECTS = 200_000


def run() -> None:
    """Run the command line, and leave the process with its exit code."""
    gc.set_threshold(_OBJECTS, 10, 10)
    from seedbed.cli import main

    leave(main.run())


def leave(code: int) -> None:
    """End this process as an interpreter does, but for taking to pieces what it imported.

    Threads that are no daemons are waited for, what others registered for the end is called, and output is flushed.
    Where that fails, or somebody traces this process, the interpreter ends it in its own way.
    """
    if not _is_traced():
        try:
            threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls first
            atexit._run_exitfuncs()
            for stream in (sys.stdout, sys.stderr):
                if stream is not None and not stream.closed:
                    stream.flush()
        except OSError:  # the interpreter tries again, and says so
            sys.exit(code)
        os._exit(code)
    sys.exit(code)


def _is_traced() -> bool:
    return sys.gettrace() is not None or sys.getprofile() is not None
