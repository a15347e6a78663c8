"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.engines.opensearch.address import VARIABLES, Address, address

if TYPE_CHECKING:
    from seedbed.engines.base import Embedded, Session, Variable
    from seedbed.model.migration import Migration, MigrationFile
    from seedbed.model.secret import Secret
    from seedbed.model.target import Target

_TEMPLATE = """\
# {summary}
{facts}# migrate:up
PUT /NAME-1

# migrate:down
DELETE /NAME-1
"""


class OpenSearchEngine:
    """OpenSearch. Requests are sent as they are written; indexes are declared, and filled anew where they must be."""

    name = "opensearch"
    variables: Sequence[Variable] = VARIABLES
    suffixes: Sequence[str] = (".http", ".py")
    template = _TEMPLATE

    @property
    def options(self) -> type[Any]:
        from seedbed.engines.opensearch.options import Options

        return Options

    def address(self, facts: Mapping[str, str | Secret], options: Any) -> Address:
        return address(facts, options)

    def embedded(self, home: Path) -> AbstractContextManager[Embedded]:
        from seedbed.engines.opensearch.embedded import embedded

        return embedded(home)

    def parse(self, file: MigrationFile) -> Migration:
        from seedbed.engines.opensearch.parse import parse

        return parse(file)

    def connect(self, target: Target) -> AbstractContextManager[Session]:
        from seedbed.engines.opensearch.session import connect

        return connect(target)

    def diagnose(self, home: Path) -> Sequence[tuple[str, str]]:
        from seedbed.engines.opensearch.embedded import diagnose

        return diagnose(home)

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        from seedbed.engines.opensearch.indexes.schema import FILE, json_schema

        return {FILE: json_schema()}
