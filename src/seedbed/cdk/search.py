"""The OpenSearch of one service: a domain of its own, signed for, inside the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_opensearchservice as opensearch
from aws_cdk import aws_s3 as s3
from constructs import Construct
from msgspec import Struct

from seedbed.cdk.containers import log_group
from seedbed.cdk.doors import let_in
from seedbed.cdk.environment import removal
from seedbed.cdk.network import Network
from seedbed.cdk.settings import across, write_parameters
from seedbed.errors import UsageError
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.names import parameter_path
from seedbed.model.platform import Database

ENGINE = "opensearch"
_VERSION = re.compile(r"[2-9]\.[0-9]{1,2}")
_PORT = 443
DOCUMENTS = ("ESHttpGet", "ESHttpHead", "ESHttpPost", "ESHttpPut")
EVERYTHING = (*DOCUMENTS, "ESHttpDelete")


class SearchSizes(Struct, frozen=True):
    """How large a domain is, per environment that is not ephemeral; that one is a single `t3.small.search` of 10 GiB.

    `instance`, `masters`: of a protected environment, which has a node and a dedicated master in each of three zones;
    `small`: of any other, which has a node in each of two. `storage`: GiB for each node. `version`: of OpenSearch; a
    later one is an update in place. `logs`: whether errors and slow requests go to CloudWatch where the environment is
    not ephemeral.
    """

    instance: str = "r7g.large.search"
    masters: str = "m7g.medium.search"
    small: str = "t3.medium.search"
    storage: int = 100
    version: str = "3.5"
    logs: bool = True


class Search(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """What there is to tell a container of an OpenSearch, who may connect, and what roles may do.

    `endpoint`: its URL, as a token. `prefix`: what the names of all that is there begin with; "": the domain is the
    service's own.
    """

    service: str
    environment: Environment
    path: str
    endpoint: str
    prefix: str = ""
    group: ec2.ISecurityGroup
    arn: str  # of the domain

    def allow(self, peer: ec2.IConnectable) -> None:
        """Let `peer` (a service, a task, a security group) connect. The rule lies in the stack of `peer`."""
        what = f"OpenSearch of {self.service}"
        let_in(peer, to=self, group=self.group, path=self.path, port=_PORT, what=what)

    def grant_documents(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the service itself search and write; documents are deleted by `_bulk`, an index never."""
        return self._grant_paths(grantee, DOCUMENTS)

    def grant_migrations(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let seedbed migrate and seed all of it, its history included."""
        return self._grant_paths(grantee, EVERYTHING)

    def _grant_paths(
        self, grantee: iam.IGrantable, actions: Sequence[str], paths: Sequence[str] = ("*",)
    ) -> iam.Grant:
        domain = across(self, grantee, self.path, "domain", self.arn)
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=[f"es:{each}" for each in sorted(actions)],
            resource_arns=[f"{domain}/{each}" for each in paths],
        )


class ServiceSearch(Search):
    """An OpenSearch domain for one service, reached only from where `allow` says, by whom a `grant_…` names.

    Encrypted at rest and between its nodes, HTTPS only. Every request is signed (SigV4): there is no password.
    Ephemeral environments have one node, and nothing stays when the stack goes; a base has one, too, and keeps it;
    elsewhere the domain and its security group are kept. Never "Multi-AZ with Standby", which refuses an index without
    two replicas: a new one is filled without any.
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
        self.path = parameter_path(platform, environment.name, self.service, ENGINE)
        self.group = ec2.SecurityGroup(
            self,
            "Access",
            vpc=network.vpc,
            allow_all_outbound=False,
            description=f"OpenSearch of {self.service} in {environment.name}",
        )
        self.group.apply_removal_policy(removal(environment))
        self.logs: dict[str, logs.LogGroup] = {}
        self.domain = self._domain(network, sizes or SearchSizes())
        self.endpoint = f"https://{self.domain.domain_endpoint}"
        self.arn = str(self.domain.domain_arn)
        self._let_the_account_decide()
        write_parameters(self, signed_settings(self, self.endpoint), self.path)

    def snapshots_to(self, bucket: s3.IBucket) -> iam.Role:
        """Return a role with which the domain keeps snapshots in `bucket`; its ARN is an output of the stack.

        AWS's hourly snapshots stay in the domain; these can be restored into another one, and outlive it. Once a role,
        however often it is asked for: it is what `PUT _snapshot/NAME` names as `role_arn`.
        """
        found = self.node.try_find_child("Snapshots")
        if found is not None:
            return found
        stack = Stack.of(self)
        own = {"aws:SourceAccount": stack.account}
        role = iam.Role(
            self,
            "Snapshots",
            assumed_by=iam.ServicePrincipal("es.amazonaws.com", conditions={"StringEquals": own}),
            description=f"snapshots of the OpenSearch of {self.service} in {self.environment.name}",
        )
        bucket.grant_read_write(role)
        CfnOutput(self, "SnapshotRoleArn", value=role.role_arn)
        return role

    def grant_snapshots(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` name a repository in the bucket of `snapshots_to`, make snapshots and restore them."""
        role = self.node.find_child("Snapshots")
        role.grant_pass_role(grantee.grant_principal)
        return self._grant_paths(grantee, EVERYTHING)

    def _domain(self, network: Network, sizes: SearchSizes) -> opensearch.Domain:
        zones = self._zones(network)
        return opensearch.Domain(
            self,
            "Domain",
            version=_version(sizes.version),
            enable_version_upgrade=True,  # without it a new version is a new, empty domain
            vpc=network.vpc,
            vpc_subnets=[ec2.SubnetSelection(subnets=network.subnets(network.databases)[:zones])],
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
            suppress_logs_resource_policy=True,  # the CDK's is a Lambda function, and one policy for each domain
            logging=self._logging(network) if sizes.logs and not is_ephemeral(self.environment) else None,
        )

    def _logging(self, network: Network) -> opensearch.LoggingOptions:
        """Return where errors and slow requests go. What is slow is for each index to say: `index.search.slowlog…`."""
        network.let_domains_log()
        self.logs = {
            name: log_group(Construct(self, name), self.environment)
            for name in ("Errors", "SlowSearches", "SlowWrites")
        }
        return opensearch.LoggingOptions(
            app_log_enabled=True,
            app_log_group=self.logs["Errors"],
            slow_search_log_enabled=True,
            slow_search_log_group=self.logs["SlowSearches"],
            slow_index_log_enabled=True,
            slow_index_log_group=self.logs["SlowWrites"],
        )

    def _zones(self, network: Network) -> int:
        if is_ephemeral(self.environment) or self.environment.is_base:
            return 1
        return min(3 if self.environment.protected else 2, len(network.subnets(network.databases)))

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


def signed_settings(scope: Construct, endpoint: str) -> dict[str, str]:
    """Return the settings of a domain to which requests are signed, in the account and region of `scope`."""
    stack = Stack.of(scope)
    return {"endpoint": endpoint, "auth": "aws", "account": stack.account, "region": stack.region}


def _version(version: str) -> opensearch.EngineVersion:
    if _VERSION.fullmatch(version) is None:
        raise UsageError(
            f"{version[:40]!r} is no version of OpenSearch",
            because="AWS names them by two numbers",
            try_=f'SearchSizes(version="{SearchSizes().version}")',
        )
    return opensearch.EngineVersion.open_search(version)
