"""The Neo4j of one service, run by ECS on a file system of its own."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_efs as efs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct
from msgspec import Struct

from seedbed.cdk.containers import log_driver, log_group, runtime_platform
from seedbed.cdk.doors import let_in
from seedbed.cdk.environment import removal
from seedbed.cdk.network import Network
from seedbed.cdk.settings import pointer, write_settings
from seedbed.errors import Refused
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.names import parameter_path
from seedbed.model.platform import Database

ENGINE = "neo4j"
USER = DATABASE = "neo4j"  # Community has one of each, of this name
_PORT, _NFS = 7687, 2049
_OWNER = "7474"  # user and group of Neo4j's image
_VOLUME, _DATA, _KEYS = "data", "/data", "/tmp/bolt"  # noqa: S108  inside a container of one process
# The key is made anew with each start and never leaves the container; nobody outside could have signed for this name.
_START = f"""\
mkdir -p {_KEYS} && cd {_KEYS} \
&& openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$CERTIFICATE_NAME" \
-keyout private.key -out public.crt \
&& cd "$NEO4J_HOME" && export NEO4J_AUTH="{USER}/$PASSWORD" && unset PASSWORD CERTIFICATE_NAME \
&& exec tini -g -- /startup/docker-entrypoint.sh neo4j"""


class GraphSizes(Struct, frozen=True):
    """What the server has where its environment is not ephemeral: CPU units (1024 are one core) and MiB of memory."""

    cpu: int = 2048
    memory: int = 8192


class ServiceGraph(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """Neo4j Community for one service: one Fargate task, reached only from where `allow` says.

    Its files are on an EFS file system of its own, encrypted, over TLS; kept with its secret when the stack goes unless
    the environment is ephemeral, and backed up daily where it is protected. Community is one server and no cluster: for
    a new version the old task is stopped before the next one starts, because two would open the same files.

    EFS is NFS, which Neo4j does not support for its store: a protected environment has it only where that is accepted.

    Bolt is spoken over TLS only, with a certificate that the server signed itself: clients take any (`bolt+ssc`), so
    nobody can listen, and that the right server answers is the network's word.
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
        image: ecs.ContainerImage,
        sizes: GraphSizes | None = None,
        architecture: str = "x86_64",
        allow_nfs: bool = False,
        cluster: ecs.ICluster | None = None,
    ) -> None:
        """`image`: Neo4j's own for Docker, for `architecture`, with `openssl` added.

        `allow_nfs`: make it in a protected environment, too. `cluster`: where its task runs, one of its own where that
        is not said. Raises Refused for a protected environment without `allow_nfs`.
        """
        super().__init__(scope, id)
        if environment.protected and not allow_nfs:
            raise _on_nfs(database, environment)
        self.service = database.service
        self.environment = environment
        self.path = parameter_path(platform, environment.name, self.service, ENGINE)
        self._names, self._name = network.names(platform), _name(database.service, environment)
        self.host = f"{self._name}.{network.zone(platform)}"
        self.uri = f"bolt+ssc://{self.host}:{_PORT}"
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=f'{{"username": "{USER}"}}',
                generate_string_key="password",
                exclude_punctuation=True,  # a slash ends the password for Neo4j's image
                password_length=32,
            ),
        )
        self.secret.apply_removal_policy(removal(environment))
        self.group = ec2.SecurityGroup(
            self, "Access", vpc=network.vpc, description=f"Neo4j of {self.service} in {environment.name}"
        )
        self.files = self._file_system(network)
        self.definition = self._definition(image, sizes or GraphSizes(), architecture)
        self.running = self._running(network, cluster or ecs.Cluster(self, "Cluster", vpc=network.vpc))
        self._say_where(platform)

    def allow(self, peer: ec2.IConnectable) -> None:
        """Let `peer` (a service, a task, a security group) connect. The rule lies in the stack of `peer`."""
        what = f"Neo4j of {self.service}"
        let_in(peer, to=self, group=self.group, path=self.path, port=_PORT, what=what)

    def _file_system(self, network: Network) -> efs.FileSystem:
        keep = removal(self.environment)
        door = ec2.SecurityGroup(
            self,
            "Files",
            vpc=network.vpc,
            allow_all_outbound=False,
            description=f"files of the Neo4j of {self.service} in {self.environment.name}",
        )
        door.add_ingress_rule(self.group, ec2.Port.tcp(_NFS), "the server alone")
        door.apply_removal_policy(keep)
        return efs.FileSystem(
            self,
            "FileSystem",
            vpc=network.vpc,
            vpc_subnets=network.databases,
            security_group=door,
            encrypted=True,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            enable_automatic_backups=self.environment.protected,
            allow_anonymous_access=False,
            removal_policy=keep,
        )

    def _definition(
        self, image: ecs.ContainerImage, sizes: GraphSizes, architecture: str
    ) -> ecs.FargateTaskDefinition:
        if is_ephemeral(self.environment):
            sizes = GraphSizes(cpu=512, memory=2048)
        place = self.files.add_access_point(
            "Place",
            path="/neo4j",
            create_acl=efs.Acl(owner_uid=_OWNER, owner_gid=_OWNER, permissions="750"),
            posix_user=efs.PosixUser(uid=_OWNER, gid=_OWNER),
        )
        definition = ecs.FargateTaskDefinition(
            self,
            "Definition",
            cpu=sizes.cpu,
            memory_limit_mib=sizes.memory,
            runtime_platform=runtime_platform(architecture),
        )
        definition.add_volume(
            name=_VOLUME,
            efs_volume_configuration=ecs.EfsVolumeConfiguration(
                file_system_id=self.files.file_system_id,
                transit_encryption="ENABLED",
                authorization_config=ecs.AuthorizationConfig(
                    access_point_id=place.access_point_id, iam="ENABLED"
                ),
            ),
        )
        self.files.grant_read_write(definition.task_role)
        container = definition.add_container(
            ENGINE,
            image=image,
            user=f"{_OWNER}:{_OWNER}",
            entry_point=["bash", "-euc"],
            command=[_START],
            environment={**_settings(sizes), "CERTIFICATE_NAME": self.host},
            secrets={"PASSWORD": ecs.Secret.from_secrets_manager(self.secret, "password")},
            port_mappings=[ecs.PortMapping(container_port=_PORT)],
            logging=log_driver(ENGINE, log_group(self, self.environment)),
            stop_timeout=Duration.seconds(120),  # a store that is closed in order needs no recovery
            health_check=ecs.HealthCheck(
                command=["CMD-SHELL", f"bash -c '</dev/tcp/127.0.0.1/{_PORT}'"],
                start_period=Duration.seconds(300),  # recovery may come first
            ),
        )
        container.add_ulimits(ecs.Ulimit(name=ecs.UlimitName.NOFILE, soft_limit=40_000, hard_limit=40_000))
        container.add_mount_points(
            ecs.MountPoint(source_volume=_VOLUME, container_path=_DATA, read_only=False)
        )
        return definition

    def _running(self, network: Network, cluster: ecs.ICluster) -> ecs.FargateService:
        service = ecs.FargateService(
            self,
            "Service",
            cluster=cluster,
            task_definition=self.definition,
            desired_count=1,
            min_healthy_percent=0,
            max_healthy_percent=100,
            vpc_subnets=network.tasks,
            security_groups=[self.group],
            assign_public_ip=False,
            circuit_breaker=ecs.DeploymentCircuitBreaker(
                rollback=True
            ),  # else a task that cannot start is waited for
            cloud_map_options=ecs.CloudMapOptions(
                name=self._name,
                cloud_map_namespace=self._names,
                dns_ttl=Duration.seconds(10),
            ),
        )
        service.node.add_dependency(self.files.mount_targets_available)
        return service

    def _say_where(self, platform: str) -> None:
        settings = {
            "uri": self.uri,
            "user": USER,
            "password": pointer(str(self.secret.secret_arn), "password"),
            "database": DATABASE,
        }
        write_settings(
            self,
            settings,
            platform=platform,
            environment=self.environment.name,
            service=self.service,
            engine=ENGINE,
        )


def _name(service: str, environment: Environment) -> str:
    """Return the name of a server in its zone: environments that lie in one base have one zone."""
    return f"{ENGINE}.{service}.{environment.name}" if environment.base else f"{ENGINE}.{service}"


def _on_nfs(database: Database, environment: Environment) -> Refused:
    return Refused(
        f"the files of the Neo4j of {database.service} would be on EFS in {environment.name}",
        because="EFS is NFS, on which Neo4j supports no store: a lock that is lost may corrupt it",
        try_="leave graph-image out there and name a server elsewhere (Aura, or a machine with a disk of its own),"
        " or accept it: cdk deploy -c graph-on-nfs=accepted",
    )


def _settings(sizes: GraphSizes) -> dict[str, str]:
    """Return Neo4j's settings as its image takes them: a dot is written `_`, an underscore `__`."""
    heap, cache = sizes.memory // 2, sizes.memory // 4
    return {
        "NEO4J_server_memory_heap_initial__size": f"{heap}m",
        "NEO4J_server_memory_heap_max__size": f"{heap}m",
        "NEO4J_server_memory_pagecache_size": f"{cache}m",
        "NEO4J_server_bolt_tls__level": "REQUIRED",
        "NEO4J_dbms_ssl_policy_bolt_enabled": "true",
        "NEO4J_dbms_ssl_policy_bolt_base__directory": _KEYS,
        "NEO4J_dbms_ssl_policy_bolt_private__key": "private.key",
        "NEO4J_dbms_ssl_policy_bolt_public__certificate": "public.crt",
        "NEO4J_dbms_ssl_policy_bolt_client__auth": "NONE",
        "NEO4J_server_http_enabled": "false",
        "NEO4J_dbms_usage__report_enabled": "false",
    }
