"""A platform with a database of each kind, whose dev environments lie in a base."""

from __future__ import annotations

from pathlib import Path

from tests.support.deployment.releases import NOBODY, PLAIN
from tests.support.deployment.stage import IMAGE

BASE = "shared-dev"
GRAPH_IMAGE = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/neo4j:5"
SERVICES = ("courses/dynamodb", "user/postgres", "search/opensearch", "tutor-matching/neo4j")
_PLACE = 'account = "{account}"\nregion = "eu-central-1"\n'
MANIFEST = f"""
[platform]
name = "shared"
{"".join(f"[services.{each.replace('/', '.')}]" + chr(10) for each in SERVICES)}
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


def write_in_base(root: Path, account: str = NOBODY) -> None:
    """Write the platform into `root`, without migrations."""
    for each in SERVICES:
        (root / "services" / each / "migrations").mkdir(parents=True, exist_ok=True)
    (root / "services" / "courses" / "dynamodb" / "tables.toml").write_text(PLAIN)
    (root / "services" / "search" / "opensearch" / "indexes.toml").write_text("")
    (root / "seedbed.toml").write_text(MANIFEST.replace("{account}", account))


USERS = "-- migrate:up\nCREATE TABLE users (id int PRIMARY KEY);\n-- migrate:down\nDROP TABLE users;\n"
INDEXES = """
[[indexes.people.versions]]
number = 1
mappings = {dynamic = "strict", properties = {name = {type = "keyword"}}}
"""
PEOPLE = '{"table": "people", "key": ["name"], "rows": [{"name": "Ana"}]}'


def fill(root: Path) -> None:
    """Give the platform in `root` a table and an index, with a row and a document for them."""
    user, search = (root / "services" / each for each in ("user/postgres", "search/opensearch"))
    for home in (user, search):
        (home / "seeds" / "reference").mkdir(parents=True)
    (user / "migrations" / "20260101090000_users.sql").write_text(USERS)
    (user / "seeds" / "reference" / "010_users.csv").write_text("id\n1\n2\n")
    (search / "indexes.toml").write_text(INDEXES)
    (search / "migrations" / "20260101090000_create_people.py").write_text(
        "# seedbed: index=people version=1\n"
    )
    (search / "seeds" / "reference" / "01_people.json").write_text(PEOPLE)
