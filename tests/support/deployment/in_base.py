"""A platform with a database of each kind, whose dev environments lie in a base."""

from __future__ import annotations

import shutil
from pathlib import Path

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.deployment.releases import NOBODY, PLAIN, Shop
from tests.support.deployment.stage import IMAGE, Stage, write_app_of_several

BASE = "shared-dev"
GRAPH_IMAGE = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/neo4j:5"
SERVICES = ("courses/dynamodb", "user/postgres", "search/opensearch", "tutor-matching/neo4j")
_PLACE = 'account = "{account}"\nregion = "eu-central-1"\n'
ENVIRONMENTS = f"""
[environments.{BASE}]
{_PLACE}
base = true
task.image = "{IMAGE}"
[environments."dev-*"]
{_PLACE}
ephemeral = true
base = "{BASE}"
access = "task"
task.image = "{IMAGE}"
graph.image = "{GRAPH_IMAGE}"
"""
MANIFEST = f"""
[platform]
name = "shared"
{"".join(f"[services.{each.replace('/', '.')}]" + chr(10) for each in SERVICES)}
{ENVIRONMENTS}
"""


def write_in_base(root: Path, account: str = NOBODY) -> None:
    """Write the platform into `root`, without migrations."""
    for each in SERVICES:
        (root / "services" / each / "migrations").mkdir(parents=True, exist_ok=True)
    (root / "services" / "courses" / "dynamodb" / "tables.toml").write_text(PLAIN)
    (root / "services" / "search" / "opensearch" / "indexes.toml").write_text("")
    (root / "seedbed.toml").write_text(MANIFEST.replace("{account}", account))


USERS = """-- migrate:up
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
-- migrate:down
DROP TABLE users;
"""
INDEXES = """
[[indexes.people.versions]]
number = 1
mappings = {dynamic = "strict", properties = {name = {type = "keyword"}}}
"""
PEOPLE = '{"table": "people", "key": ["name"], "rows": [{"name": "Ana"}]}'


def with_base(root: Path, world: World, assemblies: Path) -> Shop:
    """Write the platform into `root`, and deploy its base, which has nothing in it."""
    write_in_base(root, world.account)
    fill(root)
    stage = Stage(world, NOBODY)
    made = {
        each: stage.assembly(assemblies / f"base-{each}", root / f"made-{each}")
        for each in (BASE, "dev-ana", "dev-ben")
    }
    write_app_of_several(root, made)
    found = Shop(root, world, root)
    found.prepare()
    Stage(world, world.account).make(made[BASE])
    return found


def fill(root: Path) -> None:
    """Give the platform in `root` a table with two rows, and an index with a document."""
    user, search = (root / "services" / each for each in ("user/postgres", "search/opensearch"))
    for home in (user, search):
        (home / "seeds" / "reference").mkdir(parents=True)
    (user / "migrations" / "20260101090000_users.sql").write_text(USERS)
    (user / "seeds" / "reference" / "010_users.csv").write_text("id,name\n1,ana\n2,ben\n")
    (search / "indexes.toml").write_text(INDEXES)
    (search / "migrations" / "20260101090000_create_people.py").write_text(
        "# seedbed: index=people version=1\n"
    )
    (search / "seeds" / "reference" / "01_people.json").write_text(PEOPLE)


EDTECH = Path(__file__).parents[3] / "edtech"
_ENVIRONMENTS = '[environments."dev-*"]'


def write_edtech_in_base(root: Path, account: str = NOBODY) -> None:
    """Write the whole platform `edtech` into `root`, with migrations and seeds; its dev environments lie in a base."""
    shutil.copytree(EDTECH / "services", root / "services")
    services, _, _ = (EDTECH / "seedbed.toml").read_text(encoding="utf-8").partition(_ENVIRONMENTS)
    (root / "seedbed.toml").write_text(
        services + ENVIRONMENTS.replace("{account}", account), encoding="utf-8"
    )
