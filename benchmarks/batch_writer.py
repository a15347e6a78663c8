"""What a script of one's own does to load a file into DynamoDB: read it, and hand its items to boto3's batch_writer.

``python -m benchmarks.batch_writer FILE ENDPOINT TABLE``

It imports nothing else, so that what it costs is what such a script costs.
"""

from __future__ import annotations

import csv
import json
import runpy
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

REGION = "eu-central-1"


def items(path: str) -> Iterable[dict[str, Any]]:
    """Return the items of a seed, whose .csv has numbers in `sent_at` and `score`, a flag in `is_edited`."""
    if path.endswith(".json"):
        with open(path, encoding="utf-8") as file:
            found: list[dict[str, Any]] = json.load(file, parse_float=Decimal)
        return found
    if path.endswith(".py"):
        made: Iterable[dict[str, Any]] = runpy.run_path(path)["rows"]()
        return made
    return _cells(path)


def _cells(path: str) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {
                **row,
                "sent_at": int(row["sent_at"]),
                "score": Decimal(row["score"]),
                "is_edited": row["is_edited"] == "true",
            }


def main(path: str, endpoint: str, table: str) -> None:
    import boto3

    target = boto3.resource(
        "dynamodb",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
    ).Table(table)
    with target.batch_writer() as batch:
        for each in items(path):
            batch.put_item(Item=each)


if __name__ == "__main__":
    main(*sys.argv[1:])
