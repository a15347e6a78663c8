"""The requests of the memory server, one method each, and what hangs on a connection."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

from .database import Data, Database, Failure, Running, Transaction, changed, now, pause


class Server:
    """All databases of one process."""

    def __init__(self) -> None:
        self.databases: dict[str, Database] = {}
        self.sessions = 0
        self.open: dict[int, socket.socket] = {}

    def database(self, name: str) -> Database:
        with changed:
            return self.databases.setdefault(name, Database())

    def enter(self, connection: socket.socket) -> int:
        with changed:
            self.sessions += 1
            self.open[self.sessions] = connection
            return self.sessions

    def leave(self, session: int) -> None:
        """Drop what hangs on a connection: its lease. Work that it began goes on."""
        with changed:
            self.open.pop(session, None)
            for each in self.databases.values():
                if each.holder and each.holder["session"] == session:
                    each.holder = None
            changed.notify_all()

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
        with changed:
            return {
                "format": database.format,
                "identity": database.identity,
                "revisions": [database.revisions[key] for key in sorted(database.revisions)],
            }

    def do_tables(self, database: Database, session: int, token: int = 0) -> Data:
        with changed:
            return {"tables": {name: list(rows.values()) for name, rows in sorted(database.tables.items())}}

    def do_verified(self, database: Database, session: int) -> Data:
        with changed:
            return {"now": now(), "verified": list(database.verified)}

    def do_audit(self, database: Database, session: int) -> Data:
        with changed:
            return {"audit": list(database.audit)}

    # the lease

    def do_lease(self, database: Database, session: int, who: str, wait: float) -> Data:
        with changed:
            changed.wait_for(lambda: database.holder is None, timeout=wait)
            if database.holder is not None:
                return {"held_by": database.holder["who"], "since": database.holder["since"]}
            if session not in self.open:
                return {}  # left while it waited
            database.tokens += 1
            holder = {"token": database.tokens, "session": session, "who": who, "since": now()}
            database.holder = holder
            return {"token": database.tokens}

    def do_holder(self, database: Database, session: int) -> Data:
        with changed:
            held = database.holder or {"who": "", "since": ""}
            return {"who": held["who"], "since": held["since"]}

    def do_takeover(self, database: Database, session: int, token: int) -> Data:
        """End what former owners left running; answers when it has ended."""
        with changed:
            database.check(token)
            left = [each for each in database.running if each.token != token]
            for each in left:
                each.stopped = each.stopped or "lease_lost"
            changed.notify_all()
            changed.wait_for(lambda: not set(left) & set(database.running))
            return {"ended": [each.text for each in left]}

    def do_release(self, database: Database, session: int, token: int) -> None:
        with changed:
            if database.holder and database.holder["token"] == token:
                database.holder = None
                changed.notify_all()

    def do_unlock(self, database: Database, session: int, actor: str) -> Data:
        with changed:
            holder = database.holder
            if holder is None:
                return {"who": ""}
            database.note("unlocked", "", actor, f"held by {holder['who']} since {holder['since']}")
            self.cut(holder["session"])
            return {"who": holder["who"]}

    def do_interrupt(self, database: Database, session: int, victim: int) -> None:
        with changed:
            for each in database.running:
                if each.session == victim:
                    each.stopped = each.stopped or "interrupted"
            changed.notify_all()

    def do_keep(self, database: Database, session: int, record: str, forget: list[str]) -> None:
        """Keep a result of verify, whoever has the lease."""
        with changed:
            if database.identity is None:
                raise Failure("unbound", "there is no history")
            database.keep(record, forget)

    # writing

    @contextlib.contextmanager
    def working(self, database: Database, session: int, token: int, text: str) -> Any:
        """Be seen at work while the body runs; refuses a token that is not the present owner's."""
        running = Running(token, session, text)
        with changed:
            database.check(token)
            database.running.append(running)
        try:
            yield running
        finally:
            with changed:
                database.running.remove(running)
                changed.notify_all()

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
            with changed:
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
            with changed:
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
            with changed:
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
        with self.working(database, session, token, text) as running, changed:
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
            with changed:
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

    def do_bind(self, database: Database, session: int, token: int, identity: Data) -> Data:
        with changed:
            database.check(token)
            database.identity = database.identity or identity
            return {"identity": database.identity}

    def do_rebind(
        self, database: Database, session: int, token: int, identity: Data, actor: str, because: str
    ) -> None:
        with changed:
            database.check(token)
            database.identity = identity
            database.note("bound", "", actor, because)

    def do_record(
        self, database: Database, session: int, token: int, revision: Data, actor: str, because: str
    ) -> None:
        with changed:
            database.check(token)
            database.write(revision, None)
            database.note(f"recorded as {revision['state']}", revision["version"], actor, because)

    def do_forget(
        self, database: Database, session: int, token: int, version: str, actor: str, because: str
    ) -> None:
        with changed:
            database.check(token)
            database.write(None, version)
            database.note("forgotten", version, actor, because)

    def do_reset(self, database: Database, session: int, token: int) -> Data:
        with changed:
            database.check(token)
            tables = len(database.tables)
            database.clear()
            return {"tables": tables}

    # what tests do to a server

    def do_door(self, database: Database, session: int, name: str, closed: bool) -> None:
        with changed:
            (database.doors.add if closed else database.doors.discard)(name)
            changed.notify_all()

    def do_inside(self, database: Database, session: int, timeout: float) -> Data:
        """Answer when some work waits in the middle of itself, or after `timeout` seconds."""
        with changed:
            found = changed.wait_for(lambda: any(each.waits for each in database.running), timeout=timeout)
            return {"inside": bool(found)}

    def do_break(self, database: Database, session: int, cut: bool) -> None:
        """Take the lease away: by cutting the holder's connection, or so that the holder is not told."""
        with changed:
            if database.holder is None:
                return
            if cut:
                self.cut(database.holder["session"])
            database.holder = None
            changed.notify_all()

    def do_lose_identity(self, database: Database, session: int) -> None:
        with changed:
            database.identity = None

    def do_age(self, database: Database, session: int) -> None:
        with changed:
            database.format += 1
