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
