"""A service's migrations as they pile up over the years, the same ones for every tool that is compared.

Deterministic: migration n of a corpus is always the same. Six statements a file on average: tables with about
eight columns and constraints, foreign keys, indexes, comments, enum types, trigger functions, changes of tables
that earlier files made, and small reference inserts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

from tests.support.projects import ProjectFiles

_NOUNS = (
    "order",
    "invoice",
    "lesson",
    "session",
    "message",
    "review",
    "tutor",
    "payout",
    "course",
    "voucher",
)
_PARTS = ("line", "event", "note", "tag", "draft", "share", "audit", "limit", "quota", "batch")


@dataclass(frozen=True, slots=True)
class Script:
    """One migration: version, label, and its statements, without their semicolons."""

    version: str
    label: str
    statements: tuple[str, ...]

    @property
    def body(self) -> str:
        return "".join(f"{each};\n\n" for each in self.statements)


def corpus(count: int) -> list[Script]:
    """Return the first `count` migrations of the service."""
    rng = Random(20260101)
    tables: list[str] = []
    return [_script(number, rng, tables) for number in range(1, count + 1)]


def _script(number: int, rng: Random, tables: list[str]) -> Script:
    version = f"2026010100{number:04d}"
    if not tables or number % 5 in {1, 3}:
        table = f"{rng.choice(_NOUNS)}_{rng.choice(_PARTS)}s_{number}"
        statements = _new_table(table, number, rng, tables)
        tables.append(table)
        return Script(version, f"create_{table}", tuple(statements))
    table = rng.choice(tables[-40:])
    change = (_widen, _index, _reference)[number % 3]
    return Script(version, f"change_{table}"[:50], tuple(change(table, number)))


def _new_table(table: str, number: int, rng: Random, tables: list[str]) -> list[str]:
    statements = [f"CREATE TYPE {table}_state AS ENUM ('open', 'held', 'closed')"] if number % 3 else []
    state = f"{table}_state NOT NULL DEFAULT 'open'" if number % 3 else "text NOT NULL DEFAULT 'open'"
    parent = (
        f",\n    parent_id bigint REFERENCES {rng.choice(tables[-40:])} (id) ON DELETE CASCADE"
        if tables
        else ""
    )
    statements += [
        f"CREATE TABLE {table} (\n"
        "    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
        "    public_id uuid NOT NULL DEFAULT gen_random_uuid(),\n"
        f"    name text NOT NULL CONSTRAINT {table}_name_not_blank CHECK (btrim(name) <> ''),\n"
        "    amount_minor bigint NOT NULL DEFAULT 0 CHECK (amount_minor >= 0),\n"
        f"    state {state},\n"
        "    details jsonb NOT NULL DEFAULT '{}',\n"
        "    created_at timestamptz NOT NULL DEFAULT now(),\n"
        f"    updated_at timestamptz NOT NULL DEFAULT now(){parent},\n"
        f"    CONSTRAINT {table}_public_id_key UNIQUE (public_id)\n)",
        f"COMMENT ON TABLE {table} IS 'Made by migration {number}; kept as long as its account.'",
        f"COMMENT ON COLUMN {table}.amount_minor IS 'In minor units of the currency.'",
        f"CREATE INDEX {table}_created_at_idx ON {table} (created_at DESC)",
    ]
    if parent:
        statements.append(f"CREATE INDEX {table}_parent_id_idx ON {table} (parent_id)")
    return statements + (_trigger(table) if number % 4 == 1 else [])


def _trigger(table: str) -> list[str]:
    return [
        f"CREATE FUNCTION {table}_touch() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n    NEW.updated_at = now();\n    RETURN NEW;\nEND\n$$",
        f"CREATE TRIGGER {table}_touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_touch()",
    ]


def _widen(table: str, number: int) -> list[str]:
    return [
        f"ALTER TABLE {table} ADD COLUMN note_{number} text",
        f"ALTER TABLE {table} ADD COLUMN rank_{number} integer NOT NULL DEFAULT 0",
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_rank_{number}_small CHECK (rank_{number} < 1000) NOT VALID",
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {table}_rank_{number}_small",
        f"COMMENT ON COLUMN {table}.note_{number} IS 'What support wrote down.'",
    ]


def _index(table: str, number: int) -> list[str]:
    return [
        f"ALTER TABLE {table} ADD COLUMN email_{number} text",
        f"ALTER TABLE {table} ALTER COLUMN details SET DEFAULT '{{\"from\": {number}}}'",
        f"CREATE UNIQUE INDEX {table}_email_{number}_key ON {table} (lower(email_{number}))",
        f"CREATE INDEX {table}_details_{number}_idx ON {table} USING gin (details)",
        f"COMMENT ON INDEX {table}_email_{number}_key IS 'One account for each address, whatever its case.'",
    ]


def _reference(table: str, number: int) -> list[str]:
    kinds = ", ".join(f"('kind{each}', 'Kind {each}')" for each in range(4))
    return [
        f"CREATE TABLE {table[:40]}_kinds_{number} (code text PRIMARY KEY, title text NOT NULL)",
        f"INSERT INTO {table[:40]}_kinds_{number} (code, title) VALUES {kinds}",
        f"ALTER TABLE {table} ADD COLUMN kind_{number} text REFERENCES {table[:40]}_kinds_{number} (code)",
        f"CREATE INDEX {table}_kind_{number}_idx ON {table} (kind_{number})",
        f"UPDATE {table} SET kind_{number} = 'kind0' WHERE kind_{number} IS NULL",
    ]


def write_for_seedbed(root: Path, scripts: list[Script]) -> None:
    root.mkdir(parents=True)
    files = ProjectFiles(root)
    for each in scripts:
        files.migration(f"{each.version}_{each.label}", each.body)


_HISTORY = """CREATE TABLE history (
    version text PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
    phase text NOT NULL CHECK (phase IN ('expand', 'migrate', 'contract')),
    state text NOT NULL CHECK (state IN ('applied', 'started')),
    direction text NOT NULL CHECK (direction IN ('up', 'down')),
    step integer NOT NULL DEFAULT 0, in_step boolean NOT NULL DEFAULT false, checkpoint text,
    overtakes text NOT NULL DEFAULT '', owner text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), duration_ms bigint NOT NULL DEFAULT 0
);"""


def write_for_psql(root: Path, scripts: list[Script]) -> None:
    """Write one file for each migration, and `all.sql`, which reads each of them in a transaction with its record.

    The record has the columns that ours has.
    """
    root.mkdir(parents=True)
    lines = ["\\set ON_ERROR_STOP on", _HISTORY]
    for each in scripts:
        (root / f"{each.version}.sql").write_text(each.body, encoding="utf-8")
        digest = sha256(each.body.encode()).hexdigest()
        record = (
            "INSERT INTO history (version, name, checksum, phase, state, direction, overtakes, owner, duration_ms) "
            f"VALUES ('{each.version}', '{each.label}', '{digest}', 'expand', 'applied', 'up', '', 'ana', "
            "extract(epoch FROM clock_timestamp() - transaction_timestamp()) * 1000);"
        )
        lines += ["BEGIN;", f"\\ir {each.version}.sql", record, "COMMIT;"]
    (root / "all.sql").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_for_goose(root: Path, scripts: list[Script]) -> None:
    """Write goose's files; a body with $$ is marked as one statement, as goose wants it."""
    root.mkdir(parents=True)
    for each in scripts:
        statements = [
            f"-- +goose StatementBegin\n{statement};\n-- +goose StatementEnd\n"
            if "$$" in statement
            else f"{statement};\n"
            for statement in each.statements
        ]
        text = "-- +goose Up\n" + "\n".join(statements)
        (root / f"{each.version}_{each.label}.sql").write_text(text, encoding="utf-8")


def write_for_dbmate(root: Path, scripts: list[Script]) -> None:
    root.mkdir(parents=True)
    for each in scripts:
        text = f"-- migrate:up\n{each.body}\n-- migrate:down\n"
        (root / f"{each.version}_{each.label}.sql").write_text(text, encoding="utf-8")


def write_for_tern(root: Path, scripts: list[Script]) -> None:
    """Write tern's files, which are numbered without a gap."""
    root.mkdir(parents=True)
    for number, each in enumerate(scripts, 1):
        (root / f"{number:05d}_{each.label}.sql").write_text(each.body, encoding="utf-8")


_ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ["BENCH_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


def write_for_alembic(root: Path, scripts: list[Script]) -> None:
    """Write a directory of Alembic's, with a version file for each migration and an `op.execute` for each statement."""
    versions = root / "migrations" / "versions"
    versions.mkdir(parents=True)
    (root / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n", encoding="utf-8"
    )
    (root / "migrations" / "env.py").write_text(_ENV, encoding="utf-8")
    before: str | None = None
    for each in scripts:
        calls = "".join(f"    op.execute({statement!r})\n" for statement in each.statements)
        text = (
            f'"""{each.label}"""\n\nfrom alembic import op\n\nrevision = {each.version!r}\n'
            f"down_revision = {before!r}\n\n\ndef upgrade() -> None:\n{calls}"
        )
        (versions / f"{each.version}_{each.label}.py").write_text(text, encoding="utf-8")
        before = each.version


WRITERS: dict[str, Callable[[Path, list[Script]], None]] = {
    "seedbed": write_for_seedbed,
    "psql": write_for_psql,
    "goose": write_for_goose,
    "dbmate": write_for_dbmate,
    "tern": write_for_tern,
    "alembic": write_for_alembic,
}
