"""Payment's story 3 (`amount` becomes `amount_minor`) under fire: killed again and again while a writer goes on.

``SOAK_BACKFILL_ROWS=1000000 SOAK_BACKFILL_KILLS=20 python -m tests.soak.backfill``

The table is filled in the old form, then the story is applied the way a release does it: expand, migrate (killed
at random places along the table), contract. A writer with a connection of its own inserts in the old form, in
both, in the new form, and moves the status of payments, all the time; it keeps a journal of what every row has
to say in the end, and measures how long each of its statements took.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.soak.common import Connection, Site, amount, own_server, say
from tests.support.postgres.databases import empty_database
from tests.support.projects import Ran

PLATFORM = Path(__file__).resolve().parents[2] / "edtech"
USERS = "20260112093000"  # what payment comes after
BEFORE_THE_STORY = "20260223140000"
EXPANDED = "20260309093000"
BACKFILL = "20260323090000"
CONVERTED = "20260323093000"
PAUSE = 0.002  # seconds between two statements of the writer
# code, numeric code, minor units: all the kinds that ISO 4217 has
CURRENCIES = (("EUR", "978", 2), ("JPY", "392", 0), ("BHD", "048", 3))

_GROUND = """
INSERT INTO currencies VALUES {currencies};
INSERT INTO countries VALUES ('DE', 'DEU', '276', 'Germany');
INSERT INTO customers (id, user_id, billing_name, country_code)
    SELECT md5('customer ' || n)::uuid, md5('user ' || n)::uuid, 'Customer ' || n, 'DE'
    FROM generate_series(0, 999) AS n;
INSERT INTO prices (id, course_id, currency, amount_minor, valid)
    SELECT md5('price ' || n)::uuid, md5('course ' || n)::uuid, (ARRAY{codes})[n % 3 + 1], 1000,
           tstzrange('2026-01-01', NULL)
    FROM generate_series(0, 299) AS n;
"""
# Row n: its key, price, currency and minor units can be computed by anyone at any time.
_ROWS = """
INSERT INTO payments (id, customer_id, price_id, amount, status, provider, provider_reference, created_at)
SELECT md5('payment ' || n)::uuid, md5('customer ' || n % 1000)::uuid, md5('price ' || n % 300)::uuid,
       (n % 99991 + 1)::numeric(24, 4) / (ARRAY[100, 1, 1000])[n % 3 + 1], 'pending', 'card', 'r' || n,
       timestamptz '2026-02-01' + n * interval '1 second'
FROM generate_series(1, {rows}) AS n;
"""
_GENERATED = """
SELECT count(*) FILTER (WHERE p.id IS NULL),
       count(*) FILTER (WHERE p.amount_minor IS DISTINCT FROM n % 99991 + 1
                           OR p.currency IS DISTINCT FROM (ARRAY{codes})[n % 3 + 1])
FROM generate_series(1, {rows}) AS n LEFT JOIN payments AS p ON p.id = md5('payment ' || n)::uuid
"""
_BOTH_FORMS = """
SELECT count(*) FROM payments AS p LEFT JOIN currencies AS c ON c.code = p.currency
WHERE p.amount_minor IS NULL OR p.currency IS NULL OR p.amount IS NULL
   OR p.amount * (10 ^ c.minor_units)::numeric <> p.amount_minor
"""


@dataclass(slots=True)
class Entry:
    """What the writer expects of one row in the end; an amount of None: it only moved the row's status."""

    minor: int | None
    currency: str
    status: str


@dataclass(slots=True)
class Writer:
    """A thread that writes like the service: `forms` are those in use at the moment."""

    place: Site
    rows: int
    rng: Random
    forms: tuple[str, ...] = ("old",)
    phase: str = "before"
    journal: dict[uuid.UUID, Entry] = field(default_factory=dict)
    waits: list[tuple[str, float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def use(self, *forms: str) -> None:
        """Write in these forms from here on; returns when no statement in another one is under way."""
        with self._turn:
            self.forms = forms

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run, name="writer")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        try:
            with self.place.connected("payment") as connection:
                while not self._over.wait(PAUSE):
                    with self._turn:
                        self._write(connection)
        except Exception as error:
            self.problems.append(f"the writer ended: {error!r}")

    def _write(self, connection: Connection) -> None:
        act = self._insert if self.rng.random() < 0.5 else self._move
        phase, began = self.phase, time.monotonic()
        try:
            act(connection)
        except psycopg.Error as error:
            self.problems.append(f"the writer was refused during {phase}: {error}")
        self.waits.append((phase, time.monotonic() - began))

    def _insert(self, connection: Connection) -> None:
        number, minor = self.rng.randrange(300), self.rng.randrange(1, 10**7)
        code, _, units = CURRENCIES[number % 3]
        key, form = uuid.UUID(int=self.rng.getrandbits(128)), self.rng.choice(self.forms)
        values: dict[str, Any] = {"amount": Decimal(minor).scaleb(-units)} if form != "new" else {}
        values |= {"amount_minor": minor, "currency": code} if form != "old" else {}
        names = "".join(f", {each}" for each in values)
        connection.execute(
            f"INSERT INTO payments (id, customer_id, price_id, provider{names}) "
            f"VALUES (%s, md5('customer ' || %s)::uuid, md5('price ' || %s)::uuid, 'card'{', %s' * len(values)})".encode(),
            [key, str(number), str(number), *values.values()],
        )
        self.journal[key] = Entry(minor, code, "pending")

    def _move(self, connection: Connection) -> None:
        """Move the status of a generated row or of one of our own."""
        if self.journal and self.rng.random() < 0.3:
            key = self.rng.choice(list(self.journal)[-200:])
        else:
            number = self.rng.randrange(1, self.rows + 1)
            row = connection.execute("SELECT md5('payment ' || %s)::uuid", [str(number)]).fetchone()
            assert row is not None
            key = row[0]
        status = self.rng.choice(["authorised", "captured", "failed", "disputed"])
        done = connection.execute("UPDATE payments SET status = %s WHERE id = %s", [status, key])
        if done.rowcount != 1:
            self.problems.append(f"payment {key} was not there to be updated")
        known = self.journal.get(key)
        self.journal[key] = replace(known, status=status) if known else Entry(None, "", status)

    def wrong(self) -> list[str]:
        """Return the rows that do not say what they have to say."""
        found: dict[uuid.UUID, tuple[Any, ...]] = {}
        with self.place.connected("payment") as connection:
            keys = list(self.journal)
            for first in range(0, len(keys), 5000):
                query = "SELECT id, amount_minor, currency, status::text FROM payments WHERE id = ANY(%s)"
                found |= {row[0]: row[1:] for row in connection.execute(query, [keys[first : first + 5000]])}
        problems = []
        for key, entry in self.journal.items():
            minor, currency, status = found.get(key, (None, "", "gone"))
            right = entry.minor is None or (minor, currency) == (entry.minor, entry.currency)
            if not right or status != entry.status:
                problems.append(f"payment {key} says {minor} {currency} {status}, the writer said {entry}")
        return problems


@dataclass(frozen=True, slots=True)
class Story:
    """How the story went. `waits`: of the writer's statements, by phase, in seconds, sorted."""

    rows: int
    written: int
    kills: int
    runs: int
    seconds: float
    backfill_seconds: float
    waits: dict[str, list[float]]
    problems: tuple[str, ...]


@contextmanager
def story_site(server: EmbeddedServer) -> Iterator[Site]:
    """Yield the platform on two fresh databases, payment standing where the story begins."""
    with ExitStack() as databases:
        names = {each: databases.enter_context(empty_database(server)) for each in ("user", "payment")}
        place = Site(server, PLATFORM, names, "dev-story")
        _succeed(place.run("apply", "-s", "user", "--to", USERS))
        _succeed(place.run("apply", "-s", "payment", "--to", BEFORE_THE_STORY))
        yield place


def _succeed(ran: Ran) -> None:
    if ran.code != 0:
        raise AssertionError(f"left with {ran.code}: {ran.everything[-1500:]}")


def fill(place: Site, rows: int) -> None:
    """Write `rows` payments in the old form, in bulk: triggers and foreign keys are held back, as a restore does."""
    values = ", ".join(f"('{code}', '{number}', '{code}', {units})" for code, number, units in CURRENCIES)
    with place.connected("payment") as connection:
        connection.execute(_GROUND.format(currencies=values, codes=_codes()).encode())
        connection.execute("SET session_replication_role = replica")
        connection.execute(_ROWS.format(rows=rows).encode())
        connection.execute("VACUUM ANALYZE payments")


def _codes() -> str:
    return repr([code for code, _, _ in CURRENCIES])


def story(server: EmbeddedServer, rows: int, kills: int, seed: int) -> Story:
    """Live through the story once."""
    rng = Random(seed)
    with story_site(server) as place:
        fill(place, rows)
        writer = Writer(place, rows, Random(seed + 1))
        began = time.monotonic()
        with writer.at_work():
            writer.phase = "expand"
            _succeed(place.run("apply", "-s", "payment", "--to", EXPANDED))
            writer.use("old", "both", "new")
            writer.phase = "migrate"
            migrating = time.monotonic()
            killed, runs = _migrate(place, kills, rng)
            backfill_seconds = time.monotonic() - migrating
            problems = _unequal_forms(place)
            writer.use("new")  # the code that knows amount is gone
            writer.phase = "contract"
            _succeed(place.run("apply", "-s", "payment"))
            writer.phase = "after"
            time.sleep(0.2)
        seconds = time.monotonic() - began
        problems += [*writer.problems, *writer.wrong(), *_wrong_rows(place, rows, writer)]
        plan = place.run("plan", "-s", "payment", "--exit-code")
        problems += [] if plan.code == 0 else [f"the plan afterwards leaves with {plan.code}"]
        problems += [] if killed == kills else [f"only {killed} of {kills} kills met a run"]
    written = sum(entry.minor is not None for entry in writer.journal.values())
    return Story(
        rows, written, killed, runs, seconds, backfill_seconds, _by_phase(writer), tuple(problems[:20])
    )


def _migrate(place: Site, kills: int, rng: Random) -> tuple[int, int]:
    """Run the migrate phase until it is through, killing it along the way; return (kills, runs).

    Keys are random, so a checkpoint's first digits say how far along the table it is: the kills are spread over
    the table at random, and each falls some random moment after its place is reached.
    """
    places = sorted(rng.uniform(0, 0.95) for _ in range(kills))
    killed = 0
    for runs in range(1, kills + 10):
        with place.start("apply", "-s", "payment", "--through", "migrate", "--to", CONVERTED) as child:
            while not child.is_over and (killed == kills or _progress(place) < places[killed]):
                time.sleep(0.003)
            if not child.is_over:
                time.sleep(rng.uniform(0, 0.12))
                killed += child.kill()
                continue
            _succeed(child.wait())
            return killed, runs
    raise AssertionError("the backfill does not come to its end")


def _progress(place: Site) -> float:
    """Return how much of the backfill is behind us: -1 before its first batch, 1 when it is recorded as done."""
    found = place.rows(
        f"SELECT state, checkpoint FROM seedbed.migrations_history WHERE version = '{BACKFILL}'", "payment"
    )
    if not found:
        return -1.0
    state, checkpoint = found[0]
    if state == "applied":
        return 1.0
    return int(checkpoint[:8], 16) / 16**8 if checkpoint else -1.0


def _unequal_forms(place: Site) -> list[str]:
    """Return what is wrong while both forms are there: after migrate, before contract."""
    wrong = place.value(_BOTH_FORMS, "payment")
    return [f"{wrong} rows are not converted, or say two different things"] if wrong else []


def _wrong_rows(place: Site, rows: int, writer: Writer) -> list[str]:
    """Return what is wrong with the generated rows, and whether any row is there that nobody wrote."""
    ((missing, wrong),) = place.rows(_GENERATED.format(rows=rows, codes=_codes()), "payment")
    ((total, empty),) = place.rows(
        "SELECT count(*), count(*) FILTER (WHERE amount_minor IS NULL) FROM payments", "payment"
    )
    written = sum(entry.minor is not None for entry in writer.journal.values())
    problems = [f"{missing} rows are gone"] if missing else []
    problems += [f"{wrong} rows are wrong"] if wrong else []
    problems += [f"{empty} rows are empty"] if empty else []
    return problems + ([f"{total} rows, not {rows + written}"] if total != rows + written else [])


def _by_phase(writer: Writer) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for phase, seconds in writer.waits:
        found.setdefault(phase, []).append(seconds)
    return {phase: sorted(seconds) for phase, seconds in found.items()}


def main() -> int:
    rows, kills = amount("SOAK_BACKFILL_ROWS", 1_000_000), amount("SOAK_BACKFILL_KILLS", 20)
    with own_server() as server:
        result = story(server, rows, kills, amount("SOAK_SEED", 3))
    say(
        f"{result.rows} rows, {result.written} more written meanwhile, {result.kills} kills in {result.runs} runs: "
        f"{result.seconds:.1f} s in all, migrate phase {result.backfill_seconds:.1f} s "
        f"({result.rows / result.backfill_seconds:.0f} rows/s, start-ups and kills included)"
    )
    everything = sorted(each for seconds in result.waits.values() for each in seconds)
    for phase, seconds in [*result.waits.items(), ("all", everything)]:
        say(
            f"  writer during {phase:8s} {len(seconds):7d} statements, median {_at(seconds, 0.5):.1f} ms, "
            f"p99 {_at(seconds, 0.99):.1f} ms, longest {_at(seconds, 1):.1f} ms"
        )
    for each in result.problems:
        say(f"  FAILED {each}")
    say("every row is converted and right" if not result.problems else "NOT every row is right")
    return 1 if result.problems else 0


def _at(ordered: list[float], share: float) -> float:
    """Return a quantile in milliseconds."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000


if __name__ == "__main__":
    sys.exit(main())
