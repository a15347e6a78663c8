"""`seedbed --warm`: a worker inside the network that waits for runs, and carries out each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from seedbed.cli.context import CommandContext
from seedbed.cli.travel.worker import cloud
from seedbed.errors import SeedbedError, UsageError
from seedbed.remote import place
from seedbed.remote.warm import WarmWorker
from seedbed.remote.worker import CLAIM, this_task


def wait(directory: str | None) -> int:
    """Take runs until none came for long, or this process is told to end; return the exit code.

    `directory`: what -C said, and says to each of the processes.
    """
    alone = ["-I"] if sys.flags.isolated else []  # as the task's definition has it
    words = [sys.executable, *alone, "-m", "seedbed", *(["-C", directory] if directory else [])]

    def spawn(id_: str, token: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*words, "--run", id_], env={**os.environ, CLAIM: token})

    try:
        name = this_task(os.environ)
        control = place.of_worker(cloud(name), os.environ)
        environment = os.environ.get(place.ENVIRONMENT)
        if not environment:
            raise UsageError(
                f"a worker waits for the runs of one environment: {place.ENVIRONMENT} is not set here"
            )
    except SeedbedError as error:
        return int(CommandContext({}, command="", as_json=False).fail(error))
    warm = WarmWorker(control, environment, name, spawn)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: warm.stop())
    sys.stderr.write(f"waiting for runs of {environment}\n")
    warm.work()
    sys.stderr.write("waiting for no more runs\n")
    return 0
