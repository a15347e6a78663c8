"""Services of ECS: which images their running tasks have, and since when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedbed.aws.asking import ask
from seedbed.errors import SeedbedError

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

SERVICE = "ecs"
_SERVICES, _TASKS = 10, 100  # that one call describes


class ServiceTasks(Struct, frozen=True):
    """A service, and what each of its tasks runs: the digests of its images, `sha256:…`.

    `since`: when its newest task started; 0 where it has none. `settling`: why it is not what it is to be yet; empty
    where it is: it has as many tasks as are wanted, all of one deployment.
    """

    name: str
    tasks: tuple[frozenset[str], ...]
    since: float
    settling: str = ""


def services(cloud: Cloud, tags: Mapping[str, str]) -> list[ServiceTasks]:
    """Return the services of all clusters that have `tags`, by name. Raises what `seedbed.aws` raises."""
    found = []
    for cluster in _all(cloud, "ListClusters", "clusterArns"):
        arns = list(_all(cloud, "ListServices", "serviceArns", cluster=cluster))
        for some in _parts(arns, _SERVICES):
            answer = _call(cloud, "DescribeServices", cluster=cluster, services=list(some), include=["TAGS"])
            for each in answer.get("services", ()):
                has = {one.get("key"): one.get("value") for one in each.get("tags", ())}
                if each.get("status") == "ACTIVE" and tags.items() <= has.items():
                    found.append(_described(cloud, cluster, each))
    return sorted(found, key=lambda each: each.name)


def _described(cloud: Cloud, cluster: str, service: Mapping[str, Any]) -> ServiceTasks:
    name = str(service["serviceName"])
    tasks = []
    for some in _parts(list(_all(cloud, "ListTasks", "taskArns", cluster=cluster, serviceName=name)), _TASKS):
        tasks += _call(cloud, "DescribeTasks", cluster=cluster, tasks=list(some)).get("tasks", ())
    alive = [each for each in tasks if each.get("lastStatus") != "STOPPED"]
    digests = tuple(
        frozenset(str(one["imageDigest"]) for one in each.get("containers", ()) if one.get("imageDigest"))
        for each in alive
    )
    started = [each["startedAt"] for each in alive if isinstance(each.get("startedAt"), datetime)]
    since = max((each.timestamp() for each in started), default=0.0)
    return ServiceTasks(name, digests, since, _settling(service, len(alive)))


def _settling(service: Mapping[str, Any], alive: int) -> str:
    """Return why a service is not what it is to be yet: tasks of its former deployment, or too few."""
    wanted, running = int(service.get("desiredCount", 0)), int(service.get("runningCount", 0))
    deployments = service.get("deployments", ())
    if len(deployments) > 1:
        return "it has tasks of a former deployment"
    if running != wanted or alive != wanted:
        return f"{running} of {wanted} tasks run"
    return ""


def _all(cloud: Cloud, operation: str, member: str, **parameters: Any) -> Iterator[str]:
    token = ""
    while True:
        more = {"nextToken": token} if token else {}
        answer = _call(cloud, operation, **parameters, **more)
        yield from map(str, answer.get(member, ()))
        token = str(answer.get("nextToken") or "")
        if not token:
            return


def _call(cloud: Cloud, operation: str, **parameters: Any) -> dict[str, Any]:
    return ask(cloud, SERVICE, operation, named=_named, **parameters)


def _named(_code: str, _said: str) -> SeedbedError | None:
    return None


def _parts(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for at in range(0, len(values), size):
        yield values[at : at + size]
