"""The services that run edtech's code in an account, as ECS tells it: which image each of their tasks has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.aws_proxy import Call, Proxy
from tests.support.aws_proxy.http import Response

CLUSTER = "edtech-apps"
_OPERATIONS = ("ListServices", "DescribeServices", "ListTasks", "DescribeTasks")


class Apps:
    """The services of one environment, in a cluster of their own. `tasks`: the digests of a service's tasks, by name."""

    def __init__(self, aws: Proxy, account: str, environment: str, digest: str) -> None:
        self.tasks: dict[str, list[str]] = {"api": [digest], "worker": [digest]}
        self.started = time.time() - 7 * 86400
        self._arn = f"arn:aws:ecs:eu-central-1:{account}:{{}}/{CLUSTER}/{{}}"
        tags = {"platform": "edtech", "environment": environment}
        self._tags = [{"key": key, "value": value} for key, value in tags.items()]
        for each in _OPERATIONS:
            aws.serve(_of_ours(each), self._answer)

    def run(self, digest: str, *, but: str = "") -> None:
        """Have the tasks of all services but one run an image, since now."""
        for name in self.tasks:
            if name != but:
                self.tasks[name] = [digest]
        self.started = time.time()

    def _answer(self, call: Call) -> Response:
        told = getattr(self, f"_{call.operation}")(call.asked)
        return Response(200, {"content-type": "application/x-amz-json-1.1"}, json.dumps(told).encode())

    def _ListServices(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"serviceArns": [self._arn.format("service", name) for name in self.tasks]}

    def _DescribeServices(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        names = [each.rpartition("/")[2] for each in asked["services"]]
        return {
            "services": [
                {
                    "serviceName": name,
                    "status": "ACTIVE",
                    "desiredCount": len(self.tasks[name]),
                    "runningCount": len(self.tasks[name]),
                    "deployments": [{"status": "PRIMARY"}],
                    **({"tags": self._tags} if "TAGS" in asked.get("include", ()) else {}),
                }
                for name in names
            ]
        }

    def _ListTasks(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked.get("desiredStatus", "RUNNING") != "RUNNING":
            return {"taskArns": []}
        names = [asked["serviceName"]] if "serviceName" in asked else list(self.tasks)
        return {
            "taskArns": [
                self._arn.format("task", f"{name}.{number}")
                for name in names
                for number in range(len(self.tasks[name]))
            ]
        }

    def _DescribeTasks(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        found = []
        for arn in asked["tasks"]:
            name, _, number = arn.rpartition("/")[2].rpartition(".")
            found.append(
                {
                    "taskArn": arn,
                    "group": f"service:{name}",
                    "lastStatus": "RUNNING",
                    "startedAt": self.started,
                    "containers": [{"imageDigest": self.tasks[name][int(number)]}],
                }
            )
        return {"tasks": found}


def _of_ours(operation: str) -> Callable[[Call], bool]:
    """Return whether a call asks for that about our cluster."""
    return lambda call: (
        call.service == "ecs"
        and call.operation == operation
        and str(call.asked.get("cluster", "")).rpartition("/")[2] == CLUSTER
    )
