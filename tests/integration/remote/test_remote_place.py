"""Where the runs of an environment are, as its stacks wrote it into the parameter store."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import WrongAccount
from seedbed.errors import UsageError, hint_text
from seedbed.model.environment import Environment
from seedbed.remote.place import BUCKET, ENVIRONMENT, TABLE, TaskPlace, find, of_worker

CONTROL = {"table": "t", "bucket": "b", "log-group": "l"}
TASK = {
    "cluster": "c",
    "task-definition": "d",
    "container": "seedbed",
    "subnets": "subnet-1,subnet-2",
    "security-group": "sg-1",
    "log-group": "l",
}


@pytest.fixture
def environment() -> str:
    return f"dev-{uuid.uuid4().hex[:8]}"


def written(cloud: Cloud, environment: str, kind: str, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        path = f"/sample/{environment}/seedbed/{kind}/{name}"
        clients.call(cloud, "ssm", "PutParameter", Name=path, Value=value, Type="String")


def test_what_the_stacks_wrote_is_found(cloud: Cloud, environment: str) -> None:
    written(cloud, environment, "control", CONTROL)
    written(cloud, environment, "task", TASK)
    place = find(cloud, "sample", Environment(environment))
    assert (place.table, place.bucket) == ("t", "b")
    assert place.require_task() == TaskPlace("c", "d", "seedbed", ("subnet-1", "subnet-2"), "sg-1", "l")
    assert place.control.table.name == "t"


def test_an_environment_in_a_base_has_its_records_where_the_base_has_its_own(
    cloud: Cloud, environment: str
) -> None:
    base = f"base-{environment}"
    ana = Environment(environment, base=base)
    with pytest.raises(UsageError, match=f"{base} was never deployed"):
        find(cloud, "sample", ana)
    written(cloud, base, "control", CONTROL)
    written(cloud, base, "task", {**TASK, "cluster": "of the base"})
    written(cloud, environment, "task", TASK)
    place = find(cloud, "sample", ana)
    assert (place.table, place.control.environment) == ("t", environment)
    assert place.require_task().cluster == "c"


def test_an_environment_that_was_never_deployed_says_so(cloud: Cloud, environment: str) -> None:
    with pytest.raises(UsageError, match="was never deployed") as found:
        find(cloud, "sample", Environment(environment))
    assert f"/sample/{environment}/seedbed/control" in found.value.because
    way = hint_text(found.value.try_, environment, "")
    assert f"deploy -e {environment};" in way
    # A protected one requires a plan, and what makes plans sends here.
    assert way.endswith(f"deploy -e {environment} --unreviewed"), way


def test_half_a_stack_is_named(cloud: Cloud, environment: str) -> None:
    written(cloud, environment, "control", CONTROL)
    written(cloud, environment, "task", {"cluster": "c"})
    with pytest.raises(UsageError) as found:
        find(cloud, "sample", Environment(environment))
    assert "task-definition, subnets, security-group are not below" in found.value.because


def test_an_environment_without_a_task_says_how_to_make_one(cloud: Cloud, environment: str) -> None:
    written(cloud, environment, "control", CONTROL)
    place = find(cloud, "sample", Environment(environment))
    with pytest.raises(UsageError, match="has no task") as found:
        place.require_task()
    assert f"[environments.{environment}.task]" in found.value.try_
    assert f"deploy -e {environment}" in hint_text(found.value.try_, environment, "")


def test_another_account_is_refused_before_anything_is_read(cloud: Cloud, environment: str) -> None:
    with pytest.raises(WrongAccount):
        find(replace(cloud, account="999999999999"), "sample", Environment(environment))


def test_a_worker_is_told_by_its_variables(cloud: Cloud) -> None:
    control = of_worker(cloud, {TABLE: "t", BUCKET: "b", ENVIRONMENT: "dev-ana"})
    assert (control.table.name, control.bucket.name, control.environment) == ("t", "b", "dev-ana")
    with pytest.raises(UsageError, match=f"{BUCKET} is not set"):
        of_worker(cloud, {TABLE: "t", ENVIRONMENT: "dev-ana"})
