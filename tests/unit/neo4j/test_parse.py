"""Migrations of Neo4j as files: sections, directives, steps, ways back, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from seedbed.engines.neo4j import engine
from seedbed.engines.neo4j.files.parse import parse
from seedbed.engines.neo4j.files.steps import undone_by
from seedbed.errors import MigrationFileError, SeveralErrors
from seedbed.manifest.files import migration_files
from seedbed.model.hazard import Allowance
from seedbed.model.migration import Backfill, Migration, MigrationFile, MigrationRef, Phase, Source, checksum
from seedbed.model.platform import Database

CONSTRAINT = "CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS UNIQUE"
INDEX = "CREATE INDEX i FOR (n:L) ON (n.q)"
BATCHES = "MATCH (n:L) CALL (n) { SET n.x = 1 } IN TRANSACTIONS"
WALK = "UNWIND $keys AS key MATCH (n:L {p: key}) SET n.x = 1"


def file(text: str | bytes, suffix: str = ".cypher") -> MigrationFile:
    data = text if isinstance(text, bytes) else text.encode()
    return MigrationFile("7", "skills", Source(f"migrations/7_skills{suffix}", suffix, data), checksum(data))


def parsed(text: str, directives: str = "") -> Migration:
    return parse(file(f"// seedbed: {directives}\n{text}" if directives else text))


def refused(text: str | bytes, suffix: str = ".cypher") -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        parse(file(text, suffix))
    return caught.value


def test_data_statements_that_follow_each_other_are_one_step_with_what_stands_between_them() -> None:
    text = "// migrate:up\n\nCREATE (:L {p: ';'}); // one\n\n/* two; */ CREATE (:M)\n;\n// migrate:down\nMATCH (n:L) DELETE n;\n"
    migration = parsed(text, "phase=migrate")
    (up,), (down,) = migration.up, migration.down
    assert up.body == "CREATE (:L {p: ';'}); // one\n\n/* two; */ CREATE (:M)"
    assert (up.index, up.line, up.atomic, up.repeatable, up.summary) == (
        0,
        4,
        True,
        False,
        "2 statements: CREATE (:L {p: …, CREATE (:M)",
    )
    assert (down.body, down.line, down.atomic) == ("MATCH (n:L) DELETE n", 9, True)
    assert (migration.version, migration.name, migration.phase) == ("7", "skills", Phase.MIGRATE)


def test_an_up_that_was_left_blank_is_refused_and_one_with_a_comment_does_nothing() -> None:
    error = refused("// what it is for\n// migrate:up\n\n// migrate:down\nRETURN 1;\n")
    assert (error.what, error.at and error.at.line) == ("there is nothing to do", 2)
    assert parsed("// migrate:up\n// nothing\n").up == ()


def test_schema_statements_and_those_that_commit_as_they_go_are_steps_of_their_own_in_order() -> None:
    text = f"// migrate:up\nCREATE (:A); CREATE (:B);\n{CONSTRAINT};\n{INDEX};\nCREATE (:C);\n{BATCHES};\nCREATE (:D)"
    migration = parsed(text)
    assert [(each.index, each.body, each.line, each.atomic) for each in migration.up] == [
        (0, "CREATE (:A); CREATE (:B)", 2, True),
        (1, CONSTRAINT, 3, False),
        (2, INDEX, 4, False),
        (3, "CREATE (:C)", 5, True),
        (4, BATCHES, 6, False),
        (5, "CREATE (:D)", 7, True),
    ]
    assert not any(each.repeatable for each in migration.up)
    assert all(each.keeps_session for each in migration.up)


def test_only_what_commits_as_it_goes_is_repeatable_where_the_file_says_so() -> None:
    migration = parsed(
        f"// migrate:up\n{CONSTRAINT};\nCREATE (:A);\n{BATCHES}", 'repeatable because "x is set"'
    )
    assert [each.repeatable for each in migration.up] == [False, False, True]


@pytest.mark.parametrize("down", ["", "// migrate:down\n", "// migrate:down\n// nothing\n ;\n"])
def test_the_way_back_of_schema_statements_follows_from_them_the_last_one_first(down: str) -> None:
    migration = parsed(f"// migrate:up\n{CONSTRAINT};\n{INDEX};\nDROP INDEX j;\n{down}")
    assert [(each.index, each.body, each.line, each.atomic) for each in migration.down] == [
        (0, "undo 2", 4, False),
        (1, "undo 1", 3, False),
        (2, "undo 0", 2, False),
    ]
    assert [undone_by(each.body) for each in migration.down] == [2, 1, 0]
    assert migration.down[0].summary == "undo DROP INDEX j"
    assert undone_by(INDEX) is None


def test_a_way_back_that_is_written_is_taken_as_it_is() -> None:
    migration = parsed(f"// migrate:up\n{INDEX};\n// migrate:down\nDROP INDEX i IF EXISTS")
    assert [each.body for each in migration.down] == ["DROP INDEX i IF EXISTS"]


@pytest.mark.parametrize("text", [f"{INDEX};\nCREATE (:A)", "CREATE (:A)", BATCHES])
def test_data_has_no_way_back_but_a_written_one(text: str) -> None:
    assert parsed(f"// migrate:up\n{text}").down == ()


def test_what_cannot_be_brought_back_says_so() -> None:
    migration = parsed(f"// migrate:up\n{INDEX}", 'irreversible because "nobody wants it"')
    assert migration.down == ()
    assert migration.irreversible is not None
    assert migration.irreversible.because == "nobody wants it"


def test_directives_are_those_of_every_migration() -> None:
    migration = parse(
        file(
            "// The skills.\n"
            '// seedbed: phase=contract after=user/postgres:3,user/postgres:4 overtake=5 allow=NEO105 because "unused"\n'
            "/* // seedbed: phase=migrate */\n"
            "// migrate:up\nDROP INDEX i"
        )
    )
    assert migration.phase is Phase.CONTRACT
    assert migration.after == (MigrationRef("user/postgres", "3"), MigrationRef("user/postgres", "4"))
    assert migration.overtakes == ("5",)
    assert migration.allows == (Allowance("NEO105", "unused"),)


@pytest.mark.parametrize(
    ("directives", "backfill"),
    [
        ("backfill=L.p", Backfill("L", "p", 1000)),
        ("backfill=L.p batch=5", Backfill("L", "p", 5)),
        ("backfill=[:TEACHES].key batch=100000", Backfill("[:TEACHES]", "key", 100_000)),
    ],
)
def test_a_backfill_is_one_statement_over_the_keys_of_a_batch(directives: str, backfill: Backfill) -> None:
    migration = parsed(f"// migrate:up\n{WALK};\n// migrate:down\n{WALK.replace('1', '0')}", directives)
    (up,), (down,) = migration.up, migration.down
    assert (up.body, up.backfill, up.atomic, up.repeatable) == (WALK, backfill, False, False)
    assert down.backfill == backfill
    assert f"in batches of {backfill.batch} along" in up.summary
    assert parsed(f"// migrate:up\n{WALK}\n// migrate:down\n", directives).down == ()


def test_line_ends_and_a_byte_order_mark_make_no_difference() -> None:
    text = f"// seedbed: phase=migrate\n// migrate:up\n{INDEX};\nCREATE (:A)\n"
    assert parse(file(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())) == parse(file(text))


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 0, "no `// migrate:up`"),
        ("CREATE (:A)", 0, "no `// migrate:up`"),
        ("-- migrate:up\nCREATE (:A)", 1, "comments begin with //"),
        ("\n# migrate:up\nCREATE (:A)", 2, "comments begin with //"),
        ("/*\n// migrate:up\n*/", 2, "inside a string or a comment"),
        ("RETURN '\n// migrate:up\n'", 2, "inside a string or a comment"),
        ("// migrate:up\n// migrate:up\n", 2, "two sections `// migrate:up`"),
        ("// migrate:down\n// migrate:up\n", 1, "comes before"),
        ("// migrate:up\n// migrate:down\n// migrate:down\n", 3, "two sections"),
        ("CREATE (:A);\n// migrate:up\n", 1, "something stands before"),
        ("// migrate:up transaction:false\n", 1, "no option 'transaction:false'"),
        ("// migrate:up\n // migrate:down\n", 2, "nearly the mark"),
        ("// Migrate:up\n", 1, "nearly the mark"),
        ("// migrate:up\nCREATE (\n// migrate:down\n:A)", 3, "nearly the mark"),
        ("// migrate:up\n// migrate:upp\n", 2, "nearly the mark"),
        ("// migrate:up\n// seedbed: phase=migrate\n", 2, "no effect here"),
        ("// seedbed: colour=red\n// migrate:up\n", 1, "no directive"),
        ("// seedbed: phase=later\n// migrate:up\n", 1, "not understood"),
        ("// seedbed: repeatable\n// migrate:up\n", 1, "no reason"),
        ('// seedbed: repeatable because "x"\n// migrate:up\nCREATE (:A)', 1, "no meaning here"),
        ('// seedbed: repeatable=yes because "x"\n// migrate:up\nCREATE (:A)', 1, "not understood"),
        ("// seedbed: irreversible\n// migrate:up\n", 1, "no reason"),
        (
            '// seedbed: phase=migrate\n// seedbed: irreversible because "x"\n// migrate:up\n// migrate:down\nCREATE (:A)',
            2,
            "declared irreversible and has a down section",
        ),
        ("// seedbed: batch=5\n// migrate:up\n", 1, "belongs to no backfill"),
        (f"// seedbed: backfill=L\n// migrate:up\n{WALK}", 1, "not understood"),
        (f"// seedbed: backfill=:L.p\n// migrate:up\n{WALK}", 1, "not understood"),
        (f"// seedbed: backfill=L.p batch=0\n// migrate:up\n{WALK}", 1, "not understood"),
        (f"// seedbed: backfill=L.p batch=100001\n// migrate:up\n{WALK}", 1, "not understood"),
        (f"// seedbed: backfill=L.p\n// migrate:up\n{WALK};\n{WALK}", 4, "one statement"),
        ("// seedbed: backfill=L.p\n// migrate:up\n", 2, "one statement"),
        (f"// seedbed: backfill=L.p\n// migrate:up\n{INDEX}", 3, "one statement"),
        (f"// seedbed: backfill=L.p\n// migrate:up\n{BATCHES}", 3, "one statement"),
        ("// seedbed: backfill=L.p\n// migrate:up\nMATCH (n:L) SET n.x = 1", 3, "uses $keys"),
        ("// seedbed: backfill=L.p\n// migrate:up\nUNWIND $keys AS k RETURN $x", 3, "$keys, $x"),
        ("// migrate:up\nCREATE (:A);\nCREATE (:B {p: $p})", 3, "$p has no value"),
        ("// migrate:up\nCREATE (:A);\nCREATE (:B", 3, "text ends before `(` is closed"),
        ("// migrate:up\nCREATE (:A);\nRETURN 'x\n\n", 3, "string is opened"),
        ("// migrate:up\n\nRETURN (1;\nRETURN 2", 3, "statement ends before"),
        ("// migrate:up\nCREATE (:A);\nCREATE INDEX FOR (n:L) ON (n.p)", 3, "the index has no name"),
        ("// migrate:up\nCREATE (:A);\nCOMMIT", 3, "`COMMIT` is not allowed"),
        ("// migrate:up\nUSE x CREATE (:A)", 2, "`USE` is not allowed"),
        ("// migrate:up\n:use x", 2, "shell command"),
        ("// migrate:up\n\nMATCH (n:migrations_history) DELETE n", 3, "belongs to seedbed"),
        (b"// migrate:up\n// caf\xe9", 2, "not UTF-8"),
        (b"\xff\xfe/\0/\0", 1, "not UTF-8"),
    ],
)
def test_what_is_no_migration_is_refused_with_its_line(text: str | bytes, line: int, says: str) -> None:
    error = refused(text)
    assert says in str(error)
    assert error.at is not None
    assert (error.at.path, error.at.line) == ("migrations/7_skills.cypher", line)


def test_another_language_is_refused() -> None:
    assert "no migrations in '.sql'" in refused("SELECT 1", ".sql").what


def test_nothing_secret_of_a_statement_is_in_its_summary() -> None:
    (step,) = parsed("// migrate:up\nCREATE (:User {password: 'hunter2'})").up
    assert "hunter2" not in step.summary


@pytest.mark.parametrize(
    "name",
    [
        "7skills.cypher",
        "skills.cypher",
        "7_-skills.cypher",
        "7_skills.cql",
        "7_skills.cypher.bak",
        "7_skills",
        "V7__skills.cypher",
        "1234567890123456789_skills.cypher",
    ],
)
def test_a_file_whose_name_is_no_migrations_is_an_error_and_never_skipped(tmp_path: Path, name: str) -> None:
    database = Database("tutor-matching", "neo4j", PurePath(tmp_path / "services/tutor-matching/neo4j"))
    directory = Path(database.directory) / "migrations"
    directory.mkdir(parents=True)
    (directory / "6_fine.cypher").write_text(f"// migrate:up\n{INDEX}\n")
    (directory / name).write_text(f"// migrate:up\n{INDEX}\n")
    with pytest.raises(MigrationFileError, match="not a migration's file name") as caught:
        migration_files(database, engine.suffixes, root=PurePath(tmp_path))
    assert caught.value.at is not None
    assert name in caught.value.at.path


def test_everything_that_is_wrong_in_a_file_is_named_at_once_and_by_line() -> None:
    with pytest.raises(SeveralErrors) as caught:
        parse(
            file(
                "// seedbed: phase=late\n// seedbed: nonsense\nCREATE (:L);\n// migrate:up now\nSHOW INDEXES;\n"
                "CREATE (:L);\nCREATE INDEX i FOR (n:L) ON;\nBEGIN;\n// Migrate:Down\n// migrate:down\nUSE x;\n"
            )
        )
    assert [each.at and each.at.line for each in caught.value.errors] == [1, 2, 3, 4, 5, 7, 8, 9, 11]
