"""OpenSearch: the engine object. Importing this pulls no botocore."""

from __future__ import annotations

from seedbed.engines.opensearch.engine import OpenSearchEngine

engine = OpenSearchEngine()

__all__ = ["OpenSearchEngine", "engine"]
