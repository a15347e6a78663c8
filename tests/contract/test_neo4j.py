"""Neo4j keeps the contract, on a real server."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import neo4j
import pytest

pytest.register_assert_rewrite("seedbed.testing")

from seedbed.engines.kit import clock  # noqa: E402
from seedbed.engines.neo4j.wire import client  # noqa: E402
from seedbed.testing import (  # noqa: E402
    ApplyContract,
    BulkLoadContract,
    EngineContract,
    ExpiryContract,
    IdsContract,
    LossContract,
    OneOwnerContract,
    QueryContract,
    ResetContract,
    SchemaContract,
    ScriptContract,
    SilenceContract,
    TroubleContract,
    UnlockContract,
    UsageContract,
    VerifiedContract,
)
from seedbed.testing.contracts.base import Contract  # noqa: E402
from tests.support.neo4j.graphs import FORGET  # noqa: E402
from tests.support.servers import Pool  # noqa: E402
from tests.support.wire.line import BreakableLine, breakable  # noqa: E402
from tests.support.wire.silent import SilentLine, over_tcp, silent_line  # noqa: E402

WAIT = "CREATE (d:Door) DELETE d"  # waits for whoever changes the schema of :Door, and leaves nothing
OUTSIDE = {"outside": "contract harness"}


class Inside:
    """A transaction that makes an index on :Door and does not end: what touches a door waits for it."""

    def __init__(self, driver: neo4j.Driver) -> None:
        self._driver = driver

    def wait_until_inside(self, timeout: float) -> bool:
        until = time.monotonic() + timeout
        while not self._is_inside():
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)
        return True

    def _is_inside(self) -> bool:
        found = self._driver.execute_query(
            "SHOW TRANSACTIONS YIELD status, metaData WHERE status STARTS WITH 'Blocked' AND metaData.outside IS NULL"
        )
        return bool(found.records)


class Neo4jHarness:
    """Things are nodes of :Thing, which data statements make, and where a step is not atomic constraints.

    After each change of the schema the server plans all statements anew, which takes most of a test. So what makes
    ids of users the key of their nodes stays from test to test.
    """

    entry_point = "seedbed.engines.neo4j:engine"
    suffix = ".cypher"
    script_suffix = ".cypher"
    comment = "//"
    options: Mapping[str, Any] = {"lease_seconds": 4}
    leaves_work = (
        False  # the server ends a transaction when it sees its connection gone, before anybody else or after
    )
    keeps: Collection[str] = ("users_key",)

    def __init__(self, pool: Pool, borrowed: ExitStack) -> None:
        self._pool = pool
        self._borrowed = borrowed

    def settings(self) -> Mapping[str, str]:
        self._borrowed.close()  # one target at a time: a second server would have to start, and to become warm
        settings = self._borrowed.enter_context(self._pool.borrowed(self.keeps))
        for each in self.keeps:
            _ask(settings, f"CREATE CONSTRAINT {each} IF NOT EXISTS FOR (n:users) REQUIRE n.id IS UNIQUE")
        return settings

    def _direct(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """Return the settings by which the harness itself reaches the server."""
        return settings

    def nowhere(self) -> Mapping[str, str]:
        return {"uri": "bolt://127.0.0.1:9"}

    def creates(self, thing: str) -> str:
        down = f"MATCH (t:Thing {{name: '{thing}'}}) DELETE t"
        return f"// migrate:up\n{_makes(thing)};\n\n// migrate:down\n{down};\n"

    def prepares(self, table: str) -> Sequence[str]:
        return [f"// migrate:up\nCREATE (:{table} {{id: 1, old: 'x'}});\n"]

    def drops(self, table: str) -> str:
        return f"// migrate:up\nMATCH (n:{table}) REMOVE n.old;\n"

    def drops_uncounted(self, table: str) -> str:
        return f"// migrate:up\nMATCH (n:{table}) DELETE n;\n"

    def uses(self, settings: Mapping[str, str], table: str) -> None:
        _ask(settings, f"MATCH (n:{table}) RETURN n.old")

    def settles(self, settings: Mapping[str, str]) -> None:
        """A statement is collected when it has ended."""

    def begins_anew(self, settings: Mapping[str, str], table: str) -> None:
        for each in FORGET:
            _ask(settings, each)

    def adds(self, table: str) -> str:
        return f"// migrate:up\nCREATE (:{table} {{id: toInteger(rand() * 1e15), name: 'one more'}});\n"

    def removes(self, table: str) -> str:
        return f"// migrate:up\nRETURN 1;\n\n// migrate:down\nMATCH (n:{table}) DETACH DELETE n;\n"

    def fails(self, thing: str) -> str:
        return f"// migrate:up\n{_makes(thing)};\nRETURN 1 / 0;\n"

    def fails_down(self, thing: str) -> str:
        down = f"MATCH (t:Thing {{name: '{thing}'}}) DELETE t;\nRETURN 1 / 0;"
        return f"// migrate:up\n{_makes(thing)};\n\n// migrate:down\n{down}\n"

    def waits(self, thing: str) -> str:
        return f"// migrate:up\n{_makes(thing)};\n{WAIT};\n"

    def probeable(self, thing: str, on: str) -> str:
        up = f"CREATE CONSTRAINT {thing} FOR (d:Door) REQUIRE d.{thing} IS UNIQUE"
        return f"// migrate:up\n{up};\n\n// migrate:down\nDROP CONSTRAINT {thing};\n"

    def unprovable(self, thing: str) -> str:
        return f"// migrate:up\n{_in_transactions(_makes(thing))};\n"

    def repeatable(self, table: str) -> str:
        merge = f"MERGE (n:{table} {{id: 1}}) ON CREATE SET n.name = 'again'"
        setting = '// seedbed: repeatable because "it merges"'
        return f"{setting}\n// migrate:up\n{_in_transactions(merge)};\n"

    def backfill(self, table: str, batch: int) -> str:
        changes = (
            f"UNWIND $keys AS key MATCH (n:{table} {{id: key}}) SET n.visits = coalesce(n.visits, 0) + 1"
        )
        return f"// seedbed: backfill={table}.id batch={batch}\n// migrate:up\n{changes};\n"

    def finds(self, table: str, name: str) -> str:
        return f"MATCH (n:{table} {{name: '{name}'}}) RETURN n.id AS id, n.name AS name"

    def counts(self, table: str) -> str:
        return f"MATCH (n:{table}) RETURN count(n)"

    def misspells(self, table: str) -> str:
        return f"MATCH (n:{table} RETURN n"

    def writes(self, table: str) -> Sequence[str]:
        batches = f"UNWIND [1] AS one CALL (one) {{ CREATE (n:{table}) }} IN TRANSACTIONS OF 1 ROW RETURN one"
        return [
            f"CREATE (n:{table} {{id: 9}}) RETURN n",
            f"MATCH (n:{table}) SET n.name = 'written' RETURN n",
            f"MATCH (n:{table}) DELETE n",
            f"CREATE INDEX written FOR (n:{table}) ON (n.name)",
            batches,
        ]

    def script(self, table: str) -> str:
        return f"MERGE (n:{table} {{id: 7}}) ON CREATE SET n.name = 'seven';\n"

    def made(self, settings: Mapping[str, str]) -> Collection[str]:
        rows = [
            *_ask(self._direct(settings), "SHOW CONSTRAINTS YIELD name"),
            *_ask(self._direct(settings), "MATCH (t:Thing) RETURN t.name AS name"),
        ]
        return [row["name"] for row in rows if row["name"] not in {"migrations_history_key", *self.keeps}]

    def rows(self, settings: Mapping[str, str], table: str) -> Sequence[Mapping[str, Any]]:
        found = _ask(self._direct(settings), f"MATCH (n:{table}) RETURN properties(n) AS row")
        return [{"visits": 0, **each["row"]} for each in found]

    def audit(self, settings: Mapping[str, str]) -> Sequence[str]:
        query = "MATCH (a:migrations_history) WHERE a.key STARTS WITH 'audit:' RETURN properties(a) AS line ORDER BY a.key"
        return [str(each["line"]) for each in _ask(self._direct(settings), query)]

    @contextmanager
    def hold(self, settings: Mapping[str, str]) -> Iterator[Inside]:
        with _driver(self._direct(settings)) as driver, driver.session() as session:
            holder = session.begin_transaction(metadata=OUTSIDE)
            holder.run("CREATE INDEX closed FOR (d:Door) ON (d.closed)").consume()
            try:
                yield Inside(driver)
            finally:
                holder.rollback()

    @contextmanager
    def line(self, settings: Mapping[str, str]) -> Iterator[SilentLine]:
        with silent_line(over_tcp(urlsplit(settings["uri"]).port or 0)) as line:
            line.settings = {**settings, "uri": f"bolt://127.0.0.1:{line.port}"}
            yield line

    def break_lease(self, settings: Mapping[str, str]) -> None:
        _ask(
            self._direct(settings),
            "MATCH (l:migrations_history {key: 'lease'}) SET l.token = l.token + 1 REMOVE l.holder",
        )

    def age_lease(self, settings: Mapping[str, str]) -> None:
        _ask(self._direct(settings), "MATCH (l:migrations_history {key: 'lease'}) SET l.expires = 0")

    def age_history(self, settings: Mapping[str, str]) -> None:
        _ask(
            self._direct(settings),
            "MATCH (i:migrations_history {key: 'identity'}) SET i.format = i.format + 1",
        )

    def lose_identity(self, settings: Mapping[str, str]) -> None:
        _ask(self._direct(settings), "MATCH (i:migrations_history {key: 'identity'}) DELETE i")


class SchemaHarness(Neo4jHarness):
    """Things are constraints."""

    keeps: Collection[str] = ()

    def creates(self, thing: str) -> str:
        up = f"CREATE CONSTRAINT {thing} FOR (n:{thing}) REQUIRE n.id IS UNIQUE"
        return f"// migrate:up\n{up};\n\n// migrate:down\nDROP CONSTRAINT {thing};\n"


class UsesHarness(Neo4jHarness):
    """The server tells the statements of one test, and not those of all before it."""

    def settings(self) -> Mapping[str, str]:
        settings = super().settings()
        self.begins_anew(settings, "users")
        return settings


class FastClock:
    """The clock by which a run judges its own silence, from now on ten times as fast."""

    def __init__(self) -> None:
        self._began: dict[int, float] = {}

    def clock_gettime(self, clock: int) -> float:
        found = time.clock_gettime(clock)
        began = self._began.setdefault(clock, found)
        return began + 10 * (found - began)


class BreakableHarness(SchemaHarness):
    """What the engine says to its server goes over a line that can be broken. Things but users are constraints.

    While the line is broken, a run tries until its lease is over; nothing waits for that to be so.
    """

    keeps = Neo4jHarness.keeps
    troubles = ("lost",)

    def __init__(self, pool: Pool, borrowed: ExitStack) -> None:
        super().__init__(pool, borrowed)
        self._lines: dict[str, tuple[BreakableLine, Mapping[str, str]]] = {}

    def settings(self) -> Mapping[str, str]:
        settings = super().settings()
        line = self._borrowed.enter_context(breakable(urlsplit(settings["uri"]).port or 0))
        uri = f"bolt://127.0.0.1:{line.port}"
        self._lines[uri] = line, settings
        return {**settings, "uri": uri}

    def _direct(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        return self._lines[settings["uri"]][1]

    def creates(self, thing: str) -> str:
        return Neo4jHarness.creates(self, thing) if thing == "users" else super().creates(thing)

    @contextmanager
    def trouble(self, settings: Mapping[str, str], kind: str, after: int) -> Iterator[None]:
        with self._lines[settings["uri"]][0].broken(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "time", FastClock())
            yield


def _makes(thing: str) -> str:
    return f"CREATE (:Thing {{name: '{thing}'}})"


def _in_transactions(statement: str) -> str:
    return f"UNWIND [1] AS one CALL (one) {{ CREATE (d:Door) DELETE d WITH one {statement} }} IN TRANSACTIONS OF 1 ROW"


def _driver(settings: Mapping[str, str]) -> neo4j.Driver:
    return neo4j.GraphDatabase.driver(settings["uri"], auth=None, notifications_min_severity="OFF")


def _ask(settings: Mapping[str, str], query: str) -> list[dict[str, Any]]:
    with _driver(settings) as driver:
        return [record.data() for record in driver.execute_query(query).records]


@pytest.fixture
def harness(neo4j_servers: Pool) -> Iterator[Neo4jHarness]:
    with ExitStack() as borrowed:
        yield Neo4jHarness(neo4j_servers, borrowed)


@pytest.fixture
def schema_harness(neo4j_servers: Pool) -> Iterator[SchemaHarness]:
    with ExitStack() as borrowed:
        yield SchemaHarness(neo4j_servers, borrowed)


class OfSchema:
    """Put before a contract: it is kept by steps that change the schema, too."""

    @pytest.fixture
    def harness(self, schema_harness: SchemaHarness) -> SchemaHarness:
        return schema_harness


class TestNeo4j(EngineContract): ...


class TestNeo4jChangesItsSchema(OfSchema, Contract):
    """What can go otherwise where a step commits alone: `make soak` has all of it."""

    test_migrations_are_applied_and_recorded_in_order = (
        ApplyContract.test_migrations_are_applied_and_recorded_in_order
    )
    test_a_corrected_migration_goes_on_where_the_failure_was = (
        ApplyContract.test_a_corrected_migration_goes_on_where_the_failure_was
    )
    test_revert_runs_down_and_removes_the_record = ApplyContract.test_revert_runs_down_and_removes_the_record


@pytest.mark.soak
class TestNeo4jChangesItsSchemaInEveryWay(OfSchema, ApplyContract): ...


class TestNeo4jLeasesExpire(ExpiryContract): ...


class TestNeo4jInTrouble(TroubleContract):
    @pytest.fixture
    def harness(self, neo4j_servers: Pool) -> Iterator[Neo4jHarness]:
        with ExitStack() as borrowed:
            yield BreakableHarness(neo4j_servers, borrowed)


class TestNeo4jFallsSilent(SilenceContract):
    def hurry(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(client, "CONNECT_TIMEOUT", 0.2)


class TestNeo4jResets(OfSchema, ResetContract): ...


class TestNeo4jDescribesItself(OfSchema, SchemaContract): ...


class TestNeo4jRunsScripts(ScriptContract): ...


class TestNeo4jUnlocks(UnlockContract): ...


class TestNeo4jCountsLosses(LossContract): ...


class TestNeo4jLoadsInBulk(BulkLoadContract): ...


class TestNeo4jReadsIds(IdsContract): ...


class TestNeo4jAnswersQueries(QueryContract): ...


class TestNeo4jHasOneOwner(OneOwnerContract): ...


class TestNeo4jTellsWhatIsUsed(UsageContract):
    @pytest.fixture
    def harness(self, neo4j_servers: Pool) -> Iterator[Neo4jHarness]:
        with ExitStack() as borrowed:
            yield UsesHarness(neo4j_servers, borrowed)


class TestNeo4jKeepsWhatVerifyFinds(VerifiedContract): ...
