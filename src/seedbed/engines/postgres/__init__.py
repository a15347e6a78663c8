"""PostgreSQL: the engine object. Importing this pulls neither the driver nor the parser."""

from __future__ import annotations

from seedbed.engines.postgres.engine import PostgresEngine

engine = PostgresEngine()

__all__ = ["PostgresEngine", "engine"]
