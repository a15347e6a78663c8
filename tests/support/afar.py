"""An environment that is reached by a task: its facts, its definition, and who carries out what is called there."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec.structs import replace

from seedbed.aws import clients, rights
from seedbed.aws.cloud import Cloud
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.model.names import stack_tags
from seedbed.model.secret import Secret
from seedbed.remote.control import Control
from seedbed.remote.warm import WarmRhythm, WarmWorker
from seedbed.remote.worker import CLAIM
from tests.support.aws_proxy import TOKEN_VARIABLE, Policies, Proxy
from tests.support.fargate import execution_role
from tests.support.forked import Forked
from tests.support.projects import ProjectFiles, Ran, clean_environment, command

PASSWORD = "canary-7f3e9b"  # of the databases, known to the task alone
IMAGE, GROUP, CLUSTER = "seedbed:1", "sample-dev-log", "sample-dev"
PROGRAM = ("python", "-I", "-m", "seedbed.cli.travel.task")
QUICK = WarmRhythm(look=0.05, beat=1.0, idle=600.0)


@dataclass
class Afar:
    """A project whose environment `name` is reached by a task. `variables`: what the task has in its environment.

    `aws`: what a client has in its own, to get to AWS. `judge` lets a call do what the kind of caller may that is there
    for it (`kind_of`), and a worker what the task may.
    """

    files: ProjectFiles
    name: str
    control: Control
    variables: Mapping[str, str]
    aws: Mapping[str, str]
    judge: Policies
    names: rights.Names

    @property
    def inside(self) -> dict[str, str]:
        """What a worker has in its environment."""
        return {**self.aws, **self.variables, TOKEN_VARIABLE: rights.WORK}

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command, whose databases only the task can find; in this environment by a caller of its kind."""
        signed = {TOKEN_VARIABLE: kind_of(words)} if self.name in words else {}
        return Forked(
            command(*words),
            cwd=options.pop("cwd", self.files.root),
            env=clean_environment({**self.aws, **signed, **(env or {})}),
            text=True,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def call(self, *words: str, env: Mapping[str, str] | None = None, **options: Any) -> Ran:
        """Call a command in the environment, by its task."""
        with self.start(*words, "-e", self.name, env=env, **options) as process:
            out, err = process.communicate(timeout=120)
        return Ran(process.returncode, out, err)

    def here(self, *words: str, env: Mapping[str, str] | None = None) -> Ran:
        """Call it past the task, as if its databases were reached from here."""
        return self.call(*words, "--local", env={**self.variables, **(env or {})})

    @contextmanager
    def waited_on(self, extra: Mapping[str, str] | None = None) -> Iterator[None]:
        """Have a warm worker carry out what is called within this context: each run in a fork, which starts quickly."""

        def spawn(id_: str, token: str) -> subprocess.Popen[bytes]:
            with (self.files.root.parent / "task.log").open("a") as log:
                process: Any = Forked(
                    command("--run", id_),
                    cwd=self.files.root.parent,
                    env=clean_environment({**self.inside, **(extra or {}), CLAIM: token}),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    text=True,
                )
            return process  # type: ignore[no-any-return]

        cloud = replace(self.control.table.cloud, session_token=Secret(rights.WORK))
        control = Control(
            Table(cloud, self.control.table.name), Bucket(cloud, self.control.bucket.name), self.name
        )
        worker = WarmWorker(control, "local:warm", spawn, QUICK)
        thread = threading.Thread(target=worker.work)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join()

    @property
    def log(self) -> str:
        """What workers wrote for whoever reads the log of the task."""
        path = self.files.root.parent / "task.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""


def kind_of(words: Sequence[str]) -> str:
    """Return which kind of caller a command is for: the one that may the least."""
    if words[0] in {"env", "destroy"}:
        return rights.DEV
    if words[0] == "release":
        return rights.APPROVE if words[1] == "approve" else rights.RELEASE
    is_look = words[0] in {"plan", "status"} and not {"--fresh", "--local"} & set(words)
    return rights.READ if is_look else rights.RUN


def names_of(cloud: Cloud, environment: str, control: Control, definition: str) -> rights.Names:
    """Return what the rights of callers and of the task are about."""
    return rights.Names(
        "sample",
        environment,
        "aws",
        cloud.account,
        cloud.region,
        control.table.name,
        control.bucket.name,
        cluster=f"arn:aws:ecs:{cloud.region}:{cloud.account}:cluster/{CLUSTER}",
        family=definition.rpartition("/")[2].partition(":")[0],
        log_group=GROUP,
        roles=[role_of(cloud)],
        ephemeral=True,
    )


def judged(aws: Proxy, cloud: Cloud, names: rights.Names) -> Policies:
    """Have calls through `aws` judged that are signed as a kind of caller, or as the task."""
    tags = stack_tags(names.platform, names.environment)
    passed = [role_of(cloud)]
    judge = aws.add(Policies(account=cloud.account, region=cloud.region, tags=tags, passed=passed))
    for kind in (*rights.KINDS, rights.WORK):
        judge.caller(kind, names)
    return judge


def role_of(cloud: Cloud) -> str:
    """Return the ARN of the role of tasks."""
    return f"arn:aws:iam::{cloud.account}:role/task"


def put_facts(cloud: Cloud, platform: str, environment: str, facts: Mapping[str, Mapping[str, str]]) -> None:
    """Write what the stacks of an environment write into the parameter store."""
    for part, values in facts.items():
        for name, value in values.items():
            path = f"/{platform}/{environment}/seedbed/{part}/{name}"
            clients.call(cloud, "ssm", "PutParameter", Name=path, Value=value, Type="String", Overwrite=True)


def make_network(cloud: Cloud) -> dict[str, str]:
    """Make a cluster, a log group and a network; return what a task's stack says about them."""
    clients.call(cloud, "ecs", "CreateCluster", clusterName=CLUSTER)
    clients.call(cloud, "logs", "CreateLogGroup", logGroupName=GROUP)
    vpc = clients.call(cloud, "ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = clients.call(cloud, "ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"][
        "SubnetId"
    ]
    group = clients.call(cloud, "ec2", "CreateSecurityGroup", GroupName="task", Description="x", VpcId=vpc)[
        "GroupId"
    ]
    return {
        "cluster": CLUSTER,
        "container": "seedbed",
        "subnets": subnet,
        "security-group": group,
        "log-group": GROUP,
    }


def define(cloud: Cloud, variables: Mapping[str, str]) -> str:
    """Register a task whose container has `variables`, and return the ARN of its definition."""
    options = {"awslogs-group": GROUP, "awslogs-region": cloud.region, "awslogs-stream-prefix": "seedbed"}
    made = clients.call(
        cloud,
        "ecs",
        "RegisterTaskDefinition",
        family=f"seedbed-{uuid.uuid4().hex[:8]}",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        taskRoleArn=role_of(cloud),
        executionRoleArn=execution_role(partial(clients.call, cloud, "iam")),
        containerDefinitions=[
            {
                "name": "seedbed",
                "image": IMAGE,
                "entryPoint": [*PROGRAM, *(f"{name}={value}" for name, value in variables.items()), "--"],
                "environment": [{"name": name, "value": value} for name, value in variables.items()],
                "logConfiguration": {"logDriver": "awslogs", "options": options},
            }
        ],
    )
    return str(made["taskDefinition"]["taskDefinitionArn"])
