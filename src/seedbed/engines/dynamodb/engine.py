"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seedbed.engines.dynamodb.address import VARIABLES, Address, address

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud
    from seedbed.engines.base import Embedded, Session, Variable
    from seedbed.model.deployment import Template, Wave
    from seedbed.model.migration import Migration, MigrationFile, Phase
    from seedbed.model.secret import Secret
    from seedbed.model.target import Target

_TEMPLATE = """\
# {summary}
{facts}# seedbed: table=NAME


def up(item):
    # called for every item of the table; returns it as it should be, None to delete it, or a list of items
    return item


def down(item):
    return item
"""


class DynamoEngine:
    """Amazon DynamoDB. Tables are deployed; migrations transform the items in them."""

    name = "dynamodb"
    variables: Sequence[Variable] = VARIABLES
    suffixes: Sequence[str] = (".py",)
    template = _TEMPLATE

    @property
    def options(self) -> type[Any]:
        from seedbed.engines.dynamodb.options import Options

        return Options

    def address(self, facts: Mapping[str, str | Secret], options: Any) -> Address:
        return address(facts, options)

    def embedded(self, home: Path) -> AbstractContextManager[Embedded]:
        from seedbed.engines.dynamodb.embedded import embedded

        return embedded(home)

    def parse(self, file: MigrationFile) -> Migration:
        from seedbed.engines.dynamodb.parse import parse

        return parse(file)

    def connect(self, target: Target) -> AbstractContextManager[Session]:
        from seedbed.engines.dynamodb.session import connect

        return connect(target)

    def waves(self, deployed: Template | None, wanted: Template, *, gate: Phase) -> Sequence[Wave]:
        from seedbed.engines.dynamodb.tables.waves import waves

        return waves(deployed, wanted, gate=gate)

    def cloud(self, address: Any) -> Cloud:
        return cast(Address, address).cloud

    def diagnose(self, home: Path) -> Sequence[tuple[str, str]]:
        from seedbed.engines.dynamodb.embedded import diagnose

        return diagnose(home)

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        from seedbed.engines.dynamodb.tables.read import FILE
        from seedbed.engines.dynamodb.tables.schema import json_schema

        return {FILE: json_schema()}
