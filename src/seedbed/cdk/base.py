"""A base: a network, servers, records and a task that other environments have in common. See docs/adr/0064."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import aws_cdk as cdk
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from seedbed.cdk import postgres, search
from seedbed.cdk.control import Control
from seedbed.cdk.images import container_image
from seedbed.cdk.made import AllSizes, Made, architecture, stack
from seedbed.cdk.network import Network
from seedbed.cdk.postgres import ALWAYS_THERE, Logins, PostgresOptions, PostgresServer, Sizes
from seedbed.cdk.search import SearchSizes, ServiceSearch
from seedbed.cdk.settings import share, write_parameters
from seedbed.cdk.task import MigrationTask
from seedbed.cdk.within import SUBNETS, can_share
from seedbed.errors import UsageError
from seedbed.model.environment import Environment
from seedbed.model.names import RESERVED, login_secrets, parameter_path
from seedbed.model.platform import Database, Platform


class BasePostgres(PostgresServer):
    """The cluster that has the databases of all environments in a base: serverless, asleep while nobody is connected.

    Kept when its stack goes, and protected from deletion: nobody has to notice that somebody else deleted it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        network: Network,
        sizes: Sizes | None = None,
        options: PostgresOptions | None = None,
    ) -> None:
        super().__init__(
            scope,
            id,
            platform=platform,
            environment=environment,
            service=RESERVED,
            name=ALWAYS_THERE,
            network=network,
            sizes=sizes or Sizes(),
            options=options or PostgresOptions(),
        )
        write_parameters(self, self.server, self.path)
        share(self, {"security-group": str(self.group.security_group_id)}, self.path)

    def logins(self, *, for_migrations: bool) -> Logins:
        """Return the administrator's: nobody else connects to the server as a whole."""
        return {"admin_": ("secret", self.attached)} if for_migrations else {}


class BaseSearch(ServiceSearch):
    """The domain that has the indexes of all environments in a base: one node of `small`, which is kept."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        network: Network,
        sizes: SearchSizes | None = None,
    ) -> None:
        super().__init__(
            scope,
            id,
            platform=platform,
            environment=environment,
            database=Database(RESERVED, search.ENGINE, PurePath()),
            network=network,
            sizes=sizes,
        )
        shared = {"security-group": str(self.group.security_group_id), "domain": self.arn}
        share(self, shared, self.path)


def say_where(network: Network, scope: Construct, platform: str) -> None:
    """Write what environments in a base have to know of its network, below `/{platform}/{base}/seedbed/network`."""
    databases, tasks = (
        ",".join(str(each.subnet_id) for each in network.subnets(which)[:SUBNETS])
        for which in (network.databases, network.tasks)
    )
    values = {
        "vpc": str(network.vpc.vpc_id),
        "databases": databases,
        "tasks": tasks,
        "namespace": str(network.names(platform).namespace_id),
    }
    write_parameters(scope, values, parameter_path(platform, network.environment.name, RESERVED, "network"))


def make_servers(app: cdk.App, platform: Platform, made: Made, network: Network, sizes: AllSizes) -> None:
    """Make a server for each engine of the platform that several environments can share."""
    engines = {each.engine for each in platform.databases if can_share(each.engine)}
    here: dict[str, Any] = {"platform": platform.name, "environment": made.environment, "network": network}
    if postgres.ENGINE in engines:
        made.postgres[RESERVED] = BasePostgres(
            stack(app, platform.name, made.environment, RESERVED, postgres.ENGINE),
            "Postgres",
            **here,
            sizes=sizes.postgres,
            options=sizes.postgres_options,
        )
    if search.ENGINE in engines:
        made.search[RESERVED] = BaseSearch(
            stack(app, platform.name, made.environment, RESERVED, search.ENGINE),
            "Search",
            **here,
            sizes=sizes.search,
        )


def make_task(
    app: cdk.App, platform: Platform, made: Made, network: Network, control: Control, image: str
) -> MigrationTask:
    """Make the task that makes and drops what environments have on the servers of a base.

    It has the administrators' logins, and files of its image alone.
    """
    home = stack(app, platform.name, made.environment, RESERVED, "task")
    task = MigrationTask(
        home,
        "Migrations",
        platform=platform.name,
        environment=made.environment,
        databases=[*made.postgres.values(), *made.search.values()],
        network=network,
        control=control,
        image=container_image(home, image, made.environment),
        architecture=architecture(app, made.environment),
        command=["--version"],  # there is nothing that it would do by itself
    )
    names = Stack.of(task).format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=login_secrets(platform.name),
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    task.definition.add_to_task_role_policy(
        iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[names])
    )
    return task


def require_image(environment: Environment, image: str) -> None:
    """Raise UsageError for a base without an image: nothing could make what environments have in it."""
    if not image:
        raise UsageError(
            f"{environment.name} is a base, and has no image",
            because="its task makes the databases of the environments that lie in it",
            try_=f"[environments.{environment.name}.task] with image, or cdk deploy -c image=…",
        )
