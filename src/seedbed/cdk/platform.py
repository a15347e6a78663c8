"""A whole platform as a CDK app: one stack per database of one environment."""

from __future__ import annotations

import sys
from pathlib import Path

import aws_cdk as cdk
from msgspec import Struct, field

from seedbed.cdk import postgres, tables
from seedbed.cdk.environment import chosen
from seedbed.cdk.images import container_image
from seedbed.cdk.network import Network, NetworkStack
from seedbed.cdk.postgres import ServicePostgres, Sizes
from seedbed.cdk.tables import ServiceTables
from seedbed.cdk.task import MigrationTask
from seedbed.engines import registry
from seedbed.errors import SeedbedError
from seedbed.manifest.load import load
from seedbed.model.environment import Environment
from seedbed.model.names import stack_name
from seedbed.model.platform import Platform


class Made(Struct):
    """What `platform_stacks` made, for an app that adds services of its own; databases by service."""

    environment: Environment
    tables: dict[str, ServiceTables] = field(default_factory=dict)
    postgres: dict[str, ServicePostgres] = field(default_factory=dict)
    network: Network | None = None
    task: MigrationTask | None = None


def run(manifest: Path) -> None:
    """Synthesise the platform of `manifest`: the whole of an app.py. A refusal goes to stderr in words, and ends it."""
    app = cdk.App(analytics_reporting=False)
    try:
        platform_stacks(app, manifest)
    except SeedbedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(int(error.exit_code))
    app.synth()


def platform_stacks(app: cdk.App, manifest: Path, *, sizes: Sizes | None = None) -> Made:
    """Make one stack for each database that the manifest declares, in the environment that the context names.

    Context: `environment` (required); `image`, a container image that has seedbed: with it, a stack with the migration
    task is made too. The sandbox has tables only, its other servers are embedded. Databases that no construct here is
    for are passed over. Raises UsageError, ManifestError, Refused.
    """
    platform = load(manifest, lambda engine: registry.load(engine).options, registry.names())
    made = Made(chosen(app, platform))
    _make_tables(app, platform, made)
    if not made.environment.is_sandbox:
        _make_servers(app, platform, made, sizes)
    return made


def _make_tables(app: cdk.App, platform: Platform, made: Made) -> None:
    for database in platform.databases:
        if database.engine == tables.ENGINE:
            made.tables[database.service] = ServiceTables(
                _stack(app, platform, made.environment, database.service, database.engine),
                "Tables",
                platform=platform.name,
                environment=made.environment,
                database=database,
            )


def _make_servers(app: cdk.App, platform: Platform, made: Made, sizes: Sizes | None) -> None:
    databases = [each for each in platform.databases if each.engine == postgres.ENGINE]
    image = app.node.try_get_context("image") or ""
    if not databases and not image:
        return
    made.network = _network(app, platform, made.environment, with_tasks=bool(image))
    for database in databases:
        made.postgres[database.service] = ServicePostgres(
            _stack(app, platform, made.environment, database.service, database.engine),
            "Postgres",
            platform=platform.name,
            environment=made.environment,
            database=database,
            network=made.network,
            sizes=sizes,
        )
    if image:
        stack = _stack(app, platform, made.environment, "seedbed", "task")
        made.task = MigrationTask(
            stack,
            "Migrations",
            platform=platform.name,
            environment=made.environment,
            databases=[*made.tables.values(), *made.postgres.values()],
            network=made.network,
            image=container_image(stack, image),
        )


def _stack(
    app: cdk.App, platform: Platform, environment: Environment, service: str, engine: str
) -> cdk.Stack:
    return cdk.Stack(
        app,
        stack_name(platform.name, environment.name, service, engine),
        env=_place(environment),
        description=f"{service}/{engine} of {platform.name} in {environment.name}, made by seedbed",
        tags=_tags(platform, environment) | {"service": service},
        termination_protection=environment.protected,
        analytics_reporting=False,
    )


def _network(app: cdk.App, platform: Platform, environment: Environment, *, with_tasks: bool) -> Network:
    stack = NetworkStack(
        app,
        f"{platform.name}-{environment.name}-network",
        env=_place(environment),
        description=f"network of {platform.name} in {environment.name}, made by seedbed",
        tags=_tags(platform, environment),
        termination_protection=environment.protected,
        analytics_reporting=False,
    )
    return Network(stack, "Network", environment=environment, with_tasks=with_tasks)


def _place(environment: Environment) -> cdk.Environment:
    return cdk.Environment(account=environment.account, region=environment.region)


def _tags(platform: Platform, environment: Environment) -> dict[str, str]:
    return {"platform": platform.name, "environment": environment.name, "managed-by": "seedbed"}
