"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from seedbed.engines.kit.lazy import LazyEngineWithDiagnosis
from seedbed.engines.opensearch.address import VARIABLES, address

if TYPE_CHECKING:
    from seedbed.model.hazard import HazardRule
    from seedbed.model.migration import Migration, Step, StepText

_TEMPLATE = """\
# {summary}
{directives}# migrate:up
PUT /name-1

# migrate:down
DELETE /name-1
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

    def check_declared(self, directory: PurePath, migrations: Sequence[Migration]) -> None:
        from seedbed.engines.opensearch.rules.declared import require_declared
        from seedbed.engines.opensearch.schema.read import read_declared

        require_declared(read_declared(directory), migrations)

    def hazards(self) -> Sequence[HazardRule]:
        from seedbed.engines.opensearch.rules.registry import RULES

        return RULES

    def starter(self) -> Mapping[str, str]:
        from seedbed.engines.opensearch.starter import FILES

        return FILES

    def step_text(self, migration: Migration, step: Step) -> StepText:
        from seedbed.engines.opensearch.files.step_texts import step_text

        return step_text(step)
