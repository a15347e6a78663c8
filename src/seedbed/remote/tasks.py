"""The tasks of an environment: started, looked at, stopped; and the last lines that one wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedbed.aws import clients, faults
from seedbed.aws.asking import ask
from seedbed.errors import Hint, Refused, SeedbedError, Unavailable, UsageError, call

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud
    from seedbed.remote.place import TaskPlace

SERVICE = "ecs"
_AT_ONCE = 100  # tasks that one call describes
ATTEMPTS = 2  # of one call; whoever has time for more calls again
LOG_STREAM = "seedbed"  # what the names of its log streams begin with, see `cdk.task`
_UNKNOWN = frozenset({"ClusterNotFoundException", "ClientException", "InvalidParameterException"})
_KILLED = 137  # the exit code of a process that was ended by SIGKILL
_BUSY = ("capacity is unavailable", "resource:", "limit on the number of", "capacity error")
# What ECS says in an error of another code where a service behind it, such as EC2, told it to slow down.
_THROTTLED = ("request limit exceeded", "rate exceeded", "requestlimitexceeded", "throttling")


class NoCapacity(Unavailable):
    """AWS has no room for the task at present."""


class Task(Struct, frozen=True):
    """A task as ECS describes it; `status` is MISSING where ECS does not know it, or no longer.

    `code`: the exit code of its container, None where that has none.
    """

    arn: str
    status: str = "MISSING"
    stop_code: str = ""
    reason: str = ""
    code: int | None = None
    is_pulling: bool = False

    @property
    def has_ended(self) -> bool:
        return self.status == "STOPPED"

    @property
    def is_missing(self) -> bool:
        return self.status == "MISSING"

    @property
    def failed_to_start(self) -> bool:
        return self.has_ended and self.stop_code == "TaskFailedToStart"

    @property
    def why(self) -> str:
        """Why it ended, as ECS says it, with the exit code."""
        code = "no exit code" if self.code is None else f"exit code {self.code}"
        killed = ", ended by SIGKILL" if self.code == _KILLED else ""
        said = self.reason or self.stop_code or "ECS gives no reason"
        return f"{said} ({code}{killed})"


class Tasks(Struct, frozen=True):
    """Calls to ECS for the task of one environment. Raises what `faults` name."""

    cloud: Cloud
    place: TaskPlace

    def start(self, command: Sequence[str], *, run: str, token: str) -> str:
        """Start the task with `command` in the place of its own, and return its ARN.

        Called again with the same `token` (64 characters at most), it returns the same task. Raises NoCapacity,
        Refused and UsageError where nothing was started; Unreachable where that is not known.
        """
        network = {
            "subnets": list(self.place.subnets),
            "securityGroups": [self.place.security_group],
            "assignPublicIp": "DISABLED",
        }
        answer = self._call(
            "RunTask",
            cluster=self.place.cluster,
            taskDefinition=self.place.task_definition,
            launchType="FARGATE",
            clientToken=token,
            startedBy=run,
            propagateTags="TASK_DEFINITION",
            networkConfiguration={"awsvpcConfiguration": network},
            overrides={"containerOverrides": [{"name": self.place.container, "command": list(command)}]},
        )
        for each in answer.get("tasks", ()):
            return str(each["taskArn"])
        failures = [_failure(each) for each in answer.get("failures", ())]
        said = "; ".join(failures) or "ECS started no task, and gives no reason"
        if not failures or any(each in said.lower() for each in _BUSY):
            raise NoCapacity("AWS has no room for the task", because=said, try_="run again later")
        raise Refused(
            "ECS does not start the task",
            because=said,
            try_=Hint("make its stack anew: ", call("deploy")),
        )

    def look(self, arn: str) -> Task:
        """Return how a task stands now."""
        answer = self._call("DescribeTasks", cluster=_cluster(arn, self.place.cluster), tasks=[arn])
        for each in answer.get("tasks", ()):
            return _described(each, self.place.container)
        return Task(arn)

    def started_for(self, run: str) -> list[str]:
        """Return the ARNs of the tasks that were started for `run` and are not told to end."""
        answer = self._call("ListTasks", cluster=self.place.cluster, startedBy=run)
        return [str(each) for each in answer.get("taskArns", ())]

    def given(self, words: Sequence[str], others: set[str]) -> str:
        """Return the ARN of a task of this place that was started with `words`, also if it has ended; or "".

        `others`: ARNs of tasks that were looked at and were not; more are added.
        """
        for status in ("RUNNING", "STOPPED"):
            new = [each for each in self._listed(status) if each not in others]
            for start in range(0, len(new), _AT_ONCE):
                asked = new[start : start + _AT_ONCE]
                answer = self._call("DescribeTasks", cluster=self.place.cluster, tasks=asked)
                for each in answer.get("tasks", ()):
                    overridden = each.get("overrides", {}).get("containerOverrides", ())
                    if list(words) in [one.get("command") for one in overridden]:
                        return str(each["taskArn"])
                    others.add(str(each["taskArn"]))
        return ""

    def _listed(self, status: str) -> Iterator[str]:
        """Yield the ARNs of the tasks of this definition that are, or were told to be, `status`."""
        more: dict[str, str] = {}
        while True:
            answer = self._call(
                "ListTasks",
                cluster=self.place.cluster,
                family=self.place.family,
                desiredStatus=status,
                **more,
            )
            yield from map(str, answer.get("taskArns", ()))
            if not answer.get("nextToken"):
                return
            more = {"nextToken": answer["nextToken"]}

    def stop(self, arn: str, reason: str) -> None:
        """Have ECS end a task: SIGTERM, and SIGKILL when the container's stop timeout is over."""
        self._call("StopTask", cluster=_cluster(arn, self.place.cluster), task=arn, reason=reason[:255])

    def last_lines(self, arn: str, count: int = 30) -> list[str]:
        """Return the last lines that a task wrote; none where they cannot be read."""
        if not self.place.log_group:
            return []
        stream = f"{LOG_STREAM}/{self.place.container}/{arn.rpartition('/')[2]}"
        try:
            answer = clients.call(
                self.cloud,
                "logs",
                "GetLogEvents",
                logGroupName=self.place.log_group,
                logStreamName=stream,
                limit=count,
                startFromHead=False,
            )
        except Exception as error:  # noqa: BLE001  lines for a person, beside an error that matters more
            return [f"(its log cannot be read: {' '.join(str(error).split())[:200]})"]
        return [str(each.get("message", "")).rstrip() for each in answer.get("events", ())]

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return ask(
            self.cloud,
            SERVICE,
            operation,
            named=lambda code, said: self._named(code, said, operation),
            attempts=ATTEMPTS,
            **parameters,
        )

    def _named(self, code: str, said: str, operation: str) -> SeedbedError | None:
        because = f"{code}: {said}"
        if operation == "RunTask" and any(each in said.lower() for each in _BUSY):
            return NoCapacity("AWS has no room for the task", because=because, try_="run again later")
        if any(each in said.lower() for each in _THROTTLED):
            return faults.of_code("Throttling", because, self.cloud, action=f"{SERVICE}:{operation}")
        if code in _UNKNOWN or code.startswith("Platform") or code == "UnsupportedFeatureException":
            return UsageError(
                f"ECS does not accept {operation} in {faults.where(self.cloud)}",
                because=because,
                try_=Hint("make the stack of the task anew: ", call("deploy")),
            )
        if code == "BlockedException":
            return Refused("AWS has blocked this account", because=because, try_="ask AWS Support")
        return None


def _cluster(arn: str, default: str) -> str:
    """Return the cluster that a task's ARN names, `…:task/CLUSTER/ID`."""
    parts = arn.rpartition(":")[2].split("/")
    return parts[1] if len(parts) == 3 and default.rpartition("/")[2] != parts[1] else default


def _failure(failure: dict[str, Any]) -> str:
    parts = [str(failure.get(name, "")) for name in ("reason", "detail", "arn")]
    return " ".join(each for each in parts if each)


def _described(task: dict[str, Any], ours: str) -> Task:
    """Return what ECS says of a task. AWS may have put containers beside `ours`: GuardDuty's agent, for one."""
    containers = sorted(task.get("containers", ()), key=lambda each: each.get("name") != ours)
    code = next((each["exitCode"] for each in containers[:1] if each.get("exitCode") is not None), None)
    reasons = [task.get("stoppedReason", ""), *(each.get("reason", "") for each in containers)]
    pull = task.get("pullStartedAt"), task.get("pullStoppedAt")
    return Task(
        str(task["taskArn"]),
        str(task.get("lastStatus", "")),
        str(task.get("stopCode", "")),
        "; ".join(dict.fromkeys(str(each) for each in reasons if each)),
        code,
        isinstance(pull[0], datetime) and not isinstance(pull[1], datetime),
    )
