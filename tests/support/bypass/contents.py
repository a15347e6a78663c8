"""All that a command could touch in an environment: as digests, and brought back to what it was."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.remote.control import Control
from tests.support.postgres.wire import connected
from tests.support.projects import variables

_RECORDS = ("runs/", "files/", "state/")  # what is refused in a task leaves the record of its run
_TABLES = """
SELECT c.oid::regclass::text, array_agg(a.attname || ' ' || a.atttypid::regtype ORDER BY a.attnum)::text
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.attnum > 0
GROUP BY c.oid ORDER BY 1
"""


@dataclass
class Contents:
    """A database, and another environment's; a table and a bucket of records; stacks."""

    cloud: Cloud
    control: Control
    server: EmbeddedServer
    database: str
    elsewhere: str
    _kept: dict[str, str] = field(default_factory=dict)
    _items: list[Mapping[str, Any]] = field(default_factory=list)
    _objects: dict[str, bytes] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """What leads to the database."""
        return variables(self.server, self.database, "USER_")

    @property
    def other_variables(self) -> dict[str, str]:
        """What leads to that of the other environment."""
        return variables(self.server, self.elsewhere, "USER_")

    @property
    def kept(self) -> Mapping[str, str]:
        """The digests of what `restore` leads back to."""
        return self._kept

    def digest(self) -> dict[str, str]:
        """Return a digest of each."""
        return {
            "database": self._of(self.database),
            "other database": self._of(self.elsewhere),
            "records": _digest(sorted(map(repr, self._found_items()))),
            "bucket": _digest(sorted(self._found_objects().items())),
            "stacks": _digest(self._stacks()),
        }

    def keep(self) -> None:
        """Have `restore` lead back to what is there now."""
        for each in (self.database, self.elsewhere):
            self.server.drop_database(f"{each}_kept")
            self.server.create_from_template(f"{each}_kept", each)
        self._items = self._found_items()
        self._objects = {key: self.control.bucket.get(key) or b"" for key in self._found_objects()}
        self._kept = self.digest()

    def restore(self) -> None:
        """Bring back what was changed since `keep`."""
        found = {name: value != self._kept[name] for name, value in self.digest().items()}
        for each, name in ((self.database, "database"), (self.elsewhere, "other database")):
            if found[name]:
                self.server.drop_database(each)
                self.server.create_from_template(each, f"{each}_kept")
        if found["records"]:
            self._restore_items()
        if found["bucket"]:
            for key in set(self._found_objects()) - set(self._objects):
                self.control.bucket.delete(key)
            for key, data in self._objects.items():
                self.control.bucket.put(key, data)
        if found["stacks"]:
            for name, _ in self._stacks():
                clients.call(self.cloud, "cloudformation", "DeleteStack", StackName=name)

    def drop(self) -> None:
        for each in (self.database, self.elsewhere):
            for name in (each, f"{each}_kept"):
                self.server.drop_database(name)

    def _restore_items(self) -> None:
        name = self.control.table.name
        for each in self._found_items():
            key = {part: each[part] for part in ("id", "part")}
            clients.call(self.cloud, "dynamodb", "DeleteItem", TableName=name, Key=key)
        for each in self._items:
            clients.call(self.cloud, "dynamodb", "PutItem", TableName=name, Item=dict(each))

    def _of(self, database: str) -> str:
        with connected(self.server, database) as connection:
            found: list[object] = []
            for name, columns in connection.execute(_TABLES).fetchall():
                rows = f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} AS t"
                found.append((name, columns, connection.execute(rows.encode()).fetchall()))
        return _digest(found)

    def _found_items(self) -> list[Mapping[str, Any]]:
        answer = clients.call(self.cloud, "dynamodb", "Scan", TableName=self.control.table.name)
        return [each for each in answer["Items"] if each["id"]["S"].startswith("release#")]

    def _found_objects(self) -> dict[str, str]:
        answer = clients.call(self.cloud, "s3", "ListObjectsV2", Bucket=self.control.bucket.name)
        found = {each["Key"]: each["ETag"] for each in answer.get("Contents", ())}
        return {key: tag for key, tag in found.items() if not key.startswith(_RECORDS)}

    def _stacks(self) -> list[tuple[str, str]]:
        found = clients.call(self.cloud, "cloudformation", "DescribeStacks")["Stacks"]
        return sorted((each["StackName"], each["StackStatus"]) for each in found)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()
