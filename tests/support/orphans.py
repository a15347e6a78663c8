"""One orphan in each reference of the platform, written past every application: what `verify` has to find."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.engines.dynamodb.session import DynamoSession
from seedbed.engines.neo4j.session import Neo4jSession
from seedbed.engines.opensearch.session import OpenSearchSession
from seedbed.engines.postgres.session import PostgresSession
from seedbed.model.platform import Reference
from seedbed.project import Run

Orphans = Mapping[str, str]  # of one row: column -> id


def orphan(reference: Reference) -> str:
    """Return the id that no row has, another one for each reference."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(reference.from_)))


def plant(run: Run, references: Sequence[Reference]) -> Mapping[str, str]:
    """Write a row with orphans into each table that refers; return, by field, the key of the row."""
    tables: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for each in references:
        table, column = each.from_.path.split(".")
        tables[each.from_.database, table][column] = orphan(each)
        tables[each.from_.database, table] |= {name: texts[0] for name, texts in each.from_.where.equal}
    sessions = {each.id: each.session for each in run.connected}
    keys: dict[tuple[str, str], str] = {}
    for (database, table), orphans in tables.items():
        session: Any = sessions[database]
        key = _PLANTS[type(session)](session, table, orphans)
        keys[database, table] = key
    return {
        str(each.from_): keys[each.from_.database, each.from_.path.partition(".")[0]] for each in references
    }


def _in_row(session: PostgresSession, table: str, orphans: Orphans) -> str:
    """Change the first row, whatever the table's triggers say."""
    sets = ", ".join(f"{column} = '{id_}'" for column, id_ in orphans.items())
    changed = f"UPDATE {table} SET {sets} WHERE ctid = (SELECT min(ctid) FROM {table})"
    keys = (
        f"SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey) "
        f"WHERE indrelid = '{table}'::regclass AND indisprimary ORDER BY attnum"
    )
    with session.connection.transaction():
        session.connection.execute("SET LOCAL session_replication_role = replica")
        names = ", ".join(f"{name}::text" for (name,) in session.connection.execute(keys))
        row = session.connection.execute(f"{changed} RETURNING {names}".encode()).fetchone()
    assert row is not None
    return ", ".join(row)


def _in_item(session: DynamoSession, table: str, orphans: Orphans) -> str:
    shape = session.database.shape(table)
    key = {name: orphans.get(name, "planted") for name in (*shape.key.partition, *shape.key.sort)}
    item = {name: {"S": text} for name, text in {**key, **orphans}.items()}
    session.database.client.call("PutItem", {"TableName": session.database.physical(table), "Item": item})
    return "{" + ",".join(f'"{name}":"{text}"' for name, text in key.items()) + "}"


def _in_node(session: Neo4jSession, label: str, orphans: Orphans) -> str:
    session.graph.client.run_once(f"CREATE (n:{label}) SET n = $values", {"values": dict(orphans)})
    return orphans["id"]


def _in_document(session: OpenSearchSession, index: str, orphans: Orphans) -> str:
    session.cluster.client.call("PUT", f"/{index}/_doc/planted", dict(orphans), params={"refresh": True})
    return "planted"


_PLANTS: Mapping[type, Any] = {
    PostgresSession: _in_row,
    DynamoSession: _in_item,
    Neo4jSession: _in_node,
    OpenSearchSession: _in_document,
}
