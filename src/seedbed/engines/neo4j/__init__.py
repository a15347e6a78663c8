"""Neo4j: the engine object. Importing this pulls no driver."""

from __future__ import annotations

from seedbed.engines.neo4j.engine import Neo4jEngine

engine = Neo4jEngine()

__all__ = ["Neo4jEngine", "engine"]
