"""`release build`: what is in a bundle, and that the same inputs make the same bytes wherever it is built."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from seedbed.deployment.assembly import read as read_assembly
from seedbed.releases.bundle import Bundle, assembly_in, platform_in, read
from tests.support.deployment.assemblies import assembly
from tests.support.projects import ProjectFiles, clean_environment, run

PROD = "333333333333"
CODE = """
[release.code]
run = ["./deploy.sh", "prod"]
back = ["./deploy.sh", "undo", "undo.txt"]
"""
DIGEST = "sha256:" + "a" * 64


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=ana", "-c", "user.email=ana@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A platform with a migration, a program for its new code and no app, in a checkout of its own."""
    root = tmp_path / "here"
    root.mkdir()
    files = ProjectFiles(root)
    files.tables(1)
    manifest = root / "seedbed.toml"
    manifest.write_text(manifest.read_text() + CODE)
    (root / "deploy.sh").write_text("#!/bin/sh\n")
    (root / "deploy.sh").chmod(0o755)
    (root / "undo.txt").write_text("")
    (root / "README.md").write_text("")
    (root / ".gitignore").write_text("*.csv\n*.zip\n*.pyc\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Begin")
    return root


def built(root: Path, *words: str, env: Mapping[str, str] | None = None) -> Bundle:
    ran = run(root, "release", "build", "-o", "../release.tar", *words, env=env)
    assert ran.code == 0, ran.err
    data = (root.parent / "release.tar").read_bytes()
    found = read(data, ran.out.strip())
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    return found


def test_the_platform_its_programs_and_given_assemblies_are_in_it(root: Path, tmp_path: Path) -> None:
    made = assembly(tmp_path / "made", {"sample-prod-user": {"Resources": {}}}, account=PROD)
    outputs = tmp_path / "outputs"
    outputs.write_text("before=1\n")
    images = ("--image", f"api=registry.example/api@{DIGEST}", "--image", f"worker={DIGEST}")
    found = built(root, "--assembly", f"prod={made}", *images, env={"GITHUB_OUTPUT": str(outputs)})
    assert outputs.read_text() == f"before=1\ndigest={found.sha256}\n"
    assert found.index.images == {"api": DIGEST, "worker": DIGEST}
    assert not found.index.is_dirty
    found.unpack(tmp_path / "there")
    platform = platform_in(tmp_path / "there")
    names = {path.relative_to(platform).as_posix() for path in platform.rglob("*") if path.is_file()}
    migration = "services/user/postgres/migrations/20260101000001_t1.sql"
    assert names == {"seedbed.toml", "deploy.sh", "undo.txt", migration}
    assert os.access(platform / "deploy.sh", os.X_OK)
    assert [each.name for each in read_assembly(assembly_in(tmp_path / "there", "prod")).stacks] == [
        "sample-prod-user"
    ]
    assert (
        run(platform, "plan", "-e", "prod").code == 2
    )  # it is a platform, of which nothing says where it is


def test_what_is_not_in_the_commit_makes_it_dirty_where_it_is_in_the_bundle(root: Path) -> None:
    clean = built(root).index.commit
    assert len(clean) == 40
    for name, is_in_it in (
        ("services/user/postgres/migrations/20260101000002_t2.sql", True),
        ("services/user/postgres/migrations/ignored.csv", True),
        ("services/user/__pycache__/a.pyc", False),
        ("deploy.sh", True),
        ("cdk/app.py", True),
        ("cdk/deploy.zip", False),
        ("README.md", False),
    ):
        path = root / name
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write("-- migrate:up\nSELECT 1;\n")
        assert built(root).index.commit == clean + ("-dirty" if is_in_it else ""), name
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)
    assert built(root).index.commit == clean


def test_directories_that_git_ignores_elsewhere_make_nothing_dirty_and_what_does_is_named(root: Path) -> None:
    """As a platform is once its sandbox was up: `.seedbed/` lies beside what is in the bundle."""
    with (root / ".gitignore").open("a") as file:
        file.write(".seedbed/\nkept/\n")
    git(root, "commit", "-q", "-am", "Ignore more")
    for name in (".seedbed/sandbox/data", "kept/records/0001.json"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("")
    ran = run(root, "release", "build", "-o", "../release.tar")
    assert (ran.code, "commit" in ran.err) == (0, False), ran.err
    assert not read((root.parent / "release.tar").read_bytes(), ran.out.strip()).index.is_dirty
    (root / "services/user/postgres/migrations/20260101000009_new.sql").write_text(
        "-- migrate:up\nSELECT 1;\n"
    )
    (root / "deploy.sh").write_text("#!/bin/sh\nexit 0\n")
    ran = run(root, "release", "build", "-o", "../release.tar")
    names = "deploy.sh, services/user/postgres/migrations/20260101000009_new.sql"
    assert f"not as the commit has it: {names}\n" in ran.err


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda program: program.chmod(0o644), "may not be executed"),
        (lambda program: program.unlink(), "no file below the manifest's directory"),
    ],
    ids=["no program", "gone"],
)
def test_a_program_that_could_not_be_called_is_said_while_it_can_be_mended(
    root: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(root / "deploy.sh")
    ran = run(root, "release", "build", "-o", "../release.tar")
    assert ran.code == 2
    assert said in ran.err


def test_a_program_that_is_a_link_has_the_name_by_which_it_is_called(root: Path, tmp_path: Path) -> None:
    (root / "scripts").mkdir()
    (root / "deploy.sh").rename(root / "scripts" / "of-all.sh")
    (root / "deploy.sh").symlink_to("scripts/of-all.sh")
    built(root).unpack(tmp_path / "there")
    assert os.access(platform_in(tmp_path / "there") / "deploy.sh", os.X_OK)
    assert not (platform_in(tmp_path / "there") / "scripts").exists()


def test_without_a_checkout_it_has_no_commit(root: Path) -> None:
    shutil.rmtree(root / ".git")
    assert built(root).index.commit == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--image", "api=registry.example/api:1.4"), "names no image by its digest"),
        (("--image", f"a={DIGEST}", "--image", f"a={DIGEST}"), "a has two images"),
        (("--assembly", "prod=nowhere"), "no directory"),
        (("--assembly", "dev-ana=."), "no environment dev-ana"),
        (("--assembly", "prod=."), "no cloud assembly"),
        (("--assembly", "prod=../made"), "is made for account 000000000000"),
    ],
)
def test_what_cannot_be_in_it_is_said_and_nothing_is_written(
    root: Path, words: tuple[str, ...], said: str
) -> None:
    assembly(root.parent / "made", {"sample-prod-user": {"Resources": {}}})
    ran = run(root, "release", "build", "-o", "../release.tar", *words)
    assert ran.code in (2, 3)
    assert said in ran.err
    assert not (root.parent / "release.tar").exists()


@pytest.mark.slow(20)
def test_two_checkouts_on_two_machines_make_the_same_bytes(root: Path, tmp_path: Path) -> None:
    """The app's own assemblies have paths of the machine in them, and templates of the CDK's for Aurora do."""
    manifest = root / "seedbed.toml"
    text = manifest.read_text().replace('[environments.staging]\naccount = "222222222222"\n', "")
    manifest.write_text(text.replace("protected = true", 'region = "eu-central-1"\nprotected = true'))
    (root / "cdk").mkdir()
    program = "from pathlib import Path\nfrom seedbed.cdk import run\nrun(Path(__file__).parents[1] / 'seedbed.toml')\n"
    (root / "cdk" / "app.py").write_text(program)
    (root / "cdk" / "cdk.json").write_text('{"app": "python3 app.py"}')
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Deploy")
    other = tmp_path / "other machine" / "of" / "another"
    other.parent.mkdir(parents=True)
    git(tmp_path, "clone", "-q", str(root), str(other))
    made = []
    for place, mask, env in (
        (root, "022", {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"}),
        (other, "077", {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "2", "SOURCE_DATE_EPOCH": "1"}),
    ):
        out = place / "release.tar"
        line = f'umask {mask}; exec "{sys.executable}" -m seedbed release build -o "{out}"'
        subprocess.run(["sh", "-c", line], cwd=place, env=clean_environment(env), check=True)
        made.append(out.read_bytes())
    assert made[0] == made[1]
    index = read(made[0]).index
    assert (list(index.assemblies), index.is_dirty) == (["prod"], False)
    for machine in (b"jsii-kernel", str(tmp_path).encode()):
        assert machine not in made[0]
