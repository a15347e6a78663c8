"""What a Neo4j does while its ahead-of-time cache is recorded: a little of everything that seedbed does."""

from __future__ import annotations

from pathlib import Path

from seedbed.servers import ports

STATEMENTS = (
    "CREATE CONSTRAINT a_key FOR (n:A) REQUIRE n.id IS UNIQUE",
    "CREATE INDEX a_x FOR (n:A) ON (n.x)",
    "SHOW CONSTRAINTS",
    "SHOW INDEXES",
    "SHOW TRANSACTIONS YIELD transactionId, metaData, currentQuery",
    "UNWIND range(1, 50) AS i MERGE (n:A {id: i}) SET n.x = i CREATE (n)-[:R {at: datetime()}]->(:B {of: toString(i)})",
    "EXPLAIN MATCH (a:A {id: 1})-[:R]->(b) RETURN a, b",
    "MATCH (n:A) WHERE n.id > 10 WITH n ORDER BY n.id LIMIT 5 RETURN collect(n.id) AS ids, count(*) AS n",
    "MATCH (n:A) CALL (n) { SET n.y = 1 } IN TRANSACTIONS OF 10 ROWS",
    "MATCH (n) WITH n LIMIT 100 DETACH DELETE n RETURN count(*) AS n",
    "DROP INDEX a_x",
    "DROP CONSTRAINT a_key",
)


def train(folder: Path) -> None:
    """Use the server of the directory `folder`."""
    import neo4j

    address = f"bolt://127.0.0.1:{ports.last_port(folder)}"
    with neo4j.GraphDatabase.driver(address, auth=None) as driver, driver.session() as session:
        for statement in STATEMENTS:
            session.run(statement).consume()
