"""The platform's CDK app, carried out: the pinned command line of the CDK against the sandbox's AWS."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.aws import clients, parameters
from seedbed.deployment import cdk
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema import current
from seedbed.engines.dynamodb.schema.read import read
from seedbed.engines.dynamodb.schema.shape import HISTORY_TABLE, TableShape
from seedbed.engines.neo4j import address as neo4j
from seedbed.engines.opensearch import address as opensearch
from seedbed.engines.postgres import address as postgres
from seedbed.execution.stopping import Stop
from seedbed.model.names import parameter_path, table_name
from seedbed.model.secret import Secret
from tests.integration.conftest import EDTECH
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import moved
from tests.support.projects import run

DECLARED = "111111111111"  # the account of dev environments
DYNAMODB = ("ai", "chat", "courses", "tutor-matching", "video-call")
POSTGRES = ("payment", "reviews", "user")
LEVEL = """
[tables.courses.indexes.by_state_of_teacher]
partition  = ["teacher_id", "state"]
sort       = ["created_at"]
projection = "KEYS_ONLY"
"""

pytestmark = pytest.mark.slow(30)


@dataclass(frozen=True, slots=True)
class App:
    """A copy of the platform with its CDK app, declared to lie in an account of its own."""

    root: Path
    world: World
    cli: cdk.Cli

    def run(self, *arguments: str) -> str:
        """Run the CDK's command line in the app's directory; what it says, if it succeeds."""
        ran = self.cli.run(arguments, cwd=self.root / "cdk", cloud=self.world.cloud)
        assert ran.code == 0, ran.last_lines
        return "\n".join(ran.lines)

    def deploy(self, environment: str, *more: str) -> str:
        flags = ("--all", "--require-approval", "never", "--progress", "events")
        return self.run("deploy", *flags, *self.context(environment), *more)

    def destroy(self, environment: str) -> str:
        """Destroy what was deployed last, as it was synthesised for that."""
        return self.run("destroy", "--all", "--force", "--app", "cdk.out", *self.context(environment))

    def context(self, environment: str) -> tuple[str, ...]:
        account = ("-c", f"account={self.world.account}") if environment == "sandbox" else ()
        return ("-c", f"environment={environment}", *account)

    def ask(self, service: str, operation: str, **more: Any) -> Mapping[str, Any]:
        return clients.call(self.world.cloud, service, operation, **more)

    def settings(self, service: str, engine: str) -> Mapping[str, str | Secret]:
        """Return what an environment reads back in dev-ana."""
        return parameters.read(self.world.cloud, parameter_path("edtech", "dev-ana", service, engine))

    def graph(self) -> str:
        """Say in the secret that was made for it where the graph is, and return the address that is read back."""
        members = {"uri": "neo4j+s://example.databases.neo4j.io", "username": "ana", "password": "sesame"}
        path = parameter_path("edtech", "dev-ana", "tutor-matching", "neo4j")
        pointer = self.ask("ssm", "GetParameter", Name=f"{path}/uri")["Parameter"]["Value"]
        self.ask(
            "secretsmanager",
            "PutSecretValue",
            SecretId=pointer.removeprefix("secret:").removesuffix(":uri"),
            SecretString=json.dumps({**members, "database": "graph"}),
        )
        return str(neo4j.address(self.settings("tutor-matching", "neo4j"), None))

    def tables(self, environment: str) -> set[str]:
        names = self.ask("dynamodb", "ListTables")["TableNames"]
        return {each for each in names if each.endswith(f"-{environment}")}

    def declared(self, service: str) -> list[TableShape]:
        return [*read(self.root / "services" / service / "dynamodb" / "tables.toml").tables, HISTORY_TABLE]

    def live(self, service: str, table: str, environment: str) -> TableShape:
        name = table_name(service, table, environment)
        described = self.ask("dynamodb", "DescribeTable", TableName=name)["Table"]
        return current.described(described, name=table)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, ministack_server: World) -> App:
    """The platform in an account that is prepared for the CDK; each test takes an environment of its own."""
    place = tmp_path_factory.mktemp("cdk")
    unwanted = shutil.ignore_patterns(".seedbed", "node_modules", "cdk.out", "__pycache__")
    root = shutil.copytree(EDTECH, place / "edtech", ignore=unwanted)
    world = replace(ministack_server, account=f"{random.randrange(10**11, 10**12)}")
    manifest = root / "seedbed.toml"
    text = manifest.read_text(encoding="utf-8")
    assert f'"{DECLARED}"' in text
    manifest.write_text(text.replace(DECLARED, world.account), encoding="utf-8")
    (place / "home").mkdir()
    app = App(root, world, cdk.find(root / "cdk", os.environ, place / "home", Stop(), print))
    app.run("bootstrap", f"aws://{world.account}/{world.region}", "--app", "")
    return app


def test_a_dev_environment_is_deployed_changed_and_destroyed_without_a_trace(
    app: App, assemblies: Path
) -> None:
    former = moved(assemblies / "edtech-dev-ana", app.root / "cdk" / "former", DECLARED, app.world.account)
    app.deploy("dev-ana", "--app", str(former))
    for service in DYNAMODB:
        for table in app.declared(service):
            assert same(app.live(service, table.name, "dev-ana"), table)
    for service in POSTGRES:
        settings = app.settings(service, "postgres")
        found = postgres.address(settings, None)
        assert (found.user, found.name, found.sslmode) == (
            f"{service}_db_migrate",
            f"{service}_db",
            "verify-full",
        )
        assert found.application is not None
        assert found.application.password != found.password
        assert isinstance(settings["password"], Secret)
        assert len(settings["password"].reveal()) == 30
    assert app.settings("chat", "dynamodb") == {"account": app.world.account, "region": app.world.region}
    found_search = opensearch.address(app.settings("ai", "opensearch"), None)
    assert (found_search.auth, found_search.endpoint.partition("://")[0]) == ("aws", "https")
    assert app.graph() == "neo4j+s://example.databases.neo4j.io:7687 database graph"

    toml = app.root / "services" / "courses" / "dynamodb" / "tables.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + LEVEL, encoding="utf-8")
    said = app.deploy("dev-ana")
    assert "edtech-dev-ana-chat-dynamodb (no changes)" in said
    assert app.live("courses", "courses", "dev-ana").index("by_state_of_teacher") is not None

    stacks = {each["StackName"] for each in app.ask("cloudformation", "DescribeStacks")["Stacks"]}
    asked = run(app.root, "destroy", "-e", "dev-ana", env=cdk.variables(app.world.cloud))
    named = asked.err.partition("destroy would delete ")[2].partition("\n")[0].split(", ")
    assert ({*named, "CDKToolkit"}, len(named), asked.code) == (stacks, len(stacks) - 1, 3)
    assert named.index("edtech-dev-ana-network") > named.index("edtech-dev-ana-user-postgres")

    app.destroy("dev-ana")
    assert leftovers(app.world) == {}
    stacks = app.ask("cloudformation", "DescribeStacks")["Stacks"]
    assert [each["StackName"] for each in stacks] == ["CDKToolkit"]


@pytest.mark.soak  # the demo deploys the same
def test_the_sandbox_gets_every_table_and_no_server(app: App) -> None:
    app.deploy("sandbox")
    wanted = {
        table_name(service, each.name, "sandbox") for service in DYNAMODB for each in app.declared(service)
    }
    assert app.tables("sandbox") == wanted
    assert app.ask("rds", "DescribeDBClusters")["DBClusters"] == []
    app.destroy("sandbox")
    assert app.tables("sandbox") == set()


def same(found: TableShape, declared: TableShape) -> bool:
    """Return whether a live table is as declared, as far as a server can say; ministack's stacks leave TTL out."""
    return found == replace(declared, attributes={}, version_attribute="", version=1, ttl="")
