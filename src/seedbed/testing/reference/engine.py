"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedbed.engines.kit.lazy import LazyEngine
from seedbed.testing.reference.address import VARIABLES, address

if TYPE_CHECKING:
    from seedbed.model.migration import StepText
    from seedbed.model.seed import Script, SeedKind

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

    def check_script(self, script: Script, kind: SeedKind, options: object) -> None:
        from seedbed.testing.reference.language import script_statements

        script_statements(script)

    def script_text(self, script: Script, kind: SeedKind, options: object) -> StepText:
        from seedbed.model.migration import StepText
        from seedbed.testing.reference.language import script_statements

        lines = tuple(each.text for each in script_statements(script))
        return StepText(script.source.data.decode(), lines)
