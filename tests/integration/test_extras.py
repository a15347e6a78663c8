"""What each extra installs is enough for its engine, and what is missing is answered by the line that installs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines import registry
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.support.extras import install_line
from tests.support import bare
from tests.support.projects import variables

ENGINES = ("dynamodb", "neo4j", "opensearch", "postgres")
WITH_PACKAGES = ("dynamodb", "neo4j", "postgres")  # OpenSearch is reached by the core
ENVIRONMENT = '[environments."dev-*"]\nephemeral = true\naccount = "{account}"\nregion = "eu-central-1"\n'
TABLES = '[tables.things]\nkey = {partition = "id"}\n\n[tables.things.attributes]\nid = "S"\n'
FILES: Mapping[str, Mapping[str, str]] = {
    "postgres": {
        "migrations/1_things.sql": "-- migrate:up\nCREATE TABLE things (id text PRIMARY KEY, size int);\n"
        "-- migrate:down\nDROP TABLE things;\n",
        "migrations/2_sizes.py": "# seedbed: phase=migrate\n# seedbed: backfill=things.id\n"
        "def up(row):\n    return row\n",
        "seeds/reference/1_things.csv": "id,size\na,1\nb,2\n",
    },
    "dynamodb": {
        "tables.toml": TABLES,
        "migrations/1_sizes.py": '# seedbed: phase=migrate table=things\n# seedbed: repeatable because "the same again"\n'
        "def up(item):\n    return item\n",
        "seeds/reference/1_things.json": '[{"id": "a", "size": 1}, {"id": "b", "size": 2}]',
    },
    "neo4j": {
        "migrations/1_things.cypher": "// migrate:up\n"
        "CREATE CONSTRAINT thing_id FOR (t:Thing) REQUIRE t.id IS UNIQUE;\n"
        "// migrate:down\nDROP CONSTRAINT thing_id;\n",
        "seeds/reference/1_Thing.json": '[{"id": "a", "size": 1}, {"id": "b", "size": 2}]',
    },
    "opensearch": {
        "migrations/1_things.http": '# migrate:up\nPUT /things\n{"mappings": {"properties": {"id": {"type": "keyword"}, "size": {"type": "integer"}}}}\n'
        "# migrate:down\nDELETE /things\n",
        "seeds/reference/1_things.json": '{"table": "things", "key": ["id"], '
        '"rows": [{"id": "a", "size": 1}, {"id": "b", "size": 2}]}',
    },
}


def project(root: Path, *engines: str, account: str = "") -> Path:
    """Write a platform of one service with a database of each of `engines`."""
    sections = "".join(f"[services.shop.{engine}]\n" for engine in engines)
    declared = ENVIRONMENT.format(account=account or "111111111111")
    root.mkdir()
    (root / "seedbed.toml").write_text(f'[platform]\nname = "sample"\n{sections}{declared}', encoding="utf-8")
    for engine in engines:
        for name, text in FILES[engine].items():
            path = root / "services" / "shop" / engine / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return root


def settings(engine: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of an environment that give `values`."""
    return {
        each.name: str(values[each.setting])
        for each in registry.load(engine).variables
        if values.get(each.setting) and each.name != "AWS_DEFAULT_REGION"
    }


@pytest.fixture
def given(request: pytest.FixtureRequest) -> tuple[str, str, dict[str, str]]:
    """An engine, the account of its environment, and the variables that lead to a server of it that is empty."""
    engine = request.param
    if engine == "postgres":
        server: EmbeddedServer = request.getfixturevalue("postgres_server")
        return engine, "", variables(server, request.getfixturevalue("new_database")())
    if engine == "dynamodb":
        world: World = request.getfixturevalue("ministack_account")
        _create_table(world)
        return engine, world.account, settings(engine, world.settings("shop/dynamodb"))
    return engine, "", settings(engine, request.getfixturevalue(f"{engine}_settings"))


def _create_table(world: World) -> None:
    from seedbed.aws import clients

    for name, key in (("things", ("id",)), ("migrations_history", ("pk", "sk"))):
        clients.call(
            world.cloud,
            "dynamodb",
            "CreateTable",
            TableName=f"shop-{name}-dev-x",
            KeySchema=[
                {"AttributeName": attribute, "KeyType": kind}
                for attribute, kind in zip(key, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in key],
            BillingMode="PAY_PER_REQUEST",
        )


@pytest.mark.parametrize("given", ENGINES, indirect=True)
def test_an_extra_alone_migrates_and_seeds_its_engine(
    tmp_path: Path, given: tuple[str, str, dict[str, str]]
) -> None:
    engine, account, environ = given
    root = project(tmp_path / "project", engine, account=account)
    site = bare.environment(tmp_path / "site", [engine])

    def seedbed(*arguments: str) -> str:
        ran = bare.run(site, "-m", "seedbed", *arguments, "-e", "dev-x", cwd=root, env=environ)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    assert f"shop/{engine}" in seedbed("apply")
    assert "2 rows inserted" in seedbed("seed")
    seedbed("status")


def test_the_core_alone_says_which_extras_are_missing_all_at_once(tmp_path: Path) -> None:
    root = project(tmp_path / "project", "neo4j", "postgres")
    site = bare.environment(tmp_path / "site")
    ran = bare.run(site, "-m", "seedbed", "plan", "-e", "dev-x", cwd=root)
    assert ran.returncode == 2
    assert "neo4j, postgast, psycopg are not installed" in ran.stderr
    assert f"try:     {install_line('neo4j', 'postgres')}" in ran.stderr


def test_an_engine_without_its_extra_gives_the_line_that_installs_it(tmp_path: Path) -> None:
    site = bare.environment(tmp_path / "site")
    code = f"""
from seedbed.engines import registry
from seedbed.support.extras import MissingExtra
for name in {WITH_PACKAGES!r}:
    for call in ("parse", "connect", "embedded"):
        try:
            getattr(registry.load(name), call)(None)
        except MissingExtra as error:
            print(name, call, error.try_)
"""
    ran = bare.run(site, "-c", code, cwd=tmp_path)
    assert ran.stdout.splitlines() == [
        f"{engine} {call} {install_line(engine)}"
        for engine in WITH_PACKAGES
        for call in ("parse", "connect", "embedded")
    ], ran.stderr


def test_connection_settings_in_aws_without_the_extra_aws_give_its_line(tmp_path: Path) -> None:
    root = project(tmp_path / "project", "postgres")
    site = bare.environment(tmp_path / "site", ["postgres"])
    ran = bare.run(site, "-m", "seedbed", "plan", "-e", "dev-x", cwd=root)
    assert ran.returncode == 2
    assert f"try:     {install_line('aws')}" in ran.stderr


def test_a_deployment_without_the_extra_cdk_gives_its_line_before_anything_is_fetched(tmp_path: Path) -> None:
    root = project(tmp_path / "project", "dynamodb")
    (root / "cdk").mkdir()
    (root / "cdk" / "cdk.json").write_text('{"app": "python3 app.py"}', encoding="utf-8")
    site = bare.environment(tmp_path / "site", ["dynamodb"])
    code = f"from pathlib import Path; from seedbed.deployment.synthesis import require_app; require_app(Path({str(root / 'cdk')!r}))"
    ran = bare.run(site, "-c", code, cwd=root)
    assert install_line("cdk") in ran.stderr


@pytest.mark.slow
def test_deploy_without_the_extra_cdk_fetches_nothing_and_says_what_to_install(
    tmp_path: Path,
) -> None:
    root = project(tmp_path / "project", "dynamodb")
    (root / "cdk").mkdir()
    (root / "cdk" / "cdk.json").write_text('{"app": "python3 app.py"}', encoding="utf-8")
    site = bare.environment(tmp_path / "site", ["dynamodb", "sandbox"])
    cache = {"SEEDBED_CACHE": str(tmp_path / "cache")}
    ran = bare.run(site, "-m", "seedbed", "deploy", "-e", "sandbox", cwd=root, env=cache)
    assert ran.returncode == 2, ran.stderr
    assert install_line("cdk") in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "cache").exists()


def test_the_core_alone_is_small() -> None:
    assert bare.size() <= 15_000_000


def test_doctor_without_any_extra_lists_what_is_missing(tmp_path: Path) -> None:
    root = project(tmp_path / "project", *ENGINES)
    ran = bare.run(bare.environment(tmp_path / "site"), "-m", "seedbed", "doctor", cwd=root)
    assert ran.returncode == 0, ran.stderr
    assert install_line("sandbox") in ran.stdout


def test_the_sandbox_says_which_extras_are_missing_all_at_once(tmp_path: Path) -> None:
    root = project(tmp_path / "project", "neo4j", "postgres")
    ran = bare.run(bare.environment(tmp_path / "site"), "-m", "seedbed", "env", "up", "sandbox", cwd=root)
    assert ran.returncode == 2
    assert f"try:     {install_line('neo4j', 'postgres')}" in ran.stderr
