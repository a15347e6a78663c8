"""The workflows that `init --ci github` writes: from a pull request to production, every script of theirs carried out.

Accounts are those of an emulator. Each job takes on its role by the token that GitHub would give it, which the trust of
the role judges, and each call is judged by the policies of that role; `gh` records what it is asked.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.aws.web_identity import GITHUB, conditions
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.releases.table_store import TableStore
from tests.support import aws_clients
from tests.support.afar import put_facts
from tests.support.aws_proxy import Issuer, Policies, Proxy, WebIdentity, proxy
from tests.support.projects import ProjectFiles, clean_environment, run, variables
from tests.support.remote import make_records
from tests.support.servers import new_account
from tests.support.workflows import Failed, Job, Runner, download, upload

MANIFEST = """\
[platform]
name = "sample"
[services.user.postgres]
[release]
soak = "0min"
[release.code]
run = ["./deploy.sh"]
[environments."dev-*"]
account = "111111111111"
region = "eu-central-1"
ephemeral = true
[environments.staging]
account = "{staging}"
region = "eu-central-1"
[environments.prod]
account = "{prod}"
region = "eu-central-1"
protected = true
"""
PASSED = ("actions/setup-python", "actions/cache", "actions/attest-build-provenance")
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "release-from-github.md"
BRANCHES = {"staging": "main", "prod": "main", "prod-approval": "main"}  # as the page says


class Pipeline:
    """A platform in a repository with its workflows, and the accounts of its environments behind `aws`."""

    def __init__(
        self, root: Path, aws: Proxy, worlds: Mapping[str, World], databases: Mapping[str, dict[str, str]]
    ) -> None:
        self.aws = aws
        self.worlds = worlds
        self.databases = databases
        self.repository = root / "repository"
        self.taken: list[tuple[str, str]] = []
        self.github = Issuer(f"https://{GITHUB}")
        self.stranger = Issuer("https://gitlab.example")
        self.sts = aws.add(WebIdentity([self.github, self.stranger]))
        for each in worlds:
            self._roles(each)
        self.runner = Runner(
            self.repository,
            root / "runner",
            {
                "actions/checkout": self._checkout,
                "aws-actions/configure-aws-credentials": self._take_role,
                "actions/upload-artifact": upload,
                "actions/download-artifact": download,
                **{each: lambda _job, _given: None for each in PASSED},
            },
            self._environ,
            {
                "event": {"pull_request": {"number": 7, "head": {"repo": {"fork": False}}}},
                "token": "gh-token",
            },
            BRANCHES,
            self.github,
        )
        (root / "runner" / "home").mkdir()

    def _roles(self, environment: str) -> None:
        """Have the roles of an environment trust the jobs that the page gives them, and judge what they do."""
        world = self.worlds[environment]
        names = rights.Names(
            "sample",
            environment,
            "aws",
            world.account,
            world.region,
            f"sample-{environment}",
            _bucket(self, environment),
        )
        judge = self.aws.add(Policies(account=world.account, region=world.region))
        for kind, jobs in jobs_of(environment).items():
            self.sts.trust(
                _arn(world, environment, kind),
                conditions("acme/sample", jobs, kind),
                partial(_enrol, judge, kind, names),
            )

    def _environ(self) -> dict[str, str]:
        """Return the environment of a job: nothing of AWS before a role is taken on."""
        return clean_environment(
            {
                "AWS_ENDPOINT_URL": self.aws.endpoint,
                "AWS_EC2_METADATA_DISABLED": "true",
                "HOME": str(self.runner.home / "home"),
                "GITHUB_ACTIONS": "true",
            }
        )

    def _checkout(self, job: Job, given: Mapping[str, str]) -> None:
        assert given["persist-credentials"] == ""
        subprocess.run(["git", "clone", "-q", str(self.repository), str(job.workspace)], check=True)

    def _take_role(self, job: Job, given: Mapping[str, str]) -> None:
        """Take on a role as the action does, and reach the databases of its environment."""
        role = given["role-to-assume"]
        found = self.assume(role, job.token("sts.amazonaws.com"), given.get("role-duration-seconds", "3600"))
        self.taken.append((job.name, role.rpartition("/")[2]))
        job.environ |= {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
            "AWS_REGION": given["aws-region"],
            **next(self.databases[each] for each, world in self.worlds.items() if world.account in role),
        }

    def assume(self, role: str, token: str, seconds: str = "3600") -> dict[str, str]:
        """Return the credentials of a role. Raises Failed where STS gives none."""
        sts = aws_clients.client("sts", "eu-central-1", self.aws.endpoint, "anybody")
        try:
            found = sts.assume_role_with_web_identity(
                RoleArn=role,
                RoleSessionName="GitHubActions",
                WebIdentityToken=token,
                DurationSeconds=int(seconds),
            )
        except sts.exceptions.ClientError as error:
            raise Failed from error
        return dict(found["Credentials"])

    def commit(self, title: str) -> None:
        git = ["git", "-c", "user.name=ana", "-c", "user.email=ana@example.com"]
        subprocess.run([*git, "add", "-A"], cwd=self.repository, check=True)
        subprocess.run([*git, "commit", "-qm", title], cwd=self.repository, check=True)

    def store(self, environment: str) -> TableStore:
        from seedbed.aws.items import Table
        from seedbed.aws.objects import Bucket

        cloud = self.worlds[environment].cloud
        return TableStore(
            Table(cloud, f"sample-{environment}"), Bucket(cloud, _bucket(self, environment)), environment
        )

    def steps(self, environment: str) -> dict[str, str]:
        store = self.store(environment)
        release = store.load(max(store.numbers()))
        assert release is not None
        return {each.name.value: each.state for each in release.steps}

    def logs(self) -> str:
        """Return what all scripts wrote, for a test that failed."""
        found = sorted(self.runner.home.rglob("*.log"), key=lambda path: path.stat().st_mtime)
        return "\n".join(f"--- {each}\n{each.read_text()}" for each in found)

    def asked(self) -> list[dict[str, Any]]:
        """Return what `gh` was asked."""
        return [json.loads(each) for each in (self.runner.home / "gh.jsonl").read_text().splitlines()]


def jobs_of(environment: str) -> dict[str, Sequence[str]]:
    """Return the jobs that the page gives each role of an environment; what is not protected has no approvals."""
    found = re.search(r"^jobs = (\{.*?^\})", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return dict(ast.literal_eval(found[1].replace("environment:prod", f"environment:{environment}")))


def _enrol(judge: Policies, kind: str, names: rights.Names, token: str, user_id: str) -> None:
    judge.caller(kind, names, token, user_id=user_id)


def _arn(world: World, environment: str, kind: str) -> str:
    return f"arn:aws:iam::{world.account}:role/sample-{environment}-github-{kind}"


def _bucket(pipeline: Pipeline, environment: str) -> str:
    return f"sample-{environment}-{pipeline.worlds[environment].account}"


@pytest.fixture
def pipeline(
    tmp_path: Path,
    ministack_server: World,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
) -> Iterator[Pipeline]:
    names = ("staging", "prod")
    worlds = {each: replace(ministack_server, account=new_account()) for each in names}
    databases = {each: variables(postgres_server, new_database(), "USER_") for each in names}
    with proxy(ministack_server.endpoint) as aws:
        made = Pipeline(tmp_path, aws, worlds, databases)
        _furnish(made)
        yield made
        made.runner.close()


def _furnish(made: Pipeline) -> None:
    """Write the platform and its workflows, and make what the stacks of its environments would have made."""
    worlds = made.worlds
    made.repository.mkdir()
    files = ProjectFiles(made.repository)
    accounts = {each: world.account for each, world in worlds.items()}
    (files.root / "seedbed.toml").write_text(MANIFEST.format(**accounts))
    files.migration("20260101000001_make", "CREATE TABLE users (id int PRIMARY KEY, name text);")
    files.migration("20260101000002_add", "ALTER TABLE users ADD display text;")
    files.migration("20260101000003_fill", "UPDATE users SET display = name;", directives="phase=migrate")
    files.migration("20260101000004_drop", "ALTER TABLE users DROP name;", directives="phase=contract")
    deploy = files.root / "deploy.sh"
    deploy.write_text('#!/bin/sh\necho "deploying $SEEDBED_RELEASE to $SEEDBED_ENVIRONMENT"\n')
    deploy.chmod(0o755)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=files.root, check=True)
    done = run(files.root, "init", "--yes", "--ci", "github")
    assert done.code == 0, done.everything
    made.commit("Begin")
    for each, world in worlds.items():
        bucket = _bucket(made, each)
        make_records(world.cloud, f"sample-{each}", bucket)
        put_facts(world.cloud, "sample", each, {"control": {"table": f"sample-{each}", "bucket": bucket}})


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory, ministack_server: World) -> Iterator[Pipeline]:
    """Accounts alone, whose roles are asked for."""
    worlds = {each: replace(ministack_server, account=new_account()) for each in ("staging", "prod")}
    with proxy(ministack_server.endpoint) as aws:
        made = Pipeline(tmp_path_factory.mktemp("identities"), aws, worlds, {})
        yield made
        made.runner.close()


@pytest.mark.slow(60)
def test_a_merge_reaches_staging_at_once_and_production_in_two_approved_steps(pipeline: Pipeline) -> None:
    runner = pipeline.runner
    went = runner.run("seedbed-release.yml", "push")
    assert set(went.values()) == {"success"}, (went, pipeline.logs())
    assert set(pipeline.steps("staging").values()) <= {"done", "skipped"}
    assert pipeline.steps("prod")["verify"] in ("done", "skipped")
    assert pipeline.steps("prod")["contract"] == "waiting"

    # By the clock: the contract is not approved, which is no failure, and nothing is touched.
    went = runner.run("seedbed-contract.yml", "schedule")
    assert went == {
        "staging": "success",
        "prod-show": "skipped",
        "prod-approve": "skipped",
        "prod": "success",
    }
    assert pipeline.steps("prod")["contract"] == "waiting"

    # By hand: somebody approves it, and it is carried out.
    went = runner.run("seedbed-contract.yml", "workflow_dispatch", reason="no reader is left")
    assert set(went.values()) == {"success"}, (went, pipeline.logs())
    assert pipeline.steps("prod")["contract"] == "done"
    assert "approve" in {name.rpartition("-")[2] for _, name in pipeline.taken}
    assert {name for job, name in pipeline.taken if "approve" in job} <= {"sample-prod-github-approve"}


@pytest.mark.slow(60)
def test_a_pull_request_has_one_comment_which_the_next_push_writes_anew(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = pipeline.runner
    assert set(runner.run("seedbed-pull-request.yml", "pull_request").values()) == {"success"}, (
        pipeline.logs()
    )
    *_, made = pipeline.asked()
    assert made["words"][:4] == ["api", "--method", "POST", "repos/acme/sample/issues/7/comments"]
    assert made["token"] == "gh-token"
    (body,) = made["bodies"]
    assert body.startswith("<!-- seedbed -->")
    assert "DROP name" in body
    assert {"staging", "prod"} <= set(body.replace("`", " ").split())
    monkeypatch.setenv("GH_COMMENT", "99")
    runner.run("seedbed-pull-request.yml", "pull_request")
    assert pipeline.asked()[-1]["words"][:4] == [
        "api",
        "--method",
        "PATCH",
        "repos/acme/sample/issues/comments/99",
    ]
    assert {name for _, name in pipeline.taken} == {"sample-staging-github-read", "sample-prod-github-read"}


def test_a_pull_request_of_a_fork_is_given_no_credentials(pipeline: Pipeline) -> None:
    pipeline.runner.github["event"]["pull_request"]["head"]["repo"]["fork"] = True
    went = pipeline.runner.run("seedbed-pull-request.yml", "pull_request")
    assert set(went.values()) == {"skipped"}
    # Nor where the fork takes that condition out, and gives itself whatever it wants to.
    path = pipeline.repository / ".github" / "workflows" / "seedbed-pull-request.yml"
    path.write_text(
        path.read_text()
        .replace(" && github.event.pull_request.head.repo.fork == false", "")
        .replace("if: github.event.pull_request.head.repo.fork == false", "environment: prod-approval")
    )
    pipeline.commit("Ask for more")
    went = pipeline.runner.run("seedbed-pull-request.yml", "pull_request")
    assert went["plan"] == "failure"
    assert pipeline.taken == []
    assert not [each for each in pipeline.runner.ran if each[2] == "plan"]


def test_a_branch_that_writes_itself_another_environment_is_not_let_into_it(pipeline: Pipeline) -> None:
    path = pipeline.repository / ".github" / "workflows" / "seedbed-pull-request.yml"
    path.write_text(
        path.read_text().replace("    strategy:", "    environment: prod-approval\n    strategy:")
    )
    went = pipeline.runner.run("seedbed-pull-request.yml", "pull_request")
    assert went["plan"] == "failure"
    assert pipeline.taken == []


JOB = {"sub": "repo:acme/sample:environment:prod", "aud": "sts.amazonaws.com"}


@pytest.mark.parametrize(
    ("kind", "claims", "code"),
    [
        ("release", {}, ""),
        ("release", {"sub": "repo:acme/sample:environment:staging"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/sample:environment:prod-approval"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/sample:ref:refs/heads/main"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/sample:pull_request"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/sample:environment:production"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/sample2:environment:prod"}, "AccessDenied"),
        ("release", {"sub": "repo:mallory/sample:environment:prod"}, "AccessDenied"),
        ("release", {"sub": "REPO:acme/sample:environment:prod"}, "AccessDenied"),
        ("approve", {}, "AccessDenied"),
        ("approve", {"sub": "repo:acme/sample:environment:prod-approval"}, ""),
        ("read", {}, "AccessDenied"),
        ("read", {"sub": "repo:acme/sample:pull_request"}, ""),
        ("read", {"sub": "repo:mallory/sample:pull_request"}, "AccessDenied"),
        ("release", {"aud": "https://github.com/acme"}, "InvalidIdentityToken"),
        ("release", {"iss": "https://gitlab.example"}, "InvalidIdentityToken"),
        ("release", {"iss": f"https://{GITHUB}.example"}, "InvalidIdentityToken"),
        ("release", {"exp": 1}, "ExpiredTokenException"),
        ("deploy", {}, "AccessDenied"),
    ],
    ids=str,
)
def test_a_role_is_given_for_the_token_of_exactly_its_jobs(
    identities: Pipeline, kind: str, claims: Mapping[str, Any], code: str
) -> None:
    before = len(identities.sts.refused)
    role = _arn(identities.worlds["prod"], "prod", kind)
    token = identities.github.token(**{**JOB, **claims})
    if code:
        with pytest.raises(Failed):
            identities.assume(role, token)
    else:
        assert identities.assume(role, token)["SessionToken"]
    assert identities.sts.refused[before:] == [code][: bool(code)]


def test_a_token_that_another_has_signed_or_that_was_changed_gets_no_role(identities: Pipeline) -> None:
    role = _arn(identities.worlds["prod"], "prod", "release")
    forged = Issuer(f"https://{GITHUB}").token(**JOB)
    head, _, signature = identities.github.token(**{**JOB, "sub": "repo:acme/sample:pull_request"}).split(".")
    changed = f"{head}.{identities.github.token(**JOB).split('.')[1]}.{signature}"
    for token in (forged, changed, identities.stranger.token(**JOB), "no token"):
        with pytest.raises(Failed):
            identities.assume(role, token)
    with pytest.raises(Failed):  # longer than the role lets anything have it
        identities.assume(role, identities.github.token(**JOB), "18000")


@pytest.mark.slow(60)
def test_an_approval_that_nobody_reviewed_is_none(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_REVIEWER", "")
    went = pipeline.runner.run("seedbed-release.yml", "push")
    assert (went["prod-open"], went["prod-approve"], went["prod"]) == ("success", "failure", "skipped")
    assert set(pipeline.steps("prod").values()) <= {"waiting", "skipped"}
