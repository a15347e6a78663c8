"""What `platform_stacks` makes and out of what; stacks by name, place and tags."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from msgspec import Struct, field

from seedbed.cdk.callers import Callers
from seedbed.cdk.control import Control
from seedbed.cdk.external import ExternalGraph
from seedbed.cdk.graph import GraphSizes, ServiceGraph
from seedbed.cdk.network import Network, NetworkStack
from seedbed.cdk.postgres import Postgres, PostgresOptions, Sizes
from seedbed.cdk.search import Search, SearchSizes
from seedbed.cdk.tables import ServiceTables
from seedbed.cdk.task import MigrationTask
from seedbed.model.environment import ARCHITECTURE, Environment
from seedbed.model.names import stack_name, stack_tags

_FIRST = 1000  # above the priority of tags that an app gives to everything, 100


class Made(Struct):
    """What `platform_stacks` made, for an app that adds services of its own; databases by service.

    Of a base, `postgres` and `search` are its servers, under the name `seedbed`. An environment that lies in one has
    neither `network` nor `control`: those are the base's, see `BaseNetwork`.
    """

    environment: Environment
    tables: dict[str, ServiceTables] = field(default_factory=dict)
    postgres: dict[str, Postgres] = field(default_factory=dict)
    search: dict[str, Search] = field(default_factory=dict)
    graph: dict[str, ServiceGraph | ExternalGraph] = field(default_factory=dict)
    network: Network | None = None
    control: Control | None = None
    task: MigrationTask | None = None
    callers: Callers | None = None


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


def told(app: cdk.App, environment: Environment, key: str) -> str:
    """Return what the context says, else the manifest."""
    return str(app.node.try_get_context(key) or environment.context.get(key, ""))


def architecture(app: cdk.App, environment: Environment) -> str:
    """Return the processor that images are for."""
    return told(app, environment, ARCHITECTURE) or "x86_64"


def stack(app: cdk.App, platform: str, environment: Environment, service: str, engine: str) -> cdk.Stack:
    """Return a new stack for one database of `environment`, or for what `service` "seedbed" has there."""
    return _tagged(
        cdk.Stack(
            app,
            stack_name(platform, environment.name, service, engine),
            env=_place(environment),
            description=f"{service}/{engine} of {platform} in {environment.name}, made by seedbed",
            termination_protection=environment.protected,
            analytics_reporting=False,
        ),
        stack_tags(platform, environment.name) | {"service": service},
    )


def network_stack(app: cdk.App, platform: str, environment: Environment) -> NetworkStack:
    """Return a new stack for the network of `environment`."""
    made = NetworkStack(
        app,
        f"{platform}-{environment.name}-network",
        env=_place(environment),
        description=f"network of {platform} in {environment.name}, made by seedbed",
        termination_protection=environment.protected,
        analytics_reporting=False,
    )
    _tagged(made, stack_tags(platform, environment.name))
    return made


def _tagged(stack: cdk.Stack, tags: Mapping[str, str]) -> cdk.Stack:
    """Give a stack the tags by which it is known, whatever `Tags.of(app)` says: `environment` is a common one."""
    for key, value in tags.items():
        stack.tags.set_tag(key, value, _FIRST)
    return stack


def _place(environment: Environment) -> cdk.Environment:
    return cdk.Environment(account=environment.account, region=environment.region)
