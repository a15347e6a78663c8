"""What is tried on a real account, step by step: see `tools/aws_day.py`."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tools import aws_day_pipe
from tools.aws_day import ENVIRONMENT, PLATFORM, Day, Step, Unexpected, until

_PATH = f"/{PLATFORM}/{ENVIRONMENT}"
_TABLES = '[tables.carts]\nkey = {partition = "cart_id"}\nattributes = {cart_id = "S"}\n'
_MIGRATION = (
    "-- migrate:up\nCREATE TABLE orders (id bigint PRIMARY KEY);\n\n-- migrate:down\nDROP TABLE orders;\n"
)
_WAITS = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(143)); time.sleep(600)"
_MINUTE = 60.0


def begin(account: str, region: str, image: str, directory: Path, endpoint: str) -> Day:
    """Return a day with a small platform in `directory`: one cluster, one table, one task."""
    import boto3

    _write_platform(account, region, image, directory)
    where = {"AWS_ENDPOINT_URL": endpoint} if endpoint else {}
    environ = {**os.environ, **where, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, "NO_COLOR": "1"}

    session = boto3.Session(region_name=region)

    @cache
    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint or None)

    def seedbed(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "seedbed", "-C", str(directory), *words]
        # Its own session: a Ctrl-C here must not reach what is taking stacks away.
        done = subprocess.run(command, env=environ, capture_output=True, text=True, start_new_session=True)
        return done.returncode, done.stdout + done.stderr

    return Day(account, region, image, directory, client, seedbed)


def _write_platform(account: str, region: str, image: str, directory: Path) -> None:
    app = Path(__file__).parents[1] / "edtech" / "cdk"
    files = {
        "seedbed.toml": f'[platform]\nname = "{PLATFORM}"\n[services.orders.postgres]\n[services.carts.dynamodb]\n'
        f'[environments."dev-*"]\naccount = "{account}"\nregion = "{region}"\nephemeral = true\naccess = "task"\n'
        + (f'[environments."dev-*".task]\nimage = "{image}"\n' if image else ""),
        "services/carts/dynamodb/tables.toml": _TABLES,
        "services/orders/postgres/migrations/20260101000000_orders.sql": _MIGRATION,
        "cdk/app.py": (app / "app.py").read_text(encoding="utf-8"),
        "cdk/cdk.json": (app / "cdk.json").read_text(encoding="utf-8"),
    }
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def identity(day: Day) -> str:
    """The credentials are of the account that was named, and nothing of an earlier day is in it."""
    found = day.client("sts").get_caller_identity()
    if found["Account"] != day.account:
        raise Unexpected(f"the credentials are of account {found['Account']}")
    if left := list(leftovers(day)):
        raise Unexpected(f"there is {', '.join(left)}: --clean")
    return str(found["Arn"])


def deploy(day: Day) -> str:
    return _succeeds(day, "deploy", "-e", ENVIRONMENT, "--yes", "--bootstrap")


def prices(day: Day) -> str:
    """AWS's price list has exactly one price for each thing that the stacks are billed by."""
    code, said = day.seedbed("env", "cost", ENVIRONMENT, "--month", "--refresh", "--json")
    if code != 0:
        raise Unexpected(f"env cost ended with {code}: {said[-400:]}")
    [found] = json.loads(said[said.index("{") : said.rindex("}") + 1])["environments"]
    if unknown := [f"{each['what']}: {each['unknown']}" for each in found["charges"] if each["unknown"]]:
        raise Unexpected("; ".join(unknown))
    return f"{len(found['charges'])} prices, ${found['idle_usd']:.2f} a month idle"


def pull(day: Day) -> str:
    task = _ended(day, _start(day, ["--version"]), 10 * _MINUTE)
    (container,) = task["containers"]
    if container.get("exitCode") != 0:
        raise Unexpected(
            f"{task.get('stoppedReason')}, {container.get('reason')}, {container.get('exitCode')}"
        )
    day.kept["task"] = task["taskArn"].rpartition("/")[2]
    took = {
        name: (task[after] - task[before]).total_seconds()
        for name, before, after in (
            ("pull", "pullStartedAt", "pullStoppedAt"),
            ("from RunTask to running", "createdAt", "startedAt"),
        )
        if before in task and after in task
    }
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items()) or "exit code 0"


def awslogs(day: Day) -> str:
    group, logs = _fact(day, "log-group"), day.client("logs")
    stream = f"seedbed/seedbed/{day.kept['task']}"

    def look() -> str:
        events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
        return str(events[0]["message"]) if events else ""

    return str(until(look, _MINUTE, "no line of the task is in its log group"))


def denied(day: Day) -> str:
    """What the role of the task may and may not, as IAM itself evaluates it."""
    definition = day.client("ecs").describe_task_definition(taskDefinition=_fact(day, "task-definition"))
    role = definition["taskDefinition"]["taskRoleArn"]
    table = f"arn:aws:dynamodb:{day.region}:{day.account}:table/carts-carts-{ENVIRONMENT}"
    asked = day.client("iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["dynamodb:PutItem", "dynamodb:DeleteTable"], ResourceArns=[table]
    )
    found = {each["EvalActionName"]: each["EvalDecision"] for each in asked["EvaluationResults"]}
    if found != {"dynamodb:PutItem": "allowed", "dynamodb:DeleteTable": "implicitDeny"}:
        raise Unexpected(json.dumps(found))
    return json.dumps(found)


def apply(day: Day) -> str:
    return _succeeds(day, "apply", "-e", ENVIRONMENT)


def stop(day: Day) -> str:
    task = _start(day, ["python", "-c", _WAITS])
    ecs, cluster = day.client("ecs"), _fact(day, "cluster")

    def look() -> str:
        return str(
            ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0]["lastStatus"] == "RUNNING" or ""
        )

    until(look, 10 * _MINUTE, "the task does not run")
    began = time.monotonic()
    ecs.stop_task(cluster=cluster, task=task)
    (container,) = _ended(day, task, 5 * _MINUTE)["containers"]
    if container.get("exitCode") != 143:
        raise Unexpected(f"exit code {container.get('exitCode')}")
    return f"SIGTERM, exit code 143 after {time.monotonic() - began:.0f} s"


def asleep(day: Day) -> str:
    cluster, watch = _cluster(day)["DBClusterIdentifier"], day.client("cloudwatch")
    began = time.monotonic()

    def look() -> str:
        now = datetime.now(UTC)
        points = watch.get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName="ServerlessDatabaseCapacity",
            Dimensions=[{"Name": "DBClusterIdentifier", "Value": cluster}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        last = max(points, key=lambda each: each["Timestamp"], default=None)
        return "0 ACU" if last is not None and last["Maximum"] == 0 else ""

    seen = until(look, 40 * _MINUTE, "the cluster does not fall asleep", pause=30.0)
    return f"{seen} after {time.monotonic() - began:.0f} s without a connection"


def waking(day: Day) -> str:
    return apply(day)


def rotation(day: Day) -> str:
    """Another password, in the cluster and in its secret: the next task reads it when it starts."""
    cluster, vault, rds = _cluster(day), day.client("secretsmanager"), day.client("rds")
    pointer = day.client("ssm").get_parameter(Name=f"{_PATH}/orders/postgres/password")["Parameter"]["Value"]
    arn = pointer.removeprefix("secret:").rpartition(":")[0]
    said = json.loads(vault.get_secret_value(SecretId=arn)["SecretString"])
    said["password"] = secrets.token_hex(24)
    rds.modify_db_cluster(
        DBClusterIdentifier=cluster["DBClusterIdentifier"],
        MasterUserPassword=said["password"],
        ApplyImmediately=True,
    )
    vault.put_secret_value(SecretId=arn, SecretString=json.dumps(said))
    time.sleep(_MINUTE)  # RDS takes it over by and by
    return apply(day)


def clean(day: Day) -> str:
    """Everything goes, whatever was made; the network waits for interfaces that RDS and Fargate release late.

    In another account than the one that was named nothing does: seedbed refuses it.
    """
    aws_day_pipe.remove(day)
    if not list(_stacks(day)):
        return "there is no stack"
    return _succeeds(day, "destroy", "-e", ENVIRONMENT, "--yes")


def nothing_left(day: Day) -> str:
    if left := list(leftovers(day)):
        raise Unexpected(f"{len(left)} left: {', '.join(left)}")
    return "nothing"


def leftovers(day: Day) -> Iterator[str]:
    """Yield what there is of the environment in the account, each by its kind and name."""
    yield from _stacks(day)
    yield from aws_day_pipe.left(day)
    for each in day.client("rds").describe_db_clusters()["DBClusters"]:
        if each["DBClusterIdentifier"].startswith(f"{PLATFORM}-{ENVIRONMENT}"):
            yield f"cluster {each['DBClusterIdentifier']}"
    for each in day.client("dynamodb").list_tables()["TableNames"]:
        if each.endswith(f"-{ENVIRONMENT}"):
            yield f"table {each}"
    for each in day.client("ssm").get_parameters_by_path(Path=_PATH, Recursive=True)["Parameters"]:
        yield f"parameter {each['Name']}"
    prefix = f"{PLATFORM}-{ENVIRONMENT}"
    for each in day.client("logs").describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]:
        yield f"log group {each['logGroupName']}"
    for each in day.client("s3").list_buckets()["Buckets"]:
        if each["Name"].startswith(prefix):
            yield f"bucket {each['Name']}"
    filters = [{"Key": "tag-value", "Values": [ENVIRONMENT]}]
    for each in day.client("secretsmanager").list_secrets(Filters=filters)["SecretList"]:
        yield f"secret {each['Name']}"
    ec2, tagged = day.client("ec2"), [{"Name": "tag:environment", "Values": [ENVIRONMENT]}]
    for vpc in ec2.describe_vpcs(Filters=tagged)["Vpcs"]:
        yield f"network {vpc['VpcId']}"
        inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
        for each in ec2.describe_network_interfaces(Filters=inside)["NetworkInterfaces"]:
            yield f"interface {each['NetworkInterfaceId']}"


def _stacks(day: Day) -> Iterator[str]:
    pages = day.client("cloudformation").get_paginator("describe_stacks").paginate()
    for page in pages:
        for each in page["Stacks"]:
            tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags", ())}
            if tags.get("platform") == PLATFORM and tags.get("environment") == ENVIRONMENT:
                yield f"stack {each['StackName']}"


def _cluster(day: Day) -> Any:
    found = day.client("rds").describe_db_clusters()["DBClusters"]
    host = day.client("ssm").get_parameter(Name=f"{_PATH}/orders/postgres/host")["Parameter"]["Value"]
    return next(each for each in found if each["Endpoint"] == host)


def _fact(day: Day, name: str) -> str:
    found = day.client("ssm").get_parameter(Name=f"{_PATH}/seedbed/task/{name}")
    return str(found["Parameter"]["Value"])


def _start(day: Day, command: list[str]) -> str:
    network = {
        "subnets": _fact(day, "subnets").split(","),
        "securityGroups": [_fact(day, "security-group")],
        "assignPublicIp": "DISABLED",
    }
    started = day.client("ecs").run_task(
        cluster=_fact(day, "cluster"),
        taskDefinition=_fact(day, "task-definition"),
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
        overrides={"containerOverrides": [{"name": "seedbed", "command": command}]},
    )
    if started["failures"]:
        raise Unexpected(json.dumps(started["failures"]))
    return str(started["tasks"][0]["taskArn"])


def _ended(day: Day, task: str, seconds: float) -> Any:
    ecs, cluster = day.client("ecs"), _fact(day, "cluster")

    def look() -> Any:
        (found,) = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
        return found if found["lastStatus"] == "STOPPED" else None

    return until(look, seconds, "the task does not end")


def _succeeds(day: Day, *words: str) -> str:
    """Return the last line that seedbed writes. Raises Unexpected unless it ends with 0."""
    code, said = day.seedbed(*words)
    last = [each for each in said.splitlines() if each.strip()][-8:]
    if code:
        raise Unexpected(f"seedbed {' '.join(words)} ended with {code}: {' / '.join(last)}")
    return last[-1].strip() if last else "exit code 0"


STEPS = (
    Step("identity", "the credentials are of the account, which holds nothing of an earlier day", identity),
    Step(
        "deploy",
        "CloudFormation makes every stack: network, endpoints, cluster, table, records, task",
        deploy,
    ),
    Step("prices", "AWS's price list has one price for each thing that these stacks are billed by", prices),
    Step("pull", "Fargate pulls the image through the endpoints, and seedbed starts", pull),
    Step("awslogs", "what the task wrote is in its log group within a minute", awslogs),
    Step("denied", "IAM lets the task write items, and does not let it delete a table", denied),
    Step(
        "apply", "a run travels into the network, migrates both databases and brings its result back", apply
    ),
    Step(
        "pipe",
        "a pipe starts a task for a new record, with the record's key in its command, and ECS lists it when it has "
        "ended",
        aws_day_pipe.pipe,
    ),
    Step("stop", "StopTask is SIGTERM, and the exit code is that of the process", stop),
    Step("asleep", "the cluster is at 0 ACU a while after the last connection", asleep),
    Step("waking", "a run with nothing to do wakes it and ends well", waking),
    Step("rotation", "after another password, the next task connects", rotation),
)
ENDING = (
    Step("clean", "every stack goes, however late AWS releases network interfaces", clean),
    Step(
        "nothing-left",
        "no stack, cluster, table, secret, bucket, parameter, log group, network or interface is left",
        nothing_left,
    ),
)
