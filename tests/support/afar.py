"""An environment that is reached by a task: its facts, its definition, and who carries out what is called there."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.remote.control import Control
from seedbed.remote.warm import WarmRhythm, WarmWorker
from seedbed.remote.worker import CLAIM
from tests.support.fargate import execution_role
from tests.support.forked import Forked
from tests.support.projects import ProjectFiles, Ran, clean_environment, command

PASSWORD = "canary-7f3e9b"  # of the databases, known to the task alone
IMAGE, GROUP, CLUSTER = "seedbed:1", "sample-dev-log", "sample-dev"
QUICK = WarmRhythm(look=0.05, beat=1.0, idle=600.0)


@dataclass
class Afar:
    """A project whose environment `name` is reached by a task. `variables`: what the task has in its environment.

    `aws`: what a client has in its own, to get to AWS.
    """

    files: ProjectFiles
    name: str
    control: Control
    variables: Mapping[str, str]
    aws: Mapping[str, str]

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command, whose databases only the task can find."""
        return Forked(
            command(*words),
            cwd=options.pop("cwd", self.files.root),
            env=clean_environment({**self.aws, **(env or {})}),
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
                    env=clean_environment({**self.aws, **self.variables, **(extra or {}), CLAIM: token}),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    text=True,
                )
            return process  # type: ignore[no-any-return]

        worker = WarmWorker(self.control, self.name, "local:warm", spawn, QUICK)
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
        taskRoleArn=f"arn:aws:iam::{cloud.account}:role/task",
        executionRoleArn=execution_role(partial(clients.call, cloud, "iam")),
        containerDefinitions=[
            {
                "name": "seedbed",
                "image": IMAGE,
                "entryPoint": ["seedbed"],
                "environment": [{"name": name, "value": value} for name, value in variables.items()],
                "logConfiguration": {"logDriver": "awslogs", "options": options},
            }
        ],
    )
    return str(made["taskDefinition"]["taskDefinitionArn"])
