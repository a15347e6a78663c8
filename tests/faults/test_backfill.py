"""A backfill that is killed goes on at its checkpoint: each row is converted exactly once."""

from __future__ import annotations

import time
from random import Random

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.soak.common import Site, site
from tests.support.projects import ProjectFiles

ROWS = 2_000
TABLE = f"""
CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL, first text, touched integer NOT NULL DEFAULT 0);
INSERT INTO people (id, name) SELECT n, 'first' || n || ' last' FROM generate_series(1, {ROWS}) AS n;
"""
STATEMENT = """
UPDATE people SET first = split_part(name, ' ', 1), touched = touched + 1
WHERE id BETWEEN $1 AND $2 AND pg_sleep(0.001) IS NOT NULL;
"""
FUNCTION = """\
# seedbed: phase=migrate backfill=people.id batch=250

import time


def up(row):
    time.sleep(0.0005)
    return {"first": row["name"].split(" ")[0], "touched": row["touched"] + 1}
"""


def write(files: ProjectFiles, kind: str) -> None:
    files.migration("20260101000001_people", TABLE)
    if kind == "statement":
        files.migration(
            "20260101000002_first", STATEMENT, directives="phase=migrate backfill=people.id batch=250"
        )
    else:
        migrations = files.root / "services" / "user" / "postgres" / "migrations"
        (migrations / "20260101000002_first.py").write_text(FUNCTION, encoding="utf-8")


def checkpoint(place: Site) -> int:
    """Return the last key that is behind the backfill, -1 before the first."""
    found = place.rows(
        "SELECT state, checkpoint FROM seedbed.migrations_history WHERE version = '20260101000002'"
    )
    if not found or (found[0][0] == "started" and found[0][1] is None):
        return -1
    return ROWS if found[0][0] == "applied" else int(found[0][1])


def kill_beyond(place: Site, key: int, rng: Random) -> bool:
    """Run, and kill some moment after the checkpoint has reached `key`; return whether it was still alive."""
    with place.start("apply") as child:
        while not child.is_over and checkpoint(place) < key:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        return child.kill()


@pytest.mark.parametrize("kind", ["statement", "function"])
def test_each_row_is_converted_exactly_once_however_often_the_run_is_killed(
    postgres_server: EmbeddedServer, kind: str
) -> None:
    rng = Random(1)
    with site(postgres_server, "dev-backfill") as (place, files):
        write(files, kind)
        assert place.run("apply", "--to", "20260101000001").code == 0
        behind = []
        for key in (1, 1000):
            assert kill_beyond(place, key, rng)
            behind.append(checkpoint(place))
        assert behind == sorted(behind)
        assert behind[-1] < ROWS
        ran = place.run("apply")
        assert ran.code == 0, ran.everything
        wrong = place.value("SELECT count(*) FROM people WHERE touched <> 1 OR first <> 'first' || id")
        assert wrong == 0
        assert place.value("SELECT count(*) FROM people") == ROWS
        assert place.run("plan", "--exit-code").code == 0
