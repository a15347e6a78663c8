"""A database of a second environment on a shared server, beside that of the first.

``python -m benchmarks.shared [--rounds N] [--migrations N] [--rows N]``

The first one is made empty, its migrations are applied and its seeds loaded: by `seedbed apply` and `seedbed seed`, as
processes. The second one is made as a copy of what was kept of the first. Each round makes both anew, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from benchmarks.corpus import corpus, write_for_seedbed
from benchmarks.lines import Line, compared, keep, machine
from seedbed.engines.postgres.engine import PostgresEngine
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.engines.postgres.sharing.server import shared_server
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share

MOST = 0.2
TEMPLATE = "measured"
PLATFORM = "sample"  # as `write_for_seedbed` calls it


class Bench:
    """A server, and the project of a platform with one service."""

    def __init__(self, server: EmbeddedServer, root: Path, migrations: int, rows: int) -> None:
        self.server = server
        self.root = root
        write_for_seedbed(root, corpus(migrations))
        seeds = next(root.rglob("migrations")).parent / "seeds" / "reference"
        seeds.mkdir(parents=True, exist_ok=True)
        self.service = seeds.parents[2].name
        version = "99999999999999"
        table = "CREATE TABLE seeded_people (id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE);"
        (seeds.parents[1] / "migrations" / f"{version}_seeded_people.sql").write_text(
            f"-- migrate:up\n{table}\n"
        )
        lines = (f"{n},Given{n % 977} Family{n},person{n}@example.org" for n in range(rows))
        (seeds / "seeded_people.csv").write_text("\n".join(["id,name,email", *lines]) + "\n")
        self.settings: Mapping[str, str | Secret] = {
            "host": server.socket_directory,
            "port": str(server.port),
            "admin_user": server.user,
            "admin_password": Secret("unused"),
        }
        self.logins = {"user": Secret("unused-m"), "app_user": Secret("unused-a")}

    def made(self, environment: str, template: str = "") -> float:
        """Make the database of `environment` with all that is in it, and return the seconds that it took."""
        began = time.perf_counter()
        share = Share(PLATFORM, environment, f"{self.service}/postgres")
        with shared_server(self.settings) as shared:
            shared.make(share, self.logins, template=template)
        if not template:
            for verb in ("apply", "seed"):
                self.run(verb, environment)
        return time.perf_counter() - began

    def run(self, verb: str, environment: str) -> None:
        names = PostgresEngine().shared_settings(environment, self.service)
        variables = {
            "DB_HOST": self.server.socket_directory,
            "DB_PORT": str(self.server.port),
            "DB_NAME": names["name"],
            "DB_USER": names["user"],
            "DB_PASSWORD": self.logins["user"].reveal(),
            "DB_APP_USER": names["app_user"],
            "DB_APP_PASSWORD": self.logins["app_user"].reveal(),
        }
        command = [sys.executable, "-m", "seedbed", verb, "-e", environment]
        ran = subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(f"{verb} ended with {ran.returncode}: {ran.stdout}{ran.stderr}")

    def check(self, environment: str, rows: int) -> None:
        """Raise RuntimeError unless all is there, and seedbed finds nothing to do."""
        names = PostgresEngine().shared_settings(environment, self.service)
        with psycopg.connect(**self.server.dsn(names["name"])) as connection:  # type: ignore[arg-type]
            found = connection.execute("SELECT count(*) FROM seeded_people").fetchone()
        if found != (rows,):
            raise RuntimeError(f"{environment} has {found} rows")
        self.run("apply", environment)

    def drop(self, environment: str) -> None:
        with shared_server(self.settings) as shared:
            shared.drop(Share(PLATFORM, environment, f"{self.service}/postgres"))

    def keep(self, environment: str) -> None:
        with shared_server(self.settings) as shared:
            if not shared.keep(Share(PLATFORM, environment, f"{self.service}/postgres"), TEMPLATE):
                raise RuntimeError("the template was not kept")


def measured(bench: Bench, rounds: int, rows: int) -> Line:
    bench.made("dev-first")
    bench.check("dev-first", rows)
    bench.keep("dev-first")
    took: dict[str, list[float]] = {"": [], TEMPLATE: []}
    for number in range(rounds):
        turns = ("", TEMPLATE) if number % 2 else (TEMPLATE, "")
        for template in turns:
            environment = f"dev-{number}{'b' if template else 'a'}"
            took[template].append(bench.made(environment, template))
            bench.check(environment, rows)
            bench.drop(environment)
    return compared("a copy", "s", took[TEMPLATE], "apply and seed", took[""], MOST)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is made")
    parser.add_argument("--migrations", type=int, default=50, help="migrations of the service")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of its seed")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as home:
        Path(home).chmod(0o755)
        root = Path(home) / "project"
        with embedded(Path(home) / "server") as server:
            settings = machine(
                "psycopg",
                postgresql=server.version,
                rounds=asked.rounds,
                migrations=asked.migrations,
                rows=asked.rows,
            )
            print(json.dumps(settings), flush=True)
            line = measured(Bench(server, root, asked.migrations, asked.rows), asked.rounds, asked.rows)
            print(line, flush=True)
    keep("shared", settings, [line])
    return 0


if __name__ == "__main__":
    sys.exit(main())
