"""Roles for the workflows of one repository on GitHub, which take them on by OpenID Connect: no secret is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from seedbed.aws.web_identity import AUDIENCE, GITHUB, conditions, require_repository
from seedbed.cdk.callers import Callers
from seedbed.model.environment import Environment


class GithubRoles(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """A role for each kind of caller, which only the named jobs of one repository may take on.

    Of GitHub's token both the audience and the whole subject have to fit: `repo:OWNER/NAME:environment:prod` is the
    job that has `environment: prod`, for which GitHub asks its reviewers; `repo:OWNER/NAME:pull_request` is any job of
    any pull request that is no fork's. The roles are called `PLATFORM-ENVIRONMENT-github-KIND`, so that a workflow can
    name them before they are made.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        repository: str,
        platform: str,
        environment: Environment,
        callers: Callers,
        jobs: Mapping[str, Collection[str]],
        provider: str = "",
    ) -> None:
        """`jobs`: by kind of caller, the jobs: `pull_request`, `environment:NAME`. `provider`: the ARN of the account's
        provider for GitHub, of which there is one at most; empty: it is made here.

        Raises UsageError for a repository or a job that is more than one, or none.
        """
        super().__init__(scope, id)
        require_repository(repository)
        provider = provider or _provider(self)
        self.roles = {
            kind: self._role(kind, repository, which, f"{platform}-{environment.name}", provider)
            for kind, which in jobs.items()
        }
        for kind, role in self.roles.items():
            callers.give(role, kind)
            CfnOutput(
                self, f"Role{kind.title()}", value=role.role_arn, description=f"of jobs that may {kind}"
            )

    def _role(
        self, kind: str, repository: str, jobs: Collection[str], prefix: str, provider: str
    ) -> iam.Role:
        trusted = conditions(repository, jobs, kind)
        return iam.Role(
            self,
            kind.title(),
            role_name=f"{prefix}-github-{kind}",
            assumed_by=iam.FederatedPrincipal(provider, trusted, "sts:AssumeRoleWithWebIdentity"),
            description=f"{kind} for jobs of {repository}",
            max_session_duration=Duration.hours(4),  # a job that waits for a backfill
        )


def _provider(scope: Construct) -> str:
    """Return the ARN of a provider that is made here, without the Lambda function of the CDK's own construct."""
    made = iam.CfnOIDCProvider(scope, "Provider", url=f"https://{GITHUB}", client_id_list=[AUDIENCE])
    return str(made.attr_arn)


def provider_of(scope: Construct) -> str:
    """Return the ARN of the provider for GitHub that the account of `scope` has already."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:iam::{stack.account}:oidc-provider/{GITHUB}"
