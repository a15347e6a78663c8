"""The calls of ECS that are about tasks."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_proxy import Call, Policies, Proxy, on
from tests.support.aws_proxy.faults import fault
from tests.support.aws_proxy.http import Response
from tests.support.fargate import rights
from tests.support.fargate.images import Image, Network
from tests.support.fargate.running import Times, live
from tests.support.fargate.tasks import Task
from tests.support.fargate.upstream import Refused, Upstream

MOST_OF_OVERRIDES = 8192  # characters
MOST_OF_TOKEN = 64
NO_CAPACITY = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)
_OURS = "/fargate"  # below it, a container finds its metadata and credentials


@dataclass(frozen=True, slots=True)
class TaskCredentials:
    """What a task was given to sign with, and the role that it is then."""

    role: str
    secret: str
    token: str


class Fargate:
    """See the package.

    `start`, `end`, `log_delay`: seconds, see Times; `kept`: for how many seconds a task that stopped is known, an hour
    or more on AWS; `without_capacity`: how many calls are still told that there is none. `inside`: what a task finds in
    its network besides `network`, looked up when it starts. `credentials`: by access key. `judged`: what tasks may do,
    by session token, where their calls are judged.
    """

    def __init__(self, proxy: Proxy, world: World, judged: Policies | None = None) -> None:
        self.images: dict[str, Image] = {}
        self.network: Network = {}
        self.inside: Callable[[Task], Network] = lambda _task: {}
        self.credentials: dict[str, TaskCredentials] = {}
        self.judged = judged
        self.start = 0.1
        self.end = 0.05
        self.log_delay = 0.1
        self.kept = 3600.0
        self.without_capacity = 0
        self.tasks: list[Task] = []
        self.endpoint = proxy.endpoint
        self._region = world.region
        self._upstream = Upstream(world)
        self._tokens: dict[str, tuple[str, Task]] = {}
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        calls = {
            "RunTask": self.run_task,
            "StopTask": self._stop_task,
            "DescribeTasks": self._describe_tasks,
            "ListTasks": self._list_tasks,
        }
        self._served = [
            proxy.serve(on(name, service="ecs"), partial(self._answer, act)) for name, act in calls.items()
        ]
        self._served.append(
            proxy.serve(lambda call: call.request.target.startswith(f"{_OURS}/"), self._about_itself)
        )

    def wait(self, status: str = "STOPPED", *, number: int = -1, timeout: float = 30.0) -> Task:
        """Wait until there is a task of this number, the newest by default, and until it is `status`, or beyond.

        Raises TimeoutError.
        """
        wanted = number + 1 if number >= 0 else 1
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.tasks) >= wanted, timeout):
                raise TimeoutError(f"there are {len(self.tasks)} tasks after {timeout:g} s")
        return self.tasks[number].wait(status, timeout)

    def close(self) -> None:
        """Kill all tasks, and wait until nothing of them is left."""
        for rule in self._served:
            rule.remove()
        for task in self.tasks:
            with task.changed:
                task.stopping.set()
            task.kill()
        for thread in [*self._threads, *(each for task in self.tasks for each in task.threads)]:
            thread.join()

    # --- calls

    def _answer(self, act: Any, call: Call) -> Response:
        try:
            return _told(act(call.asked))
        except Refused as refused:
            return fault(call, refused.code, refused.message, **refused.more)

    def run_task(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer RunTask. Raises Refused."""
        _check(asked)
        token = asked.get("clientToken", "")
        same = json.dumps(
            {key: value for key, value in asked.items() if key != "clientToken"}, sort_keys=True
        )
        with self._changed:
            if token in self._tokens:
                before, task = self._tokens[token]
                if before != same:
                    raise Refused(
                        "ConflictException",
                        "The specified client token is already in use for a request with other parameters.",
                        resourceIds=[task.arn],
                    )
                return {"tasks": [_shown(task)], "failures": []}
            cluster = self._upstream.cluster(asked.get("cluster", "default"))
            definition = self._upstream.definition(asked["taskDefinition"])
            _check_overrides(asked, definition)
            _check_role(definition)
            self._upstream.check_network(asked["networkConfiguration"]["awsvpcConfiguration"])
            if self.without_capacity:
                self.without_capacity -= 1
                return {"tasks": [], "failures": [{"reason": NO_CAPACITY}]}
            task = Task(asked, definition, cluster)
            first = {"tasks": [_shown(task)], "failures": []}
            self.tasks.append(task)
            if token:
                self._tokens[token] = same, task
            self._changed.notify_all()
        times = Times(self.start, self.log_delay, self.end)
        arguments = (task, self._upstream, self.images, self._there, self._given(task), times)
        thread = threading.Thread(target=live, args=arguments, name=f"task-{task.id[:8]}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return first

    def _stop_task(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        task = self._found(asked["task"], self._upstream.cluster(asked.get("cluster", "default")))
        if task is None:
            raise Refused("InvalidParameterException", "The referenced task was not found.")
        task.stop("UserInitiated", asked.get("reason", "Task stopped by user"))
        return {"task": _shown(task)}

    def _describe_tasks(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        cluster = self._upstream.cluster(asked.get("cluster", "default"))
        if not 1 <= len(asked["tasks"]) <= 100:
            raise Refused("InvalidParameterException", "Tasks cannot be empty or more than 100.")
        tasks, failures = [], []
        for name in asked["tasks"]:
            task = self._found(name, cluster)
            if task is None:
                arn = f"{cluster.replace(':cluster/', ':task/')}/{name.rpartition('/')[2]}"
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                tasks.append(_shown(task, with_tags="TAGS" in asked.get("include", ())))
        return {"tasks": tasks, "failures": failures}

    def _list_tasks(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        cluster = self._upstream.cluster(asked.get("cluster", "default"))
        fits = {
            "desiredStatus": asked.get("desiredStatus", "RUNNING"),
            **({"startedBy": asked["startedBy"]} if "startedBy" in asked else {}),
            **({"group": f"family:{asked['family']}"} if "family" in asked else {}),
        }
        return {
            "taskArns": [
                each.arn
                for each in list(self.tasks)
                if self._found(each.arn, cluster) is not None
                and all(each.told.get(key) == value for key, value in fits.items())
            ]
        }

    def _found(self, name: str, cluster: str) -> Task | None:
        """Return the task of an ARN or id in a cluster, if it is still known."""
        for task in self.tasks:
            if name in (task.arn, task.id) and task.told["clusterArn"] == cluster:
                stopped = task.told.get("stoppedAt")
                return None if stopped is not None and time.time() - stopped > self.kept else task
        return None

    def _there(self, task: Task) -> Network:
        return {**self.network, **self.inside(task)}

    # --- what a container is told about itself

    def _given(self, task: Task) -> dict[str, str]:
        role = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.endpoint}{_OURS}/credentials/{task.id}"}
        return {
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "ECS_CONTAINER_METADATA_URI_V4": f"{self.endpoint}{_OURS}/v4/{task.id}",
            **(role if task.definition.get("taskRoleArn") else {}),
        }

    def _about_itself(self, call: Call) -> Response:
        _, _, kind, name, *more = call.request.target.split("/")
        task = next((each for each in self.tasks if each.id == name), None)
        if task is None:
            return _told({"message": "no such task"}, 404)
        if kind == "credentials":
            try:
                return _told(self._credentials(task))
            except ClientError as error:  # its role went with its stack, while it still runs
                return _told({"code": "InternalServerError", "message": str(error)}, 500)
        told = task.told
        if more == ["task"]:
            return _told(
                {
                    "Cluster": told["clusterArn"],
                    "TaskARN": task.arn,
                    "Family": task.definition["family"],
                    "Revision": str(task.definition["revision"]),
                    "DesiredStatus": told["desiredStatus"],
                    "KnownStatus": told["lastStatus"],
                    "LaunchType": "FARGATE",
                }
            )
        container = told["containers"][0]
        return _told(
            {
                "Name": container["name"],
                "Image": container["image"],
                "ContainerARN": container["containerArn"],
            }
        )

    def _credentials(self, task: Task) -> Mapping[str, str]:
        role = task.definition["taskRoleArn"]
        given = self._upstream.credentials(role, task.id)
        self.credentials[given["AccessKeyId"]] = TaskCredentials(
            role, given["SecretAccessKey"], given["Token"]
        )
        if self.judged is not None:
            self.judged.enrol(given["Token"], self.allowed(role))
        return given

    def allowed(self, role: str) -> list[Mapping[str, Any]]:
        """Return the statements of a role's policies; `role`: an ARN."""
        return rights.statements(self._upstream.service("iam"), role)


def _check(asked: Mapping[str, Any]) -> None:
    """Raise Refused for parameters that no definition can make right."""
    token = asked.get("clientToken", "")
    if len(token) > MOST_OF_TOKEN or any(not "!" <= each <= "~" for each in token):
        raise Refused("InvalidParameterException", f"clientToken must be 1 to {MOST_OF_TOKEN} characters.")
    if len(json.dumps(asked.get("overrides", {}), separators=(",", ":"))) > MOST_OF_OVERRIDES:
        raise Refused(
            "InvalidParameterException",
            f"Container Overrides length must be at most {MOST_OF_OVERRIDES}",
        )
    if asked.get("launchType") != "FARGATE":
        raise Refused("InvalidParameterException", "No Container Instances were found in your cluster.")
    if asked.get("count", 1) != 1:
        raise NotImplementedError("one task at a time")
    if not asked.get("networkConfiguration", {}).get("awsvpcConfiguration", {}).get("subnets"):
        raise Refused(
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )


def _check_overrides(asked: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    names = {each["name"] for each in definition["containerDefinitions"]}
    for each in asked.get("overrides", {}).get("containerOverrides", ()):
        if each["name"] not in names:
            raise Refused(
                "InvalidParameterException",
                f"Override for container named {each['name']} is not a container in the TaskDefinition.",
            )


def _check_role(definition: Mapping[str, Any]) -> None:
    wanted = rights.needs_a_role(definition["containerDefinitions"][0])
    if wanted and not definition.get("executionRoleArn"):
        raise Refused(
            "ClientException",
            f"Fargate requires task definition to have execution role ARN to support {wanted[0]}.",
        )


def _shown(task: Task, *, with_tags: bool = False) -> Mapping[str, Any]:
    with task.changed:
        shown: dict[str, Any] = json.loads(json.dumps(task.told))
    if with_tags:
        inherited = task.definition["tags"] if task.asked.get("propagateTags") == "TASK_DEFINITION" else []
        shown["tags"] = [*inherited, *task.asked.get("tags", [])]
    return shown


def _told(document: Mapping[str, Any], status: int = 200) -> Response:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": str(uuid.uuid4())}
    return Response(status, headers, json.dumps(document).encode())


@contextmanager
def fargate(proxy: Proxy, world: World, *, judged: bool = False) -> Iterator[Fargate]:
    """Answer the calls about tasks that go through `proxy`, and run tasks until the end of the block.

    `judged`: what a task asks of AWS is refused where the policies of its role do not allow it.
    """
    policies = proxy.add(Policies({}, account=world.account, region=world.region)) if judged else None
    found = Fargate(proxy, world, policies)
    try:
        yield found
    finally:
        found.close()
