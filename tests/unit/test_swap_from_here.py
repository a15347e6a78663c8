"""A swap works from where it is called: it says so where databases are otherwise reached by a task."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from seedbed.cli.main import cli
from seedbed.errors import ExitCode

WORDS = "user/postgres has to be reached from here: the task of staging swaps nothing."
TASK = 'access = "task"\n[environments.staging.task]\nimage = "seedbed:1"\n'
ENVIRON = {
    "DB_HOST": "127.0.0.1",
    "DB_PORT": "1",
    "DB_USER": "app",
    "DB_NAME": "user",
    "DB_PASSWORD": "any",
    "AWS_ACCESS_KEY_ID": "111111111111",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
}


@pytest.mark.parametrize(("access", "is_said"), [(TASK, True), ("", False)])
def test_where_a_task_reaches_the_database_a_swap_says_first_that_it_does_not(
    tmp_path: Path, access: str, is_said: bool
) -> None:
    (tmp_path / "services" / "user" / "postgres" / "migrations").mkdir(parents=True)
    (tmp_path / "seedbed.toml").write_text(
        '[platform]\nname = "shop"\n[services.user.postgres]\n'
        f'[environments.staging]\naccount = "111111111111"\nregion = "eu-central-1"\n{access}'
    )
    argv = ["-C", str(tmp_path), "snapshot", "swap", "-e", "staging", "--release", "12", "--yes"]
    ran = CliRunner().invoke(cli, argv, env=ENVIRON, prog_name="seedbed")
    assert ran.exit_code in {ExitCode.REFUSED, ExitCode.UNAVAILABLE}, ran.output
    assert ran.stderr.startswith(WORDS) is is_said, ran.stderr
    assert (WORDS in ran.stderr) is is_said
