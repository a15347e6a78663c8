"""The OpenSearch of one service: a domain of its own, signed for, inside the network."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_opensearchservice as opensearch
from constructs import Construct
from msgspec import Struct

from seedbed.cdk.environment import removal
from seedbed.cdk.network import Network
from seedbed.cdk.settings import write_settings
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.platform import Database

ENGINE = "opensearch"
_VERSION = "OPENSEARCH_3_5"
_PORT = 443
_READ = ("ESHttpGet", "ESHttpHead")
_WRITE = ("ESHttpPost", "ESHttpPut")


class SearchSizes(Struct, frozen=True):
    """How large a domain is, per environment that is not ephemeral; that one is a single `t3.small.search` of 10 GiB.

    `instance`, `masters`: of a protected environment, which has a node and a dedicated master in each of three zones;
    `small`: of any other, which has a node in each of two. `storage`: GiB for each node.
    """

    instance: str = "r7g.large.search"
    masters: str = "m7g.medium.search"
    small: str = "t3.medium.search"
    storage: int = 100


class ServiceSearch(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """An OpenSearch domain for one service, reached only from where `allow` says, by whom a `grant_…` names.

    Encrypted at rest and between its nodes, HTTPS only. Every request is signed (SigV4): there is no password.
    Ephemeral environments have one node, and nothing stays when the stack goes; elsewhere the domain and its security
    group are kept. Never "Multi-AZ with Standby", which refuses an index without two replicas: a new one is filled
    without any.
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
        sizes: SearchSizes | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.service = database.service
        self.environment = environment
        self.group = ec2.SecurityGroup(
            self,
            "Access",
            vpc=network.vpc,
            allow_all_outbound=False,
            description=f"OpenSearch of {self.service} in {environment.name}",
        )
        self.group.apply_removal_policy(removal(environment))
        self.domain = self._domain(network, sizes or SearchSizes())
        self._let_the_account_decide()
        self._say_where(platform)

    @property
    def endpoint(self) -> str:
        """The URL, as a token."""
        return f"https://{self.domain.domain_endpoint}"

    def allow(self, peer: ec2.IConnectable) -> None:
        """Let `peer` (a service, a task, a security group) connect. The rule lies in the stack of `peer`."""
        # Seen from the peer: a rule in our stack would make the two stacks depend on each other.
        peer.connections.allow_to(self.group, ec2.Port.tcp(_PORT), f"OpenSearch of {self.service}")

    def grant_documents(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the service itself search and write; documents are deleted by `_bulk`, an index never."""
        return self._grant(grantee, (*_READ, *_WRITE))

    def grant_migrations(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let seedbed migrate and seed all of it, its history included."""
        return self._grant(grantee, (*_READ, *_WRITE, "ESHttpDelete"))

    def _grant(self, grantee: iam.IGrantable, actions: tuple[str, ...]) -> iam.Grant:
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=[f"es:{each}" for each in sorted(actions)],
            resource_arns=[f"{self.domain.domain_arn}/*"],
        )

    def _domain(self, network: Network, sizes: SearchSizes) -> opensearch.Domain:
        zones = self._zones()
        return opensearch.Domain(
            self,
            "Domain",
            version=getattr(opensearch.EngineVersion, _VERSION),
            enable_version_upgrade=True,  # without it a new version is a new, empty domain
            vpc=network.vpc,
            vpc_subnets=[ec2.SubnetSelection(subnets=network.vpc.isolated_subnets[:zones])],
            security_groups=[self.group],
            capacity=self._capacity(sizes, zones),
            ebs=opensearch.EbsOptions(
                volume_type=ec2.EbsDeviceVolumeType.GP3,
                volume_size=10 if is_ephemeral(self.environment) else sizes.storage,
            ),
            zone_awareness=opensearch.ZoneAwarenessConfig(
                enabled=zones > 1, availability_zone_count=zones if zones > 1 else None
            ),
            enforce_https=True,
            node_to_node_encryption=True,
            encryption_at_rest=opensearch.EncryptionAtRestOptions(enabled=True),
            tls_security_policy=opensearch.TLSSecurityPolicy.TLS_1_2_PFS,
            removal_policy=removal(self.environment),
        )

    def _zones(self) -> int:
        if is_ephemeral(self.environment):
            return 1
        return 3 if self.environment.protected else 2

    def _capacity(self, sizes: SearchSizes, zones: int) -> opensearch.CapacityConfig:
        small = "t3.small.search" if is_ephemeral(self.environment) else sizes.small
        masters: dict[str, Any] = {}
        if self.environment.protected:
            masters = {"master_nodes": 3, "master_node_instance_type": sizes.masters}
        return opensearch.CapacityConfig(
            data_nodes=zones,
            data_node_instance_type=sizes.instance if self.environment.protected else small,
            multi_az_with_standby_enabled=False,
            **masters,
        )

    def _let_the_account_decide(self) -> None:
        """Let in whoever the account's own policies let in, and nobody who has not signed."""
        statement = iam.PolicyStatement(
            actions=["es:ESHttp*"], principals=[iam.AccountRootPrincipal()], resources=["*"]
        )
        # The construct's own `access_policies` would set them by a Lambda function, after the domain is made.
        self.domain.node.default_child.access_policies = iam.PolicyDocument(statements=[statement])

    def _say_where(self, platform: str) -> None:
        stack = Stack.of(self)
        settings = {
            "endpoint": self.endpoint,
            "auth": "aws",
            "account": stack.account,
            "region": stack.region,
        }
        write_settings(
            self,
            settings,
            platform=platform,
            environment=self.environment.name,
            service=self.service,
            engine=ENGINE,
        )
