"""OpenSearch in the templates: how large it is where, what stays of it, and who gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seedbed.engines.opensearch.address import address
from tests.unit.cdk.conftest import EDTECH, Stack, Synthesise

EVERYWHERE = pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
DOMAIN = "OpenSearchService::Domain"


def stack(edtech: Synthesise, environment: str) -> Stack:
    return edtech(environment)[f"edtech-{environment}-ai-opensearch"]


def domain(edtech: Synthesise, environment: str) -> Any:
    return stack(edtech, environment).one(DOMAIN)


def test_a_dev_domain_is_one_smallest_node_and_nothing_of_it_stays(edtech: Synthesise) -> None:
    cluster = domain(edtech, "dev-ana")["ClusterConfig"]
    assert (cluster["InstanceCount"], cluster["InstanceType"]) == (1, "t3.small.search")
    assert cluster["ZoneAwarenessEnabled"] is False
    assert cluster["DedicatedMasterEnabled"] is False
    assert domain(edtech, "dev-ana")["EBSOptions"]["VolumeSize"] == 10
    (made,) = stack(edtech, "dev-ana").resources(DOMAIN).values()
    assert (made["DeletionPolicy"], made["UpdateReplacePolicy"]) == ("Delete", "Delete")


@pytest.mark.parametrize(("environment", "zones", "masters"), [("staging", 2, 0), ("prod", 3, 3)])
def test_elsewhere_it_has_a_node_in_each_zone_and_is_kept(
    edtech: Synthesise, environment: str, zones: int, masters: int
) -> None:
    found = domain(edtech, environment)
    cluster = found["ClusterConfig"]
    assert cluster["ZoneAwarenessConfig"] == {"AvailabilityZoneCount": zones}
    assert (cluster["InstanceCount"], cluster.get("DedicatedMasterCount", 0)) == (zones, masters)
    assert len(found["VPCOptions"]["SubnetIds"]) == zones
    for type_ in (DOMAIN, "EC2::SecurityGroup"):
        (made,) = stack(edtech, environment).resources(type_).values()
        assert (made["DeletionPolicy"], made["UpdateReplacePolicy"]) == ("Retain", "Retain")


@EVERYWHERE
def test_no_domain_demands_two_replicas_of_an_index_that_is_being_filled(
    edtech: Synthesise, environment: str
) -> None:
    assert domain(edtech, environment)["ClusterConfig"]["MultiAZWithStandbyEnabled"] is False


@EVERYWHERE
def test_it_is_encrypted_wherever_it_can_be(edtech: Synthesise, environment: str) -> None:
    found = domain(edtech, environment)
    assert found["EncryptionAtRestOptions"] == {"Enabled": True}
    assert found["NodeToNodeEncryptionOptions"] == {"Enabled": True}
    assert found["DomainEndpointOptions"]["EnforceHTTPS"] is True
    assert found["DomainEndpointOptions"]["TLSSecurityPolicy"].startswith("Policy-Min-TLS-1-2")


@EVERYWHERE
def test_a_request_that_is_not_signed_for_the_account_is_refused(
    edtech: Synthesise, environment: str
) -> None:
    found = domain(edtech, environment)
    (statement,) = found["AccessPolicies"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert str(statement["Principal"]["AWS"]).endswith(":root")
    assert "AdvancedSecurityOptions" not in found


@EVERYWHERE
def test_a_newer_version_is_the_same_domain(edtech: Synthesise, environment: str) -> None:
    (made,) = stack(edtech, environment).resources(DOMAIN).values()
    assert made["UpdatePolicy"] == {"EnableVersionUpgrade": True}


@EVERYWHERE
def test_nobody_gets_in_unless_let_in(edtech: Synthesise, environment: str) -> None:
    made = stack(edtech, environment)
    assert "SecurityGroupIngress" not in made.one("EC2::SecurityGroup")
    assert not made.resources("EC2::SecurityGroupIngress")


@EVERYWHERE
def test_no_function_runs_only_to_set_it_up(edtech: Synthesise, environment: str) -> None:
    assert not stack(edtech, environment).resources("Lambda::Function")


@EVERYWHERE
def test_what_an_environment_reads_back_is_an_address_that_signs(
    edtech: Synthesise, environment: str
) -> None:
    settings = stack(edtech, environment).settings(f"/edtech/{environment}/ai/opensearch")
    before, endpoint = settings.pop("endpoint")["Fn::Join"][1]
    assert "DomainEndpoint" in json.dumps(endpoint)
    read = address({**settings, "endpoint": f"{before}vpc-ai.eu-central-1.es.amazonaws.com"}, None)
    assert (read.auth, read.service) == ("aws", "es")
    assert read.cloud is not None
    assert (read.cloud.region, read.cloud.account) == ("eu-central-1", settings["account"])


def test_a_service_may_search_and_write_and_drop_nothing(with_node: None) -> None:
    from aws_cdk import App, aws_iam
    from aws_cdk import Environment as Place
    from aws_cdk import Stack as CdkStack

    from seedbed.cdk import Network, ServiceSearch
    from seedbed.model.environment import Environment
    from seedbed.model.platform import Database
    from tests.unit.cdk.conftest import flags, stacks

    environment = Environment("dev-ana", "111111111111", "eu-central-1", ephemeral=True)
    app = App(context=flags())
    own = CdkStack(app, "Own", env=Place(account=environment.account, region=environment.region))
    made = ServiceSearch(
        own,
        "Search",
        platform="sample",
        environment=environment,
        database=Database("ai", "opensearch", EDTECH),
        network=Network(own, "Network", environment=environment),
    )
    role = aws_iam.Role(own, "Role", assumed_by=aws_iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    made.grant_documents(role)
    (statement,) = stacks(app)["Own"].one("IAM::Policy")["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPost", "es:ESHttpPut"]
    assert json.dumps(statement["Resource"]).count("/*") == 1
