"""Which tasks of ECS are told to run old code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
from msgspec.structs import replace

from seedbed.aws import services as ecs
from seedbed.aws.faults import Denied
from seedbed.model.environment import Environment
from seedbed.model.release import READER
from seedbed.model.release_rules import NewCode, ReleaseRules
from seedbed.project.releasing.running import judged, old_code

if TYPE_CHECKING:
    from seedbed.project.releasing.unpacked import Unpacked

NEW, OLD, BESIDE = (f"sha256:{each}" for each in ("new", "old", "beside"))
TAGS = {"platform": "shop", "environment": "prod"}
PROD = Environment("prod", account="1" * 12, region="eu-central-1")


def tagged(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


class Cluster:
    """ECS with one cluster, as its API reference has it: a hundred tasks in a list, and in a description."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.services: dict[str, dict[str, Any]] = {}
        self.tasks: list[dict[str, Any]] = []
        self.definitions: dict[str, list[str]] = {}
        self.denied = ""
        monkeypatch.setattr(ecs, "ask", self.ask)

    def service(self, name: str, *images: str, status: str = "ACTIVE", **tags: str) -> None:
        self.services[name] = {
            "serviceName": name,
            "status": status,
            "taskDefinition": f"arn:{name}",
            "tags": tagged({**TAGS, **tags}),
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

    def said(self) -> tuple[str, str]:
        found = judged(ecs.running(cast("Any", None), TAGS), {NEW}, 5.0)
        return found.verdict, found.text


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def test_tasks_with_images_of_the_release_are_no_old_readers(cluster: Cluster) -> None:
    cluster.service("api")
    cluster.service("others", environment="staging")
    cluster.task("service:api", NEW, BESIDE)
    cluster.task("service:others", OLD)
    cluster.task("family:job", OLD, environment="staging", platform="shop")
    cluster.task("family:seedbed", OLD, **TAGS, **{"managed-by": "seedbed"})
    cluster.service("Neo4j", **{"managed-by": "seedbed"})
    cluster.task("service:Neo4j", OLD)
    assert cluster.said() == ("good", "ECS: 1 task with images of the release, and no others")


@pytest.mark.parametrize(
    ("last", "desired", "verdict"),
    [
        ("RUNNING", "RUNNING", "bad"),
        ("STOPPING", "STOPPED", "bad"),
        ("DEPROVISIONING", "STOPPED", "bad"),
        ("STOPPED", "STOPPED", "good"),
    ],
)
def test_a_task_reads_until_it_is_stopped(cluster: Cluster, last: str, desired: str, verdict: str) -> None:
    cluster.service("api")
    cluster.task("service:api", NEW)
    cluster.task("service:api", OLD, BESIDE, last=last, desired=desired)
    assert cluster.said()[0] == verdict
    assert verdict == "good" or cluster.said()[1] == "ECS: api has 1 task with other images"


def test_one_old_task_among_hundreds_is_found(cluster: Cluster) -> None:
    cluster.service("api")
    for _ in range(250):
        cluster.task("service:api", NEW)
    cluster.task("service:api", OLD)
    assert cluster.said() == ("bad", "ECS: api has 1 task with other images")


def test_a_task_that_stands_alone_is_known_by_its_own_tags(cluster: Cluster) -> None:
    cluster.task("family:report", OLD, **TAGS)
    assert cluster.said() == ("bad", "ECS: task report:7 has 1 task with other images")


def test_a_service_without_tasks_is_judged_by_what_it_would_start(cluster: Cluster) -> None:
    cluster.service("api", f"repo@{NEW}")
    assert cluster.said()[0] == "good"
    cluster.service("night", f"repo@{OLD}")
    assert cluster.said() == ("bad", "ECS: night has no task, and would start other images")
    cluster.service("night", "repo:latest")
    assert cluster.said() == (
        "unknown",
        "ECS: night has no task, and would start an image whose digest is not told",
    )
    cluster.service("night", f"repo@{OLD}", status="DRAINING")
    assert cluster.said()[0] == "good"


def test_a_task_whose_image_is_not_pulled_yet_is_not_known(cluster: Cluster) -> None:
    cluster.service("api")
    cluster.task("service:api", "", BESIDE)
    assert cluster.said() == ("unknown", "ECS: api has 1 task with an image whose digest is not told")


def unpacked(environment: Environment = PROD, wait: Literal["", "ecs"] = "") -> Unpacked:
    rules = ReleaseRules(code=NewCode(wait=wait))
    targets = SimpleNamespace(cloud=lambda _: None)
    project = SimpleNamespace(platform=SimpleNamespace(name="shop"), targets=targets)
    return cast("Unpacked", SimpleNamespace(project=project, environment=environment, rules=rules))


def test_where_it_is_not_known_which_tasks_run_that_is_said(cluster: Cluster) -> None:
    images = {"api": f"repo@{NEW}"}.values()
    assert old_code(unpacked(), images, 5.0) == ()  # the platform runs elsewhere
    (asked,) = old_code(unpacked(wait="ecs"), images, 5.0)
    assert (asked.kind, asked.verdict, asked.about) == (READER, "unknown", "ECS")
    assert old_code(unpacked(Environment("prod")), images, 5.0) == ()
    cluster.service("api")
    cluster.task("service:api", OLD)
    (found,) = old_code(unpacked(), images, 5.0)
    assert found.verdict == "bad"
    (found,) = old_code(unpacked(), (), 5.0)
    assert (found.verdict, "names no images" in found.text) == ("unknown", True)
    cluster.denied = "ListTasks"
    (found,) = old_code(unpacked(), images, 5.0)
    assert (found.verdict, "ecs:ListTasks" in found.text) == ("unknown", True)
    assert old_code(unpacked(replace(PROD, region="")), images, 5.0) == ()
