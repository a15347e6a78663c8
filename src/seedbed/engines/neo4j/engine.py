"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from seedbed.engines.kit.lazy import LazyEngineWithDiagnosis
from seedbed.engines.neo4j.address import VARIABLES, address

_TEMPLATE = """\
// {summary}
{directives}
// migrate:up


// migrate:down

"""


class Neo4jEngine(LazyEngineWithDiagnosis):
    """Neo4j, Community or Enterprise, by the Bolt protocol."""

    package = "seedbed.engines.neo4j"
    parser = "files.parse"
    name = "neo4j"
    variables = VARIABLES
    suffixes = (".cypher",)
    template = _TEMPLATE
    address = staticmethod(address)
