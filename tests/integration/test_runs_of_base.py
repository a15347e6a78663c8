"""Runs of a base: whoever asks for one starts no task. A pipe does, and whatever it does, the record is the truth."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.names import stack_tags
from tests.support.aws_proxy import TOKEN_VARIABLE, Policies, Proxy
from tests.support.deployment.in_base import BASE
from tests.support.deployment.inside import Authority, Servers, inside
from tests.support.deployment.releases import Shop
from tests.support.deployment.stage import IMAGE, Stage
from tests.support.fargate import Fargate, Pipes
from tests.support.postgres.wire import connected
from tests.support.projects import run
from tests.support.servers import Settings

pytestmark = pytest.mark.slow(30)

LIST = ("share", "list", "-e", BASE)


def records(shop: Shop) -> list[Mapping[str, Any]]:
    """Return the records of the base's runs, the oldest first."""
    table = told(shop, BASE)["control/table"]
    items = shop.ask("dynamodb", "Scan", TableName=table)["Items"]
    asked = [each for each in items if each["id"]["S"].startswith(f"run#{BASE}#") and "state" in each]
    return sorted(asked, key=lambda each: str(each["id"]["S"]))


def told(shop: Shop, environment: str) -> dict[str, str]:
    """Return what the stacks of an environment wrote about themselves, by the ends of the names."""
    path = f"/shared/{environment}/seedbed/"
    found: dict[str, str] = {}
    more: dict[str, Any] = {"Path": path, "Recursive": True}
    while True:
        answer = shop.ask("ssm", "GetParametersByPath", **more)
        found |= {each["Name"].removeprefix(path): each["Value"] for each in answer["Parameters"]}
        if not answer.get("NextToken"):
            return found
        more["NextToken"] = answer["NextToken"]


def until_told(process: subprocess.Popen[str], words: str) -> None:
    """Return once a command has said `words`."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"it did not say {words!r}")


def test_a_run_is_carried_out_once_however_its_record_is_delivered(
    in_base: Shop,
    tasks: Fargate,
    pipes: Pipes,
    authority: Authority,
    asking: EmbeddedServer,
    opensearch_settings: Settings,
) -> None:
    with inside(in_base.world, tasks, authority, Servers(asking, opensearch=opensearch_settings)):
        pipes.deliveries = 2
        ran = in_base.run(*LIST)
        assert ran.code == 0, ran.everything
        assert "in task " in ran.err
        codes = [tasks.wait(number=number).exit_code for number in (0, 1)]
        assert sorted(each for each in codes if each is not None) == [0, 4]
        pipes.deliveries = 1

        # While AWS has no room the pipe tries on, and so does nobody else.
        tasks.without_capacity = 2
        ran = in_base.run(*LIST)
        assert (ran.code, len(tasks.tasks), len(pipes.failed)) == (0, 3, 2), ran.everything

        # Ctrl-C while there is no task: the one that comes late finds nothing to do.
        pipes.is_open = False
        process = in_base.start(*LIST)
        until_told(process, "waiting for AWS to start the task of shared-dev")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 130, said
        assert "nothing was touched" in said
        last = records(in_base)[-1]
        assert (last["state"]["S"], last["exit_code"]["N"]) == ("done", "130")
        pipes.is_open = True
        assert tasks.wait(number=3).exit_code == 4

        # So it is where somebody else stops the run, and its caller learns that.
        pipes.is_open = False
        process = in_base.start(*LIST)
        until_told(process, "waiting for AWS to start the task of shared-dev")
        id_ = str(records(in_base)[-1]["id"]["S"]).rpartition("#")[2]
        assert id_ in in_base.run("runs", "list", "-e", BASE).out
        ran = in_base.run("runs", "stop", id_, "-e", BASE)
        assert f"run {id_}: no worker had taken it, and none will" in ran.out, ran.everything
        said, _ = process.communicate(timeout=30)
        assert (process.returncode, "was not carried out" in said) == (130, True), said
        pipes.is_open = True
        assert tasks.wait(number=4).exit_code == 4

        # A task that does not start says why, as where its caller started it.
        del tasks.images[IMAGE]
        ran = in_base.run(*LIST)
        assert ran.code == 4, ran.everything
        assert "the task did not start" in ran.err
        assert "CannotPullContainerError" in ran.err
    assert [each["state"]["S"] for each in records(in_base)] == ["done"] * 5


def test_a_developer_brings_up_his_environment_and_gets_the_role_of_the_base_by_no_task(
    in_base: Shop,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> None:
    Stage(in_base.world, in_base.world.account).make(in_base.root / "made-dev-ana")
    base, ana = told(in_base, BASE), told(in_base, "dev-ana")
    judge = developer(in_base, aws, base, ana)

    def tags(arn: str) -> Mapping[str, str]:
        """Return what CloudFormation gives a definition of its stack's tags, and the task has of that."""
        found = [each.definition["family"] for each in tasks.tasks if arn in (each.arn, each.id)]
        return stack_tags("shared", BASE if base["task/stacks/family"] in found else "dev-ana")

    judge.place = dataclasses.replace(judge.place, tags_of_task=tags)
    with inside(in_base.world, tasks, authority, Servers(asking, neo4j_settings, opensearch_settings)):
        environ = {**in_base.environ, TOKEN_VARIABLE: "ana"}
        ran = run(in_base.root, "env", "up", "dev-ana", "--yes", env=environ, timeout=300)
        assert ran.code == 0, ran.everything
        assert judge.refused["ana"] == set()
        assert {"ecs:RunTask", "iam:PassRole"} <= judge.performed["ana"]  # of his own task
        assert "ecs:DescribeTasks" in judge.performed["ana"]
        with connected(asking, "dev_ana_user_db") as connection:
            assert connection.execute("SELECT count(*) FROM users").fetchone() == (2,)

        ecs = as_caller("ecs", in_base, aws)
        place = {"subnets": base["task/subnets"].split(","), "securityGroups": [base["task/security-group"]]}
        here = {
            "cluster": base["task/cluster"],
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": place},
        }
        count = len(tasks.tasks)
        own, role = ana["task/task-definition"], base["task/stacks/task-role"]
        assert refused(ecs, taskDefinition=own, overrides={"taskRoleArn": role}, **here) == "iam:PassRole"
        executes = {"executionRoleArn": base["task/stacks/execution-role"]}
        assert refused(ecs, taskDefinition=own, overrides=executes, **here) == "iam:PassRole"
        assert refused(ecs, taskDefinition=base["task/task-definition"], **here) == "ecs:RunTask"
        assert len(tasks.tasks) == count
        sts = as_caller("sts", in_base, aws)
        for each in (role, role_of_pipe(in_base)):
            with pytest.raises(ClientError, match="sts:AssumeRole"):
                sts.assume_role(RoleArn=each, RoleSessionName="ana")

        judge.refused["ana"].clear()
        ran = run(in_base.root, "env", "down", "dev-ana", "--yes", env=environ, timeout=300)
        assert ran.code == 0, ran.everything
        assert judge.refused["ana"] == set()
        assert {"cloudformation:DeleteStack", "s3:DeleteObject"} <= judge.performed["ana"]


def developer(shop: Shop, aws: Proxy, base: Mapping[str, str], ana: Mapping[str, str]) -> Policies:
    """Have who signs as `ana` judged by what `dev` of dev-ana and `run` of its base may, and no more."""
    world, roles = shop.world, [ana[f"task/stacks/{each}-role"] for each in ("task", "execution")]
    names = rights.Names(
        "shared",
        "dev-ana",
        "aws",
        world.account,
        world.region,
        base["control/table"],
        base["control/bucket"],
        cluster=ana["task/cluster"],
        family=ana["task/stacks/family"],
        log_group=ana["task/log-group"],
        roles=roles,
        ephemeral=True,
        base=BASE,
    )
    of_base = replace(
        names,
        environment=BASE,
        family=base["task/stacks/family"],
        log_group=base["task/log-group"],
        roles=[base[f"task/stacks/{each}-role"] for each in ("task", "execution")],
        ephemeral=False,
        base="",
        is_base=True,
    )
    held = [(rights.DEV, names), (rights.RUN, of_base)]
    tags = stack_tags("shared", "dev-ana")
    judge = aws.add(Policies(account=world.account, region=world.region, tags=tags, passed=roles))
    judge.enrol(
        "ana",
        [
            statement
            for kind, about in held
            for policy in rights.KINDS[kind]
            for statement in rights.statements(policy, about)
        ],
    )
    return judge


def as_caller(service: str, shop: Shop, aws: Proxy) -> Any:
    """Return a client whose calls are judged as `ana`'s."""
    import boto3

    account = {"aws_access_key_id": shop.world.account, "aws_secret_access_key": "any"}
    return boto3.client(
        service,
        region_name=shop.world.region,
        endpoint_url=aws.endpoint,
        aws_session_token="ana",
        **account,
    )


def refused(ecs: Any, **asked: Any) -> str:
    """Return the right that a RunTask is refused for want of."""
    with pytest.raises(ClientError) as caught:
        ecs.run_task(**asked)
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    return str(caught.value).partition("to perform: ")[2].partition(" ")[0]


def role_of_pipe(shop: Shop) -> str:
    (pipe,) = shop.ask("pipes", "ListPipes")["Pipes"]
    return str(shop.ask("pipes", "DescribePipe", Name=pipe["Name"])["RoleArn"])
