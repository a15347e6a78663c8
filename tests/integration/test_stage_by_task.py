"""Whole platforms in the sandbox's AWS that only a task can reach: migrated and seeded by it, and gone at the end."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import neo4j
import psycopg
import pytest
import urllib3

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.integration.conftest import EDTECH, ENGINES, WITH_IMAGES
from tests.support.aws_clients import client
from tests.support.aws_proxy import Proxy, on
from tests.support.deployment import application
from tests.support.deployment.canaries import places, secrets
from tests.support.deployment.inside import Authority, Servers, inside
from tests.support.deployment.kills import killed_at_each_step
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import NOBODY, Shop
from tests.support.deployment.stage import BY_TASK, GRAPH, IMAGE, Stage, one_service, write_copying_app
from tests.support.fargate import Fargate, Image, seedbed_image
from tests.support.fargate.images import RDS_BUNDLE
from tests.support.postgres.wire import connected
from tests.support.processes import until
from tests.support.projects import ProjectFiles, run
from tests.support.servers import Settings

pytestmark = pytest.mark.slow(60)

INDEXES = """
[[indexes.people.versions]]
number = 1
mappings = {dynamic = "strict", properties = {name = {type = "keyword"}}}
"""
CREATE_PEOPLE = "# seedbed: index=people version=1\n"
CONSTRAINT = """// seedbed: phase=expand

// migrate:up
CREATE CONSTRAINT person_slug FOR (p:Person) REQUIRE p.slug IS UNIQUE;

// migrate:down
DROP CONSTRAINT person_slug;
"""
COURSES = '[{"course_id": "writing", "teacher_id": "ana", "slug": "writing"}]'
PEOPLE = """{"table": "people", "key": ["name"], "rows": [{"name": "Ana"}]}"""

DEV, PROD = "111111111111", "333333333333"  # the accounts that edtech declares
STACKS = 13  # of edtech with both images: ten databases, a network, and two of seedbed's own


def edtech(root: Path, world: World, aws: Proxy, made: Path, *, declared: str, environment: str) -> Shop:
    """Write edtech into `root`, in this account, reached by a task; its app copies what was synthesised: `made`."""
    mine = Stage(world, declared).assembly(made, root / "made")
    text = (EDTECH / "seedbed.toml").read_text(encoding="utf-8")
    last = "protected = true\n" if environment == "prod" else "ephemeral = true\n"
    pattern = environment if environment == "prod" else "dev-*"
    reached = (
        f'{last}access    = "task"\n[environments."{pattern}".task]\nimage = "{WITH_IMAGES["image"]}"\n'
        f'[environments."{pattern}".graph]\nimage = "{WITH_IMAGES["graph-image"]}"\n'
    )
    text = text.replace(last, reached).replace(declared, world.account)
    (root / "seedbed.toml").write_text(text, encoding="utf-8")
    shutil.copytree(EDTECH / "services", root / "services")
    write_copying_app(root, mine)
    shop = replace(Shop(root, world, root), endpoint=aws.endpoint)
    shop.prepare()
    return shop


def ran(shop: Shop, *arguments: str, code: int = 0, out: bool = False) -> str:
    """Run a command, which has to end with `code`, and return what it said; `out`: on standard output alone."""
    done = run(
        shop.root, *arguments, env=shop.environ, timeout=900
    )  # all stacks are minutes on a slow machine
    assert done.code == code, done.everything
    return done.out if out else done.everything


@pytest.mark.soak  # a platform of one service has every engine, in the test below
def test_every_stack_of_edtech_comes_up_is_used_through_a_task_and_goes(
    tmp_path: Path,
    ministack_account: World,
    assemblies: Path,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> None:
    made = assemblies / "whole-dev-ana"
    shop = edtech(tmp_path, ministack_account, aws, made, declared=DEV, environment="dev-ana")
    image = WITH_IMAGES["image"].replace(DEV, ministack_account.account)
    tasks.images[image] = seedbed_image(aws=aws.endpoint, authorities=authority.bundle)
    servers = Servers(asking, neo4j_settings, opensearch_settings)
    with inside(ministack_account, tasks, authority, servers):
        ran(shop, "env", "up", "dev-ana", "--yes")
        assert len(leftovers(ministack_account)["stack"]) == STACKS
        assert_status_agrees(shop, "dev-ana")
        ran(shop, "verify", "-e", "dev-ana")
        ended = [each.wait("STOPPED").exit_code for each in tasks.tasks]
        assert ended == [0] * 3  # apply with seeds, a look, verify
        assert_seeded(asking, neo4j_settings, opensearch_settings)
        ran(shop, "env", "down", "dev-ana", "--yes")
    assert refused(tasks) == set()
    assert leftovers(ministack_account) == {}


def assert_status_agrees(shop: Shop, environment: str, *, code: int = 0) -> None:
    """Ask the state document and the databases themselves: both say the same, and `code` that all is applied, or not."""
    remembered, asked = (
        json.loads(
            ran(shop, "status", "-e", environment, "--exit-code", "--json", *more, code=code, out=True)
        )
        for more in ((), ("--fresh",))
    )
    assert all(each["seen"] for each in remembered["databases"])
    assert not any(each["seen"] for each in asked["databases"])
    assert [_said(each) for each in remembered["databases"]] == [_said(each) for each in asked["databases"]]


def _said(database: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in database.items() if name != "seen"}


def assert_seeded(server: EmbeddedServer, graph: Settings, search: Settings) -> None:
    """Look for what edtech's fixtures say, past seedbed, in each engine but DynamoDB; who owns it, in PostgreSQL."""
    with connected(server, "user_db") as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (9,)
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
        assert owners.fetchall() == [("user_db_migrate",)]
    with neo4j.GraphDatabase.driver(graph["uri"], auth=None) as driver:
        assert driver.execute_query("MATCH (t:Tutor) RETURN count(t) > 0 AS some").records[0]["some"]
    counted = urllib3.request("GET", f"{search['endpoint']}/lessons/_count").json()
    assert counted["count"] == 10


def refused(tasks: Fargate) -> set[str]:
    """Return what tasks asked of AWS, and their role does not allow."""
    assert tasks.judged is not None
    return set().union(*tasks.judged.refused.values())


# --- production


@pytest.mark.soak  # six tasks; as many databases as the one above
def test_production_is_migrated_by_its_task_as_reviewed_and_its_contracts_wait_for_verify(
    tmp_path: Path,
    ministack_account: World,
    assemblies: Path,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> None:
    made = assemblies / "whole-prod"
    shop = edtech(tmp_path, ministack_account, aws, made, declared=PROD, environment="prod")
    image = seedbed_image(aws=aws.endpoint, authorities=authority.bundle)
    tasks.images[WITH_IMAGES["image"]] = replace(image, directory=tmp_path)
    servers = Servers(asking, neo4j_settings, opensearch_settings)
    with inside(ministack_account, tasks, authority, servers):
        ran(shop, "deploy", "-e", "prod", "--dry-run", "--unreviewed")
        assert leftovers(ministack_account) == {}
        ran(shop, "deploy", "-e", "prod", "--unreviewed")  # there is nothing to plan yet, and nobody to ask
        assert len(leftovers(ministack_account)["stack"]) == STACKS
        ran(shop, "plan", "-e", "prod", "--fresh", "--through", "migrate", "--out", "first.json")
        ran(shop, "apply", "-e", "prod", "first.json")
        assert_status_agrees(shop, "prod", code=6)
        ran(shop, "plan", "-e", "prod", "--out", "all.json")
        assert "wait for verify" in ran(shop, "apply", "-e", "prod", "all.json", code=3)
        ran(shop, "verify", "-e", "prod")
        ran(shop, "plan", "-e", "prod", "--fresh", "--out", "all.json")
        ran(shop, "apply", "-e", "prod", "all.json")
        assert_status_agrees(shop, "prod")
        assert "rows inserted" in ran(shop, "seed", "-e", "prod", "all.json")
        ran(shop, "verify", "-e", "prod")
        assert "it is not an ephemeral environment" in ran(shop, "destroy", "-e", "prod", "--yes", code=3)
    assert refused(tasks) == set()


# --- platforms of one service


def small(
    root: Path,
    world: World,
    made: Path,
    engines: Sequence[str],
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
) -> Shop:
    """Write a platform of one service into `root`, reached by a task; its app copies what was synthesised: `made`."""
    mine = Stage(world, NOBODY).assembly(made, root / "made")
    one_service(engines, world.account, more=BY_TASK + (GRAPH if "neo4j" in engines else ""))(root)
    write_copying_app(root, mine)
    tasks.images[IMAGE] = seedbed_image(aws=aws.endpoint, authorities=authority.bundle)
    shop = Shop(root, world, root, endpoint=aws.endpoint)
    shop.prepare()
    return shop


@pytest.fixture
def postgres(
    tmp_path: Path,
    ministack_account: World,
    assemblies: Path,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
) -> Shop:
    """A platform of one PostgreSQL, with two tables and two rows for one of them."""
    made = assemblies / "by_task-dev-ana"
    shop = small(tmp_path, ministack_account, made, ["postgres"], aws, tasks, authority)
    fill_postgres(tmp_path)
    return shop


def fill_postgres(root: Path) -> None:
    manifest = (root / "seedbed.toml").read_text()
    files = ProjectFiles(root)
    (root / "seedbed.toml").write_text(manifest)
    files.tables(2)
    files.seed("010_t1.csv", "id\n1\n2\n")


@pytest.fixture
def every_engine(
    tmp_path: Path,
    ministack_account: World,
    assemblies: Path,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
) -> Shop:
    """A platform of one service with a database of each engine, each with something for it."""
    made = assemblies / "all_by_task-dev-ana"
    shop = small(tmp_path, ministack_account, made, ENGINES, aws, tasks, authority)
    fill_postgres(tmp_path)
    home = tmp_path / "services" / "user"
    for path, text in {
        "opensearch/indexes.toml": INDEXES,
        "opensearch/migrations/20260101090000_create_people.py": CREATE_PEOPLE,
        "opensearch/seeds/reference/01_people.json": PEOPLE,
        "neo4j/migrations/20260101090000_people.cypher": CONSTRAINT,
        "neo4j/seeds/reference/01_Person.csv": "slug\nana\n",
        "dynamodb/seeds/reference/01_courses.json": COURSES,
    }.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    return shop


def test_what_no_one_outside_can_reach_is_migrated_and_seeded_by_the_task_of_its_stack(
    every_engine: Shop,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
    tmp_path: Path,
) -> None:
    servers = Servers(asking, neo4j_settings, opensearch_settings)
    with inside(every_engine.world, tasks, authority, servers) as there:
        ran(every_engine, "env", "up", "dev-ana", "--yes")
        assert_status_agrees(every_engine, "dev-ana")
        ended = [each.wait("STOPPED").exit_code for each in tasks.tasks]
        assert ended == [0] * 2  # apply with seeds, a look
        assert_no_secret_is_told(every_engine)
        with connected(asking, "user_db") as connection:
            assert owners(connection) == {"user_db_migrate"}
        assert used_by_the_application(every_engine, tasks, authority) == {
            "told": ["HOST", "NAME", "PASSWORD", "PAUSES", "PORT", "SSLROOTCERT", "USER"],
            "user": "user_db_app",
            "rows": [1, 2, 3],
            "could": [],
        }
        assert_filled(every_engine, neo4j_settings, opensearch_settings)
        (tmp_path / "other").mkdir()
        there.vouch(Authority(tmp_path / "other"))
        said = ran(every_engine, "status", "-e", "dev-ana", "--fresh", "--engine", "postgres", code=3)
        assert "does not prove who it is" in said
        ran(every_engine, "env", "down", "dev-ana", "--yes")
    assert refused(tasks) == set()
    assert leftovers(every_engine.world) == {}


def assert_filled(shop: Shop, graph: Settings, search: Settings) -> None:
    """Look for what the seeds say, past seedbed, in each engine but PostgreSQL."""
    counted = urllib3.request("GET", f"{search['endpoint']}/people/_count").json()
    assert counted["count"] == 1
    with neo4j.GraphDatabase.driver(graph["uri"], auth=None) as driver:
        found = driver.execute_query("MATCH (p:Person) RETURN p.slug AS slug").records
    assert [each["slug"] for each in found] == ["ana"]
    items = shop.ask("dynamodb", "Scan", TableName="user-courses-dev-ana")["Items"]
    assert [each["course_id"]["S"] for each in items] == ["writing"]


@pytest.mark.soak
@pytest.mark.parametrize("when", ["asked", "answered"])
def test_what_a_task_reaches_comes_up_and_goes_wherever_its_caller_is_killed(
    postgres: Shop,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    when: Literal["asked", "answered"],
) -> None:
    up, down = (("env", each, "dev-ana", "--yes") for each in ("up", "down"))
    account = postgres.world.account
    with inside(postgres.world, tasks, authority, Servers(asking)):
        seen = killed_at_each_step(aws, account, lambda: postgres.start(*up), when)
        assert {"CreateChangeSet", "ExecuteChangeSet", "RunTask"} <= {each.split()[1] for each in seen}
        assert_status_agrees(postgres, "dev-ana")
        aws.forget()
        ran(postgres, "runs", "warm", "-e", "dev-ana")
        assert until(lambda: aws.of(on("PutItem", containing="warm#")) != [], 60)
        gone = killed_at_each_step(aws, account, lambda: postgres.start(*down), when)
    assert {each.split()[1] for each in gone} >= {"StopTask", "DeleteObjects", "DeleteStack"}
    assert leftovers(postgres.world) == {}


def assert_no_secret_is_told(shop: Shop) -> None:
    """Look for every password of the environment wherever AWS keeps something of it, and in what commands say."""
    run_ = json.loads(ran(shop, "runs", "list", "-e", "dev-ana", "--json", out=True))["runs"][0]["id"]
    said = [
        (" ".join(words), ran(shop, *words, "-e", "dev-ana"))
        for words in (["runs", "list"], ["runs", "attach", run_], ["plan", "--json"], ["status", "-v"])
    ]
    said.append(("doctor", run(shop.root, "doctor", "--json", env=shop.environ).everything))
    looked = [*places(shop), *said]
    passwords = secrets(shop)
    assert len(passwords) == 4  # of PostgreSQL the administrator's, seedbed's, the application's; the graph's
    assert [where for where, text in looked if any(each in text for each in passwords)] == []
    kinds = {where.partition(" ")[0] for where, text in looked if len(text) > 10}
    assert {"stack", "template", "parameters", "definition", "table", "object", "log", "doctor"} <= kinds


def owners(connection: psycopg.Connection) -> set[str]:
    found = connection.execute("SELECT tableowner FROM pg_tables WHERE schemaname IN ('public', 'seedbed')")
    return {row[0] for row in found.fetchall()}


def used_by_the_application(shop: Shop, tasks: Fargate, authority: Authority) -> Any:
    """Run the service's own task, and return what it says."""
    told = shop.ask("cloudformation", "DescribeStacks", StackName="small-dev-ana-user-service")["Stacks"][0]
    stack = {each["OutputKey"]: each["OutputValue"] for each in told["Outputs"]}
    program = [sys.executable, application.__file__]
    tasks.images[application.IMAGE] = Image({"serve": program}, files={RDS_BUNDLE: authority.bundle})
    where = "/small/dev-ana/seedbed/task"
    cluster, subnets = (
        shop.ask("ssm", "GetParameter", Name=f"{where}/{name}")["Parameter"]["Value"]
        for name in ("cluster", "subnets")
    )
    network = {"subnets": subnets.split(","), "securityGroups": [stack["group"]]}
    ecs = client("ecs", shop.world.region, shop.endpoint, shop.world.account)
    ecs.run_task(
        cluster=cluster,
        taskDefinition=stack["definition"],
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
    )
    task = tasks.wait()
    stream = f"web/web/{task.id}"

    def lines() -> list[str]:
        found = shop.ask("logs", "GetLogEvents", logGroupName="application", logStreamName=stream)
        return [each["message"] for each in found["events"]]

    assert until(lambda: bool(lines()), 5)
    assert task.exit_code == 0, lines()
    return json.loads(lines()[-1])


# --- what starting a task takes


INITIALISING = "ResourceInitializationError: "
# What ECS says where the role that starts the task may not: by the action, or by what is in the ARN of a secret.
STARTING = {
    "secret:small-dev-ana-user-postgres-PostgresApplication": f"{INITIALISING}unable to pull secrets",
    "ecr:GetAuthorizationToken": f"{INITIALISING}unable to pull secrets or registry auth",
    "ecr:BatchGetImage": "CannotPullContainerError: ",
    "logs:CreateLogStream": f"{INITIALISING}failed to validate logger args",
}


def test_a_task_that_may_not_be_started_says_what_its_role_lacks(postgres: Shop, tasks: Fargate) -> None:
    stage = Stage(postgres.world, postgres.world.account)
    stage.make(postgres.root / "made")
    where = {"Name": "/small/dev-ana/seedbed/task/stacks/execution-role"}
    role = postgres.ask("ssm", "GetParameter", **where)["Parameter"]["Value"].rpartition("/")[2]
    [name] = postgres.ask("iam", "ListRolePolicies", RoleName=role)["PolicyNames"]
    policy = {"RoleName": role, "PolicyName": name}
    whole = postgres.ask("iam", "GetRolePolicy", **policy)["PolicyDocument"]
    for lacking, expected in STARTING.items():
        less = {**whole, "Statement": [_without(lacking, each) for each in whole["Statement"]]}
        postgres.ask("iam", "PutRolePolicy", **policy, PolicyDocument=json.dumps(less))
        said = ran(postgres, "apply", "-e", "dev-ana", code=4)
        assert expected in said
        assert "is not authorized to perform" in said
        assert "deploy gives that right to the role that starts the task" in said
    assert [each.exit_code for each in tasks.tasks] == [None] * len(STARTING)


def _without(lacking: str, statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a statement without an action, or without the resources whose ARN has `lacking` in it."""

    def kept(said: str | list[str]) -> list[str]:
        every = [said] if isinstance(said, str) else said
        return [each for each in every if each != lacking and lacking not in each] or ["nothing:AtAll"]

    return {**statement, "Action": kept(statement["Action"]), "Resource": kept(statement["Resource"])}
