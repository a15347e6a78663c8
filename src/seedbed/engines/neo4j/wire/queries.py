"""The queries of `queries.cypher` by their names."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^// ([a-z_]+):.*$", re.MULTILINE)


def text(name: str) -> str:
    """Return the query called `name`. Raises KeyError."""
    return _queries()[name]


@cache
def _queries() -> dict[str, str]:
    source = files("seedbed.engines.neo4j.wire").joinpath("queries.cypher").read_text("utf-8")
    return read(source)


def read(source: str) -> dict[str, str]:
    """Return the queries in `source` by name; each begins with a line `// name: what it does`."""
    _, *parts = _NAME.split(source)
    names, bodies = parts[::2], parts[1::2]
    found = {name: _statement(body) for name, body in zip(names, bodies, strict=True)}
    if len(found) != len(names):
        raise ValueError(f"a query is there twice: {sorted(name for name in names if names.count(name) > 1)}")
    return found


def _statement(body: str) -> str:
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("//")]
    return "\n".join(lines).strip().removesuffix(";")
