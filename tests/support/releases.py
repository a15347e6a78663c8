"""Releases for tests, and processes of their own that write them: several at once, and killed at any moment.

::

    python -m tests.support.releases '{"directory": "…", "environment": "prod"}' create 1
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.store.records import PostgresRecords
from seedbed.model.release import Approval, Identity, Release, Step, StepName
from seedbed.model.secret import Secret
from seedbed.releases.database_store import DatabaseStore
from seedbed.releases.directory_store import DirectoryStore
from seedbed.releases.store import ReleaseStore
from seedbed.releases.table_store import TableStore
from tests.support.forked import Forked

SOMEBODY = Identity("AROAOPENER:ana", "arn:aws:sts::111111111111:assumed-role/release/ana")


def release(environment: str, number: int = 1, **more: Any) -> Release:
    """Return a release that is still to take all of its steps."""
    given: dict[str, Any] = {
        "environment": environment,
        "number": number,
        "bundle": "b" * 64,
        "platform_digest": "d" * 64,
        "commit": "c" * 40,
        "opened_by": SOMEBODY,
        "opened": 1000.5,
        "soak": 60.0,
        "steps": tuple(Step(name=each) for each in StepName),
        **more,
    }
    return Release(**given)


def approval(number: int = 1, step: StepName = StepName.EXPAND, **more: Any) -> Approval:
    """Return an approval as whoever approves hands it to the store: of who and when it says nothing true."""
    given = {
        "number": number,
        "step": step,
        "digest": "e" * 64,
        "by": Identity("", "", "github:ana"),
        "at": 0.0,
    }
    return Approval(**{**given, **more})


def following(one: Release) -> Release:
    """Return the next revision of a release."""
    return replace(one, revision=one.revision + 1)


def described(store: ReleaseStore) -> dict[str, Any]:
    """Return what another process needs to know of a store."""
    if isinstance(store, DirectoryStore):
        return {"directory": str(store.directory), "environment": store.environment}
    if isinstance(store, DatabaseStore):
        records = store._records
        assert isinstance(records, PostgresRecords)
        where = {"host": records._address.host, "port": records._address.port, "name": records._address.name}
        return {"address": {**where, "user": records._address.user}, "environment": store.environment}
    assert isinstance(store, TableStore)
    cloud = store.table.cloud
    assert cloud.secret_key is not None
    place = {"region": cloud.region, "account": cloud.account, "endpoint": cloud.endpoint}
    keys = {"access_key": cloud.access_key, "secret_key": cloud.secret_key.reveal()}
    names = {"table": store.table.name, "bucket": store.bucket.name, "environment": store.environment}
    return {"cloud": {**place, **keys}, **names}


def opened(told: Mapping[str, Any]) -> ReleaseStore:
    """Return the store that `described` was given."""
    if "directory" in told:
        return DirectoryStore(Path(told["directory"]), told["environment"])
    if "address" in told:
        records = PostgresRecords(Address(**told["address"]), told["environment"])
        return DatabaseStore(records, told["environment"], "user/postgres")
    keys = dict(told["cloud"])
    cloud = Cloud(**{**keys, "secret_key": Secret(keys["secret_key"])})
    return TableStore(Table(cloud, told["table"]), Bucket(cloud, told["bucket"]), told["environment"])


def started(store: ReleaseStore, *words: str) -> subprocess.Popen[str]:
    """Return a process that is about to write: it begins when it is sent a line."""
    return Forked(
        [sys.executable, "-m", __name__, json.dumps(described(store)), *words],
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main() -> int:
    told, verb, *words = sys.argv[1:]
    store, number = opened(json.loads(told)), int(words[0])
    found = store.load(number) or release(store.caller().user_id and json.loads(told)["environment"], number)
    print("ready", flush=True)
    sys.stdin.readline()
    if verb == "create":
        own = replace(found, commit=str(os.getpid()), bundle=f"{os.getpid():064d}")
        print(store.create(own), flush=True)
    elif verb == "count":  # how many of some tries were made
        done = 0
        for _ in range(int(words[1])):
            there = store.load(number)
            done += there is not None and store.replace(following(there))
        print(done, flush=True)
    while verb == "write":  # until it is killed
        found = following(found)
        store.put(str(found.revision).encode() * 1000)
        print(found.revision if store.replace(found) else "refused", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
