"""Commands of a step as child processes: a seedbed on the unpacked bundle, or what the manifest names.

Each begins when the step's claim is confirmed, ends with us, and gets the signal that we get.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from seedbed.deployment.child import GUARD
from seedbed.errors import ExitCode, Unavailable
from seedbed.execution.stopping import Stop

_SIGNALS = {ExitCode.INTERRUPTED: signal.SIGINT, ExitCode.TERMINATED: signal.SIGTERM}
# As `python -m seedbed` starts it, but for what lies in the working directory: that is no part of the program.
SEEDBED = (sys.executable, "-P", "-m", "seedbed")


class Ended(Struct, frozen=True):
    """How a child ended: its exit code, a negative one for a signal, and what it wrote to standard output."""

    code: int
    output: bytes = b""

    @property
    def exit_code(self) -> ExitCode:
        """The code as one of seedbed's: a child that a signal ended leaves its outcome unknown."""
        return ExitCode(self.code) if self.code in set(ExitCode) else ExitCode.PARTIAL


class _Signalled:
    """A child at work, which gets one signal: the second one would end it at once."""

    def __init__(self, process: subprocess.Popen[bytes], stop: Stop) -> None:
        self._process = process
        self._stop = stop
        self._is_told = False

    def interrupt(self) -> None:
        if not self._is_told and self._process.poll() is None:
            self._is_told = True
            with suppress(
                ProcessLookupError, PermissionError
            ):  # a shell waits for what it called: that gets it, too
                os.killpg(
                    self._process.pid, _SIGNALS.get(self._stop.code or ExitCode.INTERRUPTED, signal.SIGINT)
                )


def run(
    words: Sequence[str],
    *,
    stop: Stop,
    environ: Mapping[str, str],
    cwd: Path | None = None,
    keep: bool = True,
    locks: Sequence[int] = (),
) -> Ended:
    """Run a program to its end; what it says on standard error is seen as it comes.

    `keep`: its standard output is returned, else it goes to standard error. `locks`: descriptors of what it works in,
    which it holds as long as it lives, should we be killed. Raises Interrupted where a stop was asked for before it
    began, Unavailable where it cannot be started.
    """
    stop.check()
    guard = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *words]
    try:
        process = subprocess.Popen(
            guard,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if keep else sys.stderr.fileno(),
            pass_fds=locks,
            start_new_session=True,  # a Ctrl-C at the terminal reaches us alone, and we pass it on
        )
    except OSError as error:
        raise Unavailable(f"{words[0]} cannot be started", because=str(error)) from error
    with stop.watching(_Signalled(process, stop)):
        try:
            output, _ = process.communicate()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    return Ended(process.returncode, output or b"")
