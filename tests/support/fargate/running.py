"""A task's life, from its network interface to the last line of its log."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from tests.support.fargate.images import Image, Network, NoSuchProgram, respelled, routed
from tests.support.fargate.tasks import Task
from tests.support.fargate.upstream import LogStream, NotStarted, Upstream
from tests.support.forked import Forked

_NO_PROGRAM = (
    "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed to "
    "create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "
    '"{}": executable file not found in $PATH: unknown'
)
_NO_IMAGE = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {0}: {0}: "
    "not found"
)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: until it runs, until lines are in the log, and from its last breath to STOPPED."""

    start: float
    log: float
    end: float


def live(
    task: Task,
    upstream: Upstream,
    images: Mapping[str, Image],
    there: Callable[[Task], Network],
    given: Mapping[str, str],
    times: Times,
) -> None:
    """Lead a task through its life. `there`: what is in its network; `given`: the variables that Fargate sets."""
    try:
        process, log = _started(task, upstream, images, there, given, times)
    except NotStarted as error:
        said = {"lastStatus": "STOPPED", "reason": str(error)}
        _stopped(task, said, "TaskFailedToStart", str(error))
        return
    if process is None:
        _stopped(task, {"lastStatus": "STOPPED"}, "", "")
        return
    lines: list[dict[str, Any]] = []
    is_over = threading.Event()
    reading = threading.Thread(target=_read, args=(process, lines), daemon=True)
    shipping = threading.Thread(target=_ship, args=(lines, log, is_over, times.log), daemon=True)
    reading.start()
    shipping.start()
    code = _waited(process)
    now = time.time()
    task.tell(
        {"lastStatus": "STOPPED", "exitCode": code}, executionStoppedAt=now, lastStatus="DEPROVISIONING"
    )
    time.sleep(times.end)
    _stopped(task, {}, "EssentialContainerExited", "Essential container in task exited")
    reading.join()
    is_over.set()  # a task is told to be STOPPED before its last lines are there
    shipping.join()


def _started(
    task: Task,
    upstream: Upstream,
    images: Mapping[str, Image],
    there: Callable[[Task], Network],
    given: Mapping[str, str],
    times: Times,
) -> tuple[subprocess.Popen[bytes] | None, LogStream | None]:
    """Return the process and its log; no process where it was stopped before. Raises NotStarted."""
    if task.stopping.wait(times.start / 2):
        return None, None
    task.tell(lastStatus="PENDING", pullStartedAt=time.time())
    container = task.container
    role = task.definition.get("executionRoleArn", "")
    variables = {
        each["name"]: upstream.secret(each["valueFrom"], role, task.id)
        for each in container.get("secrets", ())
    }
    upstream.require_image(container["image"], role, task.id)
    image = images.get(container["image"])
    if task.stopping.wait(times.start / 2):
        return None, None
    if image is None:
        raise NotStarted(_NO_IMAGE.format(container["image"]))
    task.tell(pullStoppedAt=time.time())
    configuration = container.get("logConfiguration", {})
    log = LogStream(upstream, configuration, container["name"], task.id, role) if configuration else None
    told = [*container.get("environment", ()), *task.override.get("environment", ())]
    variables |= {each["name"]: each["value"] for each in told}
    asked = task.override.get("command") or container.get("command") or ()
    network = there(task)

    def here(variables: Mapping[str, str]) -> Mapping[str, str]:
        return routed(image.placed(variables), network)

    def to_aws(variables: Mapping[str, str]) -> Mapping[str, str]:
        """Add what leads to the emulator: in AWS those are addresses that are the same everywhere."""
        led = {"AWS_ENDPOINT_URL": image.environment.get("AWS_ENDPOINT_URL", ""), **given}
        return {**here(variables), **{name: value for name, value in led.items() if value}}

    try:
        command = image.local([*respelled(container.get("entryPoint", ()), to_aws), *asked])
    except NoSuchProgram as error:
        raise NotStarted(_NO_PROGRAM.format(error)) from None
    with task.changed:
        if task.stopping.is_set():
            return None, None
        task.process = cast("type[subprocess.Popen[bytes]]", Forked)(
            command,
            env={**image.variables(), **given, **here(variables)},
            cwd=image.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        task.tell({"lastStatus": "RUNNING"}, lastStatus="RUNNING", startedAt=time.time())
    return task.process, log


def _waited(process: subprocess.Popen[bytes]) -> int:
    """Return the exit code of the main process, with which all others of its container end."""
    with suppress(ChildProcessError):  # a fork is the child of who forks, who ends them
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _read(process: subprocess.Popen[bytes], lines: list[dict[str, Any]]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        text = line.decode(errors="replace").rstrip("\r\n")
        lines.append({"timestamp": int(time.time() * 1000), "message": text or " "})
    process.stdout.close()


def _ship(lines: list[dict[str, Any]], log: LogStream | None, is_over: threading.Event, delay: float) -> None:
    """Put what came in until now into the log, again and again, and once more at the end."""
    sent = 0
    while not is_over.wait(delay):
        sent = _put(lines, sent, log)
    time.sleep(delay)
    _put(lines, sent, log)


def _put(lines: list[dict[str, Any]], sent: int, log: LogStream | None) -> int:
    there = len(lines)
    if log is not None:
        log.put(lines[sent:there])
    return there


def _stopped(task: Task, container: Mapping[str, Any], code: str, reason: str) -> None:
    """Say that a task is over, and why: the reason that was said before, if there is one."""
    why = {} if task.stopping.is_set() else {"stopCode": code, "stoppedReason": reason}
    now = time.time()
    more = {} if "stoppingAt" in task.told else {"stoppingAt": now}
    task.tell(container, lastStatus="STOPPED", desiredStatus="STOPPED", stoppedAt=now, **why, **more)
