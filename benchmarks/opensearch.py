"""A volume load, client CPU and time by the clock, beside ``opensearchpy.helpers.bulk`` with its default settings.

``python -m benchmarks.opensearch [--rounds N] [--documents N] [--only NAME]``

Each client loads the same documents in requests of the same size (500, opensearch-py's default) in a process of its
own: first into a server that accepts everything and remembers the ids, then into an OpenSearch, where every document is
read back and compared. Both are measured around the load alone: imports, the making of the documents and a first batch
that warms both up are outside. CPU is the process's own, user and system. Last comes the whole command, from the start
of its process to its end, beside a script that reads the same file. Who begins a round is drawn anew in each.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import opensearch_seed
from benchmarks.clients import reported, serving, told
from benchmarks.lines import Line, compared, keep, machine
from benchmarks.null_http import digest
from benchmarks.null_opensearch import Report
from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.wire.client import Client
from seedbed.servers import locks

MOST = 0.4  # of the peer's CPU
MOST_CLOCK = 1.0  # of the peer's time by the clock, on a real server
BATCH = 500  # documents in a request: the default of opensearch-py
WARM = BATCH
DIMENSION = 64
NAMES = ("null", "server", "seed")
KINDS = ("messages", "lessons")
PEER = "opensearch-py"
Document = dict[str, Any]
_WORDS = ("the", "lesson", "on", "fractions", "begins", "at", "nine,", "bring", "notes", "–", "später")


@dataclass(frozen=True, slots=True)
class Spent:
    """What loading one document cost: microseconds of the client's CPU, and microseconds by the clock."""

    cpu: float
    clock: float


def documents(kind: str, count: int) -> list[tuple[str, Document]]:
    """Return `count` documents with their ids: messages (ten fields) or lessons (text and a vector of 64 floats)."""
    rng = Random(20261123)
    make = {"messages": _message, "lessons": _lesson}[kind]
    return [(f"{kind}-{number:08d}", make(rng, number)) for number in range(count)]


def _message(rng: Random, number: int) -> Document:
    at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=number)
    return {
        "conversation_id": f"course-{rng.randrange(400):05d}",
        "sender_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "sent_at": at.isoformat(),
        "kind": rng.choice(("text", "text", "text", "file")),
        "body": " ".join(rng.choices(_WORDS, k=rng.randint(4, 40))),
        "is_edited": rng.random() < 0.1,
        "score": rng.randrange(10_000) / 100,
        "attachments": [f"s3://edtech/uploads/{rng.getrandbits(64):016x}.pdf"] * rng.choice((0, 0, 1, 2)),
        "meta": {
            "client": "web",
            "reply_to": None,
            "reactions": {"like": rng.randrange(20), "thanks": rng.randrange(5)},
        },
    }


def _lesson(rng: Random, number: int) -> Document:
    return {
        "course_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "position": 10 * (number % 20),
        "title": " ".join(rng.choices(_WORDS, k=5)),
        "body": " ".join(rng.choices(_WORDS, k=60)),
        "embedding": [round(rng.uniform(-1, 1), 6) for _ in range(DIMENSION)],
    }


# The clients: each runs in a process of its own, and says what the load took


def client(name: str, kind: str, endpoint: str, index: str, count: int) -> None:
    """Load `count` documents and print the seconds that it took: of CPU, and by the clock."""
    load = {PEER: peer_load, "seedbed": seedbed_load, "seedbed, measuring": measuring_load}[name]
    made = documents(kind, count + WARM)
    begin = load(endpoint, index)
    begin(made[count:])
    before, clock = time.process_time(), time.perf_counter()
    begin(made[:count])
    print(time.process_time() - before, time.perf_counter() - clock)


def peer_load(endpoint: str, index: str) -> Any:
    from opensearchpy import OpenSearch, helpers

    host, port = endpoint.removeprefix("http://").split(":")
    target = OpenSearch([{"host": host, "port": int(port)}])

    def load(documents: Sequence[tuple[str, Document]]) -> None:
        actions = ({"_index": index, "_id": id_, "_source": document} for id_, document in documents)
        done, errors = helpers.bulk(target, actions)
        if done != len(documents) or errors:
            raise RuntimeError(f"{done} of {len(documents)} documents, {errors}")

    return load


def seedbed_load(endpoint: str, index: str, most: int = BATCH) -> Any:
    from seedbed.engines.opensearch.seeds import bulk
    from seedbed.engines.opensearch.seeds.request_size import LARGEST, RequestSize

    client = Client(Address(endpoint))

    def load(documents: Sequence[tuple[str, Document]]) -> None:
        chunks = RequestSize(fixed=LARGEST) if most == BATCH else RequestSize()
        done = bulk.load(client, index, documents, chunks=chunks, most=most)
        if done.all != len(documents):
            raise RuntimeError(f"{done} of {len(documents)} documents")

    return load


def measuring_load(endpoint: str, index: str) -> Any:
    from seedbed.engines.opensearch.seeds.bulk import MOST as LIMIT

    return seedbed_load(endpoint, index, most=LIMIT)


# What is measured


def turns(spent: Mapping[str, list[Spent]], rounds: int) -> Iterator[tuple[str, bool]]:
    """Yield whose turn it is, and whether it counts: a round that does not, then `rounds`, each in an order of its own.

    The server merges segments and collects garbage for a while after a load, which whoever comes next has to bear.
    """
    rng = Random(20261129)
    for round_ in range(rounds + 1):
        for name in rng.sample(sorted(spent), k=len(spent)):
            yield name, round_ > 0


def both(
    name: str, spent: Mapping[str, Sequence[Spent]], who: str, most: float | None, most_clock: float | None
) -> list[Line]:
    """Return what CPU of the client, and what time by the clock, a document took."""
    mine, peer = spent[who], spent[PEER]
    return [
        compared(
            name, "µs CPU a document", [each.cpu for each in mine], PEER, [each.cpu for each in peer], most
        ),
        compared(
            name,
            "µs a document",
            [each.clock for each in mine],
            PEER,
            [each.clock for each in peer],
            most_clock,
        ),
    ]


def run(name: str, kind: str, endpoint: str, index: str, count: int) -> Spent:
    """Run a client and return what a document cost it."""
    place = ("--kind", kind, "--endpoint", endpoint, "--index", index, "--documents", str(count))
    cpu, clock = told("benchmarks.opensearch", "--client", name, *place)
    return Spent(cpu / count * 1e6, clock / count * 1e6)


def null_lines(kind: str, rounds: int, count: int) -> list[Line]:
    """Load into the server that takes everything; all ids have to have arrived once, whoever sent them."""
    wanted = digest([id_ for id_, _ in documents(kind, count + WARM)])
    spent: dict[str, list[Spent]] = {"seedbed": [], PEER: [], "seedbed, measuring": []}
    with serving("benchmarks.null_opensearch") as endpoint:
        for name, counts in turns(spent, rounds):
            each = run(name, kind, endpoint, "bench", count)
            report = reported(endpoint, Report)
            is_batched = name == "seedbed, measuring" or report.largest == BATCH
            if report.digest != wanted or report.problems or not is_batched:
                raise RuntimeError(f"{name} sent something else: {report}")
            if counts:
                spent[name].append(each)
    return [
        *both(f"null server, {kind}", spent, "seedbed", MOST, None),
        *both(f"null server, {kind}, size measured", spent, "seedbed, measuring", None, None),
    ]


def server_lines(kind: str, rounds: int, count: int) -> list[Line]:
    """Load into an OpenSearch, where every document has to be found, equal to what was sent."""
    spent: dict[str, list[Spent]] = {"seedbed": [], PEER: [], "seedbed, measuring": []}
    with opensearch() as endpoint, Client(Address(endpoint)) as ours:
        for name, counts in turns(spent, rounds):
            index = f"bench-{uuid.uuid4().hex[:12]}"
            create(ours, index)
            each = run(name, kind, endpoint, index, count)
            check(ours, index, documents(kind, count + WARM))
            ours.call("DELETE", f"/{index}")
            if counts:
                spent[name].append(each)
    return [
        *both(f"OpenSearch, {kind}", spent, "seedbed", MOST, MOST_CLOCK),
        *both(f"OpenSearch, {kind}, size measured", spent, "seedbed, measuring", None, MOST_CLOCK),
    ]


def seed_lines(kind: str, rounds: int, count: int) -> list[Line]:
    """Seed a file with the whole command, beside a script that reads it and passes it to `helpers.bulk`."""
    made = documents(kind, count)
    spent: dict[str, list[Spent]] = {"seedbed": [], PEER: []}
    with (
        opensearch() as endpoint,
        Client(Address(endpoint)) as ours,
        tempfile.TemporaryDirectory(prefix="seedbed-bench-") as home,
    ):
        seed = opensearch_seed.project(Path(home), kind, made)
        opensearch_seed.seedbed(Path(home), endpoint, "apply")
        for name, counts in turns(spent, rounds):
            create(ours, kind)
            if name == PEER:
                cpu, clock = opensearch_seed.peer(seed, endpoint, kind)
            else:
                cpu, clock = opensearch_seed.seedbed(Path(home), endpoint, "seed", "--kind", "volume")
            check(ours, kind, made)
            ours.call("DELETE", f"/{kind}")
            if counts:
                spent[name].append(Spent(cpu / count * 1e6, clock / count * 1e6))
    return both(f"the whole command, {kind}", spent, "seedbed", None, MOST_CLOCK)


@contextmanager
def opensearch() -> Iterator[str]:
    from seedbed.engines.opensearch.sandbox import embedded

    with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as home:
        with embedded(Path(home)) as server:
            yield server.settings("bench/opensearch")["endpoint"]
            lock = server.directory("bench/opensearch") / "server.lock"
        # It stops by itself, and writes until then.
        if (stopped := locks.acquire(lock, exclusive=True, seconds=60)) is not None:
            os.close(stopped)


def create(client: Client, index: str) -> None:
    """Make an index that stores what it is given, and looks into a message as the chat of a platform does."""
    texts = {name: {"type": "text"} for name in ("title", "body")}
    vector = {"embedding": {"type": "float", "index": False}}
    client.call(
        "PUT",
        f"/{index}",
        {
            "settings": {"number_of_replicas": 0, "refresh_interval": "-1"},
            "mappings": {"dynamic_date_formats": ["strict_date_time"], "properties": {**texts, **vector}},
        },
    )


def check(client: Client, index: str, made: Sequence[tuple[str, Document]]) -> None:
    """Raise RuntimeError unless every document is there as it was sent, and no other."""
    wanted = dict(made)
    client.call("POST", f"/{index}/_refresh")
    body: dict[str, Any] = {"size": 5000, "sort": ["_doc"], "query": {"match_all": {}}}
    page = client.call("POST", f"/{index}/_search", body, params={"scroll": "1m"}, idempotent=True)
    found: dict[str, Document] = {}
    while page["hits"]["hits"]:
        found.update({each["_id"]: each["_source"] for each in page["hits"]["hits"]})
        page = client.call("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
    client.call("DELETE", "/_search/scroll", {"scroll_id": [page["_scroll_id"]]})
    counted = client.call("GET", f"/{index}/_count")["count"]
    if counted != len(wanted) or found != wanted:
        raise RuntimeError(f"{index} holds {counted} documents, and not those {len(wanted)} that were sent")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.opensearch", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each client has its turn")
    parser.add_argument("--documents", type=int, default=20_000, help="documents of one load")
    parser.add_argument("--only", choices=NAMES, action="append", help="measure only this; may be repeated")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    parser.add_argument("--index", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.client:
        client(asked.client, asked.kind, asked.endpoint, asked.index, asked.documents)
        return 0
    amounts = {"rounds": asked.rounds, "documents": asked.documents, "batch": BATCH}
    settings, lines = machine("opensearch-py", "urllib3", "msgspec", **amounts), []
    print(json.dumps(settings), flush=True)
    measure = {"null": null_lines, "server": server_lines, "seed": seed_lines}
    for name in asked.only or NAMES:
        for kind in KINDS:
            for line in measure[name](kind, asked.rounds, asked.documents):
                print(line, flush=True)
                lines.append(line)
    if not asked.only:
        keep("opensearch", settings, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
