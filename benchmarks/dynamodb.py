"""Client CPU of a volume load, beside boto3's ``Table.batch_writer()`` with its default settings.

``python -m benchmarks.dynamodb [--rounds N] [--items N] [--only NAME]``

Each client loads the same items in a process of its own, first into a server that takes everything and remembers the
keys, then into DynamoDB Local, where a Scan counts them. The clock is the process's own CPU time, user and system,
around the load alone: imports, the making of the items and a first batch that warms both up are outside.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import dynamodb_seed
from benchmarks.clients import reported, serving, told
from benchmarks.lines import Line, compared, keep, machine
from benchmarks.null_dynamodb import KEY, Report
from benchmarks.null_http import digest
from seedbed.aws.cloud import Cloud
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.model.secret import Secret

UNIT, PEER = "µs CPU an item", "boto3"
REGION = "eu-central-1"
MOST = 1 / 8
WARM = 25
ITEMS = {"null": 20_000, "local": 20_000, "seed": 100_000}  # of one load, unless --items says otherwise
Item = dict[str, Any]


def items(count: int) -> list[Item]:
    """Return `count` messages of a chat: ten attributes, a list, a map in a map, numbers, text beyond ASCII."""
    rng = Random(20261123)
    words = (
        "the",
        "lesson",
        "on",
        "partial",
        "fractions",
        "begins",
        "at",
        "nine,",
        "bring",
        "notes",
        "–",
        "später",
    )
    start = datetime(2026, 11, 1, tzinfo=UTC)
    made = []
    for number in range(count):
        at = start + timedelta(seconds=number)
        made.append(
            {
                "conversation_id": f"course-{rng.randrange(400):05d}",
                "message_id": f"{at:%Y%m%dT%H%M%S}-{number:08d}",
                "sender_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "sent_at": int(at.timestamp() * 1000),
                "kind": rng.choice(("text", "text", "text", "file")),
                "body": " ".join(rng.choices(words, k=rng.randint(4, 40))),
                "is_edited": rng.random() < 0.1,
                "score": Decimal(rng.randrange(10_000)) / 100,
                "attachments": [f"s3://edtech/uploads/{rng.getrandbits(64):016x}.pdf"]
                * rng.choice((0, 0, 1, 2)),
                "meta": {
                    "client": "web",
                    "reply_to": None,
                    "reactions": {"like": rng.randrange(20), "thanks": rng.randrange(5)},
                },
            }
        )
    return made


# The clients: each runs in a process of its own, and says what the load took


def client(name: str, endpoint: str, table: str, count: int) -> None:
    """Load `count` items and print the CPU seconds that it took."""
    load = {"boto3": boto3_load, "seedbed": seedbed_load, "seedbed, 4 workers": seedbed_load_with_four}[name]
    made = items(count + WARM)
    begin = load(endpoint, table)
    begin(made[count:])
    before = time.process_time()  # what os.times says, in finer steps
    begin(made[:count])
    print(time.process_time() - before)


def boto3_load(endpoint: str, table: str) -> Any:
    import boto3

    target = boto3.resource(
        "dynamodb",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
    ).Table(table)

    def load(items: Sequence[Item]) -> None:
        with target.batch_writer() as batch:
            for each in items:
                batch.put_item(Item=each)

    return load


def seedbed_load(endpoint: str, table: str, workers: int = 1) -> Any:
    from seedbed.engines.dynamodb.seeds import bulk

    client = ours(endpoint)
    return lambda items: bulk.load(client, table, items, key=KEY, workers=workers)


def seedbed_load_with_four(endpoint: str, table: str) -> Any:
    return seedbed_load(endpoint, table, workers=4)


def ours(endpoint: str) -> Client:
    return Client(Cloud(REGION, endpoint=endpoint, access_key="benchmark", secret_key=Secret("benchmark")))


# What is measured


def cpu(name: str, spent: Mapping[str, Sequence[float]], who: str, most: float | None) -> Line:
    return compared(name, UNIT, spent[who], PEER, spent[PEER], most)


def run(name: str, endpoint: str, table: str, count: int) -> float:
    """Run a client and return its microseconds of CPU per item."""
    place = ("--endpoint", endpoint, "--table", table, "--items", str(count))
    (seconds,) = told("benchmarks.dynamodb", "--client", name, *place)
    return seconds / count * 1e6


def null_lines(rounds: int, count: int) -> list[Line]:
    """Load into the server that takes everything; all keys have to have arrived, whoever sent them."""
    wanted = digest([tuple(each[name] for name in KEY) for each in items(count + WARM)])
    spent: dict[str, list[float]] = {"seedbed": [], PEER: [], "seedbed, 4 workers": []}
    with serving("benchmarks.null_dynamodb") as endpoint:
        for round_ in range(rounds + 1):
            for name, took in spent.items():
                each = run(name, endpoint, "chat-messages-bench", count)
                report = reported(endpoint, Report)
                if report.digest != wanted or report.items != count + WARM or report.problems:
                    raise RuntimeError(f"{name} sent something else: {report}")
                if round_:
                    took.append(each)
    return [
        cpu("null server", spent, "seedbed", MOST),
        cpu("null server, 4 workers", spent, "seedbed, 4 workers", None),
    ]


def local_lines(rounds: int, count: int) -> list[Line]:
    """Load into DynamoDB Local, where a Scan has to find every item, equal to what was sent."""
    spent: dict[str, list[float]] = {"seedbed": [], PEER: []}
    with dynamodb_local() as endpoint, ours(endpoint) as client:
        for round_ in range(rounds + 1):
            for name, took in spent.items():
                table = f"bench-{uuid.uuid4().hex[:12]}"
                create(client, table)
                each = run(name, endpoint, table, count)
                check(client, table, count)
                client.call("DeleteTable", {"TableName": table})
                if round_:
                    took.append(each)
    return [cpu("DynamoDB Local", spent, "seedbed", None)]


def seed_lines(rounds: int, count: int) -> list[Line]:
    """Seed a file with the whole command, beside a script that reads it and has boto3 load it."""
    with dynamodb_local() as endpoint, ours(endpoint) as client, tempfile.TemporaryDirectory() as root:
        create(client, dynamodb_seed.TABLE)
        create(client, dynamodb_seed.HISTORY, ("pk", "sk"))
        return dynamodb_seed.lines(rounds, items(count), Path(root), endpoint)


@contextmanager
def dynamodb_local() -> Iterator[str]:
    from seedbed.engines.dynamodb.sandbox.local import dynamodb_local as running

    with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as home, running(Path(home)) as server:
        yield server.endpoint


def create(client: Client, table: str, key: Sequence[str] = KEY) -> None:
    client.call(
        "CreateTable",
        {
            "TableName": table,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in key],
            "KeySchema": [
                {"AttributeName": name, "KeyType": kind}
                for name, kind in zip(key, ("HASH", "RANGE"), strict=True)
            ],
        },
    )


def check(client: Client, table: str, count: int) -> None:
    """Raise RuntimeError unless a Scan finds all items as they were sent."""
    from seedbed.engines.dynamodb.wire.values import from_item

    found: list[Item] = []
    start: dict[str, Any] = {}
    while True:
        page = client.call("Scan", {"TableName": table, "ConsistentRead": True, **start})
        found += [from_item(each) for each in page["Items"]]
        if not (last := page.get("LastEvaluatedKey")):
            break
        start = {"ExclusiveStartKey": last}
    wanted = items(count + WARM)
    if sorted(found, key=_order) != sorted(wanted, key=_order):
        raise RuntimeError(f"{table} holds {len(found)} items, and not those {len(wanted)} that were sent")


def _order(item: Item) -> tuple[Any, ...]:
    return tuple(item[name] for name in KEY)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dynamodb", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each client has its turn")
    parser.add_argument("--items", type=int, help="items of one load; by default 20 000, for `seed` 100 000")
    parser.add_argument(
        "--only", choices=list(ITEMS), action="append", help="measure only this; may be repeated"
    )
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    parser.add_argument("--table", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.client:
        client(asked.client, asked.endpoint, asked.table, asked.items)
        return 0
    items_of = {name: asked.items or count for name, count in ITEMS.items()}
    settings, lines = machine("boto3", "botocore", "msgspec", rounds=asked.rounds, items=items_of), []
    print(json.dumps(settings), flush=True)
    measured = {"null": null_lines, "local": local_lines, "seed": seed_lines}
    for name in asked.only or ITEMS:
        for line in measured[name](asked.rounds, asked.items or ITEMS[name]):
            print(line, flush=True)
            lines.append(line)
    if not asked.only:
        keep("dynamodb", settings, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
