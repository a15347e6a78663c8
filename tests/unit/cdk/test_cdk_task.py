"""The migration task: what its container is told, what it may, and where it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from seedbed.aws import rights
from seedbed.errors import UsageError
from tests.unit.cdk.conftest import DECLARED, IMAGE, Stack, Stacks, Synthesise, flags, stacks

EVERYWHERE = pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
SERVICES = ("USER", "PAYMENT", "REVIEWS")
# What snapshots are looked for with: none of these has a resource of its own.
LISTS = {
    *("dynamodb:ListBackups", "dynamodb:ListTables"),
    *("rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusters", "rds:DescribeDBInstances"),
}


def task(edtech: Synthesise, environment: str) -> Stack:
    return edtech(environment)[f"edtech-{environment}-seedbed-task"]


def container(stack: Stack) -> Any:
    (found,) = stack.one("ECS::TaskDefinition")["ContainerDefinitions"]
    return found


@EVERYWHERE
def test_it_applies_what_is_pending_in_its_environment(edtech: Synthesise, environment: str) -> None:
    told = container(task(edtech, environment))
    assert told["Command"] == ["-C", "/platform", "apply", "-e", environment]


@EVERYWHERE
def test_its_entry_point_says_what_every_variable_is(edtech: Synthesise, environment: str) -> None:
    """RunTask may give it other words and other variables, and no other entry point."""
    told = container(task(edtech, environment))
    wanted = [
        f"{name}={value}" if isinstance(value, str) else {"Fn::Join": ["", [f"{name}=", value]]}
        for name, value in ((each["Name"], each["Value"]) for each in told["Environment"])
    ]
    wanted += [each["Name"] for each in told["Secrets"]]
    program = ["python", "-I", "-m", "seedbed.cli.travel.task"]
    assert told["EntryPoint"][:4] == program
    assert told["EntryPoint"][-1] == "--"
    assert sorted(map(str, told["EntryPoint"][4:-1])) == sorted(map(str, wanted))


@EVERYWHERE
def test_it_knows_every_database_under_the_name_of_its_service(edtech: Synthesise, environment: str) -> None:
    plain = {each["Name"]: each["Value"] for each in container(task(edtech, environment))["Environment"]}
    for service in SERVICES:
        parameters = task(edtech, environment).template["Parameters"]
        path = f"/edtech/{environment}/{service.lower()}/postgres/host"
        assert parameters[plain[f"{service}_DB_HOST"]["Ref"]]["Default"] == path
        assert plain[f"{service}_DB_PORT"] == "5432"
        assert plain[f"{service}_DB_NAME"] == f"{service.lower()}_db"
        assert plain[f"{service}_DB_SSLROOTCERT"] == "/etc/ssl/certs/rds-global-bundle.pem"


@EVERYWHERE
@pytest.mark.parametrize("which", ["seedbed-task", "tutor-matching-neo4j"])
def test_a_log_that_is_not_taken_stops_nothing_and_the_processor_is_said(
    edtech: Synthesise, environment: str, which: str
) -> None:
    made = edtech(environment)[f"edtech-{environment}-{which}"]
    options = container(made)["LogConfiguration"]["Options"]
    assert (options["mode"], options["max-buffer-size"]) == ("non-blocking", f"{25 << 20}b")
    platform = made.one("ECS::TaskDefinition")["RuntimePlatform"]
    assert platform == {"CpuArchitecture": "X86_64", "OperatingSystemFamily": "LINUX"}


def test_the_manifest_says_what_the_command_line_does_not(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    task = f'[environments."dev-*".task]\nimage = "{IMAGE}"\narchitecture = "arm64"\n'
    made = synthesise(small(environments=task + DECLARED), environment="dev-ana")[
        "sample-dev-ana-seedbed-task"
    ]
    assert made.one("ECS::TaskDefinition")["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
    made = synthesise(
        small(environments=task + DECLARED), environment="dev-ana", architecture="x86_64", image="another:1"
    )["sample-dev-ana-seedbed-task"]
    assert made.one("ECS::TaskDefinition")["RuntimePlatform"]["CpuArchitecture"] == "X86_64"
    assert container(made)["Image"] == "another:1"


def test_another_processor_is_said_by_its_name(with_node: None) -> None:
    from seedbed.cdk.containers import runtime_platform

    assert runtime_platform("arm64").cpu_architecture is not None
    with pytest.raises(UsageError, match="no architecture amd64"):
        runtime_platform("amd64")


@EVERYWHERE
def test_user_and_password_come_from_the_secret_when_it_starts(edtech: Synthesise, environment: str) -> None:
    found = container(task(edtech, environment))
    secret = {each["Name"]: json.dumps(each["ValueFrom"]) for each in found["Secrets"]}
    logins = [f"{login}{each}" for login in ("", "ADMIN_", "APP_") for each in ("USER", "PASSWORD")]
    wanted = {f"{service}_DB_{each}" for service in SERVICES for each in logins}
    wanted |= {f"TUTOR_MATCHING_NEO4J_{each}" for each in ("USERNAME", "PASSWORD")}
    assert secret.keys() == wanted
    for name, source in secret.items():
        assert (":password::" if name.endswith("PASSWORD") else ":username::") in source
    for service in SERVICES:
        assert len({secret[f"{service}_DB_{each}PASSWORD"] for each in ("", "ADMIN_", "APP_")}) == 3
    assert not wanted & {each["Name"] for each in found["Environment"]}
    for each in task(edtech, environment).template["Parameters"].values():
        assert "password" not in each["Default"]


@EVERYWHERE
def test_it_signs_for_opensearch_and_speaks_tls_with_neo4j(edtech: Synthesise, environment: str) -> None:
    plain = {each["Name"]: each["Value"] for each in container(task(edtech, environment))["Environment"]}
    assert plain["AI_OPENSEARCH_AUTH"] == "aws"
    endpoint = task(edtech, environment).template["Parameters"][plain["AI_OPENSEARCH_ENDPOINT"]["Ref"]]
    assert endpoint["Default"] == f"/edtech/{environment}/ai/opensearch/endpoint"
    assert plain["TUTOR_MATCHING_NEO4J_URI"].startswith("bolt+ssc://")
    assert plain["TUTOR_MATCHING_NEO4J_DATABASE"] == "neo4j"


@EVERYWHERE
def test_it_may_read_its_secrets_write_its_items_and_no_more(edtech: Synthesise, environment: str) -> None:
    actions: set[str] = set()
    for each in task(edtech, environment).resources("IAM::Policy").values():
        for statement in each["Properties"]["PolicyDocument"]["Statement"]:
            allowed = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            actions |= set(allowed)
            if statement["Resource"] == "*":
                looks = {"sts:GetCallerIdentity", "ecr:GetAuthorizationToken", "cloudwatch:GetMetricData"}
                assert set(allowed) <= {*looks, *LISTS}
    assert {"secretsmanager:GetSecretValue", "dynamodb:PutItem", "sts:GetCallerIdentity"} <= actions
    assert {"es:ESHttpDelete", "es:ESHttpGet"} <= actions
    # Copies that it restored from snapshots it takes away again; snapshots it takes, and deletes none.
    deletes = {
        each for each in actions if "Delete" in each and not each.endswith(("DBCluster", "DBInstance"))
    }
    assert deletes - {"dynamodb:DeleteTable"} == {"dynamodb:DeleteItem", "es:ESHttpDelete"}
    assert not [each for each in actions if each.endswith("*")]
    assert not [each for each in actions if each.startswith("iam:")]
    more = {each for each in actions if each.startswith(("cloudformation:", "rds:"))}
    names = rights.Names("edtech", environment, "aws", "1", "r", "table", "bucket")
    held = rights.statements(rights.SNAPSHOT, names)
    assert more == (set() if environment == "dev-ana" else {*filter(_is_of_stacks, _actions(held))})


def _actions(statements: Iterable[Mapping[str, Any]]) -> set[str]:
    return {action for each in statements for action in each["Action"]}


def _is_of_stacks(action: str) -> bool:
    return action.startswith(("cloudformation:", "rds:"))


@EVERYWHERE
def test_it_is_let_to_the_tables_of_its_own_environment_only(edtech: Synthesise, environment: str) -> None:
    found = [
        json.dumps(resource)
        for each in task(edtech, environment).resources("IAM::Policy").values()
        for statement in each["Properties"]["PolicyDocument"]["Statement"]
        if "dynamodb" in json.dumps(statement["Action"]) and isinstance(statement["Resource"], list)
        for resource in statement["Resource"]
    ]
    assert found
    for each in found:
        assert each.strip('"').removesuffix("/index/*").endswith(f"-{environment}")


@EVERYWHERE
def test_it_is_let_into_every_server_and_nobody_is_let_into_it(edtech: Synthesise, environment: str) -> None:
    stack = task(edtech, environment)
    doors = [each["Properties"] for each in stack.resources("EC2::SecurityGroupIngress").values()]
    ports = sorted(each["FromPort"] for each in doors)
    assert ports == [443, *[5432] * len(SERVICES), 7687] == sorted(each["ToPort"] for each in doors)
    assert "SecurityGroupIngress" not in stack.one("EC2::SecurityGroup")


@EVERYWHERE
def test_what_starting_it_takes_is_written_down(edtech: Synthesise, environment: str) -> None:
    path = f"/edtech/{environment}/seedbed/task/"
    names = set(task(edtech, environment).settings(path.removesuffix("/")))
    wanted = {"cluster", "task-definition", "container", "subnets", "security-group", "log-group"}
    assert names == wanted
    assert (
        task(edtech, environment).parameters()[f"{path}container"]
        == container(task(edtech, environment))["Name"]
    )


@EVERYWHERE
def test_it_runs_where_there_are_no_public_addresses(edtech: Synthesise, environment: str) -> None:
    found = edtech(environment)
    network = found[f"edtech-{environment}-network"]
    exported = {
        each["Export"]["Name"]: each["Value"].get("Ref") for each in network.template["Outputs"].values()
    }
    value = found[f"edtech-{environment}-seedbed-task"].parameters()[
        f"/edtech/{environment}/seedbed/task/subnets"
    ]
    subnets = [exported[each["Fn::ImportValue"]] for each in value["Fn::Join"][1] if isinstance(each, dict)]
    to_gateways = {
        each["Properties"]["RouteTableId"]["Ref"]
        for each in network.resources("EC2::Route").values()
        if "GatewayId" in each["Properties"]
    }
    for each in network.resources("EC2::SubnetRouteTableAssociation").values():
        if each["Properties"]["SubnetId"]["Ref"] in subnets:
            assert each["Properties"]["RouteTableId"]["Ref"] not in to_gateways
    assert len(subnets) == (3 if environment == "prod" else 2)


@pytest.mark.parametrize(
    ("environment", "days", "policy"), [("dev-ana", 7, "Delete"), ("prod", 365, "Retain")]
)
def test_its_log_lasts_as_long_as_its_environment_matters(
    edtech: Synthesise, environment: str, days: int, policy: str
) -> None:
    (log,) = edtech(environment)[f"edtech-{environment}-seedbed-control"].resources("Logs::LogGroup").values()
    assert (log["Properties"]["RetentionInDays"], log["DeletionPolicy"]) == (days, policy)


def test_it_has_two_minutes_to_end_in_order(edtech: Synthesise) -> None:
    assert container(task(edtech, "prod"))["StopTimeout"] == 120


def test_an_image_in_ecr_comes_with_the_right_to_pull_it(edtech: Synthesise) -> None:
    stack = task(edtech, "prod")
    assert IMAGE.split(".")[0] in json.dumps(container(stack)["Image"])
    assert "ecr:BatchGetImage" in json.dumps(stack.resources("IAM::Policy"))


def test_without_an_image_there_is_no_task(bare: Stacks) -> None:
    assert not [each for each in bare if each.endswith("-task")]


def test_the_container_of_one_service_is_told_without_prefixes(with_node: None) -> None:
    names = injected(is_prefixed=False, ca_bundle="/certs.pem")
    assert names == {
        "DB_HOST",
        "DB_PORT",
        "DB_NAME",
        "DB_USER",
        "DB_PASSWORD",
        "DB_SSLROOTCERT",
        "DB_PAUSES",
    }


def test_an_image_without_certificates_is_told_of_none(with_node: None) -> None:
    assert "DB_SSLROOTCERT" not in injected(is_prefixed=False, ca_bundle="")


def test_a_container_of_several_services_is_told_with_prefixes(with_node: None) -> None:
    assert "TUTOR_MATCHING_DB_HOST" in injected(is_prefixed=True, ca_bundle="")


def injected(*, is_prefixed: bool, ca_bundle: str) -> set[str]:
    """Return the names of what a service's own container is told of its database."""
    found = container(own_stack(is_prefixed=is_prefixed, ca_bundle=ca_bundle))
    return {each["Name"] for each in (*found.get("Environment", ()), *found["Secrets"])}


def test_a_service_s_container_gets_the_application_s_login_and_no_other(with_node: None) -> None:
    made = own_stack(is_prefixed=False, ca_bundle="")
    secrets = {each["Name"]: json.dumps(each["ValueFrom"]) for each in container(made)["Secrets"]}
    assert secrets.keys() == {"DB_USER", "DB_PASSWORD"}
    (application,) = [
        name
        for name, each in made.resources("SecretsManager::Secret").items()
        if "_db_app" in each["Properties"]["GenerateSecretString"]["SecretStringTemplate"]
    ]
    assert all(application in each for each in secrets.values())


def own_stack(*, is_prefixed: bool, ca_bundle: str) -> Stack:
    """Return the stack of a database and of a service's container that is told of it."""
    from pathlib import PurePath

    from aws_cdk import App, aws_ecs
    from aws_cdk import Environment as Place
    from aws_cdk import Stack as CdkStack

    from seedbed.cdk import Network, ServicePostgres, inject
    from seedbed.model.environment import Environment
    from seedbed.model.platform import Database

    environment = Environment("dev-ana", "111111111111", "eu-central-1", ephemeral=True)
    app = App(context=flags())
    stack = CdkStack(app, "Own", env=Place(account=environment.account, region=environment.region))
    database = ServicePostgres(
        stack,
        "Postgres",
        platform="sample",
        environment=environment,
        database=Database("tutor-matching", "postgres", PurePath("nowhere")),
        network=Network(stack, "Network", environment=environment),
    )
    definition = aws_ecs.FargateTaskDefinition(stack, "Definition")
    served = definition.add_container("web", image=aws_ecs.ContainerImage.from_registry("busybox"))
    inject(served, database, is_prefixed=is_prefixed, ca_bundle=ca_bundle)
    return stacks(app)["Own"]


@EVERYWHERE
def test_no_stack_of_a_database_is_held_by_what_uses_it(edtech: Synthesise, environment: str) -> None:
    stacks = edtech(environment)
    made = task(edtech, environment)
    imported = re.findall(r'"Fn::ImportValue": "([^"]+):', json.dumps(made.template))
    assert set(imported) == {f"edtech-{environment}-network"}
    read = [
        each["Default"]
        for each in made.template["Parameters"].values()
        if each["Type"].startswith("AWS::SSM::P")
    ]
    read = [each for each in read if each.startswith("/edtech/")]
    written = {name for each in stacks.values() for name in each.parameters()}
    assert set(read) <= written
    # By these names `destroy` knows whose parameter it is.
    for name in read:
        assert name in stacks["-".join(name.split("/")[1:5])].parameters()


def test_what_the_task_reads_is_deployed_before_it(edtech: Synthesise) -> None:
    needed = task(edtech, "dev-ana").depends
    servers = [
        "user-postgres",
        "payment-postgres",
        "reviews-postgres",
        "ai-opensearch",
        "tutor-matching-neo4j",
    ]
    for each in ("network", "seedbed-control", *servers):
        assert f"edtech-dev-ana-{each}" in needed
