"""Extensions in the sandbox: one that its PostgreSQL lacks says how to go on, and what is said works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.postgres.clusters import furnish
from tests.support.projects import ProjectFiles, run

DEBIAN = Path("/usr/lib/postgresql/15/bin")
UP = 'CREATE EXTENSION "{}"; CREATE TABLE t (id uuid PRIMARY KEY DEFAULT {});'
MISSING = [("pgcrypto", "gen_random_uuid()"), ("uuid-ossp", "uuid_generate_v4()")]


@pytest.mark.parametrize(("name", "default"), MISSING)
def test_an_extension_that_the_sandbox_lacks_says_how_to_go_on(
    short_path: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch, name: str, default: str
) -> None:
    monkeypatch.delenv("SEEDBED_PG_BIN", raising=False)
    furnish(short_path / ".seedbed" / "sandbox", cluster)
    files = ProjectFiles(short_path)
    files.migration(
        "20260101000001_uuids", UP.format(name, default), f'DROP TABLE t; DROP EXTENSION "{name}";'
    )
    failed = run(short_path, "apply", "-e", "sandbox")
    assert failed.code == 7, failed.everything
    assert "gen_random_uuid() is built in" in failed.everything
    assert f"install {name} on the server; in the sandbox, SEEDBED_PG_BIN=DIRECTORY" in failed.everything


@pytest.mark.skipif(not DEBIAN.is_dir(), reason=f"there is no {DEBIAN}")
def test_the_server_that_seedbed_pg_bin_names_has_them(short_path: Path) -> None:
    files = ProjectFiles(short_path)
    for number, (name, default) in enumerate(MISSING, 1):
        up, down = (
            UP.format(name, default).replace(" t ", f" t{number} "),
            f'DROP TABLE t{number}; DROP EXTENSION "{name}";',
        )
        files.migration(f"2026010100000{number}_uuids", up, down)
    env = {"SEEDBED_PG_BIN": str(DEBIAN)}
    assert "2 migrations applied" in run(short_path, "apply", "-e", "sandbox", env=env).out
    assert (
        "2 migrations reverted"
        in run(short_path, "revert", "-e", "sandbox", "--all", "--to", "0", env=env).out
    )
    assert "PostgreSQL  15" in run(short_path, "doctor", env=env).out
