"""Policies for those who call seedbed from outside: people and pipelines, by what they are there for."""

from __future__ import annotations

from collections.abc import Collection

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.cdk.settings import reading
from seedbed.errors import Refused, UsageError
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.names import parameter_path


class Callers(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """Managed policies for callers of one environment: `read`, `run`, `deploy`, `release`, `approve`, `dev`.

    None of them reads a secret or reaches a database. `read` plans by the state that the last run left; `run` has runs
    carried out inside the network, and cannot approve; `deploy` has stacks deployed by the CDK's roles, in ephemeral
    environments destroyed as well; `release` is `run` and `deploy`, and takes the steps of releases;
    `approve` writes approvals in the caller's own name and nothing else; `dev` is `run` and `deploy`, for ephemeral
    environments alone. None starts the task of a base: a `RunPipe` does. Table, bucket and task are found by their
    parameters, so that the stack may belong to another app; it is deployed after theirs.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        kinds: Collection[str] = (rights.READ, rights.RUN, rights.DEPLOY, rights.RELEASE, rights.APPROVE),
        with_task: bool = True,
    ) -> None:
        """`kinds`: which callers there are. `with_task`: there is a migration task that may be started.

        Raises UsageError for a kind that there is not, Refused for `dev` where not everything may be deleted.
        """
        super().__init__(scope, id)
        _require_known(kinds, environment)
        names = self._names(platform, environment, with_task=with_task)
        wanted = sorted({each for kind in kinds for each in rights.KINDS[kind]})
        self._policies = {each: self._policy(each, names) for each in wanted}
        self._kinds = tuple(kinds)
        for kind in kinds:
            arns = [str(each.managed_policy_arn) for each in self.policies(kind)]
            CfnOutput(self, kind.title(), value=",".join(arns), description=f"policies of who may {kind}")

    def policies(self, kind: str) -> list[iam.ManagedPolicy]:
        """Return the policies that a caller of that kind is given. Raises UsageError."""
        if kind not in self._kinds:
            raise UsageError(
                f"there are no policies for {kind} here", because=f"made: {', '.join(self._kinds)}"
            )
        return [self._policies[each] for each in rights.KINDS[kind]]

    def give(self, role: iam.IRole, kind: str) -> None:
        """Let `role` be a caller of that kind. Raises UsageError."""
        for each in self.policies(kind):
            role.add_managed_policy(each)

    def _policy(self, name: str, names: rights.Names) -> iam.ManagedPolicy:
        return iam.ManagedPolicy(
            self,
            f"Policy{name.title()}",
            description=f"{name} of seedbed for {names.platform} in {names.environment}",
            statements=[iam.PolicyStatement.from_json(dict(each)) for each in rights.statements(name, names)],
        )

    def _names(self, platform: str, environment: Environment, *, with_task: bool) -> rights.Names:
        stack = Stack.of(self)

        def read(engine: str, name: str) -> str:
            where = environment.base if engine == rights.CONTROL and environment.base else environment.name
            path = parameter_path(platform, where, "seedbed", engine)
            return reading(self, path, name)

        named = rights.Names(
            platform,
            environment.name,
            str(stack.partition),
            str(stack.account),
            str(stack.region),
            read("control", "table"),
            read("control", "bucket"),
            ephemeral=is_ephemeral(environment),
            base=environment.base,
            is_base=environment.is_base,
        )
        if not with_task:
            return named
        named = replace(named, cluster=read("task", "cluster"), log_group=read("task", "log-group"))
        if environment.is_base:
            return named
        roles = [read("task", f"stacks/{each}") for each in ("task-role", "execution-role")]
        return replace(named, family=read("task", "stacks/family"), roles=roles)


def _require_known(kinds: Collection[str], environment: Environment) -> None:
    for each in kinds:
        if each not in rights.KINDS:
            raise UsageError(
                f"there are no callers of the kind {each!r}",
                because=f"there are {', '.join(rights.KINDS)}",
                try_="callers=read,run",
            )
    if rights.DEV in kinds and not is_ephemeral(environment):
        raise Refused(
            f"{environment.name} has no callers of the kind dev",
            because="they may destroy all of it, and it is not an ephemeral environment",
            try_="run and deploy, for those who do each",
        )
