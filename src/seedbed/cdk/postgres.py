"""The PostgreSQL of one service: an Aurora cluster of its own, with its secret and its doors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct
from msgspec import Struct

from seedbed.cdk.doors import let_in
from seedbed.cdk.environment import removal
from seedbed.cdk.network import Network
from seedbed.cdk.settings import pointer, write_parameters
from seedbed.errors import UsageError
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.names import parameter_path
from seedbed.model.platform import Database

ENGINE = "postgres"
ALWAYS_THERE = "postgres"  # a database that every server has, and nobody is given
USER = "postgres"  # not the name of the history's schema: "$user" would lead into it
_PORT = 5432
OWN_KEY, AWS_KEY = "own", "aws"
# By what the settings begin with: under which name other stacks read a secret's ARN, and the secret.
Logins = Mapping[str, tuple[str, secretsmanager.ISecret]]
_INSTANCE: dict[str, Any] = {"publicly_accessible": False, "auto_minor_version_upgrade": False}


class Sizes(Struct, frozen=True):
    """How large a cluster is.

    `instance`, `readers`: of a protected environment, whose instances are provisioned, each reader in a zone of its
    own. `least`, `most`: Aurora capacity units elsewhere, where Aurora scales by itself; ephemeral ones always scale to
    zero, whatever `least` says. `pause`: minutes without a connection after which those fall asleep, 5 or more.
    `version`: of Aurora PostgreSQL; 16.3 is the oldest that can pause. AWS does not raise it by itself: the next change
    of the cluster would be a step back to this one, and fail.
    """

    instance: str = "r7g.large"
    readers: int = 1
    least: float = 0.5
    most: float = 4.0
    pause: int = 10
    version: str = "17.7"


class PostgresOptions(Struct, frozen=True):
    """What a cluster can do besides.

    `iam_authentication`: logins may show a token of IAM in place of a password. `data_api`: SQL over HTTPS, for who
    may call `rds-data` and read the secret; seedbed never uses it. `log`: PostgreSQL's own log goes to CloudWatch, into
    a group that RDS makes, which stays and keeps all. `insights`: Performance Insights, seven days, which cost nothing.
    `key`: with what storage and snapshots are encrypted: "own", a KMS key of the cluster's own; "aws", the key of the
    account that AWS manages, whose snapshots no other account can be given; or the ARN of a key. Nothing said is "own"
    where the environment is protected, "aws" elsewhere. It is set when the cluster is made, and never after.
    """

    iam_authentication: bool = False
    data_api: bool = False
    log: bool = False
    insights: bool = False
    key: str = ""


class Postgres(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """What there is to tell a container of a PostgreSQL, and who may connect; where its server is, its kinds say.

    `name`: of the database. `pauses`: minutes after which the server falls asleep, `reader`: a host; "" where there is
    none.
    """

    service: str
    environment: Environment
    path: str
    name: str
    host: str
    port: str
    pauses: str
    reader: str = ""
    group: ec2.ISecurityGroup

    def allow(self, peer: ec2.IConnectable) -> None:
        """Let `peer` (a service, a task, a security group) connect. The rule lies in the stack of `peer`."""
        what = f"PostgreSQL of {self.service}"
        let_in(peer, to=self, group=self.group, path=self.path, port=_PORT, what=what)

    def logins(self, *, for_migrations: bool) -> Logins:
        """Return the logins of a container, those of seedbed's own task `for_migrations`."""
        raise NotImplementedError


class PostgresServer(Postgres):
    """An Aurora PostgreSQL cluster with its administrator's secret, reached only from where `allow` says.

    Ephemeral environments: serverless, asleep when nobody is connected, and nothing of it stays when the stack goes: no
    final snapshot, no automated backup. A base: asleep likewise, and kept. Elsewhere: kept with its secret and security
    group when the stack goes, and protected from deletion; provisioned with readers where the environment is protected.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        service: str,
        name: str,
        network: Network,
        sizes: Sizes,
        options: PostgresOptions,
    ) -> None:
        """`name`: of its first database."""
        super().__init__(scope, id)
        self.service = service
        self.environment = environment
        self.path = parameter_path(platform, environment.name, service, ENGINE)
        self.name = name
        self.port = str(_PORT)
        self.pauses = str(sizes.pause) if _sleeps(environment) else ""
        keep = removal(environment)
        self.secret = rds.DatabaseSecret(self, "Secret", username=USER, dbname=name)
        self.secret.apply_removal_policy(keep)
        self.group = ec2.SecurityGroup(
            self,
            "Access",
            vpc=network.vpc,
            allow_all_outbound=False,
            description=f"PostgreSQL of {service} in {environment.name}",
        )
        self.group.apply_removal_policy(keep)
        self.key = self._key(options.key)
        self.cluster = self._cluster(network, keep, sizes, options)
        has_readers = environment.protected and sizes.readers > 0
        self.host = str(self.cluster.cluster_endpoint.hostname)
        self.reader = str(self.cluster.cluster_read_endpoint.hostname) if has_readers else ""
        self.attached = self.cluster.secret  # once it is attached, the secret knows its host as well

    @property
    def server(self) -> dict[str, str]:
        """The settings that lead to the server, with its administrator."""
        settings = {
            "host": self.host,
            "port": self.port,
            "name": self.name,
            "admin_user": USER,
            "admin_password": pointer(str(self.attached.secret_arn), "password"),
        }
        settings |= {"pauses": self.pauses} if self.pauses else {}
        return settings | ({"reader": self.reader} if self.reader else {})

    def _key(self, said: str) -> kms.IKey | None:
        """Return what the storage is encrypted with, None for the account's key that AWS manages."""
        said = said or (OWN_KEY if self.environment.protected else AWS_KEY)
        if said == AWS_KEY:
            return None
        if said.startswith("arn:"):
            return kms.Key.from_key_arn(self, "Key", said)
        if said != OWN_KEY:
            raise UsageError(
                f"{said[:80]!r} is no key for a cluster",
                because=f"it is {OWN_KEY!r}, {AWS_KEY!r}, or the ARN of a KMS key",
                try_=f'PostgresOptions(key="{OWN_KEY}")',
            )
        return kms.Key(
            self,
            "Key",
            description=f"PostgreSQL of {self.service} in {self.environment.name}",
            enable_key_rotation=True,
            removal_policy=removal(self.environment),
        )

    def _cluster(
        self, network: Network, keep: RemovalPolicy, sizes: Sizes, options: PostgresOptions
    ) -> rds.DatabaseCluster:
        throw_away = is_ephemeral(self.environment)
        return rds.DatabaseCluster(
            self,
            "Cluster",
            engine=rds.DatabaseClusterEngine.aurora_postgres(version=_version(sizes.version)),
            credentials=rds.Credentials.from_secret(self.secret),
            default_database_name=None if self.name == ALWAYS_THERE else self.name,
            port=_PORT,
            vpc=network.vpc,
            vpc_subnets=network.databases,
            security_groups=[self.group],
            storage_encrypted=True,
            storage_encryption_key=self.key,
            **_besides(options),
            removal_policy=keep,
            deletion_protection=not throw_away,
            delete_automated_backups=throw_away,
            copy_tags_to_snapshot=True,
            backup=rds.BackupProps(retention=Duration.days(_backup_days(self.environment))),
            **(self._provisioned(sizes) if self.environment.protected else self._serverless(sizes)),
        )

    def _serverless(self, sizes: Sizes) -> dict[str, Any]:
        scaling: dict[str, Any] = {"serverless_v2_min_capacity": sizes.least}
        if _sleeps(self.environment):
            scaling = {
                "serverless_v2_min_capacity": 0,
                "serverless_v2_auto_pause_duration": Duration.minutes(sizes.pause),
            }
        return {
            "writer": rds.ClusterInstance.serverless_v2("Writer", **_INSTANCE),
            "serverless_v2_max_capacity": sizes.most,
            **scaling,
        }

    def _provisioned(self, sizes: Sizes) -> dict[str, Any]:
        kind = {"instance_type": ec2.InstanceType(sizes.instance), **_INSTANCE}
        readers = [
            rds.ClusterInstance.provisioned(f"Reader{number}", promotion_tier=1, **kind)
            for number in range(1, sizes.readers + 1)
        ]
        return {"writer": rds.ClusterInstance.provisioned("Writer", **kind), "readers": readers}


class ServicePostgres(PostgresServer):
    """Aurora PostgreSQL for one service: a cluster of its own.

    `secret`: the administrator's login, which only makes the two others; `own`: seedbed's; `application`: what a
    service gets. Each apply makes the logins, and sets passwords whose secrets changed.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        database: Database,
        network: Network,
        sizes: Sizes | None = None,
        options: PostgresOptions | None = None,
    ) -> None:
        super().__init__(
            scope,
            id,
            platform=platform,
            environment=environment,
            service=database.service,
            name=database_name(database.service),
            network=network,
            sizes=sizes or Sizes(),
            options=options or PostgresOptions(),
        )
        self.own = rds.DatabaseSecret(self, "Migrate", username=f"{self.name}_migrate", dbname=self.name)
        self.application = rds.DatabaseSecret(
            self, "Application", username=f"{self.name}_app", dbname=self.name
        )
        for secret in (self.own, self.application):
            secret.apply_removal_policy(removal(environment))
        users = {"user": f"{self.name}_migrate", "app_user": f"{self.name}_app"}
        settings = self.server | logins_as_settings(users, self.own, self.application)
        write_parameters(self, settings, self.path)

    def logins(self, *, for_migrations: bool) -> Logins:
        application = ("app-secret", self.application)
        if not for_migrations:
            return {"": application}
        return {
            "": ("migrate-secret", self.own),
            "admin_": ("secret", self.attached),
            "app_": application,
        }


def logins_as_settings(
    users: Mapping[str, str], own: secretsmanager.ISecret, application: secretsmanager.ISecret
) -> dict[str, str]:
    """Return the settings of seedbed's login and the application's; `users`: their names, as settings."""
    return {
        "user": users["user"],
        "password": pointer(str(own.secret_arn), "password"),
        "app_user": users["app_user"],
        "app_password": pointer(str(application.secret_arn), "password"),
    }


def database_name(service: str) -> str:
    """Return the name of a service's database: `tutor_matching_db`.

    With an ending, because RDS refuses what is a word of SQL, and `user` is one.
    """
    return f"{service.replace('-', '_')}_db"


def _sleeps(environment: Environment) -> bool:
    """Return whether a cluster falls asleep: one that is somebody's alone, and one that all of them have together."""
    return is_ephemeral(environment) or environment.is_base


def _version(version: str) -> rds.AuroraPostgresEngineVersion:
    return rds.AuroraPostgresEngineVersion.of(
        version, version.partition(".")[0], serverless_v2_auto_pause_supported=True
    )


def _besides(options: PostgresOptions) -> dict[str, Any]:
    """Return the properties of what `options` ask for; what they do not ask for stands in no template."""
    asked: dict[str, tuple[bool, Any]] = {
        "iam_authentication": (options.iam_authentication, True),
        "enable_data_api": (options.data_api, True),
        "cloudwatch_logs_exports": (options.log, ["postgresql"]),
        "enable_performance_insights": (options.insights, True),
    }
    return {name: value for name, (is_asked, value) in asked.items() if is_asked}


def _backup_days(environment: Environment) -> int:
    """Return how many days a cluster can be taken back to any moment of; Aurora wants 1 at least."""
    if is_ephemeral(environment):
        return 1
    return 35 if environment.protected else 7
