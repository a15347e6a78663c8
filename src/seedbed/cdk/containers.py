"""What every container that runs here is given: where it logs, and which processor its image is for."""

from __future__ import annotations

from aws_cdk import Size
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from constructs import Construct

from seedbed.cdk.environment import removal
from seedbed.errors import UsageError
from seedbed.model.environment import Environment, is_ephemeral

_ARCHITECTURES = {"x86_64": ecs.CpuArchitecture.X86_64, "arm64": ecs.CpuArchitecture.ARM64}
_BUFFER = 25  # MiB of lines that wait while CloudWatch does not take them


def runtime_platform(architecture: str) -> ecs.RuntimePlatform:
    """Return the platform of tasks whose images are for `architecture`: "x86_64" or "arm64". Raises UsageError.

    Without one ECS takes x86_64, and an image for another processor ends with "exec format error" and nothing else.
    """
    if architecture not in _ARCHITECTURES:
        raise UsageError(
            f"there is no architecture {architecture}",
            because=f"Fargate has {' and '.join(_ARCHITECTURES)}",
            try_="cdk deploy -c architecture=arm64",
        )
    return ecs.RuntimePlatform(
        cpu_architecture=_ARCHITECTURES[architecture],
        operating_system_family=ecs.OperatingSystemFamily.LINUX,
    )


def log_group(scope: Construct, environment: Environment) -> logs.LogGroup:
    """Return the log group "Log" in `scope`: kept for a year where data is kept, for a week elsewhere."""
    # Without a name of its own: one that was kept would stand in the way of the next.
    week, year = logs.RetentionDays.ONE_WEEK, logs.RetentionDays.ONE_YEAR
    return logs.LogGroup(
        scope,
        "Log",
        retention=week if is_ephemeral(environment) else year,
        removal_policy=removal(environment),
    )


def log_driver(prefix: str, group: logs.LogGroup) -> ecs.LogDriver:
    """Return the driver that writes to `group`; a CloudWatch that does not answer never stops the program that writes.

    A migration that waits for its log would go on holding its locks.
    """
    return ecs.LogDrivers.aws_logs(
        stream_prefix=prefix,
        log_group=group,
        mode=ecs.AwsLogDriverMode.NON_BLOCKING,
        max_buffer_size=Size.mebibytes(_BUFFER),
    )
