"""The CDK CLI: which one is taken, and what its child is told."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from seedbed.aws.cloud import Cloud
from seedbed.deployment import cdk
from seedbed.errors import Unavailable, UsageError
from seedbed.execution.stopping import Stop
from seedbed.model.secret import Secret
from seedbed.servers import checked

KEYS = Cloud("eu-central-1", "111111111111", "", "", "AKIA", Secret("s3cr3t"), Secret("t0ken"))


def _cli(directory: Path, version: str, name: str = "cdk") -> Path:
    """A program that says that it is the CDK CLI of some version, and else its arguments and variables."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (
        f"#!{sys.executable} -S\nimport os, sys\n"
        f"print('{version} (build x)' if sys.argv[1:] == ['--version'] else [sys.argv[1:], dict(os.environ)])\n"
    )
    path.write_text(text)
    path.chmod(0o755)
    return path


def _find(environ: dict[str, str], app: Path, home: Path) -> cdk.Cli:
    return cdk.find(app, {"PATH": os.environ["PATH"], **environ}, home, Stop(), lambda _: None)


def test_the_one_that_the_variable_names_is_taken(tmp_path: Path) -> None:
    path = _cli(tmp_path, "2.1148.1")
    assert _find({"SEEDBED_CDK": str(path)}, tmp_path / "app", tmp_path).argv == (str(path),)


def test_else_the_one_beside_the_app(tmp_path: Path) -> None:
    path = _cli(tmp_path / "app" / "node_modules" / ".bin", "2.2000.0")
    assert _find({}, tmp_path / "app", tmp_path).argv == (str(path),)


def test_else_the_one_on_the_path_where_it_is_new_enough(tmp_path: Path) -> None:
    path = _cli(tmp_path / "bin", "2.1148.1")
    environ = {"PATH": f"{path.parent}{os.pathsep}{os.environ['PATH']}"}
    assert _find(environ, tmp_path / "app", tmp_path).argv == (str(path),)


@pytest.mark.parametrize("version", ["2.1148.0", "2.99.9", "1.204.0", "3.0.0", "what"])
def test_one_that_was_named_and_does_not_serve_is_refused(tmp_path: Path, version: str) -> None:
    path = _cli(tmp_path, version)
    with pytest.raises(UsageError, match="the CDK CLI at"):
        _find({"SEEDBED_CDK": str(path)}, tmp_path / "app", tmp_path)


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no CDK CLI at"):
        _find({"SEEDBED_CDK": str(tmp_path / "none")}, tmp_path, tmp_path)


def test_an_old_one_on_the_path_is_passed_over_for_the_one_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _cli(tmp_path / "bin", "2.100.0")
    cached = tmp_path / "cache" / f"aws-cdk-{cdk.VERSION}" / "node_modules" / "aws-cdk" / "bin"
    new = _cli(cached, cdk.VERSION)
    monkeypatch.setattr(cdk, "FILES", _files(cached.parent))
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path / "cache"))
    environ = {"PATH": f"{old.parent}{os.pathsep}{os.environ['PATH']}"}
    assert _find(environ, tmp_path / "app", tmp_path).argv == (str(new),)


def _files(package: Path) -> str:
    found = json.dumps(checked.contents(package), sort_keys=True)
    return hashlib.sha256(found.encode()).hexdigest()


def test_one_in_the_cache_that_is_not_what_was_fetched_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "cache" / f"aws-cdk-{cdk.VERSION}" / "node_modules" / "aws-cdk" / "bin"
    _cli(cached, cdk.VERSION)
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Unavailable, match="is not what it should be") as caught:
        _find({"PATH": os.environ["PATH"]}, tmp_path / "app", tmp_path)
    assert f"rm -r {tmp_path / 'cache'}" in caught.value.try_
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(Unavailable, match="is not private"):
        _find({"PATH": os.environ["PATH"]}, tmp_path / "app", tmp_path)


def test_a_script_of_node_is_started_by_node_itself(tmp_path: Path) -> None:
    script = tmp_path / "cdk"
    script.write_text("#!/usr/bin/env node\nconsole.log('2.1148.1')\n")
    environ = {"SEEDBED_CDK": str(script)}
    argv = _find(environ, tmp_path / "app", tmp_path).argv
    assert argv[1:] == (str(script),)
    assert Path(argv[0]).name == "node"


def test_secrets_travel_in_variables_and_never_as_arguments(tmp_path: Path) -> None:
    cli = _find({"SEEDBED_CDK": str(_cli(tmp_path, "2.1148.1"))}, tmp_path, tmp_path)
    arguments, variables = eval(cli.run(["deploy"], cwd=tmp_path, cloud=KEYS).lines[-1])
    assert arguments == ["deploy", "--no-notices", "--no-color"]
    assert variables["AWS_SECRET_ACCESS_KEY"] == "s3cr3t"
    assert variables["AWS_SESSION_TOKEN"] == "t0ken"
    assert variables["AWS_REGION"] == variables["AWS_DEFAULT_REGION"] == "eu-central-1"


def test_a_profile_does_not_win_over_keys(tmp_path: Path) -> None:
    environ = {"SEEDBED_CDK": str(_cli(tmp_path, "2.1148.1")), "AWS_PROFILE": "other"}
    cli = _find(environ, tmp_path, tmp_path)
    assert "AWS_PROFILE" not in eval(cli.run(["x"], cwd=tmp_path, cloud=KEYS).lines[-1])[1]
    named = Cloud("eu-central-1", profile="mine")
    assert eval(cli.run(["x"], cwd=tmp_path, cloud=named).lines[-1])[1]["AWS_PROFILE"] == "mine"


def test_the_endpoint_is_said_where_there_is_one(tmp_path: Path) -> None:
    assert (
        cdk.variables(Cloud("x", endpoint="http://127.0.0.1:1"))["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    )
    assert "AWS_ENDPOINT_URL" not in cdk.variables(Cloud("x"))


def test_what_the_cli_would_read_as_its_own_options_stays_behind(tmp_path: Path) -> None:
    environ = {
        "CDK": "1",
        "CDK_REQUIRE_APPROVAL": "any-change",
        "CDK_VALIDATION": "false",
        "JSII_NODE": "/x",
        "KEPT": "1",
        "PATH": "/bin",
    }
    found = cdk.base(environ, Path("/opt/node/bin/node"), tmp_path)
    assert {each for each in found if each.startswith("CDK")} == {
        "CDK_DISABLE_CLI_TELEMETRY",
        "CDK_DISABLE_VERSION_CHECK",
        "CDK_HOME",
        "CDK_VALIDATION",
    }
    assert found["KEPT"] == "1"
    assert found["CDK_VALIDATION"] == "false"  # which the app reads as well
    assert found["JSII_NODE"] == "/opt/node/bin/node"


def test_an_app_that_says_python_gets_the_python_that_we_run_on(tmp_path: Path) -> None:
    found = cdk.base({"PATH": "/usr/bin"}, Path("/opt/node/bin/node"), tmp_path)
    assert found["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/opt/node/bin", "/usr/bin"]
