"""A service of a platform: its stack, and what runs in its task, which knows what its container is told and no more."""

from __future__ import annotations

import json
import os

IMAGE = "application:1"
# A program for after `platform_stacks`, as docs/how-to/deploy-with-cdk.md has it.
STACK = f"""
import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2, aws_ecs as ecs, aws_logs as logs
from seedbed.cdk import inject
from seedbed.model.names import stack_tags

place = made.environment
stack = cdk.Stack(
    app,
    f"small-{{place.name}}-user-service",
    env=cdk.Environment(account=place.account, region=place.region),
    tags=stack_tags("small", place.name),
    analytics_reporting=False,
)
definition = ecs.FargateTaskDefinition(stack, "Definition", family="application")
group = logs.LogGroup(stack, "Log", log_group_name="application", removal_policy=cdk.RemovalPolicy.DESTROY)
container = definition.add_container(
    "web",
    image=ecs.ContainerImage.from_registry("{IMAGE}"),
    command=["serve"],
    logging=ecs.LogDrivers.aws_logs(stream_prefix="web", log_group=group),
)
inject(container, made.postgres["user"])
access = ec2.SecurityGroup(stack, "Access", vpc=made.network.vpc)
made.postgres["user"].allow(access)
for name, value in (("group", access.security_group_id), ("definition", definition.task_definition_arn)):
    cdk.CfnOutput(stack, name, value=value)
"""
_FORBIDDEN = ("CREATE TABLE mine ()", "DROP TABLE t1", "SELECT * FROM seedbed.migrations_history")


def serve() -> None:
    """Write a row, read all, try what is not the application's, and print what came of it."""
    import psycopg

    told = {name.removeprefix("DB_"): value for name, value in os.environ.items() if name.startswith("DB_")}
    keywords = {
        "host": told["HOST"],
        "port": told["PORT"],
        "dbname": told["NAME"],
        "user": told["USER"],
        "password": told["PASSWORD"],
        "sslmode": "verify-full",
        "sslrootcert": told["SSLROOTCERT"],
    }
    refused = []
    with psycopg.connect(**keywords, autocommit=True) as connection:  # type: ignore[arg-type]  # its own keys
        connection.execute("INSERT INTO t1 (id) VALUES (3)")
        rows = [row[0] for row in connection.execute("SELECT id FROM t1 ORDER BY 1").fetchall()]
        for each in _FORBIDDEN:
            try:
                connection.execute(each.encode())
            except psycopg.errors.InsufficientPrivilege:
                refused.append(each)
    done = {
        "told": sorted(told),
        "user": told["USER"],
        "rows": rows,
        "could": sorted({*_FORBIDDEN} - {*refused}),
    }
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    serve()
