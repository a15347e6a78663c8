"""Which stacks a platform has where, and what refuses to be synthesised."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from seedbed.errors import ManifestError, Refused, UsageError
from seedbed.model.names import stack_name
from tests.unit.cdk.conftest import EDTECH, Synthesise

DYNAMODB = ("ai", "chat", "courses", "tutor-matching", "video-call")
SERVERS = {"postgres": ("payment", "reviews", "user"), "neo4j": ("tutor-matching",), "opensearch": ("ai",)}
ACCOUNTS = {"dev-ana": "111111111111", "staging": "222222222222", "prod": "333333333333"}


@pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
def test_every_database_has_a_stack_and_there_is_one_network(edtech: Synthesise, environment: str) -> None:
    names = [stack_name("edtech", environment, each, "dynamodb") for each in DYNAMODB]
    names += [
        stack_name("edtech", environment, each, engine)
        for engine, services in SERVERS.items()
        for each in services
    ]
    names += [f"edtech-{environment}-{each}" for each in ("network", "seedbed-control", "seedbed-task")]
    assert sorted(edtech(environment)) == sorted(names)


def test_the_sandbox_has_tables_only(edtech: Synthesise) -> None:
    names = [stack_name("edtech", "sandbox", each, "dynamodb") for each in DYNAMODB]
    assert sorted(edtech("sandbox")) == sorted(names)


@pytest.mark.parametrize("environment", ACCOUNTS)
def test_a_stack_lies_in_the_declared_account_and_region(edtech: Synthesise, environment: str) -> None:
    for each in edtech(environment).values():
        assert (each.account, each.region) == (ACCOUNTS[environment], "eu-central-1")


def test_the_sandbox_lies_where_it_is_told_and_else_in_its_own_account(
    synthesise: Synthesise, edtech: Synthesise
) -> None:
    assert {(each.account, each.region) for each in edtech("sandbox").values()} == {
        ("000000000000", "eu-central-1")
    }
    moved = synthesise(environment="sandbox", account="123456789012", region="us-east-1")
    assert {(each.account, each.region) for each in moved.values()} == {("123456789012", "us-east-1")}


@pytest.mark.parametrize("environment", ["sandbox", *ACCOUNTS])
def test_a_stack_is_tagged_with_what_it_belongs_to(edtech: Synthesise, environment: str) -> None:
    for name, each in edtech(environment).items():
        assert each.tags["platform"] == "edtech"
        assert each.tags["environment"] == environment
        assert each.tags["managed-by"] == "seedbed"
        service = name.removeprefix(f"edtech-{environment}-").rpartition("-")[0]
        assert each.tags.get("service", "") == service


@pytest.mark.parametrize(
    ("environment", "is_protected"),
    [("sandbox", False), ("dev-ana", False), ("staging", False), ("prod", True)],
)
def test_protected_stacks_cannot_be_deleted_by_mistake(
    edtech: Synthesise, environment: str, is_protected: bool
) -> None:
    assert {each.is_protected for each in edtech(environment).values()} == {is_protected}


@pytest.mark.parametrize(
    ("context", "what"),
    [
        ({}, "no environment is named"),
        ({"environment": "prodd"}, "there is no environment prodd"),
        ({"environment": "dev"}, "there is no environment dev"),
        ({"environment": "Dev-Ana"}, "cannot be the name of an environment"),
        ({"environment": "dev-*"}, "cannot be the name of an environment"),
        ({"environment": "prod", "account": "111111111111"}, "the context says account=111111111111"),
        ({"environment": "prod", "region": "us-east-1"}, "the context says region=us-east-1"),
    ],
)
def test_a_wrong_environment_is_not_synthesised(
    synthesise: Synthesise, context: dict[str, str], what: str
) -> None:
    with pytest.raises(UsageError, match=what.replace("*", ".")):
        synthesise(**context)


def test_a_dev_name_that_only_a_general_pattern_covers_is_not_synthesised(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    declared = '[environments."*"]\naccount = "333333333333"\nregion = "eu-central-1"\n'
    with pytest.raises(UsageError, match="dev-ana is not declared as a dev environment"):
        synthesise(small(environments=declared), environment="dev-ana")


def test_a_dev_environment_in_a_protected_account_is_not_synthesised(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    place = 'account = "333333333333"\nregion = "eu-central-1"\n'
    declared = (
        f'[environments."dev-*"]\n{place}ephemeral = true\n[environments.prod]\n{place}protected = true\n'
    )
    with pytest.raises(Refused, match="dev-ana would lie in the account of prod"):
        synthesise(small(environments=declared), environment="dev-ana")


@pytest.mark.parametrize(
    ("place", "missing"),
    [
        ('region = "eu-central-1"', "no account"),
        ('account = "222222222222"', "no region"),
        ("", "no account and no region"),
    ],
)
def test_an_environment_without_a_place_is_not_synthesised(
    synthesise: Synthesise, small: Callable[..., Path], place: str, missing: str
) -> None:
    with pytest.raises(UsageError, match=missing):
        synthesise(small(environments=f"[environments.staging]\n{place}\n"), environment="staging")


def test_a_mistake_in_tables_toml_is_named_with_its_line(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    with pytest.raises(ManifestError) as raised:
        synthesise(small('[tables.lessons]\nkey = {partitoin = "id"}\n'), environment="dev-ana")
    assert raised.value.at is not None
    assert raised.value.at.line == 2


def test_the_services_of_a_protected_environment_are_as_large_as_they_are_told_to_be(
    with_node: None,
) -> None:
    from aws_cdk import App

    from seedbed.cdk import Sizes, platform_stacks
    from tests.unit.cdk.conftest import flags, stacks

    app = App(context={**flags(), "environment": "prod"})
    platform_stacks(app, EDTECH / "seedbed.toml", sizes=Sizes(instance="r7g.xlarge", readers=2))
    instances = stacks(app)["edtech-prod-user-postgres"].resources("RDS::DBInstance")
    assert [each["Properties"]["DBInstanceClass"] for each in instances.values()] == ["db.r7g.xlarge"] * 3


def test_the_app_says_in_words_why_it_makes_nothing(
    with_node: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import aws_cdk

    monkeypatch.setattr("aws_cdk.App", partial(aws_cdk.App, context={"environment": "prodd"}))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EDTECH / "cdk" / "app.py"), run_name="__main__")
    said = capfd.readouterr().err
    assert ended.value.code == 2
    assert "there is no environment prodd" in said
    assert "did you mean prod?" in said
    assert "Traceback" not in said


def test_the_command_line_of_the_cdk_is_pinned_once() -> None:
    asked = json.loads((EDTECH / "cdk" / "package.json").read_text())["devDependencies"]["aws-cdk"]
    locked = json.loads((EDTECH / "cdk" / "package-lock.json").read_text())["packages"][
        "node_modules/aws-cdk"
    ]
    assert asked == locked["version"] == "2.1148.1"
    assert locked["integrity"].startswith("sha512-")
