"""On-demand backups of tables as snapshots, and tables that are restored from them beside the others.

A backup has a name and no condition: two calls make two backups. So whoever is not told how a call ended looks first,
and what was made twice is deleted twice. Each table is backed up by itself, at a moment of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any, cast

from msgspec.structs import replace

from seedbed.aws import identity
from seedbed.aws.cloud import Cloud
from seedbed.engines.base import Session
from seedbed.engines.dynamodb.address import Address
from seedbed.engines.dynamodb.database import DynamoDatabase, copied, not_deployed
from seedbed.engines.dynamodb.session import DynamoSession
from seedbed.engines.dynamodb.snapshots.tables import physical_tables
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import IN_USE, NOT_FOUND, NoAnswer, ServiceError
from seedbed.engines.snapshots import Swaps
from seedbed.errors import Command, Hint, Refused, call
from seedbed.model.snapshot import Copy, Snapshot, known_id, snapshot_id
from seedbed.model.target import Target
from seedbed.support.phrases import listed

# What passes by itself: another backup or restore is under way, or fifty of them.
_BUSY = frozenset({"BackupInUseException", "TableInUseException", "LimitExceededException", IN_USE})
_GONE = frozenset({"BackupNotFoundException", "TableNotFoundException", NOT_FOUND})

Backups = Mapping[str, Mapping[str, Any]]  # by physical table, the oldest of that name


@contextmanager
def snapshots(target: Target, _: Cloud) -> Iterator[BackupSnapshots]:
    """Reach the backups of the tables of `target`. Raises Unreachable, Refused."""
    address = cast(Address, target.address)
    if address.cloud.account:
        identity.require_account(address.cloud)
    with closing(Client(address.cloud)) as client:
        database = DynamoDatabase(
            target=target.id,
            address=address,
            client=client,
            service=target.database.service,
            environment=target.environment.name,
            directory=target.database.directory,
        )
        yield BackupSnapshots(database, target)


class BackupSnapshots:
    """The backups of one database's tables, and the tables that were restored from them."""

    def __init__(self, database: DynamoDatabase, target: Target) -> None:
        self._database, self._target = database, target
        self._end = f"-{target.environment.name}"
        self._names = (target.platform, target.environment.name, target.database.service)

    @property
    def lost(self) -> Sequence[str]:
        lost = []
        for name in self._tables:
            if self._is_expiring(name):
                lost.append(f"the TTL of {name}: nothing expires in the copy")
            stream = self._current(name).get("StreamSpecification") or {}
            if stream.get("StreamEnabled"):
                lost.append(f"the stream of {name}")
        return [*lost, "tags, auto scaling and alarms of its tables, which are billed on demand"]

    def listed(self) -> Sequence[Snapshot]:
        found: dict[tuple[int, int], dict[str, Mapping[str, Any]]] = {}
        for each in self._backups():
            if known := known_id(*self._names, each["BackupName"]):
                found.setdefault(known, {}).setdefault(each["TableName"], each)
        return [
            self._snapshot(release, number, found[release, number]) for release, number in sorted(found)[::-1]
        ]

    def take(self, release: int, number: int) -> Snapshot:
        name = snapshot_id(*self._names, release, number)
        there = self._named(name)
        if not self._current(self._database.history):
            raise not_deployed(self._database)
        for table in self._tables:
            if table not in there and self._current(table) and not self._is_newer(table, there):
                self._create(table, name)
        return self._snapshot(release, number, self._named(name))

    def delete(self, snapshot: Snapshot) -> None:
        for each in self._backups():
            if each["BackupName"] == snapshot.id:
                self._tried("DeleteBackup", {"BackupArn": each["BackupArn"]}, fine=_GONE)

    def restore(self, snapshot: Snapshot, name: str) -> Copy:
        waiting = []
        for table, arn in snapshot.parts.items():
            beside = self._beside(table, name)
            found = self._current(beside)
            restored = found.get("RestoreSummary") or {}
            if not found:
                self._tried(
                    "RestoreTableFromBackup",
                    {"TargetTableName": beside, "BackupArn": arn, "BillingModeOverride": "PAY_PER_REQUEST"},
                    fine=_BUSY | {"TableAlreadyExistsException"},
                )
                waiting.append(beside)
            elif restored.get("SourceBackupArn", arn) != arn:
                raise Refused(
                    f"{beside} was restored from another backup",
                    because=f"it has its place, and comes from {restored['SourceBackupArn']}",
                    try_=Hint("take that copy away first: ", _drop(snapshot)),
                )
            elif found.get("TableStatus") != "ACTIVE" or restored.get("RestoreInProgress"):
                waiting.append(beside)
        return self._copy(name, sorted(snapshot.parts), waiting)

    def copies(self) -> Sequence[Copy]:
        found: dict[str, list[str]] = {}
        originals = self._originals()
        for table in self._all_tables():
            original, name = self._original(table)
            if name and original in originals:
                found.setdefault(name, []).append(original)
        return [
            self._copy(
                name, tables, [each for each in tables if not self._is_restored(self._beside(each, name))]
            )
            for name, tables in sorted(found.items())
        ]

    def drop(self, name: str) -> bool:
        ours = [self._beside(each, name) for each in sorted(self._originals())]
        for each in ours:
            if self._current(each):
                self._tried("DeleteTable", {"TableName": each}, fine=_BUSY | _GONE)
        return not any(self._current(each) for each in ours)

    def swapping(self, name: str) -> Swaps:
        raise Refused(
            f"the tables of {self._target.id} cannot be exchanged with the copy {name}",
            because="a table of DynamoDB keeps its name, by which applications and the stack know it",
            try_="have a migration copy back the items that are missing: docs/how-to/restore-a-snapshot.md",
        )

    def address(self, copy: Copy) -> object:
        return replace(self._database.address, copy=copy.name)

    def counts(self, session: Session) -> Mapping[str, int]:
        database = cast(DynamoSession, session).database
        counted = {each.name: _count(database, each.name) for each in database.declared().tables}
        return {name: number for name, number in counted.items() if number is not None}

    @cached_property
    def _tables(self) -> list[str]:
        has_stack = not self._target.environment.is_sandbox
        return physical_tables(self._database, self._target.platform, has_stack=has_stack)

    def _originals(self) -> set[str]:
        """The tables that may have a copy: those that are there, and those that only a snapshot has any more."""
        return {*self._tables, *(table for each in self.listed() for table in each.parts)}

    def _beside(self, table: str, name: str) -> str:
        """Return the physical name of the copy `name` of a physical table."""
        return f"{copied(table.removesuffix(self._end), name)}{self._end}"

    def _original(self, table: str) -> tuple[str, str]:
        """Return of which table one is the copy, and the copy's name; "" where it is none."""
        original, dot, name = table.removesuffix(self._end).rpartition(".")
        return (f"{original}{self._end}", name) if dot and table.endswith(self._end) else (table, "")

    def _snapshot(self, release: int, number: int, parts: Backups) -> Snapshot:
        states = {each["BackupStatus"] for each in parts.values()}
        taken = min((float(each["BackupCreationDateTime"]) for each in parts.values()), default=0.0)
        missing = [
            each
            for each in self._tables
            if each not in parts and self._current(each) and not self._is_newer(each, parts)
        ]
        whole = len(parts) + len(missing)
        return Snapshot(
            id=snapshot_id(*self._names, release, number),
            database=self._database.target,
            release=release,
            number=number,
            state="partial" if missing else "making" if states - {"AVAILABLE"} else "available",
            taken=taken,
            size=sum(int(each.get("BackupSizeBytes") or 0) for each in parts.values()),
            percent=100 * sum(each["BackupStatus"] == "AVAILABLE" for each in parts.values()) // (whole or 1),
            because=f"{listed(missing)} {'has' if len(missing) == 1 else 'have'} no backup"
            if missing
            else "",
            parts={table: str(parts[table]["BackupArn"]) for table in sorted(parts)},
            filled=[
                each.name
                for each in self._database.declared().tables
                if int(parts.get(self._database.physical(each.name), {}).get("BackupSizeBytes") or 0)
            ],
        )

    def _is_newer(self, table: str, parts: Backups) -> bool:
        """Return whether `table` was made after the backups in `parts`: then there was nothing to back up."""
        made = float(self._current(table).get("CreationDateTime") or 0.0)
        return bool(parts) and made > max(float(each["BackupCreationDateTime"]) for each in parts.values())

    def _named(self, name: str) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for each in self._backups():
            if each["BackupName"] == name:
                found.setdefault(each["TableName"], each)
        return found

    def _backups(self) -> Iterator[Mapping[str, Any]]:
        """Yield the backups of this database's tables, also of those that are gone, the oldest first."""
        found, request = [], {"BackupType": "USER"}
        while True:
            answer = self._database.client.call("ListBackups", request)
            found += [each for each in answer.get("BackupSummaries", ()) if self._is_ours(each)]
            if not (last := answer.get("LastEvaluatedBackupArn")):
                break
            request["ExclusiveStartBackupArn"] = last
        yield from sorted(found, key=lambda each: float(each["BackupCreationDateTime"]))

    def _is_ours(self, backup: Mapping[str, Any]) -> bool:
        """Return whether it is one of a table of this database: a name may be that of another environment's, too."""
        table, begin = str(backup["TableName"]), f"{self._database.service}-"
        return backup["BackupStatus"] != "DELETED" and table.startswith(begin) and table.endswith(self._end)

    def _create(self, table: str, name: str) -> None:
        self._tried("CreateBackup", {"TableName": table, "BackupName": name}, fine=_BUSY)

    def _tried(self, operation: str, request: Mapping[str, Any], *, fine: frozenset[str]) -> None:
        """Ask for something once; what is `fine`, or was not answered, is found by looking the next time."""
        try:
            self._database.client.call(operation, request, idempotent=False)
        except ServiceError as error:
            if error.code not in fine:
                raise
        except NoAnswer:
            return

    def _current(self, table: str) -> Mapping[str, Any]:
        """Return the description of a table by its physical name, empty where there is none."""
        try:
            found: Mapping[str, Any] = self._database.client.call("DescribeTable", {"TableName": table})[
                "Table"
            ]
        except ServiceError as error:
            if error.code == NOT_FOUND:
                return {}
            raise
        return found

    def _is_restored(self, table: str) -> bool:
        found = self._current(table)
        in_progress = (found.get("RestoreSummary") or {}).get("RestoreInProgress")
        return found.get("TableStatus") == "ACTIVE" and not in_progress

    def _is_expiring(self, table: str) -> bool:
        if not self._current(table):
            return False
        answer = self._database.client.call("DescribeTimeToLive", {"TableName": table})
        return str(answer["TimeToLiveDescription"].get("TimeToLiveStatus", "")).startswith("ENABL")

    def _all_tables(self) -> list[str]:
        found, request = [], dict[str, Any]()
        while True:
            answer = self._database.client.call("ListTables", request)
            found += answer.get("TableNames", ())
            if not (last := answer.get("LastEvaluatedTableName")):
                return found
            request["ExclusiveStartTableName"] = last

    def _copy(self, name: str, tables: Sequence[str], waiting: Sequence[str]) -> Copy:
        return Copy(
            database=self._database.target,
            name=name,
            state="making" if waiting else "available",
            place=f"tables {listed([self._beside(each, name) for each in tables])}",
            settings={"copy": name},
            doing=f"{listed(waiting)} {'is' if len(waiting) == 1 else 'are'} being restored"
            if waiting
            else "",
        )


def _drop(snapshot: Snapshot) -> Command:
    release = snapshot.release
    return call("snapshot drop", "--release", str(release), about=snapshot.database)


def _count(database: DynamoDatabase, table: str) -> int | None:
    """Return how many items a table has, by reading all of it: what its description says is hours old.

    None where it is not there: declared, and not made yet, or only since the snapshot of which a copy is.
    """
    total, request = 0, dict[str, Any](TableName=database.physical(table), Select="COUNT")
    while True:
        try:
            page = database.client.call("Scan", request)
        except ServiceError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        total += int(page["Count"])
        if not page.get("LastEvaluatedKey"):
            return total
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
