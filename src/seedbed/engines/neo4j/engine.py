"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seedbed.engines.kit.lazy import LazyEngineWithDiagnosis
from seedbed.engines.neo4j.address import VARIABLES, address
from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedbed.aws.cloud import Cloud
    from seedbed.engines.snapshots import Snapshots
    from seedbed.model.hazard import HazardRule
    from seedbed.model.migration import Migration, Step, StepText
    from seedbed.model.platform import Database
    from seedbed.model.seed import Script, SeedKind
    from seedbed.model.target import Target
    from seedbed.model.usage import Removed

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
    packages = ("neo4j",)
    variables = VARIABLES
    suffixes = (".cypher",)
    template = _TEMPLATE
    address = staticmethod(address)
    starts_first = False

    def hazards(self) -> Sequence[HazardRule]:
        from seedbed.engines.neo4j.rules.registry import RULES

        return RULES

    def starter(self) -> Mapping[str, str]:
        from seedbed.engines.neo4j.starter import FILES

        return FILES

    def removals(self, migration: Migration, database: Database) -> Sequence[Removed]:
        from seedbed.engines.neo4j.rules.gone import gone

        return gone(migration)

    def step_text(self, migration: Migration, step: Step) -> StepText:
        from seedbed.engines.neo4j.files.step_texts import step_text

        return step_text(migration, step)

    def check_script(self, script: Script, kind: SeedKind, options: object) -> None:
        from seedbed.engines.neo4j.rules.seed_scripts import checked

        checked(script)

    def script_text(self, script: Script, kind: SeedKind, options: object) -> StepText:
        from seedbed.engines.neo4j.rules.seed_scripts import script_text

        return script_text(script)

    def snapshots(self, target: Target, cloud: Cloud, home: Path | None) -> AbstractContextManager[Snapshots]:
        del cloud
        require_extras(self.extras)
        reached: AbstractContextManager[Snapshots] = self._part("snapshots.dumps", "snapshots")(target, home)
        return reached
