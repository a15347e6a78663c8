"""Other processes that own a server of the sandbox's AWS, and what can be seen of such a server from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from seedbed.engines.dynamodb.sandbox.world import World

SOURCE = Path(__file__).parents[2] / "src"
PATHS = os.pathsep.join([str(SOURCE), *filter(None, sys.path)])

OWNER = """
import json, sys
from pathlib import Path
from seedbed.engines.dynamodb.sandbox import embedded
with embedded(Path(sys.argv[1])) as world:
    state = json.loads((world.directory / "state.json").read_text())
    print(json.dumps({**state, "endpoint": world.endpoint, "directory": str(world.directory)}), flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Another process that owns a server until its standard input ends."""

    process: subprocess.Popen[str]
    world: World
    supervisor: int

    def leave(self) -> None:
        self.process.communicate("")
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def owner(home: Path, **environment: str) -> Iterator[Owner]:
    """Start another process that owns the server of `home`."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PATHS, **environment},
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, f"the owner ended with {process.wait()}"
        told = json.loads(line)
        world = World(endpoint=told["endpoint"], directory=Path(told["directory"]), pid=told["server"])
        yield Owner(process, world, told["supervisor"])
    finally:
        process.kill()
        process.communicate()


@contextmanager
def client(world: World, service: str) -> Iterator[Any]:
    """A client that never tries twice."""
    connection = boto3.client(
        service,
        endpoint_url=world.endpoint,
        region_name=world.region,
        aws_access_key_id=world.account,
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        yield connection
    finally:
        connection.close()


def create_table(dynamodb: Any, name: str) -> None:
    """Create a table with the key `pk`."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
