"""Settings of a database from the parameter store and Secrets Manager, as CDK wrote them there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.names import parameter_path
from tests.support.projects import ProjectFiles, Ran, run, variables

REGION = "eu-central-1"
PASSWORD = "no-one-may-read-this"


@pytest.fixture
def environ(ministack_account: World) -> dict[str, str]:
    """What a person in that account has set; nothing in it says where a database is."""
    return {
        "AWS_ENDPOINT_URL": ministack_account.endpoint,
        "AWS_ACCESS_KEY_ID": ministack_account.account,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def cloud(ministack_account: World) -> Cloud:
    return ministack_account.cloud


@pytest.fixture
def platform(files: ProjectFiles, ministack_account: World) -> ProjectFiles:
    """One service with one migration, in an environment of that account."""
    text = (
        '[platform]\nname = "sample"\n[services.user.postgres]\n'
        f'[environments."dev-*"]\naccount = "{ministack_account.account}"\nregion = "{REGION}"\nephemeral = true\n'
    )
    (files.root / "seedbed.toml").write_text(text, encoding="utf-8")
    files.tables(1)
    return files


def written(cloud: Cloud, settings: Mapping[str, str], environment: str = "dev-ana") -> None:
    """Write what the stack of user/postgres would write."""
    secret = clients.call(
        cloud,
        "secretsmanager",
        "CreateSecret",
        Name=f"user-{environment}",
        SecretString=json.dumps({"username": settings["user"], "password": PASSWORD}),
    )
    plain = {key: value for key, value in settings.items() if key != "user"}
    pointers = {"user": f"secret:{secret['ARN']}:username", "password": f"secret:{secret['ARN']}:password"}
    for key, value in {**plain, **pointers}.items():
        path = parameter_path("sample", environment, "user", "postgres")
        clients.call(cloud, "ssm", "PutParameter", Name=f"{path}/{key}", Value=value, Type="String")


def status(files: ProjectFiles, environ: Mapping[str, str], verb: str = "status") -> Ran:
    return run(files.root, verb, "-e", "dev-ana", env=environ)


def test_a_database_is_found_by_what_its_stack_wrote(
    platform: ProjectFiles,
    environ: dict[str, str],
    cloud: Cloud,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
) -> None:
    written(cloud, postgres_server.settings(f"{new_database()}/postgres"))
    ran = status(platform, environ, "apply")
    assert ran.code == 0, ran.everything
    assert PASSWORD not in ran.everything


def test_a_secret_that_was_never_filled_in_stops_its_own_database_alone(
    platform: ProjectFiles,
    environ: dict[str, str],
    cloud: Cloud,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
) -> None:
    manifest = platform.root / "seedbed.toml"
    manifest.write_text(manifest.read_text() + "[services.orders.postgres]\n")
    migrations = platform.root / "services/orders/postgres/migrations"
    migrations.mkdir(parents=True)
    text = "-- migrate:up\nCREATE TABLE orders (id int PRIMARY KEY);\n-- migrate:down\nDROP TABLE orders;\n"
    (migrations / "20260101000000_create_orders.sql").write_text(text)
    written(cloud, {**postgres_server.settings_of(new_database()), "user": ""})
    ran = status(platform, {**environ, **variables(postgres_server, new_database(), "ORDERS_")}, "apply")
    assert ran.code == 5, ran.everything
    assert "nothing says where user/postgres is: DB_USER is empty" in ran.everything
    assert "create_orders" in ran.everything


def test_variables_win_as_a_whole(
    platform: ProjectFiles,
    environ: dict[str, str],
    cloud: Cloud,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
) -> None:
    written(cloud, postgres_server.settings(f"{new_database()}/postgres"))
    ran = status(platform, {**environ, "DB_HOST": "elsewhere"})
    assert ran.code == 2
    assert "environment variables are missing: DB_USER, DB_PASSWORD, DB_NAME" in ran.err


def test_an_environment_that_was_never_deployed_says_so(
    platform: ProjectFiles, environ: dict[str, str]
) -> None:
    ran = status(platform, environ)
    assert ran.code == 2
    assert "no connection settings for user/postgres in dev-ana" in ran.err
    assert "/sample/dev-ana/user/postgres" in ran.err
    assert ran.err.rstrip().endswith("or deploy it: seedbed deploy -e dev-ana -s user"), ran.err


def test_of_a_protected_one_the_way_needs_no_plan_which_could_not_be_made(
    platform: ProjectFiles, environ: dict[str, str]
) -> None:
    manifest = platform.root / "seedbed.toml"
    text = manifest.read_text(encoding="utf-8")
    text = text.replace('"dev-*"', "prod").replace("ephemeral = true", "protected = true")
    manifest.write_text(text, encoding="utf-8")
    ran = run(platform.root, "plan", "-e", "prod", env=environ)
    assert (ran.code, "seedbed deploy -e prod -s user --unreviewed" in ran.err) == (2, True), ran.err


def test_credentials_of_another_account_are_refused(
    platform: ProjectFiles, environ: dict[str, str], cloud: Cloud
) -> None:
    ran = status(platform, {**environ, "AWS_ACCESS_KEY_ID": "999999999999"})
    assert ran.code == 3
    assert "999999999999" in ran.err
    assert cloud.account in ran.err


def test_nobody_answering_is_unreachable(platform: ProjectFiles, environ: dict[str, str]) -> None:
    ran = status(platform, {**environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert ran.code == 4, ran.everything


def test_without_credentials_nothing_is_guessed(platform: ProjectFiles, environ: dict[str, str]) -> None:
    bare = {**environ, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(platform.root)}
    ran = status(platform, bare)
    assert ran.code in {3, 4}, ran.everything
    assert "credentials" in ran.err
