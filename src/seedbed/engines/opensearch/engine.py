"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from seedbed.engines.kit.lazy import LazyEngineWithDiagnosis
from seedbed.engines.opensearch.address import VARIABLES, address
from seedbed.engines.opensearch.prefix.names import prefix_of

if TYPE_CHECKING:
    from pathlib import Path

    from seedbed.aws.cloud import Cloud
    from seedbed.engines.sharing import SharedServer
    from seedbed.engines.snapshots import Snapshots
    from seedbed.model.hazard import Hazard, HazardRule
    from seedbed.model.migration import Migration, MigrationFile, Step, StepText, Work
    from seedbed.model.ownership import Mention, Named
    from seedbed.model.platform import Database
    from seedbed.model.secret import Secret
    from seedbed.model.target import Target
    from seedbed.model.usage import Removed

_TEMPLATE = """\
# {summary}
{directives}# migrate:up
PUT /name-1

# migrate:down
DELETE /name-1
"""
_FUNCTIONS = """\
# {summary}
{directives}# seedbed: index=name


def up(doc):
    # called for every document of the index; returns it as it should be, or None to leave it out
    return doc


def down(doc):
    return doc
"""


class OpenSearchEngine(LazyEngineWithDiagnosis):
    """OpenSearch. Requests are sent as written; declared indexes are changed in place, or reindexed."""

    package = "seedbed.engines.opensearch"
    parser = "files.parse"
    name = "opensearch"
    variables = VARIABLES
    suffixes = (".http", ".py")
    template = _TEMPLATE
    address = staticmethod(address)
    starts_first = False

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        from seedbed.engines.opensearch.schema.json_schema import FILE, json_schema

        return {FILE: json_schema()}

    def check_declared(
        self, directory: PurePath, works: Sequence[Work], applied: Sequence[MigrationFile]
    ) -> None:
        from seedbed.engines.opensearch.files.programs import programs
        from seedbed.engines.opensearch.rules.declared import require_declared
        from seedbed.engines.opensearch.schema.read import read_declared

        require_declared(read_declared(directory), works, partial(programs, applied))

    def checkpoint_text(self, checkpoint: str) -> str:
        from seedbed.engines.opensearch.running.standing import checkpoint_text

        return checkpoint_text(checkpoint)

    def hazards(self) -> Sequence[HazardRule]:
        from seedbed.engines.opensearch.rules.registry import RULES

        return RULES

    def named(self, migration: Migration, options: object) -> Named:
        from seedbed.engines.opensearch.rules.names import named

        return named(migration)

    def declared_names(self, directory: PurePath) -> frozenset[str]:
        from seedbed.engines.opensearch.schema.read import read_declared

        return frozenset(each.name for each in read_declared(directory).indexes)

    def foreign(self, mention: Mention, name: str, owner: str, *, is_there: bool) -> Hazard:
        from seedbed.engines.opensearch.rules.names import foreign

        return foreign(mention, name, owner, is_there=is_there)

    def removals(self, migration: Migration, database: Database) -> Sequence[Removed]:
        from seedbed.engines.opensearch.rules.gone import gone

        return gone(migration, database.directory)

    def shared_settings(self, environment: str, service: str) -> Mapping[str, str]:
        return {"prefix": prefix_of(environment, service)}

    def shared_server(self, settings: Mapping[str, str | Secret]) -> AbstractContextManager[SharedServer]:
        from seedbed.engines.opensearch.options import Options
        from seedbed.engines.opensearch.running.shared_server import shared_server

        return shared_server(address(settings, Options()))

    def sharing_hazards(self, migration: Migration, options: object) -> Sequence[Hazard]:
        from seedbed.engines.opensearch.rules.sharing import sharing_hazards

        return sharing_hazards(migration)

    def snapshots(self, target: Target, cloud: Cloud, home: Path | None) -> AbstractContextManager[Snapshots]:
        del cloud, home  # the cluster itself writes to its repository
        reached: AbstractContextManager[Snapshots] = self._part("snapshots.repository", "snapshots")(target)
        return reached

    def new_file(self, suffix: str, directory: PurePath, files: Sequence[MigrationFile]) -> tuple[str, str]:
        if suffix != ".http":
            from seedbed.engines.opensearch.files.programs import programs
            from seedbed.engines.opensearch.rules.versions import not_led_to
            from seedbed.engines.opensearch.schema.read import read_declared

            for directives in not_led_to(read_declared(directory), programs(files)):
                return ".py", f"# {{summary}}\n{{directives}}# seedbed: {directives}\n"
        return (suffix, _FUNCTIONS) if suffix == ".py" else (".http", _TEMPLATE)

    def starter(self) -> Mapping[str, str]:
        from seedbed.engines.opensearch.starter import FILES

        return FILES

    def program_text(self, directory: PurePath, migration: Migration, step: Step) -> StepText:
        from seedbed.engines.opensearch.rules.program_texts import program_text
        from seedbed.engines.opensearch.schema.read import read_declared

        return program_text(read_declared(directory), migration, step)

    def step_text(self, migration: Migration, step: Step) -> StepText:
        from seedbed.engines.opensearch.files.step_texts import step_text

        return step_text(step)
