"""A text falls into as many statements as the server's own parser finds in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

import pytest

from seedbed.engines.neo4j.address import address
from seedbed.engines.neo4j.files.split import split
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.engines.neo4j.wire.errors import CypherError
from tests.support.servers import Settings

TEXTS = 40
_JUNK = ["a", "'", '"', "`", "//", "/*", "*/", ";", "\n", "{", "}", " ", "é", "\u2028", "\r"]


@pytest.fixture
def server(neo4j_settings: Settings) -> Iterator[BoltClient]:
    made = BoltClient(address(neo4j_settings, None))
    made.open()
    yield made
    made.close()


def junk(rng: Random, without: str) -> str:
    """Return what means something elsewhere, but not between two of `without`."""
    chosen = (rng.choice(_JUNK) for _ in range(rng.randint(0, 4)))
    return "".join(each for each in chosen if not set(each) & set(without))


def quoted(rng: Random, quote: str, *escapes: str) -> str:
    """Return a string or a name in `quote`, with `escapes` of it inside."""
    return quote + "".join(junk(rng, quote) + each for each in escapes) + quote


def literal(rng: Random) -> str:
    return rng.choice(
        [
            quoted(rng, "'", "\\\\", "\\'", ""),
            quoted(rng, '"', '\\"', "\\n", "\\\\"),
            "{" + quoted(rng, "`", "``", "a") + ": [1, 2][0..1]}",
            "COUNT { MATCH (n {x: '}'}) WHERE EXISTS { (n)-->() } RETURN n }",
        ]
    )


def gap(rng: Random) -> str:
    return rng.choice([" ", " ", " //" + junk(rng, "\n\r") + "\n ", " /*" + junk(rng, "/") + "*/ "])


def text(rng: Random) -> str:
    said = gap(rng)
    for _ in range(rng.randint(1, 8)):
        words = ["RETURN", literal(rng), "AS", rng.choice(["x", quoted(rng, "`", "a", "")]), ";"]
        said += "".join(word + gap(rng) for word in words)
    return said


def statements_found_by(server: BoltClient, text: str) -> int:
    """Return how many statements the server counts in `text`. Raises CypherError for what is no Cypher."""
    try:
        server.explain(text)
    except CypherError as error:
        if (found := re.search(r"exactly one statement per query but got: (\d+)", error.message)) is None:
            raise
        return int(found[1])
    return 1


def test_the_server_counts_as_many_statements_as_we_do(server: BoltClient) -> None:
    rng = Random(20261123)
    for _ in range(TEXTS):
        said = text(rng)
        assert len(split(said)) == statements_found_by(server, said), said
