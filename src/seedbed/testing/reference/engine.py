"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from seedbed.engines.kit.lazy import LazyEngine
from seedbed.testing.reference.address import VARIABLES, address

_TEMPLATE = """\
# {summary}
{directives}# migrate:up

# migrate:down
"""


class MemoryEngine(LazyEngine):
    """Tables in the memory of a server process."""

    package = "seedbed.testing.reference"
    name = "memory"
    variables = VARIABLES
    suffixes = (".mem",)
    template = _TEMPLATE
    address = staticmethod(address)
