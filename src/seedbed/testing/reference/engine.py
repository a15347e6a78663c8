"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedbed.engines.kit.lazy import LazyEngine
from seedbed.testing.reference.address import VARIABLES, address

if TYPE_CHECKING:
    from pathlib import PurePath

    from seedbed.model.hazard import Hazard
    from seedbed.model.migration import Migration, StepText
    from seedbed.model.ownership import Mention, Named
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

    def named(self, migration: Migration, options: object) -> Named:
        from seedbed.testing.reference.names import named

        return named(migration)

    def declared_names(self, directory: PurePath) -> frozenset[str]:
        return frozenset()

    def foreign(self, mention: Mention, name: str, owner: str, *, is_there: bool) -> Hazard:
        from seedbed.testing.reference.names import foreign

        return foreign(mention, name, owner)

    def check_script(self, script: Script, kind: SeedKind, options: object) -> None:
        from seedbed.testing.reference.language import script_statements

        script_statements(script)

    def script_text(self, script: Script, kind: SeedKind, options: object) -> StepText:
        from seedbed.model.migration import StepText
        from seedbed.testing.reference.language import script_statements

        lines = tuple(each.text for each in script_statements(script))
        return StepText(script.source.data.decode(), lines)
