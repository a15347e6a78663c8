"""What can be said of a network, a cluster and a domain besides their size: made once, with one synthesis."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import pytest

from seedbed.errors import ManifestError, UsageError
from seedbed.model.environment import Environment
from seedbed.model.network import subnet_prefix, wrong_addresses, wrong_zones
from seedbed.model.platform import Database
from tests.unit.cdk.conftest import Stack, Stacks, Synthesise, flags, stacks

DEV = Environment("dev-ana", "111111111111", "eu-central-1", ephemeral=True)
PROD = Environment("prod", "333333333333", "eu-central-1", protected=True)
IDS, NAMES = ("euc1-az1", "euc1-az3"), ("eu-central-1b", "eu-central-1c")
KEY = "arn:aws:kms:eu-central-1:333333333333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CLUSTER, DOMAIN = "RDS::DBCluster", "OpenSearchService::Domain"


@pytest.fixture(scope="module")
def made(with_node: None) -> Stacks:
    """Stacks of an app of one's own: `Closed` in dev-ana; `Open`, `Cluster`, `Told` and `Domain` in prod."""
    from aws_cdk import App, aws_iam, aws_s3
    from aws_cdk import Environment as Place
    from aws_cdk import Stack as CdkStack

    from seedbed.cdk import Network, PostgresOptions, SearchSizes, ServicePostgres, ServiceSearch

    app = App(context=flags())

    def stack(name: str, environment: Environment) -> Any:
        return CdkStack(app, name, env=Place(account=environment.account, region=environment.region))

    closed = stack("Closed", DEV)
    Network(closed, "Network", environment=DEV, with_door=True, cidr="10.20.0.0/22", zones=IDS)
    network = Network(
        stack("Open", PROD), "Network", environment=PROD, with_door=True, cidr="172.20.0.0/18", zones=NAMES
    )
    place: dict[str, Any] = {"platform": "sample", "environment": PROD, "network": network}
    every = PostgresOptions(iam_authentication=True, data_api=True, log=True, insights=True, key=KEY)
    for name, options in (("Cluster", None), ("Told", every)):
        database = Database(name.lower(), "postgres", PurePath("nowhere"))
        ServicePostgres(stack(name, PROD), "Postgres", database=database, options=options, **place)
    own = stack("Domain", PROD)
    domain = ServiceSearch(
        own,
        "Search",
        database=Database("ai", "opensearch", PurePath("nowhere")),
        sizes=SearchSizes(version="3.3"),
        **place,
    )
    bucket = aws_s3.Bucket.from_bucket_name(own, "Bucket", "copies")
    assert domain.snapshots_to(bucket) is domain.snapshots_to(bucket)
    domain.grant_snapshots(aws_iam.Role.from_role_name(own, "Operator", "operator"))
    return stacks(app)


def subnets(stack: Stack) -> list[Any]:
    return [each["Properties"] for each in stack.resources("EC2::Subnet").values()]


def endpoints(stack: Stack) -> list[str]:
    found = [each["Properties"] for each in stack.resources("EC2::VPCEndpoint").values()]
    names = [json.dumps(each["ServiceName"]) for each in found if each["VpcEndpointType"] == "Interface"]
    return sorted(each.strip('"').split("eu-central-1.")[1] for each in names)


def test_a_network_has_the_addresses_that_are_said_and_equal_parts_of_them(made: Stacks) -> None:
    assert made["Closed"].one("EC2::VPC")["CidrBlock"] == "10.20.0.0/22"
    assert {each["CidrBlock"] for each in subnets(made["Closed"])} == {"10.20.0.0/26", "10.20.0.64/26"}
    assert made["Open"].one("EC2::VPC")["CidrBlock"] == "172.20.0.0/18"
    assert {each["CidrBlock"].split("/")[1] for each in subnets(made["Open"])} == {"22"}
    (group,) = made["Closed"].resources("EC2::SecurityGroup").values()
    (rule,) = group["Properties"]["SecurityGroupIngress"]
    assert "CidrBlock" in json.dumps(rule["CidrIp"]) or rule["CidrIp"] == "10.20.0.0/22"


def test_a_network_is_in_the_zones_that_are_said(made: Stacks) -> None:
    assert [each["AvailabilityZoneId"] for each in subnets(made["Closed"])] == list(IDS)
    assert not [each for each in subnets(made["Closed"]) if "AvailabilityZone" in each]
    zones = [each["AvailabilityZone"] for each in subnets(made["Open"])]
    assert sorted(zones) == sorted(NAMES * 3)  # in each of them a gateway, tasks, databases
    assert len(made["Open"].resources("EC2::NatGateway")) == 2


def test_two_zones_are_enough_for_what_would_have_three(made: Stacks) -> None:
    found = made["Domain"].one(DOMAIN)
    assert found["ClusterConfig"]["ZoneAwarenessConfig"] == {"AvailabilityZoneCount": 2}
    assert len(found["VPCOptions"]["SubnetIds"]) == 2


def test_a_door_is_one_endpoint_more_where_there_is_no_way_out(made: Stacks) -> None:
    inside = ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages", "sts"]
    assert endpoints(made["Closed"]) == inside
    assert endpoints(made["Open"]) == []


@pytest.mark.parametrize(
    ("addresses", "wrong"),
    [
        ("10.20.0.0/16", ""),
        ("192.168.16.0/22", ""),
        ("100.64.0.0/20", ""),
        ("ten", "expected an IPv4 network"),
        ("", "expected an IPv4 network"),
        ("fd00::/16", "expected an IPv4 network"),
        ("10.20.0.0/33", "expected an IPv4 network"),
        ("10.20.1.0/16", "the network is called 10.20.0.0/16"),
        ("10.0.0.0/8", "between /16"),
        ("10.0.0.0", "between /16"),
        ("10.0.0.0/23", "between /16"),
        ("52.0.0.0/16", "the internet's"),
        ("172.32.0.0/16", "the internet's"),
    ],
)
def test_addresses_are_private_and_of_a_size_that_aws_makes(addresses: str, wrong: str) -> None:
    found = wrong_addresses(addresses)
    assert wrong in found
    assert bool(wrong) == bool(found)


@pytest.mark.parametrize("prefix", range(16, 23))
def test_every_size_has_room_for_nine_subnets(prefix: int) -> None:
    addresses = f"10.0.0.0/{prefix}"
    assert 2 ** (subnet_prefix(addresses) - prefix) >= 9
    assert 2 ** (32 - subnet_prefix(addresses)) - 5 >= 50  # AWS keeps five of each


@pytest.mark.parametrize(
    ("zones", "wrong"),
    [
        (["euc1-az1", "euc1-az2"], ""),
        (["use1-az1", "use1-az2", "use1-az4"], ""),
        (["eu-central-1a", "eu-central-1c"], ""),
        (["eu-central-1a"], "two or three"),
        (["euc1-az1", "euc1-az2", "euc1-az3", "euc1-az4"], "two or three"),
        (["euc1-az1", "euc1-az1"], "twice"),
        (["euc1-az1", "eu-central-1a"], "mixed"),
        (["euc1-az1", "zone 2"], "'zone 2' is neither"),
        (["eu-central-1a", "us-east-1a"], "us-east-1a is not in eu-central-1"),
    ],
)
def test_zones_are_of_one_kind_and_of_the_region(zones: list[str], wrong: str) -> None:
    found = wrong_zones(zones, "eu-central-1")
    assert wrong in found
    assert bool(wrong) == bool(found)


def test_the_manifest_says_where_a_network_is_and_the_command_line_wins(
    synthesise: Synthesise, tmp_path: Path
) -> None:
    manifest = tmp_path / "seedbed.toml"
    manifest.write_text(
        '[platform]\nname = "sample"\n[services.user.postgres]\n[environments."dev-*"]\n'
        'account = "111111111111"\nregion = "eu-central-1"\nephemeral = true\naccess = "tunnel"\n'
        '[environments."dev-*".network]\ncidr = "10.30.0.0/16"\nzones = ["euc1-az2", "euc1-az3"]\n'
    )
    found = synthesise(manifest, environment="dev-ana", zones="euc1-az1, euc1-az3", **{"storage-key": "own"})
    network = found["sample-dev-ana-network"]
    assert network.one("EC2::VPC")["CidrBlock"] == "10.30.0.0/16"
    assert [each["AvailabilityZoneId"] for each in subnets(network)] == ["euc1-az1", "euc1-az3"]
    assert "ssmmessages" in endpoints(network)  # a tunnel ends in a task
    keys = found["sample-dev-ana-user-postgres"].resources("KMS::Key")
    assert [each["DeletionPolicy"] for each in keys.values()] == ["Delete"]
    with pytest.raises(UsageError, match=r"cidr=10\.0\.0\.0/8 is no network for dev-ana"):
        synthesise(manifest, environment="dev-ana", cidr="10.0.0.0/8")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('cidr = "10.20.1.0/16"', "cidr is wrong"),
        ('zones = ["euc1-az1"]', "zones is wrong"),
        ('zones = ["eu-west-1a", "eu-west-1b"]', "zones is wrong"),
        ("cidr = 10", "cidr is wrong"),
        ('cdir = "10.20.0.0/16"', "unknown key"),
    ],
)
def test_a_network_that_cannot_be_is_named_with_its_line(
    small: Callable[..., Path], line: str, what: str
) -> None:
    from seedbed.engines import registry
    from seedbed.manifest.load import load

    head = '[environments.staging]\naccount = "222222222222"\nregion = "eu-central-1"\n'
    manifest = small(environments=f"{head}[environments.staging.network]\n{line}\n")
    with pytest.raises(ManifestError, match=what) as raised:
        load(manifest, lambda engine: registry.load(engine).options, registry.names())
    assert raised.value.at is not None
    assert manifest.read_text().splitlines()[raised.value.at.line - 1] == line


def test_a_protected_cluster_has_a_key_of_its_own_that_is_kept(made: Stacks) -> None:
    (key,) = made["Cluster"].resources("KMS::Key").items()
    assert key[1]["Properties"]["EnableKeyRotation"] is True
    assert (key[1]["DeletionPolicy"], key[1]["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert key[0] in json.dumps(made["Cluster"].one(CLUSTER)["KmsKeyId"])


def test_elsewhere_a_cluster_has_the_key_of_the_account(edtech: Synthesise) -> None:
    for environment in ("dev-ana", "staging"):
        found = edtech(environment)[f"edtech-{environment}-user-postgres"]
        assert "KmsKeyId" not in found.one(CLUSTER)
        assert not found.resources("KMS::Key")


def test_what_a_cluster_is_asked_to_do_besides(made: Stacks) -> None:
    plain, told = made["Cluster"].one(CLUSTER), made["Told"].one(CLUSTER)
    asked = {
        "EnableIAMDatabaseAuthentication": True,
        "EnableHttpEndpoint": True,
        "EnableCloudwatchLogsExports": ["postgresql"],
        "PerformanceInsightsEnabled": True,
        "KmsKeyId": KEY,
    }
    assert {name: told.get(name) for name in asked} == asked
    assert not plain.keys() & (asked.keys() - {"KmsKeyId"})
    assert not made["Told"].resources("KMS::Key")
    assert not made["Told"].resources("Lambda::Function")


def test_a_cluster_with_readers_says_where_they_are(made: Stacks, edtech: Synthesise) -> None:
    found = made["Cluster"].parameters()["/sample/prod/cluster/postgres/reader"]
    assert "ReadEndpoint" in json.dumps(found)
    assert not [
        each for each in edtech("staging")["edtech-staging-user-postgres"].parameters() if "reader" in each
    ]
    from seedbed.engines.postgres.address import address

    spoken = {"host": "writer", "name": "a", "user": "b", "reader": "reader"}
    assert str(address(spoken, None)) == "b@writer:5432/a"  # seedbed reads what it writes


def test_a_key_that_is_none_is_refused(with_node: None, synthesise: Synthesise) -> None:
    with pytest.raises(UsageError, match="'mine' is no key for a cluster"):
        synthesise(environment="staging", **{"storage-key": "mine"})


def test_a_domain_has_the_version_that_is_said(made: Stacks, with_node: None) -> None:
    from seedbed.cdk.search import _version

    assert made["Domain"].one(DOMAIN)["EngineVersion"] == "OpenSearch_3.3"
    with pytest.raises(UsageError, match="is no version of OpenSearch"):
        _version("latest")


def test_errors_and_slow_requests_of_a_domain_go_to_cloudwatch_without_a_function(made: Stacks) -> None:
    found = made["Domain"].one(DOMAIN)["LogPublishingOptions"]
    assert found.keys() == {"ES_APPLICATION_LOGS", "SEARCH_SLOW_LOGS", "INDEX_SLOW_LOGS"}
    groups = made["Domain"].resources("Logs::LogGroup")
    assert len(groups) == len({json.dumps(each["CloudWatchLogsLogGroupArn"]) for each in found.values()}) == 3
    assert {each["Properties"]["RetentionInDays"] for each in groups.values()} == {365}
    for name in ("Domain", "Open"):
        assert not made[name].resources("Lambda::Function")
    policy = json.dumps(made["Open"].one("Logs::ResourcePolicy")["PolicyDocument"])
    for part in ("es.amazonaws.com", "logs:PutLogEvents", "aws:SourceAccount", "domain/*"):
        assert part in policy


def test_a_dev_domain_logs_nothing_and_needs_no_policy(edtech: Synthesise) -> None:
    found = edtech("dev-ana")
    domain = found["edtech-dev-ana-ai-opensearch"]
    assert not domain.one(DOMAIN).get("LogPublishingOptions")
    assert not domain.resources("Logs::LogGroup")
    assert not found["edtech-dev-ana-network"].resources("Logs::ResourcePolicy")


def test_snapshots_go_to_a_bucket_by_a_role_that_only_domains_of_the_account_take(made: Stacks) -> None:
    role = made["Domain"].one("IAM::Role")
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "es.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": PROD.account}}
    policies = made["Domain"].resources("IAM::Policy").values()
    allowed = {
        action: json.dumps(each["Resource"])
        for policy in policies
        for each in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }
    assert "copies" in allowed["s3:PutObject"]
    assert "Snapshots" in allowed["iam:PassRole"]
    assert "/*" in allowed["es:ESHttpPut"]
    assert any("SnapshotRoleArn" in name for name in made["Domain"].template["Outputs"])
