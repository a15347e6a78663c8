"""What a plan shows of a step: every statement whole, on one line, and its text as it is sent. On all engines."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from seedbed.engines import registry
from seedbed.engines.capabilities import SupportsStepTexts
from seedbed.model.migration import Migration, MigrationFile, Source, Step, checksum
from seedbed.model.platform import Database, Platform
from seedbed.project.catalog import Catalog

COLUMNS = ", ".join(f"column_number_{number} bigint" for number in range(40))
LONG = f"CREATE TABLE t ({COLUMNS})"
PROPERTIES = ", ".join(f'"field_{number}": {{"type": "keyword"}}' for number in range(40))


def _parsed(engine: str, suffix: str, text: str) -> Migration:
    data = text.encode()
    source = Source(f"services/a/{engine}/migrations/20260101000001_t{suffix}", suffix, data)
    return registry.load(engine).parse(MigrationFile("20260101000001", "t", source, checksum(data)))


def _shown(migration: Migration, step: Step, engine: str) -> tuple[str, tuple[str, ...]]:
    found = registry.load(engine)
    assert isinstance(found, SupportsStepTexts)
    text = found.step_text(migration, step)
    return text.text, text.statements


def test_each_statement_of_a_transaction_is_shown_whole_on_a_line_of_its_own() -> None:
    text = f"-- migrate:up\n{LONG};\nDROP /* not\n used */ TABLE u; -- gone\nUPDATE t\n  SET a = 'é -- x'\n"
    migration = _parsed("postgres", ".sql", text)
    (step,) = migration.up
    sent, statements = _shown(migration, step, "postgres")
    assert statements == (LONG, "DROP TABLE u", "UPDATE t SET a = 'é -- x'")
    assert sent == f"{step.body};"


def test_each_statement_that_runs_alone_is_shown_whole() -> None:
    text = f"-- migrate:up transaction:false\n{LONG};\nCREATE INDEX CONCURRENTLY i ON t (\n  column_number_1)"
    migration = _parsed("postgres", ".sql", text)
    shown = [_shown(migration, step, "postgres")[1] for step in migration.up]
    assert shown == [(LONG,), ("CREATE INDEX CONCURRENTLY i ON t ( column_number_1)",)]


def test_a_function_is_shown_whole_and_nothing_that_stands_after_a_comment_is_hidden() -> None:
    function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n  SELECT 1 -- one\n$$"
    migration = _parsed(
        "postgres", ".sql", f"-- migrate:up\nSELECT 1 -- nothing else\n; DROP TABLE t;\n{function};"
    )
    _, statements = _shown(migration, migration.up[0], "postgres")
    assert statements[:2] == ("SELECT 1", "DROP TABLE t")
    assert statements[2] == "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 -- one $$"


def test_a_cypher_statement_is_shown_whole_with_its_literals_and_without_comments() -> None:
    labels = ", ".join(f"(:Skill {{name: 'skill number {number}'}})" for number in range(20))
    migration = _parsed(
        "neo4j", ".cypher", f"// migrate:up\nCREATE {labels};\nMATCH (n:Skill) // all\n DETACH DELETE n;\n"
    )
    sent, statements = _shown(migration, migration.up[0], "neo4j")
    assert statements == (f"CREATE {labels}", "MATCH (n:Skill) DETACH DELETE n")
    assert sent == f"{migration.up[0].body};"


def test_a_down_that_is_derived_says_what_it_undoes_whole() -> None:
    name = "a_name_that_is_as_long_as_a_name_may_reasonably_be_and_then_some_more_of_it_until_it_is_long"
    created = f"CREATE CONSTRAINT {name} FOR (n:Skill) REQUIRE n.name IS UNIQUE"
    migration = _parsed("neo4j", ".cypher", f"// migrate:up\n{created};\n")
    sent, statements = _shown(migration, migration.down[0], "neo4j")
    assert statements == (f"undo {created}",)
    assert sent == f"// undo {created}\n"


def test_a_request_is_shown_whole_with_its_body() -> None:
    body = f'{{"mappings": {{ // ours\n  "properties": {{{PROPERTIES}}}}}}}'
    migration = _parsed("opensearch", ".http", f"# migrate:up\n### first\nPUT /logs-1\n\n{body}\n")
    sent, statements = _shown(migration, migration.up[0], "opensearch")
    assert statements == (f'PUT /logs-1 {{"mappings": {{ "properties": {{{PROPERTIES}}}}}}}',)
    assert sent == migration.up[0].body


@pytest.mark.parametrize(
    ("engine", "directives"),
    [("postgres", "# seedbed: backfill=t.id\n"), ("dynamodb", "# seedbed: table=t\n")],
)
def test_of_a_program_the_plan_holds_the_whole_file(engine: str, directives: str) -> None:
    about = "Set the number of each of them to what it would have been from the first day on if somebody had thought of it"
    parameter = "row" if engine == "postgres" else "item"
    text = f'{directives}\ndef up({parameter}):\n    """{about}\n\n    More."""\n    return {{"id": 1}}\n'
    migration = _parsed(engine, ".py", text)
    catalog = Catalog(Platform("x", PurePath(), (Database("a", engine, PurePath()),)))
    found = catalog.step_text(f"a/{engine}", migration, migration.up[0])
    assert (found.text, found.statements) == (text, (about,))
