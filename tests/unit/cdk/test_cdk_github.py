"""Roles for workflows on GitHub: who may take them on, and what they may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from seedbed.errors import UsageError
from seedbed.model.environment import Environment
from tests.unit.cdk.conftest import Stack, flags, stacks

STAGING = Environment("staging", "222222222222", "eu-central-1")
JOBS = {"read": ["pull_request"], "run": ["environment:staging", "environment:staging-contract"]}
Make = Callable[..., Stack]


@pytest.fixture
def make(with_node: None) -> Make:
    """A function (jobs, repository, own_provider) -> the stack that has the roles."""

    def make(
        jobs: Mapping[str, list[str]] = JOBS, repository: str = "acme/edtech", *, own_provider: bool = True
    ) -> Stack:
        from aws_cdk import App
        from aws_cdk import Environment as Place
        from aws_cdk import Stack as CdkStack

        from seedbed.cdk import Callers, GithubRoles
        from seedbed.cdk.github import provider_of

        app = App(context=flags())
        stack = CdkStack(app, "Github", env=Place(account=STAGING.account, region=STAGING.region))
        callers = Callers(stack, "Callers", platform="edtech", environment=STAGING, kinds=list(jobs))
        GithubRoles(
            stack,
            "Roles",
            repository=repository,
            platform="edtech",
            environment=STAGING,
            callers=callers,
            jobs=jobs,
            provider="" if own_provider else provider_of(stack),
        )
        return stacks(app)["Github"]

    return make


def trust(stack: Stack) -> dict[str, Any]:
    """Return the one statement of the trust of each role, by the role's name."""
    found = [each["Properties"] for each in stack.resources("IAM::Role").values()]
    return {each["RoleName"]: each["AssumeRolePolicyDocument"]["Statement"] for each in found}


def test_a_role_is_taken_on_by_the_exact_subjects_and_the_audience_alone(make: Make) -> None:
    ((read,), (run,)) = trust(make()).values()
    assert read["Action"] == run["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert read["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": ["repo:acme/edtech:pull_request"],
        }
    }
    assert run["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"] == [
        "repo:acme/edtech:environment:staging",
        "repo:acme/edtech:environment:staging-contract",
    ]


def test_the_roles_have_names_that_a_workflow_can_say_and_the_policies_of_their_kind(make: Make) -> None:
    stack = make()
    roles = [each["Properties"] for each in stack.resources("IAM::Role").values()]
    assert {each["RoleName"]: len(each["ManagedPolicyArns"]) for each in roles} == {
        "edtech-staging-github-read": 1,
        "edtech-staging-github-run": 2,
    }


def test_the_provider_is_made_without_a_function_and_not_where_the_account_has_one(make: Make) -> None:
    stack = make()
    provider = stack.one("IAM::OIDCProvider")
    assert provider["ClientIdList"] == ["sts.amazonaws.com"]
    assert provider["Url"] == "https://token.actions.githubusercontent.com"
    assert not stack.resources("Lambda::Function")
    given = make(own_provider=False)
    assert not given.resources("IAM::OIDCProvider")
    (statement,) = trust(given)["edtech-staging-github-read"]
    arn = str(statement["Principal"]["Federated"])
    assert arn.endswith(":iam::222222222222:oidc-provider/token.actions.githubusercontent.com")


def test_a_repository_of_today_is_named_with_its_ids(make: Make) -> None:
    ((statement,), _) = trust(make(repository="acme@123456/edtech@456789")).values()
    (subject,) = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert subject == "repo:acme@123456/edtech@456789:pull_request"


@pytest.mark.parametrize("repository", ["acme/*", "acme", "*/edtech", "acme/edtech:ref", "acme/ed/tech", ""])
def test_a_name_that_is_not_one_repository_is_refused(make: Make, repository: str) -> None:
    with pytest.raises(UsageError, match="is not the name of one repository"):
        make(repository=repository)


@pytest.mark.parametrize(
    "job", ["*", "environment:*", "ref:refs/heads/main", "environment:", "pull_request*"]
)
def test_a_job_that_is_more_than_one_kind_is_refused(make: Make, job: str) -> None:
    with pytest.raises(UsageError, match="is not one kind of job"):
        make({"run": [job]})


def test_a_pull_request_is_given_nothing_but_read(make: Make) -> None:
    with pytest.raises(UsageError, match="cannot be given the role of run"):
        make({"run": ["pull_request"]})
