"""What stands for the seedbed of an image: it claims the run that it is given, and does what that run's argv says.

Words of the argv, in their order: `say=TEXT`, `progress=N`, `wait=SECONDS` (ends when it is asked to stop), `ask=QUESTION`,
`die=CODE` (at once, and without a word), `code=N` (how it ends). Its document is `{"argv": …}`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from seedbed.aws.cloud import Cloud
from seedbed.errors import ExitCode, SeedbedError
from seedbed.execution.stopping import Stop
from seedbed.model.event import WorkProgressed
from seedbed.remote.control import run_named
from seedbed.remote.place import of_worker
from seedbed.remote.worker import CLAIM, Rhythm, Worker, this_task

RHYTHM = Rhythm(beat=0.5, look=0.1, write=0.02, answer=10.0, end=5.0)


def carry_out(worker: Worker, argv: tuple[str, ...], stop: Stop) -> int:
    """Do what `argv` says, and return the exit code."""
    code = 0
    for word in argv:
        what, _, value = word.partition("=")
        match what:
            case "say":
                worker.written("stdout", f"{value}\n")
            case "progress":
                for done in range(int(value)):
                    worker.event(WorkProgressed("user/postgres", "1", done, int(value), "rows"))
            case "wait":
                until = time.monotonic() + float(value)
                while stop.code is None and time.monotonic() < until:
                    time.sleep(0.01)
                if stop.code is not None:
                    worker.written("stderr", "stopped\n")
                    return int(stop.code)
            case "ask":
                worker.written("stdout", f"{worker.answer(value)}\n")
            case "die":
                os._exit(int(value))
            case "code":
                code = int(value)
    return code


def main() -> int:
    cloud = Cloud(region=os.environ["AWS_REGION"], endpoint=os.environ["AWS_ENDPOINT_URL"])
    control = of_worker(cloud, os.environ)
    name = os.environ.get("WORKER_NAME") or this_task(os.environ)
    id_, token = run_named(sys.argv[sys.argv.index("--run") + 1]), os.environ.get(CLAIM, "")
    worker = Worker(control, id_, name=name, rhythm=RHYTHM, token=token)
    stop = Stop()
    signal.signal(signal.SIGTERM, lambda *_: stop.request(ExitCode.TERMINATED))  # before the run is ours
    print("worker begins", flush=True)
    try:
        run = worker.claim()
    except SeedbedError as error:
        print(error, flush=True)
        return int(error.exit_code)
    with worker.at_work(stop.request):
        code = carry_out(worker, run.ask.argv, stop)
        worker.finish(code, document=json.dumps({"argv": run.ask.argv}).encode())
    return code


if __name__ == "__main__":
    sys.exit(main())
