"""Which tasks of ECS are told to run old code."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
from msgspec.structs import replace

from seedbed.aws import services as ecs
from seedbed.model.environment import Environment
from seedbed.model.release import READER
from seedbed.model.release_rules import NewCode, ReleaseRules
from seedbed.project.releasing.running import judged, old_code
from tests.support.ecs import TAGS, Cluster

if TYPE_CHECKING:
    from seedbed.project.releasing.unpacked import Unpacked

NEW, OLD, BESIDE = (f"sha256:{each}" for each in ("new", "old", "beside"))
PROD = Environment("prod", account="1" * 12, region="eu-central-1")


def said(cluster: Cluster) -> tuple[str, str]:
    found = judged(ecs.running(cast("Any", None), cluster.tags), {NEW}, 5.0)
    return found.verdict, found.text


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(ecs, "ask", made.ask)
    return made


def test_tasks_with_images_of_the_release_are_no_old_readers(cluster: Cluster) -> None:
    cluster.service("api")
    cluster.service("others", environment="staging")
    cluster.task("service:api", NEW, BESIDE)
    cluster.task("service:others", OLD)
    cluster.task("family:job", OLD, environment="staging", platform="shop")
    cluster.task("family:seedbed", OLD, **TAGS, **{"managed-by": "seedbed"})
    cluster.service("Neo4j", **{"managed-by": "seedbed"})
    cluster.task("service:Neo4j", OLD)
    assert said(cluster) == ("good", "ECS: 1 task with images of the release, and no others")


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
    assert said(cluster)[0] == verdict
    assert verdict == "good" or said(cluster)[1] == "ECS: api has 1 task with other images"


def test_one_old_task_among_hundreds_is_found(cluster: Cluster) -> None:
    cluster.service("api")
    for _ in range(250):
        cluster.task("service:api", NEW)
    cluster.task("service:api", OLD)
    assert said(cluster) == ("bad", "ECS: api has 1 task with other images")


def test_a_task_that_stands_alone_is_known_by_its_own_tags(cluster: Cluster) -> None:
    cluster.task("family:report", OLD, **TAGS)
    assert said(cluster) == ("bad", "ECS: task report:7 has 1 task with other images")


def test_a_service_without_tasks_is_judged_by_what_it_would_start(cluster: Cluster) -> None:
    cluster.service("api", f"repo@{NEW}")
    assert said(cluster)[0] == "good"
    cluster.service("night", f"repo@{OLD}")
    assert said(cluster) == ("bad", "ECS: night has no task, and would start other images")
    cluster.service("night", "repo:latest")
    assert said(cluster) == (
        "unknown",
        "ECS: night has no task, and would start an image whose digest is not told",
    )
    cluster.service("night", f"repo@{OLD}", status="DRAINING")
    assert said(cluster)[0] == "good"


def test_a_task_whose_image_is_not_pulled_yet_is_not_known(cluster: Cluster) -> None:
    cluster.service("api")
    cluster.task("service:api", "", BESIDE)
    assert said(cluster) == ("unknown", "ECS: api has 1 task with an image whose digest is not told")


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
