"""The workflows that `init --ci github` writes: from a pull request to production, every script of theirs carried out.

Accounts are those of an emulator, with roles taken on as the workflow takes them on; `gh` records what it is asked.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.releases.table_store import TableStore
from tests.support import aws_clients
from tests.support.afar import put_facts
from tests.support.projects import ProjectFiles, clean_environment, run, variables
from tests.support.remote import make_records
from tests.support.servers import new_account
from tests.support.workflows import Job, Runner, copy_artifact

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
GATES = {"staging": "staging", "prod": "prod", "prod-approval": "prod", "": ""}
ARTIFACTS = "actions/upload-artifact", "actions/download-artifact"
PASSED = ("actions/setup-python", "actions/cache", "actions/attest-build-provenance")


class Pipeline:
    """A platform in a repository with its workflows, and the accounts of its environments."""

    def __init__(
        self, root: Path, worlds: Mapping[str, World], databases: Mapping[str, dict[str, str]]
    ) -> None:
        self.worlds = worlds
        self.databases = databases
        self.repository = root / "repository"
        self.taken: list[tuple[str, str]] = []
        self.runner = Runner(
            self.repository,
            root / "runner",
            {
                "actions/checkout": self._checkout,
                "aws-actions/configure-aws-credentials": self._take_role,
                "actions/upload-artifact": self._upload,
                "actions/download-artifact": self._download,
                **{each: lambda _job, _given: None for each in PASSED},
            },
            self._environ,
            {"event": {"pull_request": {"number": 7, "head": {"repo": {"fork": False}}}}},
        )
        self.runner.github |= {"token": "gh-token", "repository": "acme/sample"}
        (root / "runner" / "home").mkdir()

    def _environ(self, gate: str) -> dict[str, str]:
        """Return the environment of a job: nothing of AWS before a role is taken on."""
        environment = GATES[gate]
        return clean_environment(
            {
                "AWS_ENDPOINT_URL": self.worlds["prod"].endpoint,
                "AWS_EC2_METADATA_DISABLED": "true",
                "HOME": str(self.runner.home / "home"),
                "GITHUB_ACTIONS": "true",
                **self.databases.get(environment, {}),
            }
        )

    def _checkout(self, job: Job, given: Mapping[str, str]) -> None:
        assert given["persist-credentials"] == ""
        subprocess.run(["git", "clone", "-q", str(self.repository), str(job.workspace)], check=True)

    def _take_role(self, job: Job, given: Mapping[str, str]) -> None:
        role = given["role-to-assume"]
        account = role.split(":")[4]
        environment, world = next(
            (each, world) for each, world in self.worlds.items() if world.account == account
        )
        sts = aws_clients.client("sts", world.region, world.endpoint, account)
        found = sts.assume_role(RoleArn=role, RoleSessionName="GitHubActions")["Credentials"]
        self.taken.append((job.name, role.rpartition("/")[2]))
        job.environ |= {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
            "AWS_REGION": given["aws-region"],
            **self.databases[environment],
        }

    def _upload(self, job: Job, given: Mapping[str, str]) -> None:
        if Path(given["path"]).exists():
            self.runner.artifacts[given["name"]] = Path(given["path"])

    def _download(self, job: Job, given: Mapping[str, str]) -> None:
        wanted = given.get("name") or given["pattern"].rstrip("*")
        for name, path in self.runner.artifacts.items():
            if name.startswith(wanted):
                copy_artifact(path, job.workspace / given["path"])

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


def _bucket(pipeline: Pipeline, environment: str) -> str:
    return f"sample-{environment}-{pipeline.worlds[environment].account}"


@pytest.fixture
def pipeline(
    tmp_path: Path,
    ministack_server: World,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
) -> Pipeline:
    names = ("staging", "prod")
    worlds = {each: replace(ministack_server, account=new_account()) for each in names}
    databases = {each: variables(postgres_server, new_database(), "USER_") for each in names}
    made = Pipeline(tmp_path, worlds, databases)
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
    return made


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
    assert pipeline.taken == []
    assert pipeline.runner.ran == []


@pytest.mark.slow(60)
def test_an_approval_that_nobody_reviewed_is_none(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_REVIEWER", "")
    went = pipeline.runner.run("seedbed-release.yml", "push")
    assert (went["prod-open"], went["prod-approve"], went["prod"]) == ("success", "failure", "skipped")
    assert set(pipeline.steps("prod").values()) <= {"waiting", "skipped"}
