"""A task: what ECS tells of it, and the process that it is."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

# What may happen to a task that nobody asked to stop: its stopCode, what is told of it, and of its container.
_ENDS = {
    "Killed": ("EssentialContainerExited", "Essential container in task exited", ""),
    "OutOfMemory": (
        "EssentialContainerExited",
        "OutOfMemoryError: container killed due to memory usage",
        "OutOfMemoryError: Container killed due to memory usage",
    ),
}
RETIRED = "ECS is performing maintenance on the underlying infrastructure hosting the task"

End = Literal["Killed", "OutOfMemory"]


class Task:
    """One task. `told`: as DescribeTasks tells it; `changed` is notified after every change of that."""

    def __init__(self, asked: Mapping[str, Any], definition: Mapping[str, Any], cluster: str) -> None:
        self.id = uuid.uuid4().hex
        self.asked = asked
        self.definition = definition
        self.container: Mapping[str, Any] = definition["containerDefinitions"][0]
        self.arn = f"{cluster.replace(':cluster/', ':task/')}/{self.id}"
        self.changed = threading.Condition()
        self.stopping = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.threads: list[threading.Thread] = []
        name = self.container["name"]
        place = self.arn.rpartition("/")[0].replace(":task/", ":container/")
        self.told: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": cluster,
            "taskDefinitionArn": definition["taskDefinitionArn"],
            "group": asked.get("group", f"family:{definition['family']}"),
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "cpu": definition.get("cpu", ""),
            "memory": definition.get("memory", ""),
            "lastStatus": "PROVISIONING",
            "desiredStatus": "RUNNING",
            "createdAt": time.time(),
            "overrides": asked.get("overrides", {}),
            "version": 1,
            "attachments": [],
            "containers": [
                {
                    "containerArn": f"{place}/{self.id}/{uuid.uuid4()}",
                    "taskArn": self.arn,
                    "name": name,
                    "image": self.container["image"],
                    "lastStatus": "PENDING",
                }
            ],
        }
        if "startedBy" in asked:
            self.told["startedBy"] = asked["startedBy"]

    @property
    def status(self) -> str:
        return str(self.told["lastStatus"])

    @property
    def exit_code(self) -> int | None:
        """The container's exit code, if it has one."""
        code = self.told["containers"][0].get("exitCode")
        return None if code is None else int(code)

    @property
    def override(self) -> Mapping[str, Any]:
        """What was asked of the container in place of its definition."""
        given = self.told["overrides"].get("containerOverrides", ())
        return next((each for each in given if each["name"] == self.container["name"]), {})

    @property
    def stop_seconds(self) -> float:
        """How long it has after SIGTERM: 30 s where its definition does not say."""
        return float(self.container.get("stopTimeout", 30))

    def tell(self, container: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Change what is told, of the task and of its container."""
        with self.changed:
            self.told.update(more, version=self.told["version"] + 1)
            self.told["containers"][0].update(container or {})
            self.changed.notify_all()

    def wait(self, status: str, timeout: float = 30.0) -> Task:
        """Wait until it is told to be `status`, or beyond that. Raises TimeoutError."""
        order = ("PROVISIONING", "PENDING", "RUNNING", "DEPROVISIONING", "STOPPED")
        with self.changed:
            if not self.changed.wait_for(lambda: order.index(self.status) >= order.index(status), timeout):
                raise TimeoutError(f"the task is {self.status} after {timeout:g} s: {self.told}")
        return self

    def stop(self, code: str, reason: str) -> None:
        """Ask it to end: SIGTERM for its main process, and SIGKILL when its time is over. The first one counts."""
        with self.changed:
            if self.stopping.is_set() or self.told["desiredStatus"] == "STOPPED":
                return
            self.tell(desiredStatus="STOPPED", stopCode=code, stoppedReason=reason, stoppingAt=time.time())
            self.stopping.set()
            if self.process is not None:
                self._in_background(self._end_process)

    def retire(self) -> None:
        """Have AWS take its machine away: as a stop that nobody asked for."""
        self.stop("TerminationNotice", RETIRED)

    def end(self, how: End = "Killed") -> None:
        """Kill it as the machine does, without a warning; its exit code is 137."""
        code, reason, of_container = _ENDS[how]
        more = {"reason": of_container} if of_container else {}
        self.tell(more, desiredStatus="STOPPED", stopCode=code, stoppedReason=reason, stoppingAt=time.time())
        self.stopping.set()
        self.kill()

    def kill(self) -> None:
        """End every process of its at once."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _end_process(self) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        with self.changed:
            is_over = self.changed.wait_for(
                lambda: self.told["containers"][0]["lastStatus"] == "STOPPED", self.stop_seconds
            )
        if not is_over:
            self.kill()

    def _in_background(self, what: Any) -> None:
        thread = threading.Thread(target=what, name=f"task-{self.id[:8]}", daemon=True)
        self.threads.append(thread)
        thread.start()
