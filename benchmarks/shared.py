"""The PostgreSQL databases of a second environment on a shared server, beside those of the first.

``python -m benchmarks.shared [--rounds N] [--home DIR]``

The platform is `edtech/`: its three PostgreSQL databases, with all their migrations and seeds. The first environment's
are made empty, then filled by `seedbed apply --seed`, one process for all three. The second one's are made as copies of
what was kept of the first. Each round makes both anew, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from benchmarks.lines import Line, compared, keep, machine
from seedbed.engines.postgres.engine import PostgresEngine
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share, ShareOutcome, SharePart
from seedbed.project.project import Project
from seedbed.project.shares import Shares

MOST = 0.2
TEMPLATE = "measured"
SERVICES = ("user", "payment", "reviews")
LOGINS: Mapping[str, Secret] = {"user": Secret("unused-m"), "app_user": Secret("unused-a")}
# Not on a disk: there it counts what was deleted in the minutes before, which is no work of either side.
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
_EDTECH = Path(__file__).parents[1] / "edtech"
_BASE = '\n[environments.shared-dev]\naccount = "111111111111"\nregion = "eu-central-1"\nbase = true\n'
_TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname !~ '^(pg_|information_schema$|seedbed$)'
"""


class Given(Shares):
    """The shares of a base whose logins' passwords are given: who makes them asks a Secrets Manager otherwise."""

    def _logins(self, share: Share) -> Mapping[str, Secret]:
        return LOGINS


class Bench:
    """A server, and the platform whose environments lie on it."""

    def __init__(self, server: EmbeddedServer, root: Path) -> None:
        self.server, self.root = server, root
        shutil.copytree(
            _EDTECH, root, ignore=shutil.ignore_patterns(".seedbed", "apps", "tests", "__pycache__")
        )
        manifest = root / "seedbed.toml"
        text = manifest.read_text(encoding="utf-8").replace(
            "ephemeral = true\n", 'ephemeral = true\nbase = "shared-dev"\n', 1
        )
        manifest.write_text(text + _BASE, encoding="utf-8")
        place = {"DB_HOST": server.socket_directory, "DB_PORT": str(server.port)}
        environ = {**place, "DB_ADMIN_USER": server.user, "DB_ADMIN_PASSWORD": "unused"}
        project = Project.open(root, environ=environ)
        self.shares = Given(project.targets, project.catalog.environment("shared-dev"))

    def made(self, environment: str, template: str = "") -> float:
        """Make the databases of `environment` with all that is in them, and return the seconds that it took."""
        began = time.perf_counter()
        well(self.shares.make(environment, parts(template)))
        if not template:
            self.run(environment, "apply", "--seed")
        return time.perf_counter() - began

    def run(self, environment: str, *command: str) -> None:
        variables = {"DB_HOST": self.server.socket_directory, "DB_PORT": str(self.server.port)}
        found: dict[str, str] = {}
        for service in SERVICES:
            names = PostgresEngine().shared_settings(environment, service)
            own = {
                **variables,
                "DB_NAME": names["name"],
                "DB_USER": names["user"],
                "DB_PASSWORD": LOGINS["user"].reveal(),
                "DB_APP_USER": names["app_user"],
                "DB_APP_PASSWORD": LOGINS["app_user"].reveal(),
            }
            found |= {f"{service.upper()}_{name}": value for name, value in own.items()}
        ran = subprocess.run(
            [sys.executable, "-m", "seedbed", *command, "-e", environment, "--engine", "postgres"],
            cwd=self.root,
            env={**os.environ, **found},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(f"{command} ended with {ran.returncode}: {ran.stdout}{ran.stderr}")

    def check(self, environment: str) -> list[int]:
        """Return how many rows each database has. Raises RuntimeError unless seedbed finds nothing to apply there."""
        self.run(environment, "plan", "--exit-code")
        rows: list[int] = []
        for service in SERVICES:
            name = PostgresEngine().shared_settings(environment, service)["name"]
            with psycopg.connect(**self.server.dsn(name)) as connection:  # type: ignore[arg-type]
                tables = [str(row[0]) for row in connection.execute(_TABLES)]
                counts = " + ".join(f"(SELECT count(*) FROM {each})" for each in tables)
                rows += [int(row[0]) for row in connection.execute(f"SELECT {counts}".encode())]
        return rows


def parts(template: str) -> list[SharePart]:
    return [SharePart(f"{each}/postgres", template and f"{template}-{each}") for each in SERVICES]


def well(outcomes: Sequence[ShareOutcome]) -> None:
    """Raise RuntimeError unless something was done for each."""
    if bad := [each for each in outcomes if each.error or not each.what]:
        raise RuntimeError(f"{bad[0].share}: {bad[0].error or 'nothing was done'}")


def measured(bench: Bench, rounds: int) -> tuple[Line, list[int]]:
    bench.made("dev-first")
    rows = bench.check("dev-first")
    well(bench.shares.keep("dev-first", parts(TEMPLATE)))
    took: dict[str, list[float]] = {"": [], TEMPLATE: []}
    for number in range(rounds):
        for template in ("", TEMPLATE) if number % 2 else (TEMPLATE, ""):
            environment = f"dev-{number}{'b' if template else 'a'}"
            took[template].append(bench.made(environment, template))
            if (found := bench.check(environment)) != rows:
                raise RuntimeError(f"{environment} has {found} rows instead of {rows}")
    return compared("copies", "s", took[TEMPLATE], "apply and seed", took[""], MOST), rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="how often each is made")
    parser.add_argument(
        "--home",
        default=_MEMORY,
        help="where the server's files are (in memory, where there is such a place)",
    )
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="seedbed-bench-", dir=asked.home) as home:
        Path(home).chmod(0o755)
        with embedded(Path(home) / "server") as server:
            settings = machine("psycopg", postgresql=server.version, rounds=asked.rounds)
            print(json.dumps(settings), flush=True)
            line, rows = measured(Bench(server, Path(home) / "project"), asked.rounds)
            print(line, flush=True)
    keep("shared", {**settings, "rows": dict(zip(SERVICES, rows, strict=True))}, [line])
    return 0


if __name__ == "__main__":
    sys.exit(main())
