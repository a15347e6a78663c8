"""A target that tests work on as commands do, and rows for every stage of the platform in `edtech/`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from seedbed.engines.capabilities import SupportsInspection
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.event import Event, Listener, Retrying, TargetFailed, WorkFinished
from seedbed.model.history import Revision
from seedbed.model.outcome import Outcome
from seedbed.model.plan import Plan
from seedbed.model.platform import Database
from seedbed.model.seed import SeedKind
from seedbed.project import Decision, Project, Request, Run
from tests.support.projects import ProjectFiles, clean_environment, start, variables

Connection = psycopg.Connection[tuple[Any, ...]]
E = TypeVar("E", bound=Event)

EDTECH = Path(__file__).parents[3] / "edtech"
ENVIRONMENT = "dev-test"


@dataclass(frozen=True, slots=True)
class Told:
    """How a call on a target ended, and everything that was told meanwhile."""

    outcome: Outcome
    events: Sequence[Event]

    @property
    def code(self) -> int:
        return int(self.outcome.exit_code)

    @property
    def finished(self) -> list[str]:
        return [each.version for each in self.of(WorkFinished)]

    @property
    def error(self) -> TargetFailed:
        """The one failure."""
        (found,) = self.of(TargetFailed)
        return found

    def of(self, kind: type[E]) -> list[E]:
        return [each for each in self.events if isinstance(each, kind)]


def nobody(_: Event) -> None:
    """Listen to nothing."""


class Place:
    """A PostgreSQL database of a project on disk; every call opens the project anew, as a command does."""

    def __init__(
        self,
        root: Path,
        server: EmbeddedServer,
        databases: Mapping[str, str],
        service: str = "user",
        user: str = "",
    ) -> None:
        """`databases`: the database's name on `server`, by service; `user` logs in instead of its owner."""
        self.root = root
        self.service = service
        self._server = server
        self._name = databases[service]
        self.environ = {
            key: value
            for each, name in databases.items()
            for key, value in variables(server, name, f"{each.upper()}_").items()
        }
        if user:
            self.environ[f"{service.upper()}_DB_USER"] = user

    # Calls

    def apply(self, to: str | None = None, listener: Listener = nobody) -> Told:
        return self._call(lambda run: run.apply(Request(to=to)), listener)

    def revert(self, *, steps: int = 1, to: str | None = None) -> Told:
        return self._call(lambda run: run.revert(steps=steps, to=to))

    def plan(self) -> Plan:
        project = self.project()
        with project.run(ENVIRONMENT, self._databases(project)) as run:
            return run.plan()

    def reset(self) -> Told:
        return self._call(lambda run: run.reset())

    def seed(self, *kinds: SeedKind) -> Told:
        return self._call(lambda run: run.seed(kinds))

    def repair(self, version: str, decision: Decision) -> Told:
        return self._call(lambda run: run.repair(version, decision, because="looked at it"))

    def project(self) -> Project:
        return Project.open(self.root, environ=self.environ)

    def _databases(self, project: Project) -> Sequence[Database]:
        return project.catalog.databases([self.service])

    def _call(self, do: Callable[[Run], Outcome], listener: Listener = nobody) -> Told:
        events: list[Event] = []

        def tell(event: Event) -> None:
            events.append(event)
            listener(event)

        project = self.project()
        with project.run(ENVIRONMENT, self._databases(project), listener=tell, wait=60) as run:
            return Told(do(run), events)

    # Looks

    def schema(self) -> Sequence[str]:
        """The canonical schema, seedbed's own left out."""
        project = self.project()
        with project.run(ENVIRONMENT, self._databases(project)) as run:
            (each,) = run.connected
            assert isinstance(each.session, SupportsInspection)
            return each.session.schema()

    def history(self) -> dict[str, Revision]:
        """The revisions by version."""
        project = self.project()
        with project.run(ENVIRONMENT, self._databases(project)) as run:
            (each,) = run.connected
            return {revision.version: revision for revision in each.history.revisions}

    def versions(self) -> list[str]:
        """What is applied."""
        return [version for version, each in self.history().items() if each.state.value == "applied"]

    def connection(self) -> Connection:
        """A session of somebody else's, autocommitting."""
        settings = self._server.dsn(self._name)
        # The server's user may be called like the history's schema, which "$user" would put first.
        conninfo = psycopg.conninfo.make_conninfo(**settings, options="-c search_path=public")
        return psycopg.connect(conninfo, autocommit=True)

    def query(self, text: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        with self.connection() as connection:
            return connection.execute(text.encode(), parameters).fetchall()

    def execute(self, text: str) -> None:
        """Run statements in one message, hence in one transaction unless they say otherwise."""
        with self.connection() as connection:
            connection.execute(text.encode())

    # Kills

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run a command as a child."""
        given = (*(arguments or ("apply",)), "-e", ENVIRONMENT)
        return start(self.root, *given, env=clean_environment(self.environ))

    def kill_inside(self, statement: str, *arguments: str) -> None:
        """Run a command as a child, and kill it once `statement` (as LIKE has it) waits on the server."""
        child = self.start(*arguments)
        try:
            process = self._process_that_waits(statement, child)
        finally:
            child.kill()
            said, _ = child.communicate()
        assert process, f"{statement} never waited: {said}"
        # The server would notice by itself within a second, but what it waits for may end before that.
        self.query("SELECT pg_terminate_backend(%s, 10000)", [process])

    def _process_that_waits(self, statement: str, child: subprocess.Popen[str]) -> int:
        """Return the server process that waits in `statement`; 0 if the child ends before, or nothing comes."""
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
            "AND application_name LIKE 'seedbed run %%' AND wait_event_type = 'Lock' AND query ILIKE %s"
        )
        until = time.monotonic() + 60
        with self.connection() as connection:
            while child.poll() is None and time.monotonic() < until:
                for (process,) in connection.execute(query, [statement]).fetchall():
                    return int(process)
                time.sleep(0.02)
        return 0


def options(files: ProjectFiles, **values: str | int) -> None:
    """Write options of the service `user` into the manifest."""
    manifest = files.root / "seedbed.toml"
    section = "[services.user.postgres]\n"
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    manifest.write_text(manifest.read_text().replace(section, section + lines))


def at_retry(count: int, do: Callable[[], object]) -> Listener:
    """Return a listener that calls `do` when a retry is told for the `count`th time."""
    left = [count]

    def tell(event: Event) -> None:
        if isinstance(event, Retrying):
            left[0] -= 1
            if left[0] == 0:
                do()

    return tell


def data(place: Place) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table and filled materialised view, columns by name, numbers exact."""
    relations = (
        b"SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND NOT relispartition "
        b"AND (relkind IN ('r', 'p') OR relkind = 'm' AND relispopulated) ORDER BY 1"
    )
    with place.connection() as connection:
        return {name: _rows(connection, name) for (name,) in connection.execute(relations).fetchall()}


def _rows(connection: Connection, table: str) -> list[dict[str, Any]]:
    query = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t ORDER BY 1").format(sql.Identifier(table))
    return [json.loads(text, parse_float=Decimal) for (text,) in connection.execute(query).fetchall()]


@dataclass(frozen=True, slots=True)
class Stage:
    """What the test of one migration does around it.

    `before` and `after`: statements that write rows before it is applied, in the form that deployed code writes
    then, and once it is. `lost`: columns, by table, whose values its way back does not restore, or applying
    again does not; each for a reason that the file's header gives. `proof`: a query, and what it returns when
    the way back is done.
    """

    before: str = ""
    after: str = ""
    lost: Mapping[str, set[str]] = field(default_factory=dict)
    proof: tuple[str, list[tuple[Any, ...]]] | None = None


_NAMES = {"users": {"given_name", "family_name"}}
_AMOUNTS = {"payments": {"amount_minor", "currency"}}
_HANDMADE = "SELECT given_name, family_name FROM users WHERE given_name IS NOT NULL ORDER BY 1"


def _id(number: int) -> str:
    return f"'00000000-0000-0000-0000-{number:012d}'"


USER = {
    "20260112093000": Stage(),
    "20260114140000": Stage(
        before=f"""
INSERT INTO users (id, email, name, status) VALUES
    ({_id(1)}, 'Ana@northgate.example', 'Ana de la Cruz', 'active'), ({_id(2)}, 'hugo@edtech.example', 'Hugo', 'active'),
    ({_id(3)}, 'vincent@mail.example', 'Vincent van Gogh', 'closed'), ({_id(4)}, 'jo@mail.example', 'Jo  Two Blanks', 'pending');
INSERT INTO profiles (user_id, bio, links) VALUES ({_id(1)}, 'Grüße, 東京', '[{{"url": "https://ana.example"}}]');
"""
    ),
    "20260119101500": Stage(
        before=f"""
INSERT INTO auth_identities (user_id, provider, subject, secret_hash, is_primary) VALUES
    ({_id(1)}, 'password', 'ana', '!', true), ({_id(1)}, 'google', '110', NULL, false);
INSERT INTO sessions (id, user_id, token_hash, expires_at) VALUES
    ({_id(1)}, {_id(1)}, sha256('a'), now() + interval '1 day'), ({_id(2)}, {_id(2)}, sha256('b'), now() + interval '1 day');
"""
    ),
    "20260126083000": Stage(
        before=f"INSERT INTO auth_identities (user_id, provider, subject) VALUES ({_id(2)}, 'passkey', 'laptop')"
    ),
    "20260202090000": Stage(
        before=f"""
INSERT INTO roles VALUES ('student', 'Student', 'Learns.', false), ('admin', 'Administrator', 'Grants.', true);
INSERT INTO user_roles (user_id, role_code, granted_by) VALUES ({_id(1)}, 'student', NULL), ({_id(2)}, 'admin', {_id(2)});
"""
    ),
    "20260216083000": Stage(
        before=f"""
INSERT INTO organisations (id, slug, name, domain) VALUES ({_id(1)}, 'northgate', 'Northgate', 'northgate.example');
INSERT INTO memberships (organisation_id, user_id, role) VALUES ({_id(1)}, {_id(1)}, 'owner');
"""
    ),
    "20260302090000": Stage(
        before=f"""
INSERT INTO audit_events (id, occurred_at, actor_id, action) VALUES
    ({_id(1)}, '2026-03-01 00:00:00+00', {_id(1)}, 'user.sign_in'), ({_id(2)}, '2027-01-01 00:00:00+00', {_id(1)}, 'user.sign_in');
""",
        after=f"""
INSERT INTO users (id, email, given_name, family_name) VALUES ({_id(5)}, 'mary@mail.example', 'Mary', 'Ann Smith');
INSERT INTO users (id, email, name) VALUES ({_id(6)}, 'ludwig@mail.example', 'Ludwig van Beethoven');
""",
        lost=_NAMES,  # the columns go; `name` holds the whole, a border drawn by hand is lost
        proof=("SELECT name FROM users WHERE id = " + _id(5), [("Mary Ann Smith",)]),
    ),
    "20260316090000": Stage(
        before=f"""
INSERT INTO users (id, email, given_name, family_name) VALUES
    ({_id(7)}, 'gabo@mail.example', 'Gabriel', 'García Márquez'), ({_id(8)}, 'emi@mail.example', 'Emi', 'Tanaka');
""",
        # What the rule would make again is emptied, whoever wrote it; an update gets a time stamp like any other.
        lost={"users": {"given_name", "family_name", "updated_at"}},
        proof=(_HANDMADE, [("Gabriel", "García Márquez")]),
    ),
    "20260316093000": Stage(),
    "20260330090000": Stage(
        after=f"INSERT INTO users (id, email, given_name, family_name) VALUES ({_id(9)}, 'frida@mail.example', 'Frida', 'Kahlo')",
        proof=(
            "SELECT name FROM users WHERE id IN (" + ", ".join(map(_id, (1, 2, 3, 4, 7, 9))) + ") ORDER BY id",
            [("Ana de la Cruz",), ("Hugo",), ("Vincent van Gogh",), ("Jo  Two Blanks",), ("Gabriel García Márquez",), ("Frida Kahlo",)],
        ),
    ),
    "20260406091500": Stage(
        after=f"UPDATE sessions SET device = 'phone', last_seen_at = now() WHERE id = {_id(1)}",
        lost={"sessions": {"device", "last_seen_at"}},  # the columns go
    ),
    "20260420090000": Stage(),
    "20260504090000": Stage(),
    "20261102090000": Stage(
        after=f"INSERT INTO audit_events (id, occurred_at, action) VALUES ({_id(3)}, '2027-12-31 23:59:59+00', 'user.sign_in')",
        proof=("SELECT count(*) FROM audit_events_default", [(2,)]),
    ),
}  # fmt: skip

PAYMENT = {
    "20260113090000": Stage(),
    "20260115110000": Stage(
        before=f"""
INSERT INTO currencies VALUES ('EUR', '978', 'Euro', 2), ('JPY', '392', 'Yen', 0), ('BHD', '048', 'Dinar', 3), ('XAU', '959', 'Gold', NULL);
INSERT INTO countries VALUES ('ES', 'ESP', '724', 'Spain');
INSERT INTO customers (id, user_id, billing_name, country_code) VALUES ({_id(1)}, {_id(1)}, 'Ana de la Cruz', 'ES');
"""
    ),
    "20260120093000": Stage(
        before=f"""
INSERT INTO prices (id, course_id, currency, amount_minor, valid) VALUES
    ({_id(1)}, {_id(1)}, 'EUR', 4990, '[2026-01-01,2026-09-01)'), ({_id(2)}, {_id(1)}, 'EUR', 5990, '[2026-09-01,)'),
    ({_id(3)}, {_id(1)}, 'JPY', 1500, '[2026-01-01,)'), ({_id(4)}, {_id(1)}, 'BHD', 1250, '[2026-01-01,)');
"""
    ),
    "20260209100000": Stage(
        before=f"""
INSERT INTO payments (id, customer_id, price_id, amount, status, provider, provider_reference) VALUES
    ({_id(1)}, {_id(1)}, {_id(1)}, 49.90, 'captured', 'stripe', 'a'), ({_id(2)}, {_id(1)}, {_id(3)}, 1500, 'captured', 'stripe', 'b'),
    ({_id(3)}, {_id(1)}, {_id(4)}, 1.250, 'pending', 'stripe', NULL);
INSERT INTO idempotency_keys (scope, key, request_hash) VALUES ('POST /payments', 'k', sha256('k'));
INSERT INTO outbox (event_id, topic, aggregate_id, payload) VALUES ({_id(1)}, 'payment.captured', {_id(1)}, '{{"n": 49.90}}');
"""
    ),
    "20260223140000": Stage(
        before=f"""
INSERT INTO invoices (id, number, customer_id, payment_id, status, currency, total_minor, issued_at) VALUES
    ({_id(1)}, '2026-1', {_id(1)}, {_id(1)}, 'issued', 'EUR', 4990, now()), ({_id(2)}, NULL, {_id(1)}, NULL, 'draft', 'EUR', 0, NULL);
INSERT INTO invoice_lines (invoice_id, line_no, description, quantity, unit_minor) VALUES
    ({_id(1)}, 1, 'Algebra', 1, 5990), ({_id(1)}, 2, 'Voucher', 1, -1000);
"""
    ),
    "20260309090000": Stage(
        before=f"""
INSERT INTO ledger_accounts VALUES ('1000', 'Provider', 'asset', 'Collected.'), ('4000', 'Commission', 'revenue', 'Ours.');
INSERT INTO ledger_entries (transaction_id, line_no, account_code, currency, amount_minor, payment_id) VALUES
    ({_id(1)}, 1, '1000', 'EUR', 4990, {_id(1)}), ({_id(1)}, 2, '4000', 'EUR', -4990, {_id(1)});
"""
    ),
    "20260309093000": Stage(
        after=f"""
INSERT INTO payments (id, customer_id, price_id, amount, provider) VALUES ({_id(4)}, {_id(1)}, {_id(3)}, 900, 'old code');
INSERT INTO payments (id, customer_id, price_id, amount_minor, currency, provider) VALUES ({_id(5)}, {_id(1)}, {_id(4)}, 1001, 'BHD', 'new code');
""",
        lost=_AMOUNTS,  # the columns go; `amount` and the price say the same
        proof=(
            f"SELECT amount::text FROM payments WHERE id IN ({_id(4)}, {_id(5)}) ORDER BY id",
            [("900.0000",), ("1.0010",)],
        ),
    ),
    "20260323090000": Stage(
        before=f"INSERT INTO payments (id, customer_id, price_id, amount_minor, currency, provider) VALUES ({_id(6)}, {_id(1)}, {_id(1)}, 4990, 'EUR', 'new code')",
        lost=_AMOUNTS,  # all are emptied, also those written in the new form
        proof=("SELECT count(*), count(amount_minor), count(currency) FROM payments", [(6, 0, 0)]),
    ),
    "20260323093000": Stage(),
    "20260406100000": Stage(
        after=f"INSERT INTO payments (id, customer_id, price_id, amount_minor, currency, provider) VALUES ({_id(7)}, {_id(1)}, {_id(4)}, 1, 'BHD', 'new code')",
        proof=(
            "SELECT amount::text FROM payments ORDER BY id",
            [("49.9000",), ("1500.0000",), ("1.2500",), ("900.0000",), ("1.0010",), ("49.9000",), ("0.0010",)],
        ),
    ),
    "20260427093000": Stage(),
    "20260518093000": Stage(
        before=f"INSERT INTO refunds (payment_id, amount_minor, currency, reason) VALUES ({_id(1)}, 4990, 'EUR', 'withdrawal')",
    ),
}  # fmt: skip

REVIEWS = {
    "20260116090000": Stage(),
    "20260123090000": Stage(
        before=f"""
INSERT INTO reviews (id, course_id, author_id, rating, title, language, status) VALUES
    ({_id(1)}, {_id(1)}, {_id(1)}, 5, 'Best lessons', 'en', 'published'), ({_id(2)}, {_id(1)}, {_id(2)}, 1, 'Nie wieder', 'de', 'removed'),
    ({_id(3)}, {_id(2)}, {_id(1)}, 4, 'Sehr gute Stunden', NULL, 'published');
"""
    ),
    "20260206093000": Stage(
        before=f"""
INSERT INTO review_votes (review_id, voter_id, helpful) VALUES ({_id(1)}, {_id(2)}, true);
INSERT INTO moderation_reports (id, review_id, reporter_id, reason) VALUES ({_id(1)}, {_id(2)}, {_id(1)}, 'insult');
""",
        after=f"""
INSERT INTO reviews (id, course_id, author_id, rating, title) VALUES ({_id(4)}, {_id(1)}, {_id(3)}, 2, 'So so');
UPDATE reviews SET status = 'hidden', rating = 3 WHERE id = {_id(4)};
""",
    ),
    "20260220090000": Stage(),
    "20260220091500": Stage(),
    "20260313100000": Stage(),
    "20260410090000": Stage(
        after=f"INSERT INTO reviews (id, course_id, author_id, rating, title) VALUES ({_id(5)}, {_id(3)}, {_id(4)}, 3, 'Bien')"
    ),
    "20260424090000": Stage(
        lost={"reviews": {"language"}},  # every `und` is emptied, also those that new code wrote
        proof=(
            "SELECT language FROM reviews ORDER BY id",
            [("en",), ("de",), (None,), (None,), (None,)],
        ),
    ),
    "20260424093000": Stage(),
    "20260508090000": Stage(),
}  # fmt: skip

STAGES = {"user": USER, "payment": PAYMENT, "reviews": REVIEWS}
