"""What seedbed sends beside a migration's own statements names the schema of everything that it uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from seedbed.engines.postgres.files.grammar import parse
from seedbed.engines.postgres.running import backfill, rows
from seedbed.engines.postgres.seeds import upsert_sql
from seedbed.engines.postgres.seeds.tables import SeedColumn, SeedKey, SeedTable
from seedbed.engines.postgres.seeds.upsert_sql import UpsertStatements
from seedbed.engines.postgres.seeds.values import ColumnShape
from seedbed.engines.postgres.store import advisory_lock, exclusivity
from seedbed.engines.postgres.store.history import HistoryTable
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.model.history import Revision
from seedbed.model.migration import Direction, Migration, Phase, Work

TABLE = HistoryTable("seedbed")
MIGRATION = Migration("1", "people", "services/user/1_people.sql", "0" * 64, Phase.EXPAND, up=())
UPSERT = UpsertStatements(
    ("id", "name"),
    SeedTable(
        sql.Identifier("people"),
        (SeedColumn("id", False, False, ColumnShape()), SeedColumn("name", False, False, ColumnShape())),
        SeedKey(True, True, ("id",), ("OPERATOR(pg_catalog.=)",)),
    ),
)
CHOSEN = {"chosen": sql.SQL("true"), "number": sql.Literal(1), "most": sql.Literal(1)}

STATEMENTS = {
    "applied": TABLE.applied(MIGRATION, "ana"),
    "applied after": TABLE.applied(MIGRATION, "ana", after="0"),
    "reverted": TABLE.reverted(MIGRATION, "ana"),
    "reverted after": TABLE.reverted(MIGRATION, "ana", after="0"),
    "started": TABLE.started(Work(MIGRATION, Direction.UP), "ana"),
    "stands at": TABLE.stands_at(MIGRATION, 1, "", in_step=True),
    "unstarted": TABLE.unstarted(Work(MIGRATION, Direction.UP)),
    "unstarted down": TABLE.unstarted(Work(MIGRATION, Direction.DOWN)),
    "checkpointed": TABLE.checkpointed("1", "7"),
    "finished": TABLE.finished(Work(MIGRATION, Direction.UP), "ana"),
    "finished down": TABLE.finished(Work(MIGRATION, Direction.DOWN), "ana"),
    "write": TABLE.write(Revision("1", "people", "0" * 64, Phase.EXPAND, checkpoint="7")),
    "forget": TABLE.forget("1"),
    "audit": TABLE.audit("ana", "forget", "1", "it was nothing"),
    "take the lock": advisory_lock._TRY_EXCLUSIVE.format(key=-7),
    "end a session": advisory_lock._END.format(pid=7),
    "which process": exclusivity._SERVER_PROCESS,
    "what did not arrive": exclusivity._NOT_ARRIVED.format(names="'search_path', 'TimeZone'"),
    "bounds": backfill._BOUNDS.format(
        key='"id"',
        table='"people"',
        beyond='WHERE "id" OPERATOR("pg_catalog".>) $1',
        limit=10,
        before_last=9,
    ),
    "types": rows.TYPE_NAMES,
    **{
        name.lower(): UPSERT.sql(getattr(upsert_sql, name), **CHOSEN).as_string()
        for name in ("CREATE", "COMPARE", "SAME_KEY", "TO_WRITE", "UPDATE", "INSERT")
    },
}
# What keeps its names to the server's own by itself.
ON_THEIR_OWN_PATH = (advisory_lock._TRY, advisory_lock._HOLDER, advisory_lock._LEFT_BEHIND)


def unqualified(node: Any) -> Iterator[str]:
    """Yield the functions, operators and types in a tree that the search_path decides about."""
    if isinstance(node, list):
        for each in node:
            yield from unqualified(each)
    if not isinstance(node, dict):
        return
    for kind, value in node.items():
        names = {"FuncCall": "funcname", "A_Expr": "name", "TypeName": "names", "typeName": "names"}.get(kind)
        if names and isinstance(value, dict) and len(value.get(names, [])) == 1:
            yield f"{kind} {value[names][0]['String'].get('sval')}"
        if kind == "CaseExpr" and "arg" in value:
            yield "CASE … WHEN compares with ="
        yield from unqualified(value)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_beside_a_migration_leaves_nothing_to_the_search_path(name: str) -> None:
    for statement in parse(STATEMENTS[name].encode()):
        assert list(unqualified(json.loads(bytes(statement.tree)))) == []


def test_a_name_without_a_schema_is_found() -> None:
    (statement,) = parse(b"SELECT lower(a) = b, c::text FROM t WHERE CASE a WHEN 1 THEN true END")
    found = list(unqualified(json.loads(bytes(statement.tree))))
    assert sorted(found) == ["A_Expr =", "CASE … WHEN compares with =", "FuncCall lower", "typeName text"]


@pytest.mark.parametrize("text", ON_THEIR_OWN_PATH)
def test_what_does_not_name_them_begins_with_a_search_path_of_its_own(text: str) -> None:
    assert text.strip().startswith(f"{OWN_PATH};")


def test_the_history_is_made_and_read_on_a_search_path_of_its_own() -> None:
    asked: list[str] = []

    def query(text: str) -> list[tuple[str | None, ...]]:
        asked.append(text)
        return [(None, None, None, None, None)]

    TABLE.read(query)
    assert asked[0].startswith(f"{OWN_PATH};")
