"""Neo4j in the templates: the server that ECS runs with the files it keeps, and the one that somebody else runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.neo4j.address import address
from seedbed.errors import Refused
from tests.unit.cdk.conftest import GRAPH_IMAGE, Stack, Stacks, Synthesise, stacks

EVERYWHERE = pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
KEPT = pytest.mark.parametrize(
    ("environment", "policy"), [("dev-ana", "Delete"), ("staging", "Retain"), ("prod", "Retain")]
)


def stack(edtech: Synthesise, environment: str) -> Stack:
    return edtech(environment)[f"edtech-{environment}-tutor-matching-neo4j"]


def container(edtech: Synthesise, environment: str) -> Any:
    (found,) = stack(edtech, environment).one("ECS::TaskDefinition")["ContainerDefinitions"]
    return found


@KEPT
def test_its_files_and_its_password_stay_where_data_matters(
    edtech: Synthesise, environment: str, policy: str
) -> None:
    for type_ in ("EFS::FileSystem", "SecretsManager::Secret", "Logs::LogGroup"):
        (made,) = stack(edtech, environment).resources(type_).values()
        assert (made["DeletionPolicy"], made["UpdateReplacePolicy"]) == (policy, policy), type_


@EVERYWHERE
def test_two_servers_never_open_the_same_files(edtech: Synthesise, environment: str) -> None:
    service = stack(edtech, environment).one("ECS::Service")
    assert service["DesiredCount"] == 1
    deployment = service["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)


@EVERYWHERE
def test_a_server_that_cannot_start_ends_the_deployment(edtech: Synthesise, environment: str) -> None:
    deployment = stack(edtech, environment).one("ECS::Service")["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


@EVERYWHERE
def test_its_files_are_encrypted_and_open_to_it_alone(edtech: Synthesise, environment: str) -> None:
    made = stack(edtech, environment)
    assert made.one("EFS::FileSystem")["Encrypted"] is True
    (volume,) = made.one("ECS::TaskDefinition")["Volumes"]
    assert volume["EFSVolumeConfiguration"]["TransitEncryption"] == "ENABLED"
    assert volume["EFSVolumeConfiguration"]["AuthorizationConfig"]["IAM"] == "ENABLED"
    door = made.one("EC2::SecurityGroupIngress")  # the only one: the server's own door is opened by its peers
    assert (door["FromPort"], door["ToPort"]) == (2049, 2049)
    assert (
        door["SourceSecurityGroupId"]
        == made.one("ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"].pop()
    )


@pytest.mark.parametrize(
    ("environment", "status"), [("dev-ana", "DISABLED"), ("staging", "DISABLED"), ("prod", "ENABLED")]
)
def test_protected_files_are_backed_up(edtech: Synthesise, environment: str, status: str) -> None:
    found = stack(edtech, environment).one("EFS::FileSystem")
    assert found.get("BackupPolicy", {"Status": "DISABLED"})["Status"] == status


@EVERYWHERE
def test_it_has_no_public_address_and_starts_in_subnets_for_tasks(
    edtech: Synthesise, environment: str
) -> None:
    network = stack(edtech, environment).one("ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    wanted = "Databases" if environment == "dev-ana" else "Tasks"  # a dev network has one kind
    assert all(wanted in json.dumps(each) for each in network["Subnets"])


@EVERYWHERE
def test_its_password_is_made_by_secrets_manager_and_stands_in_no_template(
    edtech: Synthesise, environment: str
) -> None:
    made = stack(edtech, environment).one("SecretsManager::Secret")["GenerateSecretString"]
    assert made["ExcludePunctuation"] is True
    found = container(edtech, environment)
    assert [each["Name"] for each in found["Secrets"]] == ["PASSWORD"]
    assert "PASSWORD" not in {each["Name"] for each in found["Environment"]}


@EVERYWHERE
def test_bolt_is_spoken_over_tls_only(edtech: Synthesise, environment: str) -> None:
    said = {each["Name"]: each["Value"] for each in container(edtech, environment)["Environment"]}
    assert said["NEO4J_server_bolt_tls__level"] == "REQUIRED"
    assert said["NEO4J_server_http_enabled"] == "false"


def test_it_leaves_a_quarter_of_its_memory_to_itself(edtech: Synthesise) -> None:
    said = {each["Name"]: each["Value"] for each in container(edtech, "prod")["Environment"]}
    memory = int(stack(edtech, "prod").one("ECS::TaskDefinition")["Memory"])
    heap, cache = (
        int(said[f"NEO4J_server_memory_{each}"].removesuffix("m"))
        for each in ("heap_max__size", "pagecache_size")
    )
    assert heap + cache == memory * 3 // 4


def test_what_it_starts_with_makes_a_certificate_of_its_name_and_hands_the_password_on(
    edtech: Synthesise, tmp_path: Path
) -> None:
    """The start is run here, with programs that only show what they were given."""
    (start,) = container(edtech, "dev-ana")["Command"]
    for name, does in (
        ("openssl", 'echo "openssl $*" >&2'),
        ("tini", 'echo "$* $NEO4J_AUTH ${PASSWORD-no}"'),
    ):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euc", start.replace("/tmp/bolt", str(tmp_path / "bolt"))],
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "NEO4J_HOME": str(tmp_path),
            "PASSWORD": "sesame",
            "CERTIFICATE_NAME": "neo4j.example.internal",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "-g -- /startup/docker-entrypoint.sh neo4j neo4j/sesame no\n"
    assert "/CN=neo4j.example.internal" in done.stderr
    assert "sesame" not in done.stderr


@EVERYWHERE
def test_what_an_environment_reads_back_is_an_address(edtech: Synthesise, environment: str) -> None:
    settings = settings_of(stack(edtech, environment), environment)
    assert json.dumps(settings.pop("password")).count(":password") == 1
    read = address({**settings, "password": "sesame"}, None)
    assert str(read) == f"bolt+ssc://neo4j.tutor-matching.{environment}.edtech.internal:7687 database neo4j"
    network = edtech(environment)[f"edtech-{environment}-network"]
    names = network.one("ServiceDiscovery::PrivateDnsNamespace")["Name"]  # one for all graphs
    assert not stack(edtech, environment).resources("ServiceDiscovery::PrivateDnsNamespace")
    service = stack(edtech, environment).one("ServiceDiscovery::Service")["Name"]
    assert f"//{service}.{names}:" in settings["uri"]


def test_without_an_image_a_secret_says_where_it_is_and_nothing_runs(bare: Stacks) -> None:
    made = bare["edtech-dev-ana-tutor-matching-neo4j"]
    assert not made.resources("ECS::Service")
    secret = made.one("SecretsManager::Secret")
    empty = {"uri": "", "username": "", "password": "", "database": ""}
    assert json.loads(secret["SecretString"]) == empty
    settings = settings_of(made, "dev-ana")
    assert settings.keys() == {"uri", "user", "password", "database"}
    for setting, pointer in settings.items():
        before, _, after = pointer["Fn::Join"][1]
        assert (before, after) == ("secret:", f":{'username' if setting == 'user' else setting}")


def test_its_files_are_on_nfs_in_a_protected_environment_only_where_that_is_accepted(
    synthesise: Synthesise,
) -> None:
    with pytest.raises(Refused, match="would be on EFS in prod") as refused:
        synthesise(environment="prod", **{"graph-image": GRAPH_IMAGE})
    assert "graph-on-nfs=accepted" in refused.value.try_


def test_an_image_of_a_protected_environment_is_named_by_its_digest(synthesise: Synthesise) -> None:
    with pytest.raises(Refused, match=r"neo4j:2026 is not named by its digest, and prod is protected"):
        synthesise(environment="prod", **{"graph-image": "neo4j:2026", "graph-on-nfs": "accepted"})


def test_a_container_is_told_of_an_external_one_by_its_secret_alone(with_node: None) -> None:
    from pathlib import PurePath

    from aws_cdk import App, aws_ecs
    from aws_cdk import Environment as Place
    from aws_cdk import Stack as CdkStack

    from seedbed.cdk import ExternalGraph, inject
    from seedbed.model.environment import Environment
    from seedbed.model.platform import Database
    from tests.unit.cdk.conftest import flags

    environment = Environment("staging", "222222222222", "eu-central-1")
    app = App(context=flags())
    own = CdkStack(app, "Own", env=Place(account=environment.account, region=environment.region))
    made = ExternalGraph(
        own,
        "Graph",
        platform="sample",
        environment=environment,
        database=Database("tutor-matching", "neo4j", PurePath("nowhere")),
    )
    definition = aws_ecs.FargateTaskDefinition(own, "Definition")
    inject(definition.add_container("web", image=aws_ecs.ContainerImage.from_registry("busybox")), made)
    (told,) = stacks(app)["Own"].one("ECS::TaskDefinition")["ContainerDefinitions"]
    assert "Environment" not in told
    assert {each["Name"] for each in told["Secrets"]} == {
        "NEO4J_URI",
        "NEO4J_USERNAME",
        "NEO4J_PASSWORD",
        "NEO4J_DATABASE",
    }


def settings_of(stack: Stack, environment: str) -> dict[str, Any]:
    return stack.settings(f"/edtech/{environment}/tutor-matching/neo4j")
