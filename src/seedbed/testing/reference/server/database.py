"""What a database of the memory server holds, and transactions on it."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
Table = dict[str, Row]
Data = dict[str, Any]

changed = threading.Condition()  # guards everything below; told whenever anything changes


class Failure(Exception):
    """A request that was refused; nothing of it stayed."""

    def __init__(self, code: str, what: str, op: int = 0) -> None:
        super().__init__(what)
        self.code, self.what, self.op = code, what, op


class Running:
    """Work that is under way for the owner of `token`; `stopped` says who ended it, if anybody did."""

    def __init__(self, token: int, session: int, text: str) -> None:
        self.token, self.session, self.text = token, session, text
        self.stopped = ""
        self.waits = False


class Database:
    """One database: what it holds, who may write, what is running."""

    def __init__(self) -> None:
        self.tokens = 0
        self.kept = 0  # results of verify so far
        self.holder: Data | None = None  # token, session, who, since
        self.running: list[Running] = []
        self.doors: set[str] = set()  # closed ones
        self.audit: list[Data] = []
        self.clear()

    def clear(self) -> None:
        self.format = 1
        self.identity: Data | None = None
        self.revisions: dict[str, Data] = {}
        self.verified: list[Data] = []
        self.tables: dict[str, Table] = {}

    def check(self, token: int) -> None:
        """Raise Failure unless `token` is the present owner's."""
        if self.holder is None or self.holder["token"] != token:
            raise Failure("lease_lost", "the lease is gone")

    def write(self, put: Data | None, remove: str | None) -> None:
        if put is not None:
            stamped = {**put, "applied_at": put.get("applied_at") or now()}
            self.revisions[put["version"]] = stamped
        if remove is not None:
            self.revisions.pop(remove, None)

    def keep(self, record: str, forget: list[str]) -> None:
        self.kept += 1
        left = [each for each in self.verified if each["id"] not in forget]
        self.verified = [*left, {"id": str(self.kept), "at": now(), "record": record}]

    def note(self, what: str, version: str, actor: str, because: str) -> None:
        self.audit.append({"at": now(), "what": what, "version": version, "actor": actor, "because": because})


def now() -> str:
    return datetime.now(UTC).isoformat()


def row_key(values: list[Any]) -> str:
    return json.dumps(values, sort_keys=True)


class Transaction:
    """Changes to tables that nobody sees before `keep`; a table is copied when it is touched first."""

    def __init__(self, database: Database, running: Running) -> None:
        self.database, self.running = database, running
        with changed:
            self.tables = dict(database.tables)
        self.touched: set[str] = set()

    def table(self, name: str) -> Table:
        if name not in self.tables:
            raise Failure("step", f"there is no table {name!r}")
        if name not in self.touched:
            self.touched.add(name)
            self.tables[name] = dict(self.tables[name])
        return self.tables[name]

    def keep(self) -> None:
        """Make the changes the database's own; the caller holds the lock and has checked the token."""
        for name in self.touched:
            if name in self.tables:
                self.database.tables[name] = self.tables[name]
            else:
                self.database.tables.pop(name, None)

    def do(self, op: list[Any]) -> str:
        """Carry out one operation; return "inserted", "updated", "unchanged" or nothing."""
        kind, *arguments = op
        result: str = getattr(self, f"_{kind}")(*arguments) or ""
        return result

    def _create(self, name: str) -> None:
        if name in self.tables:
            raise Failure("step", f"there is a table {name!r} already")
        self.touched.add(name)
        self.tables[name] = {}

    def _drop(self, name: str) -> None:
        self.table(name)
        del self.tables[name]

    def _put(self, name: str, key: Any, row: Row) -> str:
        return self.upsert(name, [key], {"id": key, **row})

    def upsert(self, name: str, key: list[Any], row: Row) -> str:
        table, found = self.table(name), row_key(key)
        before = table.get(found)
        table[found] = {**(before or {}), **row}
        if before is None:
            return "inserted"
        return "unchanged" if table[found] == before else "updated"

    def _add(self, name: str, row: Row) -> str:
        ids = [each["id"] for each in self.table(name).values() if isinstance(each.get("id"), int)]
        return self._put(name, max(ids, default=0) + 1, row)

    def _delete(self, name: str, key: Any) -> None:
        if self.table(name).pop(row_key([key]), None) is None:
            raise Failure("step", f"there is no row {key!r} in {name!r}")

    def _set(self, name: str, column: str, value: Any, keys: list[str] | None = None) -> None:
        table = self.table(name)
        for key in list(table) if keys is None else keys:
            table[key] = {**table[key], column: value}

    def _increment(self, name: str, column: str, by: Any, keys: list[str] | None = None) -> None:
        table = self.table(name)
        for key in list(table) if keys is None else keys:
            table[key] = {**table[key], column: (table[key].get(column) or 0) + by}

    def _fail(self, message: str) -> None:
        raise Failure("step", message)

    def _pause(self, until: float | str) -> None:
        pause(self.database, self.running, until)


def pause(database: Database, running: Running, until: float | str) -> None:
    """Wait some seconds, or until a door opens; raises Failure as soon as the work is stopped."""
    with changed:
        if isinstance(until, str):
            running.waits = until in database.doors
            changed.notify_all()
            changed.wait_for(lambda: running.stopped or until not in database.doors)
        else:
            running.waits = True
            changed.notify_all()
            changed.wait_for(lambda: running.stopped, timeout=until)
        running.waits = False
        if running.stopped:
            raise Failure(running.stopped, "the work was stopped")
