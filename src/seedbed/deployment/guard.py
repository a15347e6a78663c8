"""Become a program that dies with whoever started it. Run by path: `python -I -S guard.py PARENT PROGRAM ARGUMENT…`.

A run of ours that is killed must not leave the CDK CLI behind, at work for nobody. The kernel sends the signal to
this process, and it keeps doing so for the program that takes its place. Where there is no such kernel, the program
is run as it is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, argv: list[str]) -> None:
    """Replace this process by `argv`, unless `parent` is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.exit(f"{argv[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
