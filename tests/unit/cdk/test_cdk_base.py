"""A base, and environments that lie in it: which stacks there are, and what each leaves to the other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedbed.deployment.metering import inventory
from seedbed.errors import UsageError
from tests.unit.cdk.conftest import GRAPH_IMAGE, IMAGE, Stack, Stacks, Synthesise

SERVICES = """
[services.user.postgres]
[services.payment.postgres]
[services.tutor-matching.neo4j]
[services.search.opensearch]
"""
PLACE = 'account = "111111111111"\nregion = "eu-central-1"\n'
DECLARED = f"""
[environments.shared-dev]
{PLACE}
base = true
access = "task"
task.image = "{IMAGE}"
[environments."dev-*"]
{PLACE}
ephemeral = true
base = "shared-dev"
access = "task"
task.image = "{IMAGE}"
graph.image = "{GRAPH_IMAGE}"
cdk.context = {{callers = "dev"}}
OWN
"""


def declared(own: str = "") -> str:
    return DECLARED.replace("OWN", own)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function (own) -> the manifest of a platform with a database of each kind, in a base."""

    def write(own: str = "") -> Path:
        root = tmp_path_factory.mktemp("platform")
        (root / "services" / "courses" / "dynamodb").mkdir(parents=True)
        (root / "services" / "courses" / "dynamodb" / "tables.toml").write_text(TABLES)
        text = f'[platform]\nname = "sample"\n[services.courses.dynamodb]\n{SERVICES}\n{declared(own)}'
        (root / "seedbed.toml").write_text(text)
        return root / "seedbed.toml"

    return write


TABLES = '[tables.lessons]\nkey = {partition = "id"}\n[tables.lessons.attributes]\nid = "S"\n'


@pytest.fixture(scope="module")
def base(synthesise: Synthesise, manifest: Callable[..., Path]) -> Stacks:
    return synthesise(manifest(), environment="shared-dev")


@pytest.fixture(scope="module")
def ana(synthesise: Synthesise, manifest: Callable[..., Path]) -> Stacks:
    return synthesise(manifest(), environment="dev-ana")


def types(stacks: Stacks) -> set[str]:
    found = [each for stack in stacks.values() for each in stack.template.get("Resources", {}).values()]
    return {each["Type"].removeprefix("AWS::") for each in found}


def test_a_base_has_what_environments_share_and_no_database_of_its_own(base: Stacks) -> None:
    names = ("network", "seedbed-control", "seedbed-postgres", "seedbed-opensearch", "seedbed-task")
    assert sorted(base) == sorted(f"sample-shared-dev-{each}" for each in names)
    assert types(base) >= {"EC2::VPC", "ECS::Cluster", "RDS::DBCluster", "OpenSearchService::Domain"}
    assert [each["Properties"]["KeySchema"][0]["AttributeName"] for each in tables(base)] == ["id"]  # runs


def tables(stacks: Stacks) -> list[Any]:
    return [each for stack in stacks.values() for each in stack.resources("DynamoDB::Table").values()]


def test_an_environment_in_a_base_has_no_server_that_costs_by_the_hour_but_its_graph(ana: Stacks) -> None:
    names: tuple[str, ...] = ("courses-dynamodb", "user-postgres", "payment-postgres")
    names += ("search-opensearch", "tutor-matching-neo4j", "seedbed-task", "seedbed-callers")
    assert sorted(ana) == sorted(f"sample-dev-ana-{each}" for each in names)
    shared = {"EC2::VPC", "EC2::Subnet", "EC2::VPCEndpoint", "ECS::Cluster", "S3::Bucket"}
    assert not types(ana) & {*shared, "RDS::DBCluster", "OpenSearchService::Domain"}
    assert not types(ana) & {"ServiceDiscovery::PrivateDnsNamespace"}
    assert {each["Type"] for each in ana["sample-dev-ana-user-postgres"].template["Resources"].values()} == {
        "AWS::SecretsManager::Secret",
        "AWS::SSM::Parameter",
    }


def test_all_that_an_environment_reads_of_its_base_the_base_has_written(base: Stacks, ana: Stacks) -> None:
    written = {name for stack in base.values() for name in stack.parameters()}
    own = {name for stack in ana.values() for name in stack.parameters()}
    read = {
        each["Default"]
        for stack in ana.values()
        for each in stack.template.get("Parameters", {}).values()
        if each["Type"].startswith("AWS::SSM")
    }
    read -= {each for each in read if each.startswith("/cdk-bootstrap/")}
    assert read - own <= written
    assert {each.split("/")[2] for each in read - own} == {"shared-dev"}


def test_nothing_is_read_that_no_resource_refers_to(ana: Stacks) -> None:
    for name, stack in ana.items():  # CloudFormation warns of it
        text = json.dumps({key: each for key, each in stack.template.items() if key != "Parameters"})
        read = [each for each in stack.template.get("Parameters", {}) if each.startswith("Read")]
        assert [each for each in read if f'"{each}"' not in text and f"${{{each}}}" not in text] == [], name


def test_an_engine_that_is_left_out_has_no_stack_and_the_task_waits_for_none_of_it(
    manifest: Callable[[str], Path], synthesise: Synthesise, ana: Stacks
) -> None:
    made = synthesise(manifest(""), environment="dev-ana", without="opensearch")
    assert ana.keys() - made.keys() == {"sample-dev-ana-search-opensearch"}
    assert "OPENSEARCH" not in json.dumps(made["sample-dev-ana-seedbed-task"].template)
    assert "OPENSEARCH" in json.dumps(ana["sample-dev-ana-seedbed-task"].template)


def test_a_base_stays_and_what_lies_in_it_goes(base: Stacks, ana: Stacks) -> None:
    cluster = only(base["sample-shared-dev-seedbed-postgres"], "RDS::DBCluster")
    assert (cluster["DeletionPolicy"], cluster["Properties"]["DeletionProtection"]) == ("Retain", True)
    domain = only(base["sample-shared-dev-seedbed-opensearch"], "OpenSearchService::Domain")
    assert domain["DeletionPolicy"] == "Retain"
    assert not any(each.is_protected for each in (*base.values(), *ana.values()))
    kept = [
        name
        for stack in ana.values()
        for name, each in stack.template["Resources"].items()
        if each.get("DeletionPolicy") == "Retain"
    ]
    assert kept == []


def only(stack: Stack, type_: str) -> Any:
    (found,) = stack.resources(type_).values()
    return found


def test_the_servers_of_a_base_are_small_and_its_cluster_sleeps(base: Stacks) -> None:
    cluster = base["sample-shared-dev-seedbed-postgres"].one("RDS::DBCluster")
    scaling = cluster["ServerlessV2ScalingConfiguration"]
    assert (scaling["MinCapacity"], scaling["SecondsUntilAutoPause"]) == (0, 600)
    assert "DatabaseName" not in cluster
    domain = base["sample-shared-dev-seedbed-opensearch"].one("OpenSearchService::Domain")
    assert domain["ClusterConfig"]["InstanceCount"] == 1
    told = base["sample-shared-dev-seedbed-postgres"].settings("/sample/shared-dev/seedbed/postgres")
    assert (told["name"], told["admin_user"], told["pauses"]) == ("postgres", "postgres", "10")
    assert "user" not in told


def test_the_logins_of_an_environment_have_the_names_that_the_base_looks_for(ana: Stacks) -> None:
    stack = ana["sample-dev-ana-user-postgres"]
    secrets = {
        each["Properties"]["Name"]: json.loads(
            each["Properties"]["GenerateSecretString"]["SecretStringTemplate"]
        )
        for each in stack.resources("SecretsManager::Secret").values()
    }
    assert {name: each["username"] for name, each in secrets.items()} == {
        "sample/dev-ana/user/postgres/migrate": "dev_ana_user_db_migrate",
        "sample/dev-ana/user/postgres/app": "dev_ana_user_db_app",
    }
    told = stack.settings("/sample/dev-ana/user/postgres")
    assert set(told) == {
        "host",
        "port",
        "name",
        "pauses",
        "user",
        "password",
        "app_user",
        "app_password",
    }
    assert told["name"] == "dev_ana_user_db"


def container(stack: Stack) -> Any:
    (found,) = stack.one("ECS::TaskDefinition")["ContainerDefinitions"]
    return found


def names_of(found: Any) -> set[str]:
    return {each["Name"] for each in (*found["Environment"], *found["Secrets"])}


def test_the_task_of_a_base_has_the_administrator_and_carries_out_no_files_of_a_caller(base: Stacks) -> None:
    stack = base["sample-shared-dev-seedbed-task"]
    told = {each["Name"]: each["Value"] for each in container(stack)["Environment"]}
    assert told["SEEDBED_FILES"] == "image"
    assert told["SEEDBED_DB_NAME"] == "postgres"
    assert {each["Name"] for each in container(stack)["Secrets"]} == {
        "SEEDBED_DB_ADMIN_USER",
        "SEEDBED_DB_ADMIN_PASSWORD",
    }
    assert {"SEEDBED_DB_HOST", "SEEDBED_OPENSEARCH_ENDPOINT"} <= told.keys()
    assert "SEEDBED_OPENSEARCH_PREFIX" not in told
    read = [each for each in statements(stack) if each["Action"] == "secretsmanager:GetSecretValue"]
    assert "secret:sample/dev*" in json.dumps(read)


def statements(stack: Stack) -> list[Any]:
    """Return what the role of the task may do, not the one that starts it."""
    made = stack.resources("IAM::Policy").items()
    return [
        each
        for name, policy in made
        if "TaskRole" in name
        for each in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def test_the_task_of_an_environment_has_no_administrator_and_none_of_its_neighbours_secrets(
    ana: Stacks,
) -> None:
    stack = ana["sample-dev-ana-seedbed-task"]
    assert not [each for each in names_of(container(stack)) if "ADMIN" in each]
    assert {"USER_DB_USER", "USER_DB_APP_USER", "PAYMENT_DB_PASSWORD"} <= names_of(container(stack))
    text = json.dumps(stack.template)
    assert "dev*" not in text
    assert "secret:" not in json.dumps(statements(stack))
    assert stack.resources("Logs::LogGroup")  # nobody reads what another's tasks say
    assert ana["sample-dev-ana-seedbed-task"].one("Logs::LogGroup")["RetentionInDays"] == 7


def test_a_task_reaches_no_more_of_the_domain_than_what_begins_with_its_prefix(ana: Stacks) -> None:
    stack = ana["sample-dev-ana-search-opensearch"]
    told = stack.settings("/sample/dev-ana/search/opensearch")
    assert (told["prefix"], told["auth"]) == ("dev-ana.search.", "aws")
    task = ana["sample-dev-ana-seedbed-task"]
    plain = {each["Name"]: each["Value"] for each in container(task)["Environment"]}
    assert plain["SEARCH_OPENSEARCH_PREFIX"] == "dev-ana.search."
    allowed = [each for each in statements(task) if "es:ESHttpPut" in each["Action"]]
    paths = {
        json.dumps(each).rpartition('"/')[2].rstrip(']}"') for said in allowed for each in said["Resource"]
    }
    assert {"dev-ana.search.*", "_*/dev-ana.search.*", "_bulk"} <= paths
    assert not paths & {"*", "_all", "_cluster/settings"}


def test_a_graph_runs_in_the_cluster_and_the_zone_of_the_base_under_its_environments_name(
    ana: Stacks,
) -> None:
    stack = ana["sample-dev-ana-tutor-matching-neo4j"]
    told = stack.settings("/sample/dev-ana/tutor-matching/neo4j")
    assert told["uri"] == "bolt+ssc://neo4j.tutor-matching.dev-ana.shared-dev.sample.internal:7687"
    assert stack.one("ServiceDiscovery::Service")["Name"] == "neo4j.tutor-matching.dev-ana"
    service = stack.one("ECS::Service")
    assert not stack.resources("ECS::Cluster")
    assert "Fn::Select" in json.dumps(service["Cluster"])


@pytest.mark.parametrize(
    ("own", "of_its_own", "shared"),
    [
        ('["postgres"]', {"user", "payment"}, set()),
        ('["payment/postgres"]', {"payment"}, {"user"}),
    ],
)
def test_what_is_own_has_a_server_in_the_network_of_the_base(
    synthesise: Synthesise, manifest: Callable[..., Path], own: str, of_its_own: set[str], shared: set[str]
) -> None:
    made = synthesise(manifest(f"own = {own}"), environment="dev-ana")
    clusters = {
        each for each in ("user", "payment") if made[f"sample-dev-ana-{each}-postgres"].resources(CLUSTER)
    }
    assert clusters == of_its_own
    assert {"user", "payment"} - clusters == shared
    stack = made["sample-dev-ana-payment-postgres"]
    assert "admin_user" in stack.settings("/sample/dev-ana/payment/postgres")
    subnets = json.dumps(stack.one("RDS::DBSubnetGroup")["SubnetIds"])
    assert len(re.findall("Fn::Split", subnets)) == 2


CLUSTER = "RDS::DBCluster"


def test_two_environments_have_nothing_of_the_same_name(
    synthesise: Synthesise, manifest: Callable[..., Path], ana: Stacks
) -> None:
    ben = synthesise(manifest(), environment="dev-ben")
    assert not named(ana) & named(ben)


def named(stacks: Stacks) -> set[str]:
    """Return the names that stacks give to what they make."""
    found = set(stacks)
    for stack in stacks.values():
        for each in stack.template["Resources"].values():
            properties = each.get("Properties", {})
            found |= {str(properties[key]) for key in ("Name", "TableName") if key in properties}
    return found


def test_a_base_without_an_image_is_refused(synthesise: Synthesise, small: Callable[..., Path]) -> None:
    text = f"[environments.shared-dev]\n{PLACE}base = true\n"
    with pytest.raises(UsageError, match="shared-dev is a base, and has no image"):
        synthesise(small(environments=text), environment="shared-dev")


def test_what_costs_by_the_hour_stands_in_the_base_once(base: Stacks, ana: Stacks) -> None:
    templates = [[each.template for each in stacks.values()] for stacks in (base, ana)]
    shared, own = (inventory("x", "", "eu-central-1", each, is_deployed=False).metered for each in templates)
    assert [each.what for each in (*shared, *own) if each.meter is None] == []
    once = {"NAT gateway", "Aurora capacity unit", "search node, t3.medium.search", "private DNS zone"}
    assert once < {each.what for each in shared}
    assert {each.what for each in own if each.idle} == {
        "Fargate service, GB",  # Neo4j's own server
        "Fargate service, vCPU",
        "secret",
    }
