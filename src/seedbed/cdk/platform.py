"""A whole platform as a CDK app: one stack per database of one environment."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from msgspec.structs import replace

from seedbed.cdk import base, control, graph, postgres, search, tables
from seedbed.cdk.callers import Callers
from seedbed.cdk.control import Control
from seedbed.cdk.environment import chosen
from seedbed.cdk.existing import ExistingNetwork
from seedbed.cdk.external import ExternalGraph
from seedbed.cdk.graph import GraphSizes, ServiceGraph
from seedbed.cdk.images import container_image
from seedbed.cdk.made import AllSizes, Made, Yours, architecture, network_stack, stack, told
from seedbed.cdk.network import Network
from seedbed.cdk.pipe import RunPipe
from seedbed.cdk.postgres import PostgresOptions, ServicePostgres, Sizes
from seedbed.cdk.schedule import NIGHTLY, Collection
from seedbed.cdk.search import SearchSizes, ServiceSearch
from seedbed.cdk.settings import write_parameters
from seedbed.cdk.tables import ServiceTables
from seedbed.cdk.task import MigrationTask
from seedbed.cdk.within import BaseControl, BaseNetwork, SharedPostgres, SharedSearch
from seedbed.engines import registry
from seedbed.errors import SeedbedError
from seedbed.manifest.load import load
from seedbed.model.environment import (
    ACCEPTED,
    CALLERS,
    CIDR,
    COLLECT,
    GRAPH_IMAGE,
    GRAPH_ON_NFS,
    IMAGE,
    STORAGE_KEY,
    WITHOUT,
    ZONES,
    Environment,
)
from seedbed.model.names import RESERVED, parameter_path
from seedbed.model.platform import Database, Platform

_InNetwork = Callable[[cdk.Stack], Network]  # the environment's network, as a stack sees it


def run(manifest: Path) -> None:
    """Synthesise the platform of `manifest`: the whole of an app.py. A refusal goes to stderr in words, and ends it."""
    app = cdk.App(analytics_reporting=False)
    try:
        platform_stacks(app, manifest)
    except SeedbedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(int(error.exit_code))
    app.synth()


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

    `without`: engines whose databases are left out this time, with commas between them.

    `callers`: for whom there are policies, with commas between them (`read,run`). `collect`, of a base: when its task
    deletes environments whose time is over: `nightly`, or `cron(…)` and `rate(…)` as EventBridge has them.

    `vpc`: a network of yours in place of one that is made, and in it `database_subnets` and `task_subnets`: see
    `ExistingNetwork`.

    The sandbox has tables only, its other servers are embedded. Databases that no construct here is for are passed
    over. Raises UsageError, ManifestError, Refused.
    """
    platform = load(manifest, lambda engine: registry.load(engine).options, registry.names())
    made = Made(chosen(app, platform))
    platform = _without(app, platform)
    environment = made.environment
    if not environment.is_base:
        _make_tables(app, platform, made)
    if environment.is_sandbox:
        return made
    sizes_ = AllSizes(
        sizes or Sizes(),
        _options(app, made, postgres_options or PostgresOptions()),
        search_sizes or SearchSizes(),
        graph_sizes or GraphSizes(),
    )
    yours = None if vpc is None else Yours(vpc, database_subnets, task_subnets)
    make = _make_base if environment.is_base else _make_servers
    make(app, platform, made, sizes_, yours)
    if (kinds := told(app, environment, CALLERS)) and (made.control or environment.base):
        _make_callers(app, platform, made, [each.strip() for each in kinds.split(",")])
    return made


def _without(app: cdk.App, platform: Platform) -> Platform:
    """Return `platform` without the databases of the engines that the context leaves out, for this time."""
    left_out = {each.strip() for each in str(app.node.try_get_context(WITHOUT) or "").split(",")}
    kept = tuple(each for each in platform.databases if each.engine not in left_out)
    return replace(platform, databases=kept)


def _make_tables(app: cdk.App, platform: Platform, made: Made) -> None:
    for database in platform.databases:
        if database.engine == tables.ENGINE:
            made.tables[database.service] = ServiceTables(
                stack(app, platform.name, made.environment, database.service, database.engine),
                "Tables",
                platform=platform.name,
                environment=made.environment,
                database=database,
            )


def _make_base(app: cdk.App, platform: Platform, made: Made, sizes: AllSizes, yours: Yours | None) -> None:
    """Make what the environments have in common that lie in this one; it has no databases of its own."""
    image = told(app, made.environment, IMAGE)
    base.require_image(made.environment, image)
    made.control = _control(app, platform, made.environment)
    made.network = _network(app, platform, made, yours, with_tasks=True)
    base.say_where(made.network, cdk.Stack.of(made.network), platform.name)
    base.make_servers(app, platform, made, made.network, sizes)
    made.task = base.make_task(app, platform, made, made.network, made.control, image)
    home = cdk.Stack.of(made.task)
    RunPipe(home, "Runs", task=made.task, network=made.network, control=made.control)
    if at := told(app, made.environment, COLLECT):
        Collection(
            home,
            "Collection",
            platform=platform.name,
            environment=made.environment,
            task=made.task,
            network=made.network,
            control=made.control,
            at=NIGHTLY if at == "nightly" else at,
        )


def _make_servers(app: cdk.App, platform: Platform, made: Made, sizes: AllSizes, yours: Yours | None) -> None:
    environment = made.environment
    image, graph_image = (told(app, environment, key) for key in (IMAGE, GRAPH_IMAGE))
    if not environment.base and (image or environment.access == "task"):
        made.control = _control(app, platform, environment)
    inside = {postgres.ENGINE, search.ENGINE, *([graph.ENGINE] if graph_image else [])}
    if not environment.base and (image or any(each.engine in inside for each in platform.databases)):
        with_tasks = bool(image) or _has_tasks(platform, graph_image)
        made.network = _network(app, platform, made, yours, with_tasks=with_tasks)

    def network(home: cdk.Stack) -> Network:
        return made.network or BaseNetwork(home, "Base", platform=platform.name, environment=environment)

    for database in platform.databases:
        if database.engine in inside:
            _make_server(app, platform, made, database, network, sizes, graph_image)
        elif database.engine == graph.ENGINE:
            made.graph[database.service] = ExternalGraph(
                stack(app, platform.name, environment, database.service, database.engine),
                "Graph",
                platform=platform.name,
                environment=environment,
                database=database,
            )
    if image:
        made.task = _make_task(app, platform, made, network, image)


def _make_callers(app: cdk.App, platform: Platform, made: Made, kinds: list[str]) -> None:
    home = stack(app, platform.name, made.environment, RESERVED, "callers")
    for each in filter(None, (made.control, made.task)):
        home.add_stack_dependency(cdk.Stack.of(each))
    made.callers = Callers(
        home,
        "Callers",
        platform=platform.name,
        environment=made.environment,
        kinds=kinds,
        with_task=made.task is not None,
    )


def _options(app: cdk.App, made: Made, said: PostgresOptions) -> PostgresOptions:
    """Return `said`, with the key that context or manifest name: a cluster that is there keeps what it has."""
    key = told(app, made.environment, STORAGE_KEY)
    return replace(said, key=key) if key else said


def _has_tasks(platform: Platform, graph_image: str) -> bool:
    return bool(graph_image) and any(each.engine == graph.ENGINE for each in platform.databases)


def _make_server(
    app: cdk.App,
    platform: Platform,
    made: Made,
    database: Database,
    network: _InNetwork,
    sizes: AllSizes,
    graph_image: str,
) -> None:
    """Make the server of `database`, or what it has on that of a base."""
    environment, service, engine = made.environment, database.service, database.engine
    home = stack(app, platform.name, environment, service, engine)
    named: dict[str, Any] = {"platform": platform.name, "environment": environment, "database": database}
    is_shared = environment.lies_in_base(service, engine)
    if engine == postgres.ENGINE and is_shared:
        made.postgres[service] = SharedPostgres(home, "Postgres", **named)
    elif engine == postgres.ENGINE:
        made.postgres[service] = ServicePostgres(
            home,
            "Postgres",
            **named,
            network=network(home),
            sizes=sizes.postgres,
            options=sizes.postgres_options,
        )
    elif engine == search.ENGINE and is_shared:
        made.search[service] = SharedSearch(home, "Search", **named)
    elif engine == search.ENGINE:
        made.search[service] = ServiceSearch(
            home, "Search", **named, network=network(home), sizes=sizes.search
        )
    else:
        there = network(home)
        made.graph[service] = ServiceGraph(
            home,
            "Graph",
            **named,
            network=there,
            image=container_image(home, graph_image, environment),
            sizes=sizes.graph,
            architecture=architecture(app, environment),
            allow_nfs=told(app, environment, GRAPH_ON_NFS) == ACCEPTED,
            cluster=_cluster(there),
        )


def _control(app: cdk.App, platform: Platform, environment: Environment) -> Control:
    home = stack(app, platform.name, environment, RESERVED, control.ENGINE)
    return Control(home, "Control", platform=platform.name, environment=environment)


def _make_task(
    app: cdk.App, platform: Platform, made: Made, network: _InNetwork, image: str
) -> MigrationTask:
    home = stack(app, platform.name, made.environment, RESERVED, "task")
    here: dict[str, Any] = {"platform": platform.name, "environment": made.environment}
    servers = (*made.postgres.values(), *made.search.values(), *made.graph.values())
    there = network(home)
    return MigrationTask(
        home,
        "Migrations",
        **here,
        databases=[*made.tables.values(), *servers],
        network=there,
        control=made.control or BaseControl(home, "Control", **here),
        image=container_image(home, image, made.environment),
        architecture=architecture(app, made.environment),
        cluster=_cluster(there),
    )


def _cluster(network: Network) -> ecs.ICluster | None:
    """Return the cluster that goes with a network, None where each has one of its own."""
    return network.cluster if isinstance(network, BaseNetwork) else None


def _network(
    app: cdk.App, platform: Platform, made: Made, yours: Yours | None, *, with_tasks: bool
) -> Network:
    environment = made.environment
    home = network_stack(app, platform.name, environment)
    if yours is not None:
        if not environment.is_base:
            path = parameter_path(platform.name, environment.name, RESERVED, "network")
            write_parameters(home, {"vpc": str(yours.vpc.vpc_id)}, path)  # a stack has to have something
        return ExistingNetwork(
            home,
            "Network",
            environment=environment,
            vpc=yours.vpc,
            databases=yours.databases,
            tasks=yours.tasks,
        )
    return Network(
        home,
        "Network",
        environment=environment,
        with_tasks=with_tasks,
        with_door=environment.access == "tunnel",
        cidr=told(app, environment, CIDR),
        zones=[each.strip() for each in told(app, environment, ZONES).split(",") if each.strip()],
    )
