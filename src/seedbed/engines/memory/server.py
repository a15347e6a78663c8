"""The memory server: tables, history and lease behind a unix socket; lives as long as its standard input.

Run as a script, `python -I -S server.py SOCKET`; standard library only, so that it is up in no time. One JSON
object a line each way. Every database has one lease, held by a connection and gone with it, like a session
lock; its token grows with every owner, and whatever writes shows it. A request goes on after its connection is
gone, as it does in a real server: the next owner has to find that work and end it (`takeover`).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import sys
import threading
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
Table = dict[str, Row]
Data = dict[str, Any]

_changed = threading.Condition()  # guards everything below; told whenever anything changes


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
        self.holder: Data | None = None  # token, session, who, since
        self.running: list[Running] = []
        self.doors: set[str] = set()  # closed ones
        self.audit: list[Data] = []
        self.clear()

    def clear(self) -> None:
        self.format = 1
        self.identity: Data | None = None
        self.revisions: dict[str, Data] = {}
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
        with _changed:
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
    with _changed:
        if isinstance(until, str):
            running.waits = until in database.doors
            _changed.notify_all()
            _changed.wait_for(lambda: running.stopped or until not in database.doors)
        else:
            running.waits = True
            _changed.notify_all()
            _changed.wait_for(lambda: running.stopped, timeout=until)
        running.waits = False
        if running.stopped:
            raise Failure(running.stopped, "the work was stopped")


class Server:
    """All databases of one process."""

    def __init__(self) -> None:
        self.databases: dict[str, Database] = {}
        self.sessions = 0
        self.open: dict[int, socket.socket] = {}

    def database(self, name: str) -> Database:
        with _changed:
            return self.databases.setdefault(name, Database())

    def enter(self, connection: socket.socket) -> int:
        with _changed:
            self.sessions += 1
            self.open[self.sessions] = connection
            return self.sessions

    def leave(self, session: int) -> None:
        """Drop what hangs on a connection: its lease. Work that it began goes on."""
        with _changed:
            self.open.pop(session, None)
            for each in self.databases.values():
                if each.holder and each.holder["session"] == session:
                    each.holder = None
            _changed.notify_all()

    def cut(self, session: int) -> None:
        """End a connection from this side."""
        connection = self.open.get(session)
        self.leave(session)
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, session: int, request: Data) -> Data:
        """Return the answer to one request."""
        kind, name = request.pop("do"), request.pop("database")
        handle = getattr(self, f"do_{kind}", None)
        if handle is None:
            return {"error": "unknown", "what": f"this server does not know {kind!r}"}
        try:
            answer: Data | None = handle(self.database(name), session, **request)
        except Failure as failure:
            return {"error": failure.code, "what": failure.what, "op": failure.op}
        return answer or {}

    # reading

    def do_hello(self, database: Database, session: int) -> Data:
        return {"session": session}

    def do_history(self, database: Database, session: int) -> Data:
        with _changed:
            return {
                "format": database.format,
                "identity": database.identity,
                "revisions": [database.revisions[key] for key in sorted(database.revisions)],
            }

    def do_tables(self, database: Database, session: int, token: int = 0) -> Data:
        with _changed:
            return {"tables": {name: list(rows.values()) for name, rows in sorted(database.tables.items())}}

    def do_audit(self, database: Database, session: int) -> Data:
        with _changed:
            return {"audit": list(database.audit)}

    # the lease

    def do_lease(self, database: Database, session: int, who: str, wait: float) -> Data:
        with _changed:
            _changed.wait_for(lambda: database.holder is None, timeout=wait)
            if database.holder is not None:
                return {"held_by": database.holder["who"], "since": database.holder["since"]}
            if session not in self.open:
                return {}  # left while it waited
            database.tokens += 1
            holder = {"token": database.tokens, "session": session, "who": who, "since": now()}
            database.holder = holder
            return {"token": database.tokens}

    def do_takeover(self, database: Database, session: int, token: int) -> Data:
        """End what former owners left running; answers when it has ended."""
        with _changed:
            database.check(token)
            left = [each for each in database.running if each.token != token]
            for each in left:
                each.stopped = each.stopped or "lease_lost"
            _changed.notify_all()
            _changed.wait_for(lambda: not set(left) & set(database.running))
            return {"ended": [each.text for each in left]}

    def do_release(self, database: Database, session: int, token: int) -> None:
        with _changed:
            if database.holder and database.holder["token"] == token:
                database.holder = None
                _changed.notify_all()

    def do_unlock(self, database: Database, session: int, actor: str) -> Data:
        with _changed:
            holder = database.holder
            if holder is None:
                return {"who": ""}
            database.note("unlocked", "", actor, f"held by {holder['who']} since {holder['since']}")
            self.cut(holder["session"])
            return {"who": holder["who"]}

    def do_interrupt(self, database: Database, session: int, victim: int) -> None:
        with _changed:
            for each in database.running:
                if each.session == victim:
                    each.stopped = each.stopped or "interrupted"
            _changed.notify_all()

    # writing

    @contextlib.contextmanager
    def working(self, database: Database, session: int, token: int, text: str) -> Any:
        """Be seen at work while the body runs; refuses a token that is not the present owner's."""
        running = Running(token, session, text)
        with _changed:
            database.check(token)
            database.running.append(running)
        try:
            yield running
        finally:
            with _changed:
                database.running.remove(running)
                _changed.notify_all()

    def do_commit(
        self,
        database: Database,
        session: int,
        token: int,
        ops: list[list[Any]],
        put: Data | None = None,
        remove: str | None = None,
        text: str = "",
    ) -> None:
        """Carry out `ops` and write the history, all of it or nothing; history alone takes no time to stop."""
        if not ops:
            with _changed:
                database.check(token)
                database.write(put, remove)
            return
        with self.working(database, session, token, text) as running:
            transaction = Transaction(database, running)
            for number, op in enumerate(ops):
                try:
                    transaction.do(op)
                except Failure as failure:
                    failure.op = number
                    raise
            with _changed:
                self._keep(database, transaction, token)
                database.write(put, remove)

    def _keep(self, database: Database, transaction: Transaction, token: int) -> None:
        """Commit under the lock: a stopped or fenced transaction keeps nothing."""
        if transaction.running.stopped:
            raise Failure(transaction.running.stopped, "the work was stopped")
        database.check(token)
        transaction.keep()

    def do_run(
        self, database: Database, session: int, token: int, op: list[Any], until: float | str, text: str
    ) -> None:
        """Carry out one operation outside of any transaction: its effect stays, whoever owns the lease by then."""
        with self.working(database, session, token, text) as running:
            pause(database, running, until)
            with _changed:
                transaction = Transaction(database, running)
                transaction.do(op)
                transaction.keep()

    def do_batch(
        self,
        database: Database,
        session: int,
        token: int,
        op: list[Any],
        column: str,
        limit: int,
        put: Data,
        text: str = "",
    ) -> Data:
        """Change the next `limit` rows along `column` and write where that ended, all of it or nothing."""
        with self.working(database, session, token, text) as running, _changed:
            transaction = Transaction(database, running)
            table = transaction.table(op[1])
            after = json.loads(put["checkpoint"]) if put["checkpoint"] else None
            places = sorted((row[column], key) for key, row in table.items() if row.get(column) is not None)
            rest = [each for each in places if after is None or each[0] > after]
            chosen = rest[:limit]
            if not chosen:
                return {"changed": 0, "total": len(places), "checkpoint": put["checkpoint"]}
            transaction.do([*op, [key for _, key in chosen]])
            checkpoint = json.dumps(chosen[-1][0])
            self._keep(database, transaction, token)
            database.write({**put, "checkpoint": checkpoint}, None)
            done = len(places) - len(rest) + len(chosen)
            return {"changed": len(chosen), "done": done, "total": len(places), "checkpoint": checkpoint}

    def do_load(self, database: Database, session: int, token: int, parts: list[Data]) -> Data:
        """Carry out all parts, or nothing; answers with the counts of each."""
        with self.working(database, session, token, "load") as running:
            transaction = Transaction(database, running)
            counts = [self._load_part(transaction, number, part) for number, part in enumerate(parts)]
            with _changed:
                self._keep(database, transaction, token)
        return {"counts": counts}

    def _load_part(self, transaction: Transaction, number: int, part: Data) -> dict[str, int]:
        counts = {"inserted": 0, "updated": 0, "unchanged": 0}
        for place, (kind, *arguments) in enumerate(part["ops"]):
            try:
                is_row = kind == "upsert"
                result = transaction.upsert(*arguments) if is_row else transaction.do([kind, *arguments])
            except Failure as failure:
                failure.op = place
                failure.what = f"{number}:{failure.what}"
                raise
            if result:
                counts[result] += 1
        return counts

    def do_stamp(self, database: Database, session: int, token: int, identity: Data) -> Data:
        with _changed:
            database.check(token)
            database.identity = database.identity or identity
            return {"identity": database.identity}

    def do_record(
        self, database: Database, session: int, token: int, revision: Data, actor: str, because: str
    ) -> None:
        with _changed:
            database.check(token)
            database.write(revision, None)
            database.note(f"recorded as {revision['state']}", revision["version"], actor, because)

    def do_forget(
        self, database: Database, session: int, token: int, version: str, actor: str, because: str
    ) -> None:
        with _changed:
            database.check(token)
            database.write(None, version)
            database.note("forgotten", version, actor, because)

    def do_reset(self, database: Database, session: int, token: int) -> Data:
        with _changed:
            database.check(token)
            tables = len(database.tables)
            database.clear()
            return {"tables": tables}

    # what tests do to a server

    def do_door(self, database: Database, session: int, name: str, closed: bool) -> None:
        with _changed:
            (database.doors.add if closed else database.doors.discard)(name)
            _changed.notify_all()

    def do_inside(self, database: Database, session: int, timeout: float) -> Data:
        """Answer when some work waits in the middle of itself, or after `timeout` seconds."""
        with _changed:
            found = _changed.wait_for(lambda: any(each.waits for each in database.running), timeout=timeout)
            return {"inside": bool(found)}

    def do_break(self, database: Database, session: int, cut: bool) -> None:
        """Take the lease away: by cutting the holder's connection, or so that the holder is not told."""
        with _changed:
            if database.holder is None:
                return
            if cut:
                self.cut(database.holder["session"])
            database.holder = None
            _changed.notify_all()

    def do_age(self, database: Database, session: int) -> None:
        with _changed:
            database.format += 1


def serve(server: Server, connection: socket.socket) -> None:
    """Answer one connection; requests are carried out in order, and its end is seen while one is running."""
    session = server.enter(connection)
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def work() -> None:
        while (line := requests.get()) is not None:
            answer = server.answer(session, json.loads(line))
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps(answer).encode() + b"\n")

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                requests.put(line)
    finally:
        requests.put(None)
        server.leave(session)
        worker.join()
        connection.close()


def end_with_owner(path: str) -> None:
    """End this process when its standard input ends: whoever started it is gone."""
    while os.read(0, 4096):
        pass
    with contextlib.suppress(OSError):
        os.unlink(path)
    os._exit(0)


def main(path: str) -> None:
    """Serve on the unix socket `path` until standard input ends; `ready` on standard output says it is up."""
    server = Server()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(128)
        threading.Thread(target=end_with_owner, args=(path,), daemon=True).start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(server, connection), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
