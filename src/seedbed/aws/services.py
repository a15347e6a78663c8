"""Services and tasks of ECS: which images run, and since when.

What seedbed itself made there, with the tag `managed-by=seedbed`, runs none of the platform's code.
"""

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
_OURS = ("managed-by", "seedbed")


class ServiceTasks(Struct, frozen=True):
    """A service, and what each of its tasks runs: the digests of its images, `sha256:…`.

    `since`: when its newest task started; 0 where it has none. `settling`: why it is not what it is to be yet; empty
    where it is: it has as many tasks as are wanted, all of one deployment.
    """

    name: str
    tasks: tuple[frozenset[str], ...]
    since: float
    settling: str = ""


class RunningTask(Struct, frozen=True):
    """What runs, or would: a task that is not STOPPED, or a service that has none at the moment.

    `of`: the service, or the definition of a task that stands alone. `images`: the digests of its images; `is_told`:
    each of them is known. `is_idle`: it is a service that would start these.
    """

    of: str
    images: frozenset[str]
    is_told: bool
    is_idle: bool = False


def services(cloud: Cloud, tags: Mapping[str, str]) -> list[ServiceTasks]:
    """Return the services of all clusters that have `tags`, by name. Raises what `seedbed.aws` raises."""
    found = [
        _described(cloud, cluster, each)
        for cluster in _all(cloud, "ListClusters", "clusterArns")
        for each in _tagged(cloud, cluster, tags)
        if each.get("status") == "ACTIVE"
    ]
    return sorted(found, key=lambda each: each.name)


def running(cloud: Cloud, tags: Mapping[str, str]) -> list[RunningTask]:
    """Return every task of all clusters that belongs to a service with `tags`, or has them itself, until it is STOPPED.

    And the services with `tags` that have no task: what they would start. Raises what `seedbed.aws` raises.
    """
    found: list[RunningTask] = []
    for cluster in _all(cloud, "ListClusters", "clusterArns"):
        own = {str(each["serviceName"]): each for each in _tagged(cloud, cluster, tags)}
        idle = dict(own)
        for task in _alive(cloud, cluster):
            kind, _, name = str(task.get("group", "")).partition(":")
            is_service = kind == "service"
            if (is_service and name in own) or (not is_service and _has(task, tags)):
                found.append(_task(task, name if is_service else ""))
                idle.pop(name, None)
        found += [_idle(cloud, each) for each in idle.values() if each.get("status") == "ACTIVE"]
    return sorted(found, key=lambda each: (each.of, sorted(each.images)))


def _tagged(cloud: Cloud, cluster: str, tags: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Yield the services of a cluster that have `tags`, and are not seedbed's own."""
    arns = list(_all(cloud, "ListServices", "serviceArns", cluster=cluster))
    for some in _parts(arns, _SERVICES):
        answer = _call(cloud, "DescribeServices", cluster=cluster, services=list(some), include=["TAGS"])
        yield from (each for each in answer.get("services", ()) if _has(each, tags))


def _has(thing: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    has = {one.get("key"): one.get("value") for one in thing.get("tags", ())}
    return tags.items() <= has.items() and _OURS not in has.items()


def _alive(cloud: Cloud, cluster: str) -> Iterator[Mapping[str, Any]]:
    """Yield the tasks of a cluster that are not STOPPED; one that is told to stop is listed so, and may read."""
    for status in ("RUNNING", "STOPPED"):
        arns = list(_all(cloud, "ListTasks", "taskArns", cluster=cluster, desiredStatus=status))
        for some in _parts(arns, _TASKS):
            answer = _call(cloud, "DescribeTasks", cluster=cluster, tasks=list(some), include=["TAGS"])
            yield from (each for each in answer.get("tasks", ()) if each.get("lastStatus") != "STOPPED")


def _task(task: Mapping[str, Any], service: str) -> RunningTask:
    containers = task.get("containers", ())
    digests = [str(one.get("imageDigest") or _digest(str(one.get("image", "")))) for one in containers]
    definition = str(task.get("taskDefinitionArn", "")).rpartition("/")[2]
    return RunningTask(service or f"task {definition}", frozenset(filter(None, digests)), all(digests))


def _idle(cloud: Cloud, service: Mapping[str, Any]) -> RunningTask:
    answer = _call(cloud, "DescribeTaskDefinition", taskDefinition=str(service["taskDefinition"]))
    containers = answer.get("taskDefinition", {}).get("containerDefinitions", ())
    digests = [_digest(str(one.get("image", ""))) for one in containers]
    name = str(service["serviceName"])
    return RunningTask(name, frozenset(filter(None, digests)), bool(digests) and all(digests), is_idle=True)


def _digest(image: str) -> str:
    """Return the digest that an image is named by; empty where it is named by a tag."""
    return image.partition("@")[2]


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
