"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from seedbed.engines.dynamodb.address import VARIABLES, Address, address
from seedbed.engines.kit.lazy import LazyEngineWithDiagnosis
from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedbed.aws.cloud import Cloud
    from seedbed.engines.infrastructure import SupportsDeployedState
    from seedbed.engines.snapshots import Snapshots
    from seedbed.model.deployment import StackUpdate, Template
    from seedbed.model.migration import Migration, MigrationFile, Phase, Work
    from seedbed.model.platform import Database
    from seedbed.model.target import Target
    from seedbed.model.usage import Removed

_TEMPLATE = """\
# {summary}
{directives}# seedbed: table=NAME


def up(item):
    # called for every item of the table; returns it as it should be, None to delete it, or a list of items
    return item


def down(item):
    return item
"""


class DynamoEngine(LazyEngineWithDiagnosis):
    """Amazon DynamoDB. Tables are deployed; migrations transform the items in them."""

    package = "seedbed.engines.dynamodb"
    parser = "files.parse"
    name = "dynamodb"
    packages = ("botocore",)
    variables = VARIABLES
    suffixes = (".py",)
    rows_vary = True
    template = _TEMPLATE
    address = staticmethod(address)
    starts_first = False

    def stack_updates(
        self, deployed: Template | None, wanted: Template, *, gate: Phase
    ) -> Sequence[StackUpdate]:
        from seedbed.engines.dynamodb.schema.stack_updates import stack_updates

        return stack_updates(deployed, wanted, gate=gate)

    def cloud(self, address: Any) -> Cloud:
        return cast(Address, address).cloud

    def recalled(self, target: Target, memory: Mapping[str, Any]) -> SupportsDeployedState:
        from seedbed.engines.dynamodb.running.remembering import recalled

        return recalled(target, memory)

    def snapshots(self, target: Target, cloud: Cloud, home: Path | None) -> AbstractContextManager[Snapshots]:
        del home
        require_extras(self.extras)
        reached: AbstractContextManager[Snapshots] = self._part("snapshots.backups", "snapshots")(
            target, cloud
        )
        return reached

    def removals(self, migration: Migration, database: Database) -> Sequence[Removed]:
        from seedbed.engines.dynamodb.running.usage import gone

        return gone(migration)

    def check_declared(
        self, directory: PurePath, works: Sequence[Work], applied: Sequence[MigrationFile]
    ) -> None:
        from seedbed.engines.dynamodb.rules.declared import require_versions
        from seedbed.engines.dynamodb.schema.read import read_declared

        require_versions(read_declared(directory), [each.migration for each in works])

    def checkpoint_text(self, checkpoint: str) -> str:
        return "some of its items done"  # each segment has a checkpoint of its own, which the revision does not tell

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        from seedbed.engines.dynamodb.schema.json_schema import json_schema
        from seedbed.engines.dynamodb.schema.read import FILE

        return {FILE: json_schema()}

    def starter(self) -> Mapping[str, str]:
        from seedbed.engines.dynamodb.starter import FILES

        return FILES
