"""DynamoDB: the engine object. Importing this pulls neither botocore nor the CDK."""

from __future__ import annotations

from seedbed.engines.dynamodb.engine import DynamoEngine

engine = DynamoEngine()

__all__ = ["DynamoEngine", "engine"]
