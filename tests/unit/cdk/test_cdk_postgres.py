"""PostgreSQL in the templates: what it costs asleep, what stays of it, and who gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seedbed.engines.postgres.address import VARIABLES, address
from tests.unit.cdk.conftest import Stack, Stacks, Synthesise

SERVICES = ("user", "payment", "reviews")
DEPLOYED = pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
CLUSTER, INSTANCE = "RDS::DBCluster", "RDS::DBInstance"
# RDS takes none of these for a database's name; the list is longer, these are what services are called.
RESERVED = {"user", "order", "session", "table", "group", "grant", "check", "references", "postgres"}


def stack(edtech: Synthesise, environment: str, service: str = "user") -> Stack:
    return edtech(environment)[f"edtech-{environment}-{service}-postgres"]


def policies(stack: Stack, *types: str) -> set[tuple[str, str]]:
    return {
        (each["DeletionPolicy"], each["UpdateReplacePolicy"])
        for type_ in types
        for each in stack.resources(type_).values()
    }


@DEPLOYED
def test_every_service_has_a_cluster_of_its_own(edtech: Synthesise, environment: str) -> None:
    for service in SERVICES:
        cluster = stack(edtech, environment, service).one(CLUSTER)
        assert cluster["Engine"] == "aurora-postgresql"
        assert cluster["DatabaseName"] == f"{service}_db"
        assert cluster["StorageEncrypted"] is True


@DEPLOYED
def test_only_a_deployment_changes_the_version(edtech: Synthesise, environment: str) -> None:
    made = stack(edtech, environment)
    instances = [each["Properties"] for each in made.resources(INSTANCE).values()]
    assert made.one(CLUSTER)["EngineVersion"] == "17.7"
    assert {each["AutoMinorVersionUpgrade"] for each in instances} == {False}


def test_a_dev_cluster_falls_asleep_at_no_capacity(edtech: Synthesise) -> None:
    made = stack(edtech, "dev-ana")
    scaling = made.one(CLUSTER)["ServerlessV2ScalingConfiguration"]
    assert scaling["MinCapacity"] == 0
    assert scaling["SecondsUntilAutoPause"] == 600
    assert made.one(INSTANCE)["DBInstanceClass"] == "db.serverless"


def test_nothing_of_a_dev_cluster_stays_and_nothing_of_it_is_paid_for_later(edtech: Synthesise) -> None:
    for service in SERVICES:
        made = stack(edtech, "dev-ana", service)
        gone = {("Delete", "Delete")}  # for a cluster, no policy at all would mean a last snapshot
        assert policies(made, CLUSTER, INSTANCE, "SecretsManager::Secret", "EC2::SecurityGroup") == gone
        cluster = made.one(CLUSTER)
        assert cluster["DeletionProtection"] is False
        assert cluster["DeleteAutomatedBackups"] is True
        assert cluster["BackupRetentionPeriod"] == 1  # Aurora takes no less


def test_staging_scales_but_never_sleeps(edtech: Synthesise) -> None:
    scaling = stack(edtech, "staging").one(CLUSTER)["ServerlessV2ScalingConfiguration"]
    assert scaling == {"MinCapacity": 0.5, "MaxCapacity": 4}


def test_a_protected_cluster_is_provisioned_with_a_reader_beside_its_writer(edtech: Synthesise) -> None:
    made = stack(edtech, "prod")
    assert "ServerlessV2ScalingConfiguration" not in made.one(CLUSTER)
    instances = [each["Properties"] for each in made.resources(INSTANCE).values()]
    assert [each["DBInstanceClass"] for each in instances] == ["db.r7g.large", "db.r7g.large"]
    assert sorted(each["PromotionTier"] for each in instances) == [0, 1]
    assert made.one(CLUSTER)["BackupRetentionPeriod"] == 35


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_a_kept_cluster_keeps_its_secret_and_its_doors(edtech: Synthesise, environment: str) -> None:
    made = stack(edtech, environment)
    types = (CLUSTER, INSTANCE, "SecretsManager::Secret", "EC2::SecurityGroup", "RDS::DBSubnetGroup")
    assert policies(made, *types) == {("Retain", "Retain")}
    assert made.one(CLUSTER)["DeletionProtection"] is True
    assert made.one(CLUSTER)["DeleteAutomatedBackups"] is False


@DEPLOYED
def test_three_logins_have_passwords_that_secrets_manager_makes_and_none_stands_in_a_template(
    edtech: Synthesise, environment: str
) -> None:
    made = stack(edtech, environment)
    secrets = [
        each["Properties"]["GenerateSecretString"]
        for each in made.resources("SecretsManager::Secret").values()
    ]
    users = sorted(json.loads(each["SecretStringTemplate"])["username"] for each in secrets)
    assert users == ["postgres", "user_db_app", "user_db_migrate"]
    assert {each["GenerateStringKey"] for each in secrets} == {"password"}
    password = json.dumps(made.one(CLUSTER)["MasterUserPassword"])
    assert "{{resolve:secretsmanager:" in password


@DEPLOYED
def test_nobody_gets_in_unless_let_in(edtech: Synthesise, environment: str) -> None:
    made = stack(edtech, environment)
    assert "SecurityGroupIngress" not in made.one("EC2::SecurityGroup")
    assert not made.resources("EC2::SecurityGroupIngress")
    assert all(
        each["Properties"]["PubliclyAccessible"] is False for each in made.resources(INSTANCE).values()
    )


@DEPLOYED
def test_what_an_environment_reads_back_is_an_address(edtech: Synthesise, environment: str) -> None:
    settings = stack(edtech, environment).settings(f"/edtech/{environment}/user/postgres")
    assert settings.keys() <= {each.setting for each in VARIABLES}
    spoken = {key: value if isinstance(value, str) else f"{key}.example" for key, value in settings.items()}
    found = address(spoken, None)
    assert str(found) == "user_db_migrate@host.example:5432/user_db"
    assert found.admin is not None
    assert found.application is not None
    assert (found.admin.user, found.application.user) == ("postgres", "user_db_app")


@DEPLOYED
def test_the_passwords_among_the_settings_are_pointers_to_a_secret_each(
    edtech: Synthesise, environment: str
) -> None:
    found = stack(edtech, environment).parameters()
    references = set()
    for each in ("password", "admin_password", "app_password"):
        (before, reference, after) = found[f"/edtech/{environment}/user/postgres/{each}"]["Fn::Join"][1]
        assert (before, after) == ("secret:", ":password")
        references.add(reference["Ref"])
    assert len(references) == 3


def test_no_database_is_called_what_rds_refuses(with_node: None) -> None:
    from seedbed.cdk.postgres import database_name

    assert not {database_name(each) for each in RESERVED} & RESERVED
    assert database_name("tutor-matching") == "tutor_matching_db"


@pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
def test_clusters_lie_in_subnets_that_nothing_outside_reaches(edtech: Synthesise, environment: str) -> None:
    network = edtech(environment)[f"edtech-{environment}-network"]
    exported = {
        each["Export"]["Name"]: each["Value"]["Ref"]
        for each in network.template["Outputs"].values()
        if "Ref" in each["Value"]
    }
    subnets = stack(edtech, environment).one("RDS::DBSubnetGroup")["SubnetIds"]
    assert len(subnets) == (3 if environment == "prod" else 2)
    for each in subnets:
        assert not leads_out(network, exported[each["Fn::ImportValue"]])


def leads_out(network: Stack, subnet: str) -> bool:
    """Return whether the routes of a subnet lead to the internet, through a gateway of whatever kind."""
    tables = [
        each["Properties"]["RouteTableId"]["Ref"]
        for each in network.resources("EC2::SubnetRouteTableAssociation").values()
        if each["Properties"]["SubnetId"]["Ref"] == subnet
    ]
    routes = [each["Properties"] for each in network.resources("EC2::Route").values()]
    return any(each["RouteTableId"]["Ref"] in tables for each in routes)


def test_a_dev_network_costs_nothing_by_the_hour(bare: Stacks) -> None:
    network = bare["edtech-dev-ana-network"]
    for type_ in ("EC2::NatGateway", "EC2::EIP", "EC2::InternetGateway"):
        assert not network.resources(type_)
    endpoints = [each["Properties"] for each in network.resources("EC2::VPCEndpoint").values()]
    assert [each["VpcEndpointType"] for each in endpoints] == ["Gateway", "Gateway"]


def test_a_dev_network_with_a_migration_task_has_the_endpoints_that_this_takes(edtech: Synthesise) -> None:
    network = edtech("dev-ana")["edtech-dev-ana-network"]
    assert not network.resources("EC2::NatGateway")
    made: list[Any] = [each["Properties"] for each in network.resources("EC2::VPCEndpoint").values()]
    interfaces = [each for each in made if each["VpcEndpointType"] == "Interface"]
    names = sorted(
        json.dumps(each["ServiceName"]).strip('"').split("eu-central-1.")[1] for each in interfaces
    )
    assert names == ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "sts"]
    assert all(len(each["SubnetIds"]) == 1 for each in interfaces)  # each zone more costs as much again


@pytest.mark.parametrize(("environment", "gateways"), [("staging", 1), ("prod", 3)])
def test_elsewhere_tasks_reach_out_through_gateways(
    edtech: Synthesise, environment: str, gateways: int
) -> None:
    network = edtech(environment)[f"edtech-{environment}-network"]
    assert len(network.resources("EC2::NatGateway")) == gateways


@pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
def test_no_subnet_hands_out_public_addresses(edtech: Synthesise, environment: str) -> None:
    network = edtech(environment)[f"edtech-{environment}-network"]
    for each in network.resources("EC2::Subnet").values():
        assert each["Properties"]["MapPublicIpOnLaunch"] is False


@pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
def test_synthesis_asks_no_account_for_its_zones(edtech: Synthesise, environment: str) -> None:
    network = edtech(environment)[f"edtech-{environment}-network"]
    zones = [each["Properties"]["AvailabilityZone"] for each in network.resources("EC2::Subnet").values()]
    assert all("Fn::GetAZs" in json.dumps(each) for each in zones)
