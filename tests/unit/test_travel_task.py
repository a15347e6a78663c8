"""The entry point of the task: what its definition says is what counts, whatever RunTask says besides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from seedbed.cli.travel.task import bound

DEFINED = ["SEEDBED_FILES=image", "DB_HOST=here", "DB_OPTIONS=a=b", "DB_PASSWORD", "--"]


def test_what_the_definition_says_counts_and_what_it_does_not_name_is_left_out() -> None:
    overridden = {
        "SEEDBED_FILES": "upload",
        "DB_HOST": "elsewhere",
        "DB_SSLMODE": "disable",
        "SEEDBED_CDK": "/bin/sh",
        "AWS_CONFIG_FILE": "/proc/self/environ",
        "LD_PRELOAD": "x",
        "AWS_ENDPOINT_URL": "https://elsewhere",
        "AWS_ENDPOINT_URL_DYNAMODB": "https://elsewhere",
        "AWS_CA_BUNDLE": "/tmp/own.pem",
        "SSL_CERT_FILE": "/tmp/own.pem",
        "HTTPS_PROXY": "http://elsewhere",
        "https_proxy": "http://elsewhere",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://elsewhere/credentials",
        "ECS_CONTAINER_METADATA_URI_V4": "http://elsewhere/v4",
    }
    environ = {"DB_PASSWORD": "secret", "PATH": "/bin", "AWS_REGION": "eu-central-1", "LC_ALL": "C"}
    environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/1"
    words = ["--run", "1", "SEEDBED_FILES=upload", "--", "SEEDBED_ENV=b"]
    found, left = bound([*DEFINED, *words], environ | overridden)
    assert found == {**environ, "SEEDBED_FILES": "image", "DB_HOST": "here", "DB_OPTIONS": "a=b"}
    assert left == words


def test_who_the_task_is_tells_the_host_that_is_there_for_it() -> None:
    told = {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/1"}
    assert bound(["--"], told) == (told, [])
    lied = {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2.elsewhere/v4/1"}
    assert bound(["--"], lied) == ({}, [])


def test_a_network_that_takes_a_proxy_has_it_in_the_definition() -> None:
    found, _ = bound(["HTTPS_PROXY=http://proxy:3128", "--"], {"HTTPS_PROXY": "http://elsewhere"})
    assert found == {"HTTPS_PROXY": "http://proxy:3128"}


def test_a_variable_that_has_python_start_a_program_starts_none(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    environ = {
        "PYTHONWARNINGS": "all:0:antigravity.x:0:0",
        "BROWSER": f"/bin/sh -c 'touch {trace}' #%s",
        "PYTHONPATH": str(tmp_path),
    }
    started = subprocess.run(
        [sys.executable, "-I", "-m", "seedbed.cli.travel.task", "--", "--version"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert started.stdout.startswith("seedbed, version ")
    assert not trace.exists()
