"""`courses/dynamodb` in staging behind a proxy that behaves like AWS, with forty courses; a migration that drops an attribute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.read import read_declared
from seedbed.engines.dynamodb.schema.shape import HISTORY_TABLE
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.values import from_item, to_item
from seedbed.execution.stopping import Stop
from seedbed.model.names import table_name
from seedbed.project import Project, snapshots
from seedbed.project.snapshots import ReleaseSnapshots
from tests.support.aws_proxy import Proxy
from tests.support.dynamodb.backups import BackupGuard
from tests.support.dynamodb.tables import creation

TABLES = """
[tables.courses]
key        = {partition = "id"}
attributes = {id = "S"}
ttl        = "expires_at"

[tables.lessons]
key        = {partition = "course", sort = "number"}
attributes = {course = "S", number = "N"}
"""
FIRST = "# seedbed: table=courses\n\n\ndef up(table):\n    pass\n\n\ndef down(table):\n    pass\n"
DROP = """
# seedbed: table=courses phase=contract
# seedbed: repeatable because "what has no subtitle stays as it is"
# seedbed: irreversible because "subtitles are gone"


def up(item):
    item.pop("subtitle", None)
    return item
"""
COPY_BACK = Path(__file__).parents[3] / "docs" / "how-to" / "restore-a-snapshot.md"
ITEMS = [{"id": f"c{number}", "title": f"t{number}", "subtitle": f"s{number}"} for number in range(40)]


class Site:
    """`courses/dynamodb` in staging: two tables and a history, on ministack behind a proxy that behaves like AWS."""

    def __init__(self, root: Path, world: World, aws: Proxy) -> None:
        self.root, self.aws = root, aws
        self.guard = BackupGuard(aws)
        self.stop = Stop()
        self.told: list[str] = []
        cloud = replace(world.cloud, endpoint=aws.endpoint)
        self.client = Client(cloud)
        (root / "services" / "courses" / "dynamodb" / "migrations").mkdir(parents=True)
        (root / "services" / "courses" / "dynamodb" / "tables.toml").write_text(TABLES)
        (root / "seedbed.toml").write_text(
            '[platform]\nname = "shop"\n[services.courses.dynamodb]\n[environments.staging]\n'
            f'account = "{world.account}"\nregion = "{world.region}"\n'
            '[[expectations]]\nname = "titles"\ndatabase = "courses/dynamodb"\n'
            'query = "SELECT id FROM courses WHERE attribute_not_exists(title)"\n'
        )
        environ = {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": world.account,
            "AWS_SECRET_ACCESS_KEY": "any",
        }
        self.environ = environ
        self.declared = read_declared(root / "services" / "courses" / "dynamodb")
        for each in (*self.declared.tables, HISTORY_TABLE):
            self.client.call("CreateTable", creation(self.physical(each.name), each))
        expires = {"AttributeName": "expires_at", "Enabled": True}
        self.client.call(
            "UpdateTimeToLive",
            {"TableName": self.physical("courses"), "TimeToLiveSpecification": expires},
        )
        self.put(*ITEMS)

    def physical(self, table: str) -> str:
        return table_name("courses", table, "staging")

    def put(self, *items: dict[str, Any]) -> None:
        for each in items:
            self.client.call("PutItem", {"TableName": self.physical("courses"), "Item": to_item(each)})

    def items(self, table: str = "courses") -> list[dict[str, Any]]:
        found = self.client.call("Scan", {"TableName": self.physical(table)})["Items"]
        return sorted((from_item(each) for each in found), key=lambda each: str(each["id"]))

    def migration(self, name: str, text: str) -> None:
        (self.root / "services" / "courses" / "dynamodb" / "migrations" / f"{name}.py").write_text(text)

    @property
    def project(self) -> Project:
        return Project.open(self.root, environ=self.environ)

    @property
    def snapshots(self) -> ReleaseSnapshots:
        project = self.project
        where = project.catalog.environment("staging")
        return ReleaseSnapshots(project.targets, where, stop=self.stop, tell=self.told.append)

    @property
    def database(self) -> Any:
        return self.project.catalog.databases()[0]

    def apply(self) -> None:
        with self.project.run("staging") as run:
            outcome = run.apply()
        assert outcome.exit_code == 0, [each.error for each in outcome.targets]

    def apply_first(self) -> None:
        self.migration("20260101000001_first", FIRST)
        self.apply()

    def take(self, release: int = 12) -> Any:
        (result,) = self.snapshots.take([self.database], release)
        return result


@contextmanager
def opened(root: Path, world: World, aws: Proxy, patch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield a site whose snapshots are asked for without long pauses."""
    patch.setattr(snapshots, "LONGEST_PAUSE", 0.05)
    made = Site(root, world, aws)
    with closing(made.client):
        yield made
