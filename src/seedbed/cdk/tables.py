"""The tables of one service, and the one for its history, as CloudFormation knows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import CfnOutput, CfnResource, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from seedbed.cdk.environment import removal
from seedbed.cdk.settings import named_id, write_settings
from seedbed.engines.dynamodb.schema.read import FILE, read
from seedbed.engines.dynamodb.schema.shape import HISTORY, HISTORY_TABLE, TableShape, TableShapes
from seedbed.engines.dynamodb.schema.template import TYPE, metadata, properties
from seedbed.errors import UsageError
from seedbed.model.environment import Environment
from seedbed.model.names import table_name
from seedbed.model.platform import Database

ENGINE = "dynamodb"
_READ = ("BatchGetItem", "ConditionCheckItem", "DescribeTable", "GetItem", "Query", "Scan")
_WRITE = ("BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem")
# PartiQLSelect: what IAM calls the ExecuteStatement of an expectation.
_LOOK = ("DescribeContinuousBackups", "DescribeTimeToLive", "PartiQLSelect")


class ServiceTables(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """Every table that a service's tables.toml declares, and `migrations_history`.

    On demand, encrypted, named `{service}-{table}-{environment}`; removed with the stack in ephemeral environments and
    kept elsewhere; point-in-time recovery and deletion protection where the environment is protected. The resources are
    written as CloudFormation has them, so that what is deployed is compared with tables.toml word for word.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        database: Database,
        tables: TableShapes | None = None,
    ) -> None:
        """`tables`: instead of those in the database's tables.toml. Raises ManifestError."""
        super().__init__(scope, id)
        self.service = database.service
        self.environment = environment
        self.tables = tables if tables is not None else read(Path(database.directory, FILE))
        self._resources = {each.name: self._made(each) for each in (*self.tables.tables, HISTORY_TABLE)}
        self._say_where(platform)

    def name_of(self, table: str) -> str:
        """Return the physical name of a table, known at synthesis. Raises UsageError if it is not declared."""
        self._resource(table)
        return table_name(self.service, table, self.environment.name)

    def arn_of(self, table: str) -> str:
        """Return the ARN of a table. Raises UsageError if it is not declared.

        It is put together from names: a reference from another stack would export it from this one, and an export that
        is in use keeps CloudFormation from ever removing the table.
        """
        return str(
            Stack.of(self).format_arn(service="dynamodb", resource="table", resource_name=self.name_of(table))
        )

    def stream_of(self, table: str) -> str:
        """Return the ARN of a table's stream, as a token. Raises UsageError if none is declared."""
        found = self.tables.table(table)
        if found is None or not found.stream:
            raise UsageError(
                f"{self.service} has no table {table!r} with a stream",
                because=f"its {FILE} declares none",
                try_='stream = "NEW_AND_OLD_IMAGES"',
            )
        return str(self._resource(table).get_att("StreamArn").to_string())

    def grant_items(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the service itself read and write the items of its tables; the history is none of its business."""
        names = [each.name for each in self.tables.tables]
        return self._grant(grantee, (*_READ, *_WRITE), names)

    def grant_migrations(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let seedbed migrate and seed all of it, its history included. Making tables is left to CloudFormation."""
        return self._grant(grantee, (*_READ, *_WRITE, *_LOOK), list(self._resources))

    def _grant(self, grantee: iam.IGrantable, actions: Sequence[str], tables: Sequence[str]) -> iam.Grant:
        arns = [self.arn_of(each) for each in tables]
        arns += [f"{self.arn_of(each.name)}/index/*" for each in self.tables.tables if _has_indexes(each)]
        if not arns:  # a policy for nothing would be one for everything
            return iam.Grant.drop(grantee, f"{self.service} declares no tables")
        return iam.Grant.add_to_principal(
            grantee=grantee, actions=[f"dynamodb:{each}" for each in sorted(actions)], resource_arns=arns
        )

    def _made(self, table: TableShape) -> CfnResource:
        is_protected = self.environment.protected
        made = CfnResource(
            self,
            table.name,
            type=TYPE,
            properties={
                "TableName": table_name(self.service, table.name, self.environment.name),
                **properties(table),
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": is_protected},
                "DeletionProtectionEnabled": is_protected,
            },
        )
        made.override_logical_id(logical_id(self.service, table.name))
        made.apply_removal_policy(removal(self.environment), apply_to_update_replace_policy=True)
        for key, value in metadata(table).items():
            made.add_metadata(key, value)
        return made

    def _say_where(self, platform: str) -> None:
        stack = Stack.of(self)
        write_settings(
            self,
            {"account": stack.account, "region": stack.region},
            platform=platform,
            environment=self.environment.name,
            service=self.service,
            engine=ENGINE,
        )
        for each in self.tables.tables:
            key = f"{logical_id(self.service, each.name)}Arn"
            arn = self._resource(each.name).get_att("Arn").to_string()
            CfnOutput(self, key, value=arn, description=f"{each.name}: its ARN").override_logical_id(key)

    def _resource(self, table: str) -> CfnResource:
        found = self._resources.get(table)
        if found is None:
            names = ", ".join(each for each in self._resources if each != HISTORY)
            raise UsageError(
                f"{self.service} has no table {table!r}",
                because=f"its {FILE} declares {names or 'none'}",
                try_="check the spelling, or declare it",
            )
        return found


def logical_id(service: str, table: str) -> str:
    """Return the id of a table's resource in its template: `TableLessons1A2B3C4D`."""
    return named_id("Table", table, of=f"{service}/{table}")


def _has_indexes(table: TableShape) -> bool:
    return bool(table.global_indexes or table.local_indexes)
