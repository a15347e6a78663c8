"""What doctor says of Node and of the CDK CLI, where an app is deployed by them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from seedbed.deployment import cdk
from seedbed.deployment.diagnosis import CLI, NODE, diagnose
from seedbed.execution.stopping import Stop
from seedbed.project import Project

REQUIRED = f"; {cdk.PACKAGE} {cdk.VERSION} or a later 2.x is required"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Surroundings whose programs are those in `bin`, and whose cache is empty."""
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin")}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdk, "cache", lambda: tmp_path / "cache")


def program(environ: dict[str, str], name: str, says: str) -> Path:
    path = Path(environ["PATH"]) / name
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


def test_both_are_named_with_their_versions_and_what_is_required(
    environ: dict[str, str], tmp_path: Path
) -> None:
    node = program(environ, "node", "echo v24.1.0")
    cli = program(environ, "cdk", f"echo '{cdk.VERSION} (build 1)'")
    assert diagnose(tmp_path, environ, Stop()) == [
        (NODE, f"v24.1.0 at {node}; 22 or later is required"),
        (CLI, f"{cdk.VERSION} at {cli}{REQUIRED}"),
    ]


def test_what_is_too_old_does_not_run_or_is_not_there_is_a_finding(
    environ: dict[str, str], tmp_path: Path
) -> None:
    node = program(environ, "node", "exit 1")
    (_, said), (_, missing) = diagnose(tmp_path, environ, Stop())
    assert said == f"does not run at {node}; 22 or later is required"
    assert missing.startswith("the CDK CLI is not on this machine: npm install aws-cdk@")
    assert missing.endswith(REQUIRED)
    environ[cdk.SPECIFIED] = str(program(environ, "mine", "echo 2.100.0"))
    _, (_, old) = diagnose(tmp_path, environ, Stop())
    assert old.startswith(f"the CDK CLI at {environ[cdk.SPECIFIED]} is 2.100.0: npm install")
    assert old.endswith(REQUIRED)


def test_without_node_it_says_where_one_comes_from(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdk, "_packaged_node", lambda: None)
    ((what, said),) = diagnose(tmp_path, environ, Stop())
    assert what == NODE
    assert "[node]" in said
    assert "install Node 22 or later" in said


def test_doctor_tells_it_of_a_platform_with_an_app_and_of_no_other(tmp_path: Path) -> None:
    (tmp_path / "seedbed.toml").write_text('[platform]\nname = "shop"\n[services.user.postgres]\n')
    real = {"PATH": str(Path(shutil.which("node") or str(cdk._packaged_node())).parent)}
    assert NODE not in dict(Project.open(tmp_path, environ=real).diagnose())
    (tmp_path / "cdk").mkdir()
    (tmp_path / "cdk" / "cdk.json").write_text("{}")
    assert dict(Project.open(tmp_path, environ=real).diagnose())[NODE].startswith("v2")
