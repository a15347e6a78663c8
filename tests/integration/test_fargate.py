"""The Fargate of the tests: what it says of tasks is what ECS says, and what it runs is what their definitions say."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ConnectionClosedError

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_clients import client
from tests.support.aws_proxy import Proxy, proxy
from tests.support.fargate import Fargate, Image, execution_role, fargate, seedbed_image
from tests.support.processes import alive, until
from tests.support.servers import new_account

GROUP = "seedbed"
SHELL = "shell:1"
SEEDBED = "seedbed:1"


class Stage:
    """An account with a cluster, a network, a log group, a secret and a role, and tasks that go through a proxy."""

    def __init__(self, world: World, aws: Proxy, tasks: Fargate, made: dict[str, Any]) -> None:
        self.world = world
        self.aws = aws
        self.tasks = tasks
        self.made = made
        self.ecs = client("ecs", world.region, aws.endpoint, world.account, tries=1)

    def define(self, image: str = SHELL, **more: Any) -> str:
        """Register a definition of one container, and return its ARN."""
        logs = {"awslogs-group": GROUP, "awslogs-region": self.world.region, "awslogs-stream-prefix": "s"}
        container = {
            "name": "main",
            "image": image,
            "logConfiguration": {"logDriver": "awslogs", "options": logs},
            **more,
        }
        made = client("ecs", self.world.region, self.world.endpoint, self.world.account)
        return str(
            made.register_task_definition(
                family="seedbed",
                requiresCompatibilities=["FARGATE"],
                networkMode="awsvpc",
                cpu="256",
                memory="512",
                taskRoleArn=self.made["role"],
                executionRoleArn=self.made["execution"],
                containerDefinitions=[container],
                tags=[{"key": "platform", "value": "edtech"}],
            )["taskDefinition"]["taskDefinitionArn"]
        )

    def run(self, command: Sequence[str] = (), *, definition: str = "", **more: Any) -> Any:
        """Run a task; a `command` overrides the definition's."""
        overrides = {"containerOverrides": [{"name": "main", "command": list(command)}]} if command else {}
        network = {"awsvpcConfiguration": {"subnets": [self.made["subnet"]]}}
        asked = {
            "cluster": "tasks",
            "taskDefinition": definition or self.made["definition"],
            "launchType": "FARGATE",
            "networkConfiguration": network,
            "overrides": overrides,
        }
        return self.ecs.run_task(**(asked | more))

    def shell(self, script: str, **more: Any) -> str:
        """Run a task that is a shell script, and return its ARN."""
        return str(self.run(["sh", "-c", script], **more)["tasks"][0]["taskArn"])

    def described(self, arn: str) -> Any:
        found = self.ecs.describe_tasks(cluster="tasks", tasks=[arn])
        return found["tasks"][0] if found["tasks"] else found["failures"][0]

    def lines(self, arn: str) -> list[str]:
        made = client("logs", self.world.region, self.world.endpoint, self.world.account)
        stream = f"s/main/{arn.rpartition('/')[2]}"
        try:
            found = made.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
        except made.exceptions.ResourceNotFoundException:
            return []  # it did not start yet
        return [each["message"] for each in found["events"]]

    def lines_become(self, arn: str, expected: list[str]) -> bool:
        return until(lambda: self.lines(arn) == expected, 5)


@pytest.fixture(scope="module")
def furnished(ministack_server: World) -> tuple[World, dict[str, Any]]:
    world = msgspec.structs.replace(ministack_server, account=new_account())

    def ask(service: str, operation: str, **parameters: Any) -> Any:
        made = client(service, world.region, world.endpoint, world.account)
        return getattr(made, operation)(**parameters)

    ask("ecs", "create_cluster", clusterName="tasks")
    ask("logs", "create_log_group", logGroupName=GROUP)
    vpc = ask("ec2", "create_vpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ask("ec2", "create_subnet", VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    secret = ask("secretsmanager", "create_secret", Name="login", SecretString='{"password": "sesame"}')
    role = ask("iam", "create_role", RoleName="task", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    execution = execution_role(lambda operation, **told: ask("iam", xform_name(operation), **told))
    return world, {"subnet": subnet, "secret": secret["ARN"], "role": role, "execution": execution}


@pytest.fixture
def stage(furnished: tuple[World, dict[str, Any]]) -> Iterator[Stage]:
    world, made = furnished
    with proxy(world.endpoint) as aws, fargate(aws, world) as tasks:
        tasks.start, tasks.end = 0.02, 0.02
        tasks.images[SHELL] = Image({"sh": ["/bin/sh"]})
        found = Stage(world, aws, tasks, dict(made))
        found.made["definition"] = found.define(command=["sh", "-c", "echo defined"])
        yield found


# --- what runs


def test_a_task_runs_its_definition_and_tells_its_stations(stage: Stage) -> None:
    first = stage.run(startedBy="ana")["tasks"][0]
    assert (first["lastStatus"], first["desiredStatus"]) == ("PROVISIONING", "RUNNING")
    arn = first["taskArn"]
    assert stage.ecs.list_tasks(cluster="tasks", startedBy="ana")["taskArns"] == [arn]
    stage.tasks.wait()
    told = stage.described(arn)
    assert (told["lastStatus"], told["stopCode"], told["containers"][0]["exitCode"]) == (
        "STOPPED",
        "EssentialContainerExited",
        0,
    )
    times = [told[each] for each in ("createdAt", "pullStartedAt", "startedAt", "stoppingAt", "stoppedAt")]
    assert times == sorted(times)
    assert stage.lines_become(arn, ["defined"])
    assert stage.ecs.list_tasks(cluster="tasks", startedBy="ana")["taskArns"] == []
    stopped = stage.ecs.list_tasks(cluster="tasks", startedBy="ana", desiredStatus="STOPPED")
    assert stopped["taskArns"] == [arn]


def test_a_process_gets_what_is_declared_and_nothing_of_this_machine(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_OF_THE_MACHINE", "1")
    definition = stage.define(
        command=["sh", "-c", "env"],
        environment=[{"name": "USER_DB_HOST", "value": "aurora.example"}, {"name": "A", "value": "1"}],
        secrets=[{"name": "USER_DB_PASSWORD", "valueFrom": f"{stage.made['secret']}:password::"}],
    )
    stage.tasks.network["aurora.example"] = {"HOST": "127.0.0.1", "PORT": "5433", "SSLROOTCERT": None}
    override = {"name": "main", "environment": [{"name": "A", "value": "2"}]}
    overrides = {"containerOverrides": [override]}
    arn = stage.run(definition=definition, overrides=overrides)["tasks"][0]["taskArn"]
    stage.tasks.wait()
    assert until(lambda: len(stage.lines(arn)) > 5, 5)
    told = dict(each.split("=", 1) for each in stage.lines(arn))
    assert (told["A"], told["USER_DB_PASSWORD"]) == ("2", "sesame")
    assert (told["USER_DB_HOST"], told["USER_DB_PORT"]) == ("127.0.0.1", "5433")
    fargate_s = {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "ECS_CONTAINER_METADATA_URI_V4"}
    declared = {"A", "USER_DB_PASSWORD", "USER_DB_HOST", "USER_DB_PORT"}
    of_the_shell = {"PWD", "_", "SHLVL", "OLDPWD"}
    assert set(told) - of_the_shell == {
        *declared,
        *fargate_s,
        *("PATH", "HOME", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    }


def test_the_installed_command_has_the_task_s_role_and_knows_which_task_it_is(stage: Stage) -> None:
    program = (
        "import json, os, urllib.request as u\n"
        "from seedbed.aws import identity\nfrom seedbed.aws.cloud import Cloud\n"
        "print(identity.caller(Cloud('eu-central-1', endpoint=os.environ['AWS_ENDPOINT_URL'])).arn)\n"
        "print(json.load(u.urlopen(os.environ['ECS_CONTAINER_METADATA_URI_V4'] + '/task'))['TaskARN'])\n"
    )
    image = seedbed_image(aws=stage.aws.endpoint)
    programs = {**image.programs, "python": [sys.executable]}
    stage.tasks.images[SEEDBED] = replace(image, programs=programs)
    definition = stage.define(SEEDBED, command=["python", "-c", program])
    arn = stage.run(definition=definition)["tasks"][0]["taskArn"]
    version = stage.run(["seedbed", "--version"], definition=definition)["tasks"][0]["taskArn"]
    codes = [stage.tasks.wait(number=each).exit_code for each in (0, 1)]
    assert codes == [0, 0], until(lambda: False, 1) or "\n".join(stage.lines(arn)[-4:])
    assert until(lambda: len(stage.lines(arn)) == 2, 5)
    role = f"arn:aws:sts::{stage.world.account}:assumed-role/task/{arn.rpartition('/')[2]}"
    assert stage.lines(arn) == [role, arn]
    assert until(lambda: stage.lines(version)[:1] != [], 5)
    assert stage.lines(version)[0].startswith("seedbed, version ")


def test_arguments_below_a_directory_of_the_image_lead_to_where_that_is(tmp_path: Path) -> None:
    image = seedbed_image(tmp_path)
    found = image.local(["seedbed", "-C", "/platform", "--plan", "/platform/a.json", "/platforms"])
    assert found[1:] == ["-C", str(tmp_path), "--plan", f"{tmp_path}/a.json", "/platforms"]
    assert image.local([])[1:] == ["-C", str(tmp_path), "status"]


def test_the_exit_code_is_the_process_s_and_its_log_is_behind(stage: Stage) -> None:
    stage.tasks.log_delay = 0.3
    arn = stage.shell("echo last words; exit 7")
    assert stage.tasks.wait().exit_code == 7
    assert stage.lines(arn) == []
    assert stage.lines_become(arn, ["last words"])


def test_an_exit_code_is_there_before_the_task_is_stopped(stage: Stage) -> None:
    stage.tasks.end = 0.5
    stage.shell("exit 3")
    task = stage.tasks.wait("DEPROVISIONING")
    assert (task.status, task.exit_code) == ("DEPROVISIONING", 3)
    assert stage.tasks.wait().exit_code == 3


# --- what never starts


def test_what_cannot_start_says_why_and_has_no_exit_code(stage: Stage) -> None:
    no_group = {"awslogs-group": "none", "awslogs-region": "eu-central-1", "awslogs-stream-prefix": "s"}
    gone = f"{stage.made['secret']}-gone:password::"
    other = f"{stage.made['secret']}:user::"
    cases = {
        stage.define("nowhere:1"): "CannotPullContainerError: ",
        stage.define(
            secrets=[{"name": "A", "valueFrom": gone}]
        ): "secrets manager: ResourceNotFoundException",
        stage.define(secrets=[{"name": "A", "valueFrom": other}]): "did not contain json key user",
        stage.define(
            logConfiguration={"logDriver": "awslogs", "options": no_group}
        ): "ResourceInitializationError: failed to validate logger args",
        stage.define(command=["bash"]): 'exec: "bash": executable file not found',
    }
    for number, (definition, expected) in enumerate(cases.items()):
        arn = stage.run(definition=definition)["tasks"][0]["taskArn"]
        stage.tasks.wait(number=number)
        told = stage.described(arn)
        assert (told["stopCode"], told["lastStatus"]) == ("TaskFailedToStart", "STOPPED")
        assert expected in told["stoppedReason"]
        assert "exitCode" not in told["containers"][0]
        assert "startedAt" not in told


def test_a_task_is_stopped_before_it_starts(stage: Stage) -> None:
    stage.tasks.start = 30
    arn = stage.shell("echo never")
    stage.ecs.stop_task(cluster="tasks", task=arn, reason="changed my mind")
    assert stage.tasks.wait().exit_code is None
    told = stage.described(arn)
    assert (told["stopCode"], told["stoppedReason"]) == ("UserInitiated", "changed my mind")


# --- what ends


def test_a_stop_is_sigterm_and_the_exit_code_is_what_the_process_makes_of_it(stage: Stage) -> None:
    arn = stage.shell("trap 'echo rolled back; exit 143' TERM; echo ready; while :; do sleep 0.05; done")
    assert stage.lines_become(arn, ["ready"])
    stage.ecs.stop_task(cluster="tasks", task=arn, reason="Ctrl-C")
    assert stage.tasks.wait().exit_code == 143
    assert stage.described(arn)["stoppedReason"] == "Ctrl-C"
    assert stage.lines_become(arn, ["ready", "rolled back"])


def test_who_does_not_stop_is_killed_when_its_time_is_over_with_all_its_children(stage: Stage) -> None:
    definition = stage.define(stopTimeout=1)
    arn = stage.shell("trap '' TERM; sleep 60 & echo $!; while :; do sleep 1; done", definition=definition)
    assert until(lambda: bool(stage.lines(arn)), 5)
    child = int(stage.lines(arn)[0])
    begun = time.monotonic()
    stage.ecs.stop_task(cluster="tasks", task=arn)
    assert stage.tasks.wait().exit_code == 137
    assert time.monotonic() - begun >= 1
    assert until(lambda: not alive(child), 5)


def test_the_machine_ends_a_task_without_asking(stage: Stage) -> None:
    for number, (how, said) in enumerate(
        {"Killed": "Essential container in task exited", "OutOfMemory": "OutOfMemoryError: "}.items()
    ):
        arn = stage.shell("sleep 60")
        task = stage.tasks.wait("RUNNING", number=number)
        task.end(how)  # type: ignore[arg-type]  # one of the two
        assert task.wait("STOPPED").exit_code == 137
        told = stage.described(arn)
        assert (told["stopCode"], said in told["stoppedReason"]) == ("EssentialContainerExited", True)
    arn = stage.shell("sleep 60")
    stage.tasks.wait("RUNNING").retire()
    assert stage.tasks.wait().exit_code == 143
    assert stage.described(arn)["stopCode"] == "TerminationNotice"


def test_a_task_that_stopped_is_forgotten(stage: Stage) -> None:
    arn = stage.shell("exit 0")
    stage.tasks.wait()
    stage.tasks.kept = 0
    time.sleep(0.01)
    assert stage.described(arn) == {"arn": arn, "reason": "MISSING"}
    with pytest.raises(ClientError, match="task was not found"):
        stage.ecs.stop_task(cluster="tasks", task=arn)


def test_nothing_is_left_when_the_stage_is_closed(furnished: tuple[World, dict[str, Any]]) -> None:
    world, made = furnished
    with proxy(world.endpoint) as aws, fargate(aws, world) as tasks:
        tasks.images[SHELL] = Image({"sh": ["/bin/sh"]})
        stage = Stage(world, aws, tasks, dict(made))
        arn = stage.shell("sleep 60 & echo $!; sleep 60", definition=stage.define())
        assert until(lambda: bool(stage.lines(arn)), 5)
        process = tasks.tasks[0].process
        assert process is not None
        pids = [process.pid, int(stage.lines(arn)[0])]
        assert all(map(alive, pids))
    assert until(lambda: not any(map(alive, pids)), 5)


# --- what is asked twice, and what is refused


def test_one_token_is_one_task_even_where_the_answers_are_lost(stage: Stage) -> None:
    with stage.aws.drop("RunTask", when="answered", times=2):
        for _ in range(2):
            with pytest.raises(ConnectionClosedError):
                stage.shell("exit 5", clientToken="01JD")
    arn = stage.shell("exit 5", clientToken="01JD")
    assert stage.tasks.wait().exit_code == 5
    assert stage.shell("exit 5", clientToken="01JD") == arn
    assert len(stage.tasks.tasks) == 1
    with pytest.raises(ClientError) as refused:
        stage.shell("exit 6", clientToken="01JD")
    assert refused.value.response["Error"]["Code"] == "ConflictException"
    assert refused.value.response["resourceIds"] == [arn]


def test_there_is_capacity_later(stage: Stage) -> None:
    stage.tasks.without_capacity = 1
    asked: dict[str, Any] = {"command": ["sh", "-c", "exit 0"], "clientToken": "t"}
    first = stage.run(**asked)
    assert (first["tasks"], "Capacity is unavailable" in first["failures"][0]["reason"]) == ([], True)
    assert len(stage.run(**asked)["tasks"]) == 1


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"cluster": "other"}, "ClusterNotFoundException", "Cluster not found"),
        ({"taskDefinition": "seedbed:999"}, "ClientException", "TaskDefinition not found"),
        ({"networkConfiguration": {}}, "InvalidParameterException", "Network Configuration must be provided"),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}},
            "InvalidParameterException",
            "Error retrieving subnet information",
        ),
        (
            {"overrides": {"containerOverrides": [{"name": "main", "command": ["x" * 8200]}]}},
            "InvalidParameterException",
            "Container Overrides length must be at most 8192",
        ),
        (
            {"overrides": {"containerOverrides": [{"name": "other"}]}},
            "InvalidParameterException",
            "Override for container named other",
        ),
        ({"clientToken": "x" * 65}, "InvalidParameterException", "clientToken"),
    ],
)
def test_what_ecs_refuses_is_refused(stage: Stage, changed: Any, code: str, said: str) -> None:
    with pytest.raises(ClientError, match=said) as refused:
        stage.run(**changed)
    assert refused.value.response["Error"]["Code"] == code
    assert stage.tasks.tasks == []


def test_tags_are_inherited_where_that_is_asked(stage: Stage) -> None:
    arn = stage.shell("exit 0", propagateTags="TASK_DEFINITION", tags=[{"key": "run", "value": "1"}])
    told = stage.ecs.describe_tasks(cluster="tasks", tasks=[arn], include=["TAGS"])["tasks"][0]["tags"]
    assert told == [{"key": "platform", "value": "edtech"}, {"key": "run", "value": "1"}]
