"""ECS with one cluster, as its API reference has it: a hundred tasks in a list, and in a description."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seedbed.aws.faults import Denied
from tests.support.aws_proxy import Call, Proxy
from tests.support.aws_proxy.http import Response

TAGS = {"platform": "shop", "environment": "prod"}


def tagged(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


class Cluster:
    """Services with `tags` and more, tasks, and what may not be asked."""

    def __init__(self, tags: Mapping[str, str] = TAGS) -> None:
        self.tags = tags
        self.services: dict[str, dict[str, Any]] = {}
        self.tasks: list[dict[str, Any]] = []
        self.definitions: dict[str, list[str]] = {}
        self.denied = ""

    def service(self, name: str, *images: str, status: str = "ACTIVE", **tags: str) -> None:
        self.services[name] = {
            "serviceName": name,
            "status": status,
            "taskDefinition": f"arn:{name}",
            "tags": tagged({**self.tags, **tags}),
        }
        self.definitions[f"arn:{name}"] = list(images)

    def task(
        self, group: str, *digests: str, last: str = "RUNNING", desired: str = "RUNNING", **tags: str
    ) -> None:
        self.tasks.append(
            {
                "taskArn": f"task-{len(self.tasks)}",
                "group": group,
                "lastStatus": last,
                "desiredStatus": desired,
                "taskDefinitionArn": f"arn:aws:ecs:x:1:task-definition/{group.partition(':')[2]}:7",
                "containers": [
                    {"image": "repo:tag", **({"imageDigest": each} if each else {})} for each in digests
                ],
                "tags": tagged(tags),
            }
        )

    def ask(self, _cloud: Any, _service: str, operation: str, **asked: Any) -> Mapping[str, Any]:
        if operation == self.denied:
            raise Denied(f"the role may not do ecs:{operation}", because="AccessDeniedException")
        answers: dict[str, Callable[[], Mapping[str, Any]]] = {
            "ListClusters": lambda: {"clusterArns": ["one"]},
            "ListServices": lambda: {"serviceArns": list(self.services)},
            "DescribeServices": lambda: {"services": [self.services[each] for each in asked["services"]]},
            "ListTasks": lambda: self._listed(asked),
            "DescribeTasks": lambda: self._described(asked["tasks"], asked.get("include", ())),
            "DescribeTaskDefinition": lambda: {
                "taskDefinition": {
                    "containerDefinitions": [
                        {"image": each} for each in self.definitions[asked["taskDefinition"]]
                    ]
                }
            },
        }
        return answers[operation]()

    def _listed(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        wanted = asked.get("desiredStatus", "RUNNING")
        arns = [each["taskArn"] for each in self.tasks if each["desiredStatus"] == wanted]
        first = int(asked.get("nextToken", 0))
        more = {"nextToken": str(first + 100)} if first + 100 < len(arns) else {}
        return {"taskArns": arns[first : first + 100], **more}

    def _described(self, arns: Sequence[str], include: Sequence[str]) -> Mapping[str, Any]:
        assert len(arns) <= 100, "ECS describes a hundred tasks in one call"
        found = [each for each in self.tasks if each["taskArn"] in arns]
        return {"tasks": found if "TAGS" in include else [{**each, "tags": []} for each in found]}

    def serve(self, aws: Proxy) -> None:
        """Answer calls to ECS that come through a proxy."""

        def answer(call: Call) -> Response:
            found = self.ask(None, "ecs", call.operation, **call.asked)
            return Response(200, {"content-type": "application/x-amz-json-1.1"}, json.dumps(found).encode())

        aws.serve(lambda call: call.service == "ecs", answer)
