"""The workflow that publishes a version: every script of it carried out, with the upload, the registry and `pip` recorded.

What only GitHub, PyPI and the registry show is on the page about that.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # a dependency of the emulator: no stubs are locked

from seedbed import __version__
from tests.support.projects import clean_environment
from tests.support.workflows import Job, Runner, download, upload

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements"
DIGEST = f"sha256:{'d' * 64}"
DOCKER = f"""\
#!/bin/sh
echo "$@" >> "$DOCKER_RECORD"
case "$1 $2" in
"login "*) cat >> "$DOCKER_RECORD" ;;
"image inspect") echo "[\\"${{5%:*}}@{DIGEST}\\"]" ;;
esac
"""
GIT = ("git", "-c", "user.name=ana", "-c", "user.email=ana@example.com")


class Publisher:
    """A checkout with the workflow, and what was published of it."""

    def __init__(self, root: Path) -> None:
        self.repository = root / "repository"
        self.uploaded: dict[str, bytes] = {}
        self.attested: list[str] = []
        self.record = root / "docker.txt"
        self.runner = Runner(
            self.repository,
            root / "runner",
            {
                "actions/checkout": self._checkout,
                "actions/setup-python": lambda _job, _given: None,
                "actions/upload-artifact": upload,
                "actions/download-artifact": download,
                "actions/attest-build-provenance": self._attest,
                "pypa/gh-action-pypi-publish": self._upload,
            },
            lambda: clean_environment({"HOME": str(root), "DOCKER_RECORD": str(self.record)}),
            {"ref_name": f"v{__version__}", "repository": "Acme/Seedbed", "token": "gh-token"},
        )
        (self.runner.bin / "docker").write_text(DOCKER)
        (self.runner.bin / "docker").chmod(0o755)
        self._write()

    def _write(self) -> None:
        """Make a repository of what git would take of this checkout, with a changelog of the version."""
        listed = subprocess.run(
            [
                "git",
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
                "--",
                ":!docs",
                ":!tests",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for each in filter(None, listed.stdout.split("\0")):
            if (ROOT / each).is_file():
                to = self.repository / each
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / each, to)
        changelog = self.repository / "CHANGELOG.md"
        changelog.write_text(changelog.read_text().replace("## [Unreleased]", f"## [{__version__}]"))
        self.git("init", "-q", "-b", "main")
        self.commit("Begin")

    def git(self, *words: str) -> None:
        subprocess.run([*GIT, *words], cwd=self.repository, check=True)

    def commit(self, title: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", title)

    def _checkout(self, job: Job, given: Mapping[str, str]) -> None:
        assert given["persist-credentials"] == ""
        subprocess.run(["git", "clone", "-q", str(self.repository), str(job.workspace)], check=True)

    def _upload(self, job: Job, given: Mapping[str, str]) -> None:
        assert (job.gate, job.text["permissions"]) == ("release", {"id-token": "write"})
        assert given.keys() == {"packages-dir", "attestations"}  # no password: PyPI takes the job's token
        for each in (job.workspace / given["packages-dir"]).iterdir():
            self.uploaded[each.name] = each.read_bytes()

    def _attest(self, job: Job, given: Mapping[str, str]) -> None:
        assert job.text["permissions"]["attestations"] == "write"
        if "subject-checksums" in given:
            self.attested.append((job.workspace / given["subject-checksums"]).read_text())
        else:
            self.attested.append(f"{given['subject-name']}@{given['subject-digest']}")

    def run(self) -> dict[str, str]:
        return self.runner.run("publish.yml", "push")

    def log(self) -> str:
        return "".join(each.read_text() for each in sorted(self.runner.home.rglob("*.log")))


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    made = Publisher(tmp_path)
    yield made
    made.runner.close()


@pytest.mark.slow(15)
def test_a_tag_publishes_what_was_built_twice_alike_and_attested(publisher: Publisher) -> None:
    went = publisher.run()
    assert went == {"build": "success", "attest": "success", "pypi": "success", "image": "success"}, (
        publisher.log()
    )
    wheel = f"seedbed-{__version__}-py3-none-any.whl"
    assert publisher.uploaded.keys() == {wheel, f"seedbed-{__version__}.tar.gz"}
    sums = publisher.attested[0].splitlines()
    assert {line.split()[1]: line.split()[0] for line in sums} == {
        name: hashlib.sha256(data).hexdigest() for name, data in publisher.uploaded.items()
    }
    # The image of each processor has that very wheel, and is attested by the digest that the registry gave it.
    said = publisher.record.read_text()
    assert publisher.attested[1:] == [f"ghcr.io/acme/seedbed@{DIGEST}"] * 2
    for processor in ("x86_64", "arm64"):
        assert f"push ghcr.io/acme/seedbed:{__version__}-{processor}\n" in said
    assert said.count("gh-token\n") == said.count("logout ghcr.io\n") == 2
    assert said.count(f"run --rm --network none ghcr.io/acme/seedbed@{DIGEST}\n") == 2
    written = [each.parent for each in publisher.runner.home.glob("*/workspace/image/seedbed.toml")]
    assert len(written) == 2
    for each in written:
        assert (each / "wheels" / wheel).read_bytes() == publisher.uploaded[wheel]
        required = (each / "cdk" / "image-requirements.txt").read_text()
        assert (
            f"./wheels/{wheel}[all] --hash=sha256:{hashlib.sha256(publisher.uploaded[wheel]).hexdigest()}"
            in required
        )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda each: each.runner.github.update(ref_name="v9.9.9"),
            "the tag is v9.9.9, and pyproject.toml has",
        ),
        (lambda each: _forget_the_version(each), "CHANGELOG.md has no section of"),
        (lambda each: _leave_main(each), "is no commit of main"),
    ],
    ids=["another version", "no changelog", "no commit of main"],
)
def test_a_tag_that_is_not_what_it_says_publishes_nothing(
    publisher: Publisher, spoil: Any, said: str
) -> None:
    spoil(publisher)
    went = publisher.run()
    assert went == {"build": "failure", "attest": "skipped", "pypi": "skipped", "image": "skipped"}
    assert said in publisher.log()
    assert not publisher.uploaded
    assert not publisher.record.exists()


def _forget_the_version(publisher: Publisher) -> None:
    path = publisher.repository / "CHANGELOG.md"
    path.write_text(path.read_text().replace(f"## [{__version__}]", "## [Unreleased]"))
    publisher.commit("Forget it")


def _leave_main(publisher: Publisher) -> None:
    publisher.git("checkout", "-q", "-b", "aside")
    (publisher.repository / "README.md").write_text("aside")
    publisher.commit("Leave main")


def _built_by(publisher: Publisher, line: str) -> None:
    """Have wheel and sdist be what `line`, of a shell, writes."""
    names = f"dist/seedbed-{__version__}-py3-none-any.whl dist/seedbed-{__version__}.tar.gz"
    python = publisher.runner.bin / "python"
    real = python.read_text().splitlines()[-1]
    building = f'if [ hatchling = "$2" ]; then mkdir dist; {line} | tee {names}; exit; fi'
    python.write_text(f"#!/bin/bash\n{building}\n{real}\n")


def test_what_is_built_otherwise_the_second_time_is_not_published(publisher: Publisher) -> None:
    _built_by(publisher, "pwd")
    assert publisher.run() == {"build": "failure", "attest": "skipped", "pypi": "skipped", "image": "skipped"}
    assert "022/dist" in publisher.log()


def test_what_was_changed_behind_the_build_is_not_published(publisher: Publisher) -> None:
    def changed(job: Job, given: Mapping[str, Any]) -> None:
        download(job, given)
        (wheel,) = (job.workspace / given["path"]).glob("*.whl")
        wheel.write_text("another")

    _built_by(publisher, "echo one")
    publisher.runner.actions = {**publisher.runner.actions, "actions/download-artifact": changed}
    went = publisher.run()
    assert went == {"build": "success", "attest": "failure", "pypi": "skipped", "image": "skipped"}
    assert not publisher.uploaded


def locked(name: str) -> dict[str, set[str]]:
    """Return what a lock has: the hashes of each requirement."""
    text = (LOCKS / name).read_text(encoding="utf-8").replace("\\\n", " ")
    rows = [each.split() for each in text.splitlines() if each and not each.startswith("#")]
    return {each[0].partition(";")[0]: {word for word in each if word.startswith("--hash=")} for each in rows}


@pytest.mark.parametrize(("name", "wanted"), [("build.txt", "hatchling"), ("image.txt", "psycopg-binary")])
def test_what_builds_and_what_is_in_the_image_is_of_the_lock_that_tests_run_with(
    name: str, wanted: str
) -> None:
    found, tested = locked(name), locked("dev.txt")
    assert any(each.startswith(f"{wanted}==") for each in found)
    for each, hashes in found.items():
        assert hashes
        assert hashes <= tested[each], f"make lock: {each}"


def test_the_image_has_all_that_the_extra_all_takes() -> None:
    names = {each.partition("==")[0] for each in locked("image.txt")}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = re.findall(r"^(?:postgres|neo4j|aws|verify) = \[(.*?)\]", project, re.MULTILINE | re.DOTALL)
    listed = {re.split(r"[\[>=<]", each)[0] for part in wanted for each in re.findall(r'"([^"]+)"', part)}
    assert listed | {"click", "msgspec"} <= names


def test_the_jobs_have_no_more_rights_than_they_need() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    assert workflow[True] == {"push": {"tags": ["v[0-9]*"]}}
    rights = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert rights["build"] == {"contents": "read"}  # what it runs is of the tag; it cannot sign
    assert rights["pypi"] == {"id-token": "write"}
    assert {name for name, each in rights.items() if "packages" in each} == {"image"}
    assert json.dumps(workflow).count("secrets.") == 0
