"""DynamoDB in the sandbox as a person has it: tables by `apply`, without Node and the CDK; seeds without a migration."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seedbed.engines.dynamodb.sandbox.ministack import ministack
from seedbed.engines.dynamodb.session import connect
from seedbed.fixtures.databases import TestDatabases
from seedbed.servers import locks
from tests.support.deployment.sandbox_shop import TABLES, write_sandbox_shop
from tests.support.processes import until
from tests.support.projects import Ran, run

ITEMS = [
    {"pk": "course#1", "sk": "about", "title": "Algebra", "teacher": "t1"},
    {"pk": "course#1", "sk": "lesson#1", "minutes": 45},
]
E = ("-e", "sandbox")


class Shop:
    """A platform of two services with a DynamoDB each, neither of which has a migration."""

    def __init__(self, root: Path) -> None:
        self.root = root
        write_sandbox_shop(root)
        self.write("courses", "seeds/fixture/courses.json", json.dumps(ITEMS))

    def write(self, service: str, name: str, text: str) -> None:
        path = self.root / "services" / service / "dynamodb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *arguments: str, **variables: str) -> Ran:
        return run(self.root, *arguments, env={"PATH": "/usr/bin:/bin", **variables}, timeout=300)


@contextmanager
def kept(shop: Shop) -> Iterator[None]:
    """Have the server run between commands, too: to start it takes longer than they do."""
    with ministack(shop.root / ".seedbed" / "sandbox"):
        yield


@pytest.fixture
def stopped(short_path: Path) -> Iterator[Shop]:
    """The platform, whose server each command starts; the last one out ends it."""
    yield Shop(short_path)
    for lock in short_path.rglob("server.lock"):
        assert until(lambda lock=lock: not locks.holders(lock))  # type: ignore[misc]


@pytest.fixture
def shop(stopped: Shop) -> Iterator[Shop]:
    """The platform, whose server goes on between commands."""
    with kept(stopped):
        yield stopped


def test_a_database_without_migrations_gets_its_tables_is_bound_and_seeded(stopped: Shop) -> None:
    shop = stopped
    with kept(shop):
        refused = shop.run("seed", *E)
        assert (refused.code, "seed refuses courses/dynamodb" in refused.err) == (3, True), refused.everything
        assert "try:     bind it first: seedbed apply -e sandbox -s courses --engine dynamodb" in refused.err
        planned = shop.run("plan", *E)
        assert "courses: add the table, with index by_teacher" in planned.out
        assert planned.out.endswith("2 changes to deploy: apply makes them\n")
        applied = shop.run("apply", *E)
        assert applied.code == 0, applied.everything
        assert applied.out == (
            "✓  cart/dynamodb     1 update deployed\n"
            "✓  courses/dynamodb  1 update deployed\n"
            "\n"
            "done: 2 updates deployed in 2 databases\n"
        )
        assert shop.run("apply", *E).out.endswith("nothing to do: every database is up to date\n")
        seeded = shop.run("seed", *E)
        assert (seeded.code, "2 rows inserted" in seeded.out) == (0, True), seeded.everything
        assert "nothing changed: all rows are there already" in shop.run("seed", *E).out
    status = shop.run("status", *E)
    assert (status.code, "not bound" in status.out) == (0, False)


def test_a_migration_finds_the_table_that_the_same_apply_has_made(shop: Shop) -> None:
    text = "# seedbed: table=courses needs=courses.by_teacher\n\n\ndef up(table):\n    table.put({'pk': 'x', 'sk': 'y'})\n"
    shop.write("courses", "migrations/20260101000000_put.py", text)
    planned = shop.run("plan", *E)
    assert "cannot run yet" not in planned.out
    assert "1 to apply in 1 database: 1 expand; 2 changes to deploy first: apply makes them" in planned.out
    applied = shop.run("apply", *E)
    assert applied.code == 0, applied.everything
    assert "courses/dynamodb  1 update deployed, 1 migration applied" in applied.out


def test_a_tables_toml_that_is_wrong_is_told_plainly_and_before_anything_is_touched(shop: Shop) -> None:
    shop.write("courses", "tables.toml", '[tables.courses]\nkey = {partition = "pk"}\n')
    for command in ("plan", "apply", "seed", "deploy"):
        ran = shop.run(command, *E)
        assert ran.code == 2, ran.everything
        assert ran.err.startswith(
            "services/courses/dynamodb/tables.toml:1:9: error: tables.courses.attributes is missing\n"
        )
        assert "Traceback" not in ran.err
        assert "synth" not in ran.err
    shop.write("courses", "tables.toml", TABLES)
    assert "not bound yet" in shop.run("status", *E).out


NEVER = (
    ("table=courses from=1 to=2", "transforms items by their version", "version = {attribute"),
    ("table=cuorses", "is about a table that does not exist: cuorses", "did you mean courses?"),
    (
        "table=courses needs=courses.by_tacher",
        "needs an index that does not exist",
        "did you mean by_teacher?",
    ),
)


def test_a_migration_that_can_never_run_is_refused_in_plan_and_in_apply_and_leaves_no_record(
    shop: Shop,
) -> None:
    name = "migrations/20260101000000_never.py"
    for text, what, hint in NEVER:
        shop.write("courses", name, f"# seedbed: {text}\n\n\ndef up(item):\n    return item\n")
        for command in ("plan", "apply"):
            ran = shop.run(command, *E)
            assert ran.code == 2, ran.everything
            assert f"services/courses/dynamodb/{name}:1: " in ran.err
            assert what in ran.err
            assert hint in ran.err
    assert "not bound yet" in shop.run("status", *E).out
    shop.write("courses", name, "# seedbed: table=courses\n\n\ndef up(item):\n    return item\n")
    assert shop.run("apply", *E).code == 0


def test_a_way_back_that_can_never_run_is_refused_before_it_begins(shop: Shop) -> None:
    version = 'version = {attribute = "v", current = 2}\n\n[tables.courses.indexes'
    shop.write("courses", "tables.toml", TABLES.replace("\n[tables.courses.indexes", version))
    text = "# seedbed: table=courses from=1 to=2\n\n\ndef up(item):\n    return item\n\n\ndef down(item):\n    return item\n"
    shop.write("courses", "migrations/20260101000000_v2.py", text)
    applied = shop.run("apply", *E)
    assert applied.code == 0, applied.everything
    shop.write("courses", "tables.toml", TABLES)
    ran = shop.run("revert", *E, "-s", "courses")
    assert (ran.code, "transforms items by their version" in ran.err) == (2, True), ran.everything
    assert "1 applied" in shop.run("status", *E, "--summary").out


def test_an_endpoint_elsewhere_is_refused_where_the_sandbox_is_meant(stopped: Shop) -> None:
    for url in ("http://aws.example:4566", "https://dynamodb.eu-central-1.amazonaws.com", "http://["):
        ran = stopped.run("apply", *E, AWS_ENDPOINT_URL=url)
        assert (ran.code, "unset AWS_ENDPOINT_URL" in ran.err) == (2, True), ran.everything
    assert stopped.run("status", *E, AWS_ENDPOINT_URL="http://127.0.0.1:1").code == 0


@pytest.mark.slow
def test_deploy_takes_the_tables_that_an_apply_has_made_into_their_stack(
    shop: Shop, assemblies: Path
) -> None:
    deploy = ("deploy", *E, "-s", "courses", "--assembly", str(assemblies / "sandbox-shop"))
    assert shop.run("apply", *E).code == 0
    assert shop.run("seed", *E).code == 0
    deployed = shop.run(*deploy, PATH=os.environ["PATH"])
    assert deployed.code == 0, deployed.everything
    assert "importing courses-courses-sandbox, courses-migrations_history-sandbox" in deployed.err
    assert "nothing to deploy" in shop.run(*deploy, PATH=os.environ["PATH"]).out
    assert "nothing to do: every database is up to date" in shop.run("apply", *E).out
    assert "nothing changed: all rows are there already" in shop.run("seed", *E).out


def test_items_that_earlier_tests_left_are_gone_for_the_next(shop: Shop) -> None:
    """As after tests that were killed: nothing put back what they had changed."""

    with TestDatabases.open(shop.root, ["fixture"]) as first:
        first.shared("courses/dynamodb")
        with connect(first._kept["courses/dynamodb"]._target) as session:  # type: ignore[attr-defined]
            left = {"pk": {"S": "left"}, "sk": {"S": "behind"}}
            session.database.client.call(
                "PutItem", {"TableName": session.database.physical("courses"), "Item": left}
            )
    with TestDatabases.open(shop.root, ["fixture"]) as later:
        later.shared("courses/dynamodb")
        with connect(later._kept["courses/dynamodb"]._target) as session:  # type: ignore[attr-defined]
            found = session.database.client.call("Scan", {"TableName": session.database.physical("courses")})
    assert found["Count"] == len(ITEMS)
