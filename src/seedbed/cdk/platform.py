"""A whole platform as a CDK app: one stack per database of one environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from msgspec import Struct, field
from msgspec.structs import replace

from seedbed.cdk import control, graph, postgres, search, tables
from seedbed.cdk.callers import Callers
from seedbed.cdk.control import Control
from seedbed.cdk.environment import chosen
from seedbed.cdk.existing import ExistingNetwork
from seedbed.cdk.external import ExternalGraph
from seedbed.cdk.graph import GraphSizes, ServiceGraph
from seedbed.cdk.images import container_image
from seedbed.cdk.network import Network, NetworkStack
from seedbed.cdk.postgres import PostgresOptions, ServicePostgres, Sizes
from seedbed.cdk.search import SearchSizes, ServiceSearch
from seedbed.cdk.settings import write_parameters
from seedbed.cdk.tables import ServiceTables
from seedbed.cdk.task import MigrationTask
from seedbed.engines import registry
from seedbed.errors import SeedbedError
from seedbed.manifest.load import load
from seedbed.model.environment import (
    ACCEPTED,
    ARCHITECTURE,
    CALLERS,
    CIDR,
    GRAPH_IMAGE,
    GRAPH_ON_NFS,
    IMAGE,
    STORAGE_KEY,
    ZONES,
    Environment,
)
from seedbed.model.names import parameter_path, stack_name, stack_tags
from seedbed.model.platform import Database, Platform

_FIRST = 1000  # above the priority of tags that an app gives to everything, 100


class Made(Struct):
    """What `platform_stacks` made, for an app that adds services of its own; databases by service."""

    environment: Environment
    tables: dict[str, ServiceTables] = field(default_factory=dict)
    postgres: dict[str, ServicePostgres] = field(default_factory=dict)
    search: dict[str, ServiceSearch] = field(default_factory=dict)
    graph: dict[str, ServiceGraph | ExternalGraph] = field(default_factory=dict)
    network: Network | None = None
    control: Control | None = None
    task: MigrationTask | None = None
    callers: Callers | None = None


def run(manifest: Path) -> None:
    """Synthesise the platform of `manifest`: the whole of an app.py. A refusal goes to stderr in words, and ends it."""
    app = cdk.App(analytics_reporting=False)
    try:
        platform_stacks(app, manifest)
    except SeedbedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(int(error.exit_code))
    app.synth()


class Yours(Struct, frozen=True):
    """A network that is not made here, and subnets in it."""

    vpc: ec2.IVpc
    databases: ec2.SubnetSelection | None
    tasks: ec2.SubnetSelection | None


class AllSizes(Struct, frozen=True):
    """How large servers are, by engine."""

    postgres: Sizes = Sizes()
    postgres_options: PostgresOptions = PostgresOptions()
    search: SearchSizes = SearchSizes()
    graph: GraphSizes = GraphSizes()


def platform_stacks(
    app: cdk.App,
    manifest: Path,
    *,
    sizes: Sizes | None = None,
    search_sizes: SearchSizes | None = None,
    graph_sizes: GraphSizes | None = None,
    postgres_options: PostgresOptions | None = None,
    vpc: ec2.IVpc | None = None,
    database_subnets: ec2.SubnetSelection | None = None,
    task_subnets: ec2.SubnetSelection | None = None,
) -> Made:
    """Make one stack for each database that the manifest declares, in the environment that the context names.

    Context, or what the manifest says in its place: `environment` (required); `image`, a container image that has
    seedbed: with it, a stack with the migration task is made too, and before it one for the records of its runs, which
    `access = "task"` makes without an image as well; `graph-image`, a container image that has Neo4j: with
    it, graphs run here, without it a secret names each, for a person to fill in; `architecture`, that of both images,
    x86_64 unless it says arm64; `graph-on-nfs=accepted`: let graphs run here in a protected environment, too; `cidr`,
    `zones`: addresses and availability zones of the network, the latter with commas between them; `storage-key`:
    with whose key clusters are encrypted, see `PostgresOptions`.

    `callers`: for whom there are policies, with commas between them (`read,run`).

    `vpc`: a network of yours in place of one that is made, and in it `database_subnets` and `task_subnets`: see
    `ExistingNetwork`.

    The sandbox has tables only, its other servers are embedded. Databases that no construct here is for are passed
    over. Raises UsageError, ManifestError, Refused.
    """
    platform = load(manifest, lambda engine: registry.load(engine).options, registry.names())
    made = Made(chosen(app, platform))
    _make_tables(app, platform, made)
    if not made.environment.is_sandbox:
        sizes_ = AllSizes(
            sizes or Sizes(),
            _options(app, made, postgres_options or PostgresOptions()),
            search_sizes or SearchSizes(),
            graph_sizes or GraphSizes(),
        )
        yours = None if vpc is None else Yours(vpc, database_subnets, task_subnets)
        _make_servers(app, platform, made, sizes_, yours)
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


def _make_servers(app: cdk.App, platform: Platform, made: Made, sizes: AllSizes, yours: Yours | None) -> None:
    image, graph_image = (_context(app, made, key) for key in (IMAGE, GRAPH_IMAGE))
    if image or made.environment.access == "task":
        made.control = _control(app, platform, made.environment)
    inside = {postgres.ENGINE, search.ENGINE, *([graph.ENGINE] if graph_image else [])}
    if image or any(each.engine in inside for each in platform.databases):
        with_tasks = bool(image) or _has_tasks(platform, graph_image)
        made.network = _network(app, platform, made, yours, with_tasks=with_tasks)
    for database in platform.databases:
        if made.network is not None and database.engine in inside:
            _make_server(app, platform, made, database, made.network, sizes, graph_image)
        elif database.engine == graph.ENGINE:
            made.graph[database.service] = ExternalGraph(
                _stack(app, platform, made.environment, database.service, database.engine),
                "Graph",
                platform=platform.name,
                environment=made.environment,
                database=database,
            )
    if image and made.network is not None and made.control is not None:
        _make_task(app, platform, made, made.network, made.control, image)
    if (kinds := _context(app, made, CALLERS)) and made.control is not None:
        _make_callers(app, platform, made, [each.strip() for each in kinds.split(",")])


def _make_callers(app: cdk.App, platform: Platform, made: Made, kinds: list[str]) -> None:
    stack = _stack(app, platform, made.environment, "seedbed", "callers")
    for each in filter(None, (made.control, made.task)):
        stack.add_stack_dependency(cdk.Stack.of(each))
    made.callers = Callers(
        stack,
        "Callers",
        platform=platform.name,
        environment=made.environment,
        kinds=kinds,
        with_task=made.task is not None,
    )


def _context(app: cdk.App, made: Made, key: str) -> str:
    """Return what the context says, else the manifest."""
    return str(app.node.try_get_context(key) or made.environment.context.get(key, ""))


def _options(app: cdk.App, made: Made, said: PostgresOptions) -> PostgresOptions:
    """Return `said`, with the key that context or manifest name: a cluster that is there keeps what it has."""
    key = _context(app, made, STORAGE_KEY)
    return replace(said, key=key) if key else said


def _architecture(app: cdk.App, made: Made) -> str:
    return _context(app, made, ARCHITECTURE) or "x86_64"


def _has_tasks(platform: Platform, graph_image: str) -> bool:
    return bool(graph_image) and any(each.engine == graph.ENGINE for each in platform.databases)


def _make_server(
    app: cdk.App,
    platform: Platform,
    made: Made,
    database: Database,
    network: Network,
    sizes: AllSizes,
    graph_image: str,
) -> None:
    """Make the server of `database` inside `network`."""
    stack = _stack(app, platform, made.environment, database.service, database.engine)
    place: dict[str, Any] = {
        "platform": platform.name,
        "environment": made.environment,
        "database": database,
        "network": network,
    }
    if database.engine == postgres.ENGINE:
        made.postgres[database.service] = ServicePostgres(
            stack, "Postgres", **place, sizes=sizes.postgres, options=sizes.postgres_options
        )
    elif database.engine == search.ENGINE:
        made.search[database.service] = ServiceSearch(stack, "Search", **place, sizes=sizes.search)
    else:
        image = container_image(stack, graph_image, made.environment)
        made.graph[database.service] = ServiceGraph(
            stack,
            "Graph",
            **place,
            image=image,
            sizes=sizes.graph,
            architecture=_architecture(app, made),
            allow_nfs=_context(app, made, GRAPH_ON_NFS) == ACCEPTED,
        )


def _control(app: cdk.App, platform: Platform, environment: Environment) -> Control:
    stack = _stack(app, platform, environment, "seedbed", control.ENGINE)
    return Control(stack, "Control", platform=platform.name, environment=environment)


def _make_task(
    app: cdk.App, platform: Platform, made: Made, network: Network, control_: Control, image: str
) -> None:
    stack = _stack(app, platform, made.environment, "seedbed", "task")
    servers = (*made.postgres.values(), *made.search.values(), *made.graph.values())
    made.task = MigrationTask(
        stack,
        "Migrations",
        platform=platform.name,
        environment=made.environment,
        databases=[*made.tables.values(), *servers],
        network=network,
        control=control_,
        image=container_image(stack, image, made.environment),
        architecture=_architecture(app, made),
    )


def _stack(
    app: cdk.App, platform: Platform, environment: Environment, service: str, engine: str
) -> cdk.Stack:
    return _tagged(
        cdk.Stack(
            app,
            stack_name(platform.name, environment.name, service, engine),
            env=_place(environment),
            description=f"{service}/{engine} of {platform.name} in {environment.name}, made by seedbed",
            termination_protection=environment.protected,
            analytics_reporting=False,
        ),
        stack_tags(platform.name, environment.name) | {"service": service},
    )


def _tagged(stack: cdk.Stack, tags: Mapping[str, str]) -> cdk.Stack:
    """Give a stack the tags by which it is known, whatever `Tags.of(app)` says: `environment` is a common one."""
    for key, value in tags.items():
        stack.tags.set_tag(key, value, _FIRST)
    return stack


def _network(
    app: cdk.App, platform: Platform, made: Made, yours: Yours | None, *, with_tasks: bool
) -> Network:
    environment = made.environment
    stack = _tagged(
        NetworkStack(
            app,
            f"{platform.name}-{environment.name}-network",
            env=_place(environment),
            description=f"network of {platform.name} in {environment.name}, made by seedbed",
            termination_protection=environment.protected,
            analytics_reporting=False,
        ),
        stack_tags(platform.name, environment.name),
    )
    if yours is not None:
        path = parameter_path(platform.name, environment.name, "seedbed", "network")
        write_parameters(stack, {"vpc": str(yours.vpc.vpc_id)}, path)  # a stack has to have something
        return ExistingNetwork(
            stack,
            "Network",
            environment=environment,
            vpc=yours.vpc,
            databases=yours.databases,
            tasks=yours.tasks,
        )
    return Network(
        stack,
        "Network",
        environment=environment,
        with_tasks=with_tasks,
        with_door=environment.access == "tunnel",
        cidr=_context(app, made, CIDR),
        zones=[each.strip() for each in _context(app, made, ZONES).split(",") if each.strip()],
    )


def _place(environment: Environment) -> cdk.Environment:
    return cdk.Environment(account=environment.account, region=environment.region)
