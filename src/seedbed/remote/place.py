"""Where the runs of an environment are kept and carried out, as its stacks wrote it into the parameter store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.errors import Hint, UsageError, call
from seedbed.model.names import CONTROL_BUCKET, CONTROL_ENVIRONMENT, CONTROL_TABLE, parameter_path
from seedbed.remote.control import Control

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud
    from seedbed.model.environment import Environment

SERVICE = "seedbed"  # the name under which an environment's own parameters lie among those of its services
TABLE, BUCKET, ENVIRONMENT = CONTROL_TABLE, CONTROL_BUCKET, CONTROL_ENVIRONMENT  # variables of the container
_CONTROL = ("table", "bucket")
_TASK = ("cluster", "task-definition", "subnets", "security-group")


class TaskPlace(Struct, frozen=True):
    """How a task is started: what RunTask wants. `log_group`: where its output goes; empty where that is not told.

    `pipe`: of EventBridge, which alone starts it once the record of a run is there, with a log of its own; empty where
    callers do.
    """

    cluster: str
    task_definition: str
    container: str
    subnets: tuple[str, ...]
    security_group: str
    log_group: str = ""
    pipe: str = ""
    pipe_log: str = ""

    @property
    def family(self) -> str:
        """What the task's definition is called, without its number."""
        return self.task_definition.rpartition("/")[2].partition(":")[0]


class Place(Struct, frozen=True):
    """Where the records of `environment` are, and how its task is started (None where it has none)."""

    cloud: Cloud
    platform: str
    environment: str
    table: str
    bucket: str
    task: TaskPlace | None = None

    @property
    def control(self) -> Control:
        return Control(Table(self.cloud, self.table), Bucket(self.cloud, self.bucket), self.environment)

    def require_task(self) -> TaskPlace:
        """Return how the task is started. Raises UsageError where there is none."""
        if self.task is None:
            raise UsageError(
                f"{self.environment} has no task that could carry out a run",
                because="nothing is below "
                f"{parameter_path(self.platform, self.environment, SERVICE, 'task')} in the parameter store",
                try_=Hint(
                    f"name its image in the manifest, [environments.{self.environment}.task], then ",
                    call("deploy"),
                ),
            )
        return self.task


def find(cloud: Cloud, platform: str, environment: Environment) -> Place:
    """Return where the runs of an environment are kept and carried out.

    Raises UsageError where it was never deployed, Refused for credentials of another account, and what `seedbed.aws`
    raises.
    """
    from seedbed.aws import parameters
    from seedbed.aws.identity import require_account

    require_account(cloud)
    control = control_of(cloud, platform, environment)
    path = parameter_path(platform, environment.name, SERVICE, "task")
    task = {name: str(value) for name, value in parameters.read(cloud, path).items()}
    if task:
        _require(task, _TASK, path, environment.name)
    table, bucket = control["table"], control["bucket"]
    return Place(cloud, platform, environment.name, table, bucket, _task(task) if task else None)


def control_of(cloud: Cloud, platform: str, environment: Environment) -> Mapping[str, str]:
    """Return the names of the table and the bucket of an environment, by `table` and `bucket`.

    Those of its base where it lies in one: all environments there share them. Raises UsageError where that was never
    deployed, and what `seedbed.aws` raises.
    """
    from seedbed.aws import parameters

    where = environment.base or environment.name
    path = parameter_path(platform, where, SERVICE, "control")
    control = {name: str(value) for name, value in parameters.read(cloud, path).items()}
    _require(control, _CONTROL, path, where)
    return control


def of_worker(cloud: Cloud, environ: Mapping[str, str]) -> Control:
    """Return the records of the environment whose task this is: its variables name them, not the parameter store.

    Raises UsageError where this is no such task.
    """
    missing = [name for name in (TABLE, BUCKET, ENVIRONMENT) if not environ.get(name)]
    if missing:
        raise UsageError(
            "a run is carried out by the task of its environment: "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set here",
            try_="call the command itself: it starts the task",
        )
    return Control(Table(cloud, environ[TABLE]), Bucket(cloud, environ[BUCKET]), environ[ENVIRONMENT])


def _require(found: Mapping[str, str], names: tuple[str, ...], path: str, environment: str) -> None:
    missing = [name for name in names if not found.get(name)]
    if not missing:
        return
    are = "is" if len(missing) == 1 else "are"
    raise UsageError(
        f"{environment} was never deployed, or by an older seedbed: nothing says where its runs are",
        because=f"{', '.join(missing)} {are} not below {path} in the parameter store",
        try_=Hint(
            "make its stacks: ",
            call("deploy"),
            "; where that requires a plan, nothing is there yet to plan: ",
            call("deploy", "--unreviewed"),
        ),
    )


def _task(found: Mapping[str, str]) -> TaskPlace:
    return TaskPlace(
        found["cluster"],
        found["task-definition"],
        found.get("container", SERVICE),
        tuple(each for each in found["subnets"].split(",") if each),
        found["security-group"],
        found.get("log-group", ""),
        found.get("pipe", ""),
        found.get("pipe-log", ""),
    )
