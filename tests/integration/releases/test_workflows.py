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
from pathlib import Path
from typing import Any

import pytest

from seedbed.aws.web_identity import GITHUB, conditions
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.aws_proxy import Issuer, Proxy, proxy
from tests.support.pipelines import Estate, Refused, databases
from tests.support.projects import run
from tests.support.workflows import Failed, Job, Runner, download, upload

PASSED = ("actions/setup-python", "actions/cache", "actions/attest-build-provenance")
DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "how-to" / "release-from-github.md"
LIFE = DOCS / "tutorial" / "life-of-a-release.md"
BRANCHES = {"staging": "main", "prod": "main", "prod-approval": "main"}  # as the page says


class Pipeline(Estate):
    """The platform with the workflows that `init` writes for GitHub."""

    def __init__(
        self, root: Path, aws: Proxy, server: World, databases: Mapping[str, dict[str, str]]
    ) -> None:
        self.issuer = Issuer(f"https://{GITHUB}")
        self.stranger = Issuer("https://gitlab.example")
        super().__init__(root, aws, server, databases, [self.issuer, self.stranger])
        self.taken: list[tuple[str, str]] = []
        for each in self.worlds:
            for kind, jobs in jobs_of(each).items():
                self.trust(each, "github", kind, conditions("acme/edtech", jobs, kind))
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
            lambda: {**self.environ(self.runner.home / "home"), "GITHUB_ACTIONS": "true"},
            {
                "event": {"pull_request": {"number": 7, "head": {"repo": {"fork": False}}}},
                "token": "gh-token",
                "repository": "acme/edtech",
            },
            BRANCHES,
            self.issuer,
        )
        (root / "runner" / "home").mkdir()

    def _checkout(self, job: Job, given: Mapping[str, str]) -> None:
        assert given["persist-credentials"] == ""
        subprocess.run(["git", "clone", "-q", str(self.repository), str(job.workspace)], check=True)

    def _take_role(self, job: Job, given: Mapping[str, str]) -> None:
        """Take on a role as the action does, and reach the databases of its environment."""
        role = given["role-to-assume"]
        try:
            found = self.assume(
                role, job.token("sts.amazonaws.com"), given.get("role-duration-seconds", "3600")
            )
        except Refused as error:
            raise Failed from error
        self.taken.append((job.name, role.rpartition("/")[2]))
        job.environ |= {**found, "AWS_REGION": given["aws-region"], **self.reached_by(role)}

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


def untold(page: Path, said: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[str]:
    """Yield each block of a page, of the log of a job's step, that no such log has: `…` stands for what is left out."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r'^```text title="([\w-]+): ([\w-]+)"\n(.*?)^```', text, re.MULTILINE | re.DOTALL)
    assert len(found) >= 8, "the page tells less than the life of a release"
    for job, step, block in found:
        lines = (".*".join(map(re.escape, line.split("…"))) for line in block.rstrip("\n").split("\n"))
        wanted = re.compile(
            "\n".join("(?:.*\n)*?.*" if line == ".*" else line for line in lines), re.MULTILINE
        )
        if not any(wanted.search(each) for each in said.get((job, step), ())):
            yield f"{job}: {step}:\n{block}\n{said.get((job, step))}"


@pytest.fixture
def pipeline(
    tmp_path: Path,
    ministack_server: World,
    postgres_server: EmbeddedServer,
    new_database: Callable[[], str],
) -> Iterator[Pipeline]:
    with proxy(ministack_server.endpoint) as aws:
        made = Pipeline(tmp_path, aws, ministack_server, databases(postgres_server, new_database))
        made.furnish()
        done = run(made.repository, "init", "--yes", "--ci", "github")
        assert done.code == 0, done.everything
        made.commit("Begin")
        yield made
        made.runner.close()


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory, ministack_server: World) -> Iterator[Pipeline]:
    """Accounts alone, whose roles are asked for."""
    with proxy(ministack_server.endpoint) as aws:
        made = Pipeline(tmp_path_factory.mktemp("identities"), aws, ministack_server, {})
        yield made
        made.runner.close()


@pytest.mark.slow(60)
def test_a_merge_reaches_staging_at_once_and_production_in_two_approved_steps(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = pipeline.runner
    pipeline.begin()
    pipeline.change()
    by_the_clock = {
        "staging": "success",
        "prod-show": "skipped",
        "prod-approve": "skipped",
        "prod": "success",
    }
    # Before there was a release, there is nothing to do by the hour.
    assert runner.run("seedbed-contract.yml", "schedule") == by_the_clock, pipeline.logs()

    pipeline.commit("Give people the parts of their names")
    with monkeypatch.context() as alone:  # an approval that nobody reviewed is none
        alone.setenv("GH_REVIEWER", "")
        went = runner.run("seedbed-release.yml", "push")
    assert (went["prod-open"], went["prod-approve"], went["prod"]) == ("success", "failure", "skipped")
    assert set(pipeline.steps("prod").values()) <= {"waiting", "skipped"}
    assert set(pipeline.steps("staging").values()) <= {"done", "skipped"}

    # Once more, and somebody reviews it: what is there already stays as it is.
    went = runner.run("seedbed-release.yml", "push")
    assert set(went.values()) == {"success"}, (went, pipeline.logs())
    assert pipeline.steps("prod")["verify"] in ("done", "skipped")
    assert pipeline.steps("prod")["contract"] == "waiting"

    # By the clock: it soaks and is not approved, which is no failure, and nothing is touched.
    assert runner.run("seedbed-contract.yml", "schedule") == by_the_clock, pipeline.logs()
    assert pipeline.steps("prod")["contract"] == "waiting"

    # By hand: it is approved while it soaks, and goes on soaking.
    went = runner.run("seedbed-contract.yml", "workflow_dispatch", reason="no reader is left")
    assert set(went.values()) == {"success"}, (went, pipeline.logs())
    assert pipeline.steps("prod")["contract"] == "waiting"

    # By the clock, after the soak: it is carried out.
    pipeline.has_soaked("prod")
    assert runner.run("seedbed-contract.yml", "schedule") == by_the_clock, pipeline.logs()
    assert set(pipeline.steps("prod").values()) <= {"done", "skipped"}, pipeline.logs()
    assert pipeline.release("prod").state == "closed"
    assert {name for job, name in pipeline.taken if "approve" in job} == {"edtech-prod-github-approve"}
    assert list(untold(LIFE, runner.said)) == [], pipeline.logs()


@pytest.mark.slow(60)
def test_a_pull_request_has_one_comment_which_the_next_push_writes_anew(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = pipeline.runner
    pipeline.change()
    pipeline.commit("Give people the parts of their names")
    assert set(runner.run("seedbed-pull-request.yml", "pull_request").values()) == {"success"}, (
        pipeline.logs()
    )
    *_, made = pipeline.asked()
    assert made["words"][:4] == ["api", "--method", "POST", "repos/acme/edtech/issues/7/comments"]
    assert made["token"] == "gh-token"
    (body,) = made["bodies"]
    assert body.startswith("<!-- seedbed -->")
    assert "DROP COLUMN name" in body
    assert {"staging", "prod"} <= set(body.replace("`", " ").split())
    monkeypatch.setenv("GH_COMMENT", "99")
    runner.run("seedbed-pull-request.yml", "pull_request")
    assert pipeline.asked()[-1]["words"][:4] == [
        "api",
        "--method",
        "PATCH",
        "repos/acme/edtech/issues/comments/99",
    ]
    assert {name for _, name in pipeline.taken} == {"edtech-staging-github-read", "edtech-prod-github-read"}


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


JOB = {"sub": "repo:acme/edtech:environment:prod", "aud": "sts.amazonaws.com"}


@pytest.mark.parametrize(
    ("kind", "claims", "code"),
    [
        ("release", {}, ""),
        ("release", {"sub": "repo:acme/edtech:environment:staging"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/edtech:environment:prod-approval"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/edtech:ref:refs/heads/main"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/edtech:pull_request"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/edtech:environment:production"}, "AccessDenied"),
        ("release", {"sub": "repo:acme/edtech2:environment:prod"}, "AccessDenied"),
        ("release", {"sub": "repo:mallory/edtech:environment:prod"}, "AccessDenied"),
        ("release", {"sub": "REPO:acme/edtech:environment:prod"}, "AccessDenied"),
        ("approve", {}, "AccessDenied"),
        ("approve", {"sub": "repo:acme/edtech:environment:prod-approval"}, ""),
        ("read", {}, "AccessDenied"),
        ("read", {"sub": "repo:acme/edtech:pull_request"}, ""),
        ("read", {"sub": "repo:mallory/edtech:pull_request"}, "AccessDenied"),
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
    role = identities.role("prod", "github", kind)
    token = identities.issuer.token(**{**JOB, **claims})
    if code:
        with pytest.raises(Refused):
            identities.assume(role, token)
    else:
        assert identities.assume(role, token)["AWS_SESSION_TOKEN"]
    assert identities.sts.refused[before:] == [code][: bool(code)]


def test_a_token_that_another_has_signed_or_that_was_changed_gets_no_role(identities: Pipeline) -> None:
    role = identities.role("prod", "github", "release")
    forged = Issuer(f"https://{GITHUB}").token(**JOB)
    head, _, signature = identities.issuer.token(**{**JOB, "sub": "repo:acme/edtech:pull_request"}).split(".")
    changed = f"{head}.{identities.issuer.token(**JOB).split('.')[1]}.{signature}"
    for token in (forged, changed, identities.stranger.token(**JOB), "no token"):
        with pytest.raises(Refused):
            identities.assume(role, token)
    with pytest.raises(Refused):  # longer than the role lets anything have it
        identities.assume(role, identities.issuer.token(**JOB), "18000")
