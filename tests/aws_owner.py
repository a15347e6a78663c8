"""Other processes that own a server of the sandbox's AWS, and what can be seen of such a server from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from seedbed.embedded import owners
from seedbed.engines.dynamodb.embedded.world import World

SOURCE = Path(__file__).parents[1] / "src"
PATHS = os.pathsep.join([str(SOURCE), *filter(None, sys.path)])
GONE_SECONDS = 30.0

OWNER = """
import json, sys
from pathlib import Path
from seedbed.engines.dynamodb.embedded import embedded
with embedded(Path(sys.argv[1])) as world:
    state = json.loads((world.room / "state.json").read_text())
    print(json.dumps({**state, "endpoint": world.endpoint, "room": str(world.room)}), flush=True)
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
        world = World(endpoint=told["endpoint"], room=Path(told["room"]), pid=told["server"])
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


def until(holds: Callable[[], bool], seconds: float = GONE_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(room: Path, *pids: int) -> bool:
    """Return whether these processes, and all that they forked, are gone within seconds."""
    return until(lambda: not any(map(alive, pids)) and not owners.holders(room / "server.lock"))


def listening(pid: int) -> set[str]:
    """Return the addresses that a process listens on, as the kernel writes them: hexadecimal, without the port."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            inodes.add(os.readlink(f"/proc/{pid}/fd/{name}").removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].partition(":")[0])
    return found
