"""What an environment has that lies in a base: names on the base's servers, and a place in its network.

Where all of it is, is read from the base's parameters when the environment's stacks are deployed: those of the base may
belong to another app. See docs/adr/0064.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from aws_cdk import Annotations, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_servicediscovery as servicediscovery
from constructs import Construct

from seedbed.cdk import postgres, search
from seedbed.cdk.control import Control, ControlNames
from seedbed.cdk.environment import removal
from seedbed.cdk.network import Network, zone
from seedbed.cdk.postgres import Logins, Postgres, logins_as_settings
from seedbed.cdk.search import Search, signed_settings
from seedbed.cdk.settings import reading, write_parameters
from seedbed.engines import registry
from seedbed.engines.opensearch.prefix.paths import common_paths, own_paths
from seedbed.engines.sharing import SupportsSharing
from seedbed.errors import UsageError
from seedbed.model.environment import Environment
from seedbed.model.names import RESERVED, login_secret, parameter_path

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam

    from seedbed.model.platform import Database

# As many as Aurora wants, and as a base tells subnets of each kind. What they are called is nowhere said in a template.
_ZONES = ("first", "second")
SUBNETS = len(_ZONES)


class BaseNetwork(Network):
    """The network of the base that `environment` lies in, as a stack sees it: nothing in it is made or changed.

    `vpc` has no subnets of its own: they are `databases` and `tasks`. `cluster`: in which the environment's tasks run.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
    ) -> None:
        Construct.__init__(self, scope, id)
        self.environment = environment
        self._platform = platform
        self.vpc = ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id=self._read("network", "vpc"), availability_zones=list(_ZONES)
        )

    # Each is read where it is asked for: CloudFormation warns of a parameter that nothing refers to.

    @cached_property
    def databases(self) -> ec2.SubnetSelection:
        return self._subnets("databases")

    @cached_property
    def tasks(self) -> ec2.SubnetSelection:
        return self._subnets("tasks")

    @cached_property
    def cluster(self) -> ecs.ICluster:
        arn = self._read("task", "cluster")
        return ecs.Cluster.from_cluster_attributes(
            self,
            "Cluster",
            cluster_name=Fn.select(1, Fn.split("/", arn)),
            cluster_arn=arn,
            vpc=self.vpc,
            security_groups=[],
        )

    def zone(self, platform: str) -> str:
        return zone(platform, self.environment.base)

    def names(self, platform: str) -> servicediscovery.IPrivateDnsNamespace:
        found, id_ = self.node.try_find_child("Names"), self._read("network", "namespace")
        return found or servicediscovery.PrivateDnsNamespace.from_private_dns_namespace_attributes(
            self,
            "Names",
            namespace_arn=Stack.of(self).format_arn(
                service="servicediscovery", resource="namespace", resource_name=id_
            ),
            namespace_id=id_,
            namespace_name=self.zone(platform),
        )

    def _subnets(self, kind: str) -> ec2.SubnetSelection:
        told, found = Fn.split(",", self._read("network", kind)), []
        for number, zone_ in enumerate(_ZONES):
            id_ = f"{kind.title()}{number + 1}"
            subnet = ec2.Subnet.from_subnet_attributes(
                self, id_, subnet_id=Fn.select(number, told), availability_zone=zone_
            )
            # Nothing is routed anew here.
            Annotations.of(subnet).acknowledge_warning("@aws-cdk/aws-ec2:noSubnetRouteTableId")
            found.append(subnet)
        return ec2.SubnetSelection(subnets=found)

    def _read(self, engine: str, name: str) -> str:
        return read_of_base(self, self._platform, self.environment, engine, name)


class BaseControl(Control):
    """The records of the base, as far as they are about `environment`: see `rights`."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
    ) -> None:
        Construct.__init__(self, scope, id)
        self.environment = environment
        self._platform = platform
        self.path = parameter_path(platform, environment.base, RESERVED, "control")

    def names(self, scope: Construct) -> ControlNames:
        """Return table and bucket; there is no log group: a task there has a log of its own."""
        table, bucket = (reading(scope, self.path, each) for each in ("table", "bucket"))
        return ControlNames(table, bucket, "")


class SharedPostgres(Postgres):
    """A database of one service on the cluster of a base: the secrets of its logins, and where it is.

    The base's own task makes the database and the logins, with what is in the secrets: it finds them by their names,
    which follow from those of platform, environment and service. Nothing else of the environment has the
    administrator's login.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        database: Database,
    ) -> None:
        super().__init__(scope, id)
        self.service = database.service
        self.environment = environment
        self.path = parameter_path(platform, environment.name, self.service, postgres.ENGINE)
        named = _shared_settings(environment, database)
        self.name = named["name"]

        def read(name: str) -> str:
            return read_of_base(self, platform, environment, postgres.ENGINE, name)

        def secret(id_: str, login: str, user: str) -> rds.DatabaseSecret:
            name = login_secret(platform, environment.name, database.id, login)
            made = rds.DatabaseSecret(self, id_, username=user, dbname=self.name, secret_name=name)
            made.apply_removal_policy(removal(environment))
            return made

        self.host, self.port, self.pauses = (read(each) for each in ("host", "port", "pauses"))
        self.group = ec2.SecurityGroup.from_security_group_id(self, "Access", read("stacks/security-group"))
        self.own = secret("Migrate", "migrate", named["user"])
        self.application = secret("Application", "app", named["app_user"])
        settings = {"host": self.host, "port": self.port, "name": self.name, "pauses": self.pauses}
        write_parameters(self, settings | logins_as_settings(named, self.own, self.application), self.path)

    def logins(self, *, for_migrations: bool) -> Logins:
        application = ("app-secret", self.application)
        if not for_migrations:
            return {"": application}
        return {"": ("migrate-secret", self.own), "app_": application}


class SharedSearch(Search):
    """What one service has in the domain of a base: all that has names which begin with its prefix.

    There is nothing to make before there is an index. Roles are let into no other part of the domain, where that can be
    told by the path of a request.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        database: Database,
    ) -> None:
        super().__init__(scope, id)
        self.service = database.service
        self.environment = environment
        self.path = parameter_path(platform, environment.name, self.service, search.ENGINE)
        self.prefix = _shared_settings(environment, database)["prefix"]

        def read(name: str) -> str:
            return read_of_base(self, platform, environment, search.ENGINE, name)

        self.endpoint, self.arn = read("endpoint"), read("stacks/domain")
        self.group = ec2.SecurityGroup.from_security_group_id(self, "Access", read("stacks/security-group"))
        write_parameters(self, signed_settings(self, self.endpoint) | {"prefix": self.prefix}, self.path)

    def grant_documents(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the service itself search and write below its prefix. `_bulk` and `_search` without an index are none."""
        return self._grant_paths(grantee, search.DOCUMENTS, [f"{self.prefix}*"])

    def grant_migrations(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let seedbed migrate and seed all of it, its history included: by the paths of all that it sends."""
        self._grant_paths(grantee, search.EVERYTHING, common_paths())  # once a role, for several services
        return self._grant_paths(grantee, search.EVERYTHING, own_paths(self.prefix))


def read_of_base(scope: Construct, platform: str, environment: Environment, engine: str, name: str) -> str:
    """Return what a parameter of the base says that `environment` lies in, as a token."""
    return reading(scope, parameter_path(platform, environment.base, RESERVED, engine), name)


def can_share(engine: str) -> bool:
    """Return whether several environments can have their databases on one server of `engine`."""
    return isinstance(registry.load(engine), SupportsSharing)


def _shared_settings(environment: Environment, database: Database) -> Mapping[str, str]:
    """Return the names that a database has on a shared server. Raises UsageError where its engine shares none."""
    engine = registry.load(database.engine)
    if not isinstance(engine, SupportsSharing):
        raise UsageError(
            f"{database.id} cannot lie on the server of {environment.base}",
            because=f"no server of {database.engine} can be shared",
            try_=f'own = ["{database.engine}"] in the section of {environment.name} in seedbed.toml',
        )
    return engine.shared_settings(environment.name, database.service)
