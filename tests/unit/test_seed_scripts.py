"""Scripts among the seeds, read before a server is asked: what they send, and all that has no place in them."""

from __future__ import annotations

import pytest

from seedbed.engines import registry
from seedbed.engines.capabilities import SupportsScripts
from seedbed.errors import SeedFileError, SeveralErrors
from seedbed.model.migration import Source, StepText
from seedbed.model.seed import Script, SeedKind
from seedbed.testing import reference


def shown(engine: str, suffix: str, text: str, kind: SeedKind = SeedKind.REFERENCE) -> StepText:
    found = registry.load(engine)
    assert isinstance(found, SupportsScripts)
    return found.script_text(
        Script(f"s/1{suffix}", Source(f"s/1{suffix}", suffix, text.encode())), kind, found.options()
    )


SQL = "-- titles\nUPDATE t\n  SET a = '--'; -- short\nDELETE FROM t WHERE /* only */ a = 1;\n"
CYPHER = "// titles\nMATCH (n:T)\n  SET n.a = '//'; // short\nMATCH (n:T {a: 1}) DELETE n;\n"


def test_each_statement_of_a_script_is_shown_whole_on_a_line_of_its_own() -> None:
    lines = ("UPDATE t SET a = '--'", "DELETE FROM t WHERE a = 1")
    assert shown("postgres", ".sql", SQL) == StepText(SQL, lines, "--")
    lines = ("MATCH (n:T) SET n.a = '//'", "MATCH (n:T {a: 1}) DELETE n")
    assert shown("neo4j", ".cypher", CYPHER) == StepText(CYPHER, lines, "//")
    with reference.installed():
        assert shown("memory", ".mem", "# x\nput t 1 {}\n") == StepText("# x\nput t 1 {}\n", ("put t 1 {}",))


def test_a_script_without_a_statement_is_shown_as_it_is() -> None:
    assert shown("postgres", ".sql", "-- nothing yet\n") == StepText("-- nothing yet\n", (), "--")
    assert shown("neo4j", ".cypher", "// nothing yet\n") == StepText("// nothing yet\n", (), "//")


def test_what_fits_one_kind_or_one_schema_of_the_history_is_no_word_about_another() -> None:
    from seedbed.engines.postgres.rules.seed_scripts import check_script

    script = Script("s/1.sql", Source("s/1.sql", ".sql", b"CREATE TABLE mine.a (b int);"))
    for _ in range(2):
        check_script(script, SeedKind.FIXTURE, "seedbed")
        with pytest.raises(SeedFileError, match="has no place in reference data"):
            check_script(script, SeedKind.REFERENCE, "seedbed")
        with pytest.raises(SeedFileError, match="touches the schema mine"):
            check_script(script, SeedKind.FIXTURE, "mine")


@pytest.mark.parametrize(
    ("engine", "suffix", "text", "lines"),
    [
        ("postgres", ".sql", "DROP TABLE a;\nSELECT 1;\nCOMMIT;\nCREATE INDEX i ON a (b);\nVACUUM;\nSELEC 1", [1, 3, 4, 5, 6]),
        ("neo4j", ".cypher", "CREATE INDEX i FOR (n:A) ON (n.b);\nRETURN 1;\nCOMMIT;\nMATCH (n) DETACH DELETE n;", [1, 3, 4]),
    ],
)  # fmt: skip
def test_all_that_has_no_place_in_a_script_is_told_at_once(
    engine: str, suffix: str, text: str, lines: list[int]
) -> None:
    with pytest.raises(SeveralErrors) as caught:
        shown(engine, suffix, text)
    assert [each.at and each.at.line for each in caught.value.errors] == lines


def test_what_only_reference_data_may_not_hold_has_its_place_in_fixtures() -> None:
    text = "CREATE TABLE a (b int);"
    assert shown("postgres", ".sql", text, SeedKind.FIXTURE).statements == ("CREATE TABLE a (b int)",)


def test_an_engine_without_scripts_takes_none() -> None:
    assert not isinstance(registry.load("opensearch"), SupportsScripts)
    assert not isinstance(registry.load("dynamodb"), SupportsScripts)
