"""What contradicts each expectation of the platform, written past every application: what `verify` has to find."""

from __future__ import annotations

from typing import Any

from seedbed.project import Run

_LEDGER = """
INSERT INTO ledger_entries (transaction_id, line_no, account_code, currency, amount_minor)
SELECT transaction_id, 99, account_code, currency, 1 FROM ledger_entries LIMIT 1
"""
_CIRCLE = "MATCH (a:Skill)-[:REQUIRES]->(b:Skill) WITH a, b LIMIT 1 CREATE (b)-[:REQUIRES]->(a)"


def contradict(run: Run) -> None:
    """Change a row of each database that has expectations, so that all of them are broken; no id leads nowhere then."""
    sessions: dict[str, Any] = {each.id: each.session for each in run.connected}
    _in_rows(sessions["payment/postgres"], _LEDGER)
    _in_rows(
        sessions["reviews/postgres"],
        "DELETE FROM rating_totals WHERE course_id IN (SELECT course_id FROM reviews)",
    )
    sessions["tutor-matching/neo4j"].graph.client.run_once(_CIRCLE)
    _in_item(sessions["courses/dynamodb"].database)
    everything = {"query": {"match_all": {}}, "max_docs": 1}
    sessions["ai/opensearch"].cluster.client.call(
        "POST", "/lessons/_delete_by_query", everything, params={"refresh": True}
    )


def _in_rows(session: Any, statement: str) -> None:
    with session.connection.transaction():
        session.connection.execute("SET LOCAL session_replication_role = replica")
        session.connection.execute(statement)


def _in_item(database: Any) -> None:
    """Let an enrolment end long before it began, and be no purchase any more."""
    table = database.physical("enrolments")
    items = database.client.call("Scan", {"TableName": table})["Items"]
    item = next(each for each in items if each["source"] == {"S": "purchase"})
    changed = {**item, "source": {"S": "gift"}, "ended_at": {"S": "2000-01-01T00:00:00Z"}}
    database.client.call("PutItem", {"TableName": table, "Item": changed})
