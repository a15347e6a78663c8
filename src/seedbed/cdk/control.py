"""What runs inside the network leave behind: their records, their files and their log, in a stack of its own."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct
from msgspec import Struct

from seedbed.aws import rights
from seedbed.cdk.containers import log_group
from seedbed.cdk.environment import removal
from seedbed.cdk.settings import across, write_parameters
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.names import parameter_path

RUNS, FILES, STATE = "runs/", "files/", "state/"  # what the bucket's keys begin with
EXPIRES = "expires"  # the attribute after whose time (seconds of the epoch) DynamoDB drops an item
LATE = 7  # days: DynamoDB drops an item within a few after its time
ENGINE = "control"  # in the place of an engine in the names of the stack and its parameters


class ControlNames(Struct, frozen=True):
    """Table, bucket and log group by their names, as tokens of the stack that asked for them."""

    table: str
    bucket: str
    log_group: str


class Control(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """A table for the records of runs, a bucket for what is too large for it, and the log of their tasks.

    The names are in the parameters `table`, `bucket` and `log-group` below `/{platform}/{environment}/seedbed/control`.
    Ephemeral environments: nothing stays when the stack goes; `seedbed destroy` empties the bucket before, which
    CloudFormation cannot. Elsewhere all of it is kept, the table protected from deletion and recoverable to any moment;
    the bucket keeps former versions where the environment is protected.

    The table of a base has a stream of its keys: a `RunPipe` starts the task by it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
    ) -> None:
        super().__init__(scope, id)
        self.environment = environment
        self._platform = platform
        self.path = parameter_path(platform, environment.name, "seedbed", ENGINE)
        self.table = self._table()
        self.bucket = self._bucket()
        self.log_group = log_group(self, environment)
        values = {
            "table": str(self.table.table_name),
            "bucket": str(self.bucket.bucket_name),
            "log-group": str(self.log_group.log_group_name),
        }
        write_parameters(self, values, self.path)

    def names(self, scope: Construct) -> ControlNames:
        """Return the names as `scope` may use them, in whichever stack that is."""
        table, bucket, log = (
            across(self, scope, self.path, name, str(value))
            for name, value in (
                ("table", self.table.table_name),
                ("bucket", self.bucket.bucket_name),
                ("log-group", self.log_group.log_group_name),
            )
        )
        return ControlNames(table, bucket, log)

    def stream(self, scope: Construct) -> str:
        """Return the ARN of the stream of a base's table, as `scope` may use it."""
        return across(self, scope, self.path, "stream", str(self.table.table_stream_arn))

    def grant_work(self, role: iam.IRole) -> None:
        """Let `role` do what a run inside the network does: take what was asked, tell what happens, leave the state."""
        names, stack = self.names(role), Stack.of(role)
        place = (str(stack.partition), str(stack.account), str(stack.region))
        about = rights.Names(self._platform, self.environment.name, *place, names.table, names.bucket)
        held = rights.statements(rights.WORK, about)
        if not is_ephemeral(self.environment):
            held += rights.statements(rights.SNAPSHOT, about)
        for each in held:
            role.add_to_principal_policy(iam.PolicyStatement.from_json(dict(each)))

    def _table(self) -> dynamodb.Table:
        is_kept = not is_ephemeral(self.environment)
        return dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="part", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute=EXPIRES,
            stream=dynamodb.StreamViewType.KEYS_ONLY if self.environment.is_base else None,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=is_kept
            ),
            deletion_protection=is_kept,
            removal_policy=removal(self.environment),
        )

    def _bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            versioned=self.environment.protected,
            lifecycle_rules=self._rules(),
            removal_policy=removal(self.environment),
        )

    def _rules(self) -> list[s3.LifecycleRule]:
        """Return what goes from the bucket and when: nothing that a record names before the record itself.

        Releases, what they refer to and who approved them stay, in all their versions where the bucket has them.
        """
        days = Duration.days(7 if is_ephemeral(self.environment) else 30)
        former = {"noncurrent_version_expiration": days} if self.environment.protected else {}
        kept = self.environment.record_days
        goes = {"expiration": Duration.days(kept + LATE)} if kept else {}
        rules = [s3.LifecycleRule(id="files", prefix=FILES, expiration=days, **former)]
        for prefix, more in ((RUNS, {**goes, **former}), (STATE, former)):
            if more:
                rules.append(s3.LifecycleRule(id=prefix.strip("/"), prefix=prefix, **more))
        return [
            *rules,
            s3.LifecycleRule(id="parts", abort_incomplete_multipart_upload_after=Duration.days(1)),
        ]
