"""Writing throw-away projects, and running the command line on them as a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.forked import Forked


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def everything(self) -> str:
        return self.out + self.err


class ProjectFiles:
    """A project directory under construction."""

    def __init__(self, root: Path, services: Sequence[str] = ("user",)) -> None:
        self.root = root
        self.manifest(services)

    def manifest(self, services: Sequence[str], more: str = "") -> None:
        sections = "".join(f"[services.{service}.postgres]\n" for service in services)
        for service in services:
            (self.root / "services" / service / "postgres" / "migrations").mkdir(parents=True, exist_ok=True)
        environments = (
            '[environments."dev-*"]\naccount = "111111111111"\nephemeral = true\n'
            '[environments.staging]\naccount = "222222222222"\n'
            '[environments.prod]\naccount = "333333333333"\nprotected = true\n'
        )
        text = f'[platform]\nname = "sample"\n{sections}{environments}{more}'
        (self.root / "seedbed.toml").write_text(text, encoding="utf-8")

    def migration(
        self, name: str, up: str, down: str | None = None, *, directives: str = "", **where: str
    ) -> Path:
        """Write `name` (version and label, without suffix); `where`: service, options, suffix."""
        directory = self.root / "services" / where.get("service", "user") / "postgres" / "migrations"
        options = where.get("options", "")
        header = "".join(f"-- seedbed: {line}\n" for line in directives.splitlines())
        text = f"{header}-- migrate:up {options}".rstrip() + f"\n{up}\n"
        if down is not None:
            text += f"-- migrate:down {options}".rstrip() + f"\n{down}\n"
        path = directory / f"{name}.sql"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    def tables(self, count: int, *, service: str = "user", first: int = 1) -> None:
        """Write `count` migrations that each make a table `t1`, `t2`, …"""
        for number in range(first, first + count):
            self.migration(
                f"2026010100{number:04d}_t{number}",
                f"CREATE TABLE t{number} (id bigint PRIMARY KEY);",
                f"DROP TABLE t{number};",
                service=service,
            )

    def seed(self, name: str, text: str, *, kind: str = "reference", service: str = "user") -> Path:
        path = self.root / "services" / service / "postgres" / "seeds" / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path


def variables(server: EmbeddedServer, database: str, prefix: str = "") -> dict[str, str]:
    """Return the DB_* variables of a database on the tests' server."""
    dsn = server.dsn(database)
    values = {
        "HOST": dsn["host"],
        "PORT": dsn["port"],
        "USER": dsn["user"],
        "NAME": dsn["dbname"],
    }
    return {f"{prefix}DB_{key}": value for key, value in {**values, "PASSWORD": "unused"}.items()}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "seedbed", *arguments]


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without anything that addresses a database, and `extra`."""
    kept = {k: v for k, v in os.environ.items() if "DB_" not in k and not k.startswith("PG")}
    return {**kept, "NO_COLOR": "1", **extra}


def run(root: Path, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120) -> Ran:
    """Run `seedbed` in `root` and wait for it."""
    with start(root, *arguments, env=clean_environment(env or {}), stderr=subprocess.PIPE) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
    return Ran(process.returncode, out, err)


def start(
    root: Path, *arguments: str, env: Mapping[str, str], stderr: int = subprocess.STDOUT
) -> subprocess.Popen[str]:
    """Start `seedbed` in `root`, with this environment and no other, and do not wait for it."""
    return Forked(
        command(*arguments),
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
