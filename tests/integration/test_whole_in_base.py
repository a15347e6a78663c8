"""The whole platform in two environments of one base at once: made together, kept apart, and one of them goes alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import neo4j
import psycopg
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.session import Session

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.names import login_secret
from tests.integration.conftest import EDTECH
from tests.support.aws_proxy import Proxy
from tests.support.aws_proxy.policies import Asked, allows
from tests.support.deployment.contents import account, contents, counts, on_domain, on_server
from tests.support.deployment.in_base import BASE, write_edtech_in_base
from tests.support.deployment.inside import Authority, Inside, Servers, inside
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import NOBODY, Shop, Synthesis, synthesise
from tests.support.deployment.stage import IMAGE, Stage, write_app_of_several
from tests.support.fargate import Fargate, Pipes, seedbed_image
from tests.support.projects import run
from tests.support.servers import Pool, Settings

pytestmark = [pytest.mark.soak, pytest.mark.slow(150)]

ANA, BEN = "dev-ana", "dev-ben"
REACHING = """# seedbed: irreversible because "it is refused"
# migrate:up
PUT /dev-ana.ai.lessons/_settings

{"index": {"number_of_replicas": 0}}
"""
# What base and caller keep of an environment that is gone, and for how long: see docs/explanation/runs.md.
RECORDED = ("run#", "environment#")


@pytest.fixture
def shop(
    tmp_path: Path,
    shared_path: Path,
    ministack_account: World,
    aws: Proxy,
    tasks: Fargate,
    pipes: Pipes,
    authority: Authority,
) -> Shop:
    """edtech with a base that is deployed, and nothing in it."""
    assemblies = shared_path / "edtech-in-base"
    flags = json.loads((EDTECH / "cdk" / "cdk.json").read_text())["context"]
    apps = [Synthesis(each, each, write_edtech_in_base, context=flags) for each in (BASE, ANA, BEN)]
    synthesise(apps, assemblies)
    write_edtech_in_base(tmp_path, ministack_account.account)
    stage = Stage(ministack_account, NOBODY)
    made = {each: stage.assembly(assemblies / each, tmp_path / f"made-{each}") for each in (BASE, ANA, BEN)}
    write_app_of_several(tmp_path, made)
    image = seedbed_image(aws=aws.endpoint, authorities=authority.bundle)
    tasks.images[IMAGE] = replace(image, directory=tmp_path)
    found = Shop(tmp_path, ministack_account, tmp_path, aws.endpoint)
    found.prepare()
    Stage(ministack_account, ministack_account.account).make(made[BASE])
    return found


def ran(shop: Shop, *arguments: str, code: int = 0) -> Any:
    """Run a command, which has to end with `code`, and return its document where it was asked for one."""
    began = time.monotonic()
    done = run(shop.root, *arguments, env=shop.environ, timeout=600)
    print(f"{time.monotonic() - began:5.1f} s  seedbed {' '.join(arguments)}")
    assert done.code == code, done.everything
    return json.loads(done.out) if "--json" in arguments else done.everything


@dataclass(frozen=True)
class Place:
    """The base, its servers, and a graph for each environment."""

    shop: Shop
    tasks: Fargate
    inner: Inside
    aws: Proxy
    authority: Authority
    server: EmbeddedServer
    search: Settings
    graphs: dict[str, Settings]

    def contents(self, environment: str) -> dict[str, Any]:
        return contents(self.shop, environment, self.server, self.graphs[environment], self.search)

    def role(self, environment: str, which: str = "task-role") -> str:
        """Return the ARN of a role of an environment's task."""
        path = f"/edtech/{environment}/seedbed/task/stacks/{which}"
        return str(self.shop.ask("ssm", "GetParameter", Name=path)["Parameter"]["Value"])

    def password(self, environment: str, service: str, login: str) -> str:
        name = login_secret("edtech", environment, f"{service}/postgres", login)
        said = self.shop.ask("secretsmanager", "GetSecretValue", SecretId=name)["SecretString"]
        return str(json.loads(said)["password"])

    def credentials(self, environment: str) -> Credentials:
        """Return what the last task of an environment signed with."""
        mine = [
            each for each in list(self.tasks.credentials.items()) if each[1].role == self.role(environment)
        ]
        key, found = mine[-1]
        return Credentials(key, found.secret, found.token)

    def client(self, environment: str, service: str) -> Any:
        """Return a client of AWS as the task of an environment has it."""
        signed = self.credentials(environment)
        return Session().create_client(
            service,
            region_name=self.shop.world.region,
            endpoint_url=self.aws.endpoint,
            aws_access_key_id=signed.access_key,
            aws_secret_access_key=signed.secret_key,
            aws_session_token=signed.token,
        )

    def connect(self, environment: str, service: str, login: str, database: str) -> psycopg.Connection:
        """Log in as an environment's login, with its password, to a database."""
        user = f"{environment.replace('-', '_')}_{service}_db_{login}"
        password = self.password(environment, service, login)
        return psycopg.connect(
            host=str(self.server.socket_directory),
            port=self.server.port,
            user=user,
            password=password,
            dbname=database,
            autocommit=True,
        )

    def searched(self, environment: str, method: str, path: str, body: str = "") -> int:
        """Return the status that the domain answers a request with that the task of an environment has signed."""
        (host,) = (each for each in self.inner.doors if each.startswith(f"edtech-{BASE}-s-"))
        url = f"https://localhost:{self.inner.doors[host]}{path}"
        headers = {"content-type": "application/json"} if body else {}
        asked = AWSRequest(method, url, headers, body.encode())
        SigV4Auth(self.credentials(environment), "es", self.shop.world.region).add_auth(asked)
        with urllib3.PoolManager(ca_certs=str(self.authority.bundle)) as web:
            answer = web.request(method, url, headers=dict(asked.headers), body=body.encode() or None)
        return int(answer.status)


@pytest.fixture
def graphs(neo4j_servers: Pool) -> Iterator[dict[str, Settings]]:
    """A Neo4j for each environment, which runs one."""
    with neo4j_servers.borrowed() as anas, neo4j_servers.borrowed() as bens:
        yield {ANA: anas, BEN: bens}


@pytest.fixture
def place(
    shop: Shop,
    aws: Proxy,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    graphs: dict[str, Settings],  # before an OpenSearch is borrowed, as all tests do
    opensearch_settings: Settings,
) -> Iterator[Place]:
    """The base with real servers behind its names."""
    servers = Servers(asking, opensearch=opensearch_settings, graphs=graphs)
    with inside(shop.world, tasks, authority, servers) as inner:
        yield Place(shop, tasks, inner, aws, authority, asking, opensearch_settings, graphs)


def test_two_environments_come_up_in_a_base_at_once_are_kept_apart_and_one_goes_while_the_other_is_used(
    place: Place,
) -> None:
    shop, alone, base = place.shop, leftovers(place.shop.world), account(place.shop)
    both_up(place)
    assert_apart(place)
    held, kept = place.contents(BEN), account(shop)
    assert held == place.contents(BEN)  # it is compared for good reason
    with used(place, BEN) as using:
        ran(shop, "env", "down", ANA, "--yes")
    assert using.failures == []
    assert len(using.rounds) == 5, using.rounds
    assert place.contents(BEN) == held
    assert_nothing_left(place, ANA)
    assert_untouched(kept, account(shop), ANA)
    ran(shop, "status", "-e", BEN, "--fresh", "--exit-code")
    ran(shop, "env", "down", BEN, "--yes")
    assert_nothing_left(place, BEN)
    assert leftovers(shop.world) == alone
    assert_untouched(base, account(shop), BEN)
    assert ran(shop, "share", "list", "-e", BASE, "--json")["shares"] == []


def both_up(place: Place) -> None:
    """Bring both up at the same moment; each is whole then, and holds what the other one does."""
    shop = place.shop
    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(lambda who: ran(shop, "env", "up", who, "--yes", "--json"), (ANA, BEN))]
    for each in found:
        assert {one["readiness"] for one in each["services"]} == {"ready"}
        assert sum(len(one["databases"]) for one in each["services"]) == 10
    for who in (ANA, BEN):
        ran(shop, "status", "-e", who, "--fresh", "--exit-code")
        ran(shop, "verify", "-e", who)
    ana, ben = (counts(place.contents(who), who) for who in (ANA, BEN))
    assert ana == ben
    assert ana["…_user_db: public.users"] == 9
    assert ana["index ….ai.lessons-3"] > 0, sorted(ana)
    assert place.tasks.judged is not None
    assert set().union(*place.tasks.judged.refused.values()) == set()


# --- kept apart


def assert_apart(place: Place) -> None:
    """Try with all that ben's environment has to reach what ana's has."""
    for service in ("user", "payment", "reviews"):
        for login in ("migrate", "app"):
            with place.connect(BEN, service, login, f"dev_ben_{service}_db") as own:
                own.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                place.connect(BEN, service, login, f"dev_ana_{service}_db")
    assert place.searched(BEN, "GET", "/dev-ben.ai.lessons/_count") == 200
    for method, path in (
        ("GET", "/dev-ana.ai.lessons/_search"),
        ("PUT", "/dev-ana.ai.lessons/_doc/1"),
        ("DELETE", "/dev-ana.ai.lessons-3"),
        ("GET", "/_all/_search"),
    ):
        assert place.searched(BEN, method, path, "{}" if method == "PUT" else "") == 403, path
    assert_refused_by_seedbed(place)
    assert_refused_by_aws(place)
    assert_graphs_apart(place)


def assert_refused_by_seedbed(place: Place) -> None:
    """Have a migration of ben's ask for ana's index: nothing of the run is sent."""
    file = place.shop.root / "services/ai/opensearch/migrations/20990101090000_reach.http"
    file.write_text(REACHING)
    try:
        said = ran(place.shop, "apply", "-e", BEN, "-s", "ai", code=3)
    finally:
        file.unlink()
    assert "dev-ana.ai.lessons" in said


def assert_refused_by_aws(place: Place) -> None:
    """Sign with what ben's task is given, and be judged by the policies that its stacks gave it."""
    dynamodb = place.client(BEN, "dynamodb")
    assert dynamodb.scan(TableName="courses-courses-dev-ben")["Count"] > 0
    tables = [each for each in place.shop.tables() if each.endswith(ANA)]
    assert len(tables) > 15
    for table in tables:
        refused(dynamodb.scan, TableName=table)
        refused(dynamodb.delete_table, TableName=table)
    control = place.shop.ask("ssm", "GetParameter", Name=f"/edtech/{BASE}/seedbed/control/table")
    records = control["Parameter"]["Value"]
    for name, holds in ((BEN, True), (ANA, False)):
        asked = {":id": {"S": f"environment#{name}"}}
        look = {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": asked}
        if holds:
            assert dynamodb.query(TableName=records, **look)["Count"] > 0
        else:
            refused(dynamodb.query, TableName=records, **look)
    bucket = place.shop.ask("ssm", "GetParameter", Name=f"/edtech/{BASE}/seedbed/control/bucket")
    where = {"Bucket": bucket["Parameter"]["Value"]}
    s3 = place.client(BEN, "s3")
    s3.get_object(**where, Key=f"state/{BEN}/state.json")
    refused(s3.get_object, **where, Key=f"state/{ANA}/state.json")
    sts, secrets = place.client(BEN, "sts"), place.client(BEN, "secretsmanager")
    for which in ("task-role", "execution-role"):
        role = place.role(ANA, which)
        refused(sts.assume_role, RoleArn=role, RoleSessionName="ben")
    starting = place.tasks.allowed(place.role(BEN, "execution-role"))
    for each in place.shop.ask("secretsmanager", "ListSecrets")["SecretList"]:
        is_anas = ANA in each["Name"] or "devana" in each["Name"]
        if is_anas:
            refused(secrets.get_secret_value, SecretId=each["ARN"])
        asked_for = Asked("secretsmanager:GetSecretValue", each["ARN"])
        if is_anas or BASE in each["Name"]:
            assert not allows(starting, asked_for), each["Name"]


def refused(call: Callable[..., Any], **asked: Any) -> None:
    with pytest.raises(ClientError, match="AccessDenied") as caught:
        call(**asked)
    assert "not authorized" in str(caught.value)


def assert_graphs_apart(place: Place) -> None:
    """See that a task of ben's finds his graph alone, and that each has a server of its own."""
    last = [each for each in place.tasks.tasks if BEN.replace("-", "") in each.definition["family"]][-1]
    graphs = [host for host in place.inner.there(last) if host.startswith("neo4j.")]
    assert len(graphs) == 1
    assert BEN in graphs[0]
    assert place.graphs[ANA]["uri"] != place.graphs[BEN]["uri"]


# --- used


@dataclass
class Using:
    """What uses did: rounds by what is used, and what went wrong."""

    rounds: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@contextmanager
def used(place: Place, who: str) -> Iterator[Using]:
    """Have all that an environment has written to and read, over and over; each round leaves what was there."""
    using, over = Using(), threading.Event()

    def repeat(what: str, once: Callable[[], None]) -> None:
        while not over.is_set():
            try:
                once()
            except Exception as error:
                using.failures.append(f"{what}: {error!r}")
                return
            using.rounds[what] = using.rounds.get(what, 0) + 1

    uses = {
        "PostgreSQL": lambda: _rows(place, who),
        "DynamoDB": lambda: _items(place, who),
        "Neo4j": lambda: _nodes(place, who),
        "OpenSearch": lambda: _documents(place, who),
        "seedbed": lambda: _looks(place, who),
    }
    threads = [threading.Thread(target=repeat, args=each) for each in uses.items()]
    for each in threads:
        each.start()
    try:
        until = time.monotonic() + 60
        while len(using.rounds) < len(uses) and not using.failures:
            assert time.monotonic() < until, using
            time.sleep(0.05)
        using.rounds.clear()
        yield using
    finally:
        over.set()
        for each in threads:
            each.join()


def _rows(place: Place, who: str) -> None:
    for service, table in (("user", "users"), ("payment", "payments"), ("reviews", "reviews")):
        with place.connect(who, service, "app", f"{who.replace('-', '_')}_{service}_db") as connection:
            found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            assert found is not None and found[0] > 0  # noqa: PT018
            if service == "user":
                connection.execute("INSERT INTO roles VALUES ('guest', 'Guest', 'passes by', false)")
                connection.execute("DELETE FROM roles WHERE code = 'guest'")


def _items(place: Place, who: str) -> None:
    client, key = place.client(who, "dynamodb"), {"course_id": {"S": "passes-by"}}
    client.put_item(TableName=f"courses-courses-{who}", Item=key)
    assert client.get_item(TableName=f"courses-courses-{who}", Key=key, ConsistentRead=True)["Item"] == key
    client.delete_item(TableName=f"courses-courses-{who}", Key=key)


def _nodes(place: Place, who: str) -> None:
    with neo4j.GraphDatabase.driver(place.graphs[who]["uri"], auth=None) as driver:
        driver.execute_query("CREATE (n:Passing) WITH n MATCH (t:Tutor) WITH n, count(t) AS tutors DELETE n")
        assert driver.execute_query("MATCH (t:Tutor) RETURN count(t) AS n").records[0]["n"] > 0


def _documents(place: Place, who: str) -> None:
    path = f"/{who}.ai.lessons/_search"
    assert place.searched(who, "GET", path) == 200


def _looks(place: Place, who: str) -> None:
    done = place.shop.run("status", "-e", who, "--fresh", "--exit-code")
    assert done.code == 0, done.everything


# --- gone


def assert_nothing_left(place: Place, who: str) -> None:
    """Look for an environment in every service, in all that AWS keeps, and on the servers of the base."""
    assert on_server(place.server, who) == []
    assert on_domain(place.search, who) == []
    words = (who, who.replace("-", "_"), who.replace("-", ""))
    found = leftovers(place.shop.world)
    assert [each for names in found.values() for each in names if any(word in each for word in words)] == []
    for where, told in account(place.shop, "cdk-", "object files/").items():
        if where.startswith(f"table edtech-{BASE}"):
            continue  # below, item by item
        if where.startswith("log ") or (where.startswith("object ") and where.endswith(".json")):
            continue  # what the base's task wrote into its log; what the CDK uploaded, which `cdk gc` removes
        assert not any(word in told or word in where for word in words), where
    table = next(each for each in place.shop.tables() if BASE in each)
    items = place.shop.ask("dynamodb", "Scan", TableName=table)["Items"]
    mine = [each for each in items if any(word in json.dumps(each, default=str) for word in words)]
    assert [each for each in mine if not each["id"]["S"].startswith(RECORDED)] == []
    assert [each for each in mine if "expires" not in each] == []  # records of runs, which have their time


def assert_untouched(before: dict[str, str], now: dict[str, str], gone: str) -> None:
    """Compare all that AWS keeps, but of `gone`, and what commands of the other one write meanwhile."""
    words = (gone, gone.replace("-", "_"), gone.replace("-", ""))
    meanwhile = ("table edtech-shared-dev", "object ", "log ", "change set ", "stack ", "rules of ")
    for where in {*before, *now}:
        if any(word in where for word in words) or where.startswith(meanwhile) or where == "parameters":
            continue
        if where.startswith("table ") and "-migrations_history-" in where:
            continue
        assert before.get(where) == now.get(where), where
