"""Migrations that can never run by what tables.toml declares: refused from the files, with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.engines.dynamodb.engine import DynamoEngine
from seedbed.engines.dynamodb.rules.declared import require_known, require_versions
from seedbed.engines.dynamodb.schema.read import KIND, parse
from seedbed.engines.dynamodb.schema.shape import TableShapes
from seedbed.errors import ManifestError, MigrationFileError, SeveralErrors
from seedbed.toml.text import Text
from tests.support.dynamodb.tables import migration

TABLES = """\
[tables.courses]
key = {partition = "id"}
attributes = {id = "S", teacher = "S"}

[tables.courses.indexes.by_teacher]
partition = "teacher"

[tables.lessons]
key = {partition = "id"}
attributes = {id = "S"}
version = {attribute = "v", current = 2}
"""
ITEMS = "# one line\n# seedbed: table={} {}\n\n\ndef up(item):\n    return item\n"
TABLE = "# seedbed: table={} {}\n\n\ndef up(table):\n    table.put({{}})\n"


def declared() -> TableShapes:
    return parse(Text("tables.toml", TABLES, KIND))


def test_items_go_by_their_version_where_the_table_declares_one() -> None:
    require_versions(declared(), [migration(ITEMS.format("lessons", "from=1 to=2"))])
    require_versions(declared(), [migration(ITEMS.format("courses", ""))])


def test_from_and_to_without_a_version_are_refused_by_the_files_alone() -> None:
    with pytest.raises(MigrationFileError) as caught:
        require_versions(declared(), [migration(ITEMS.format("courses", "from=1 to=2"))])
    assert str(caught.value) == (
        "migrations/1_m.py:2: 1_m transforms items by their version, and those of courses have none\n"
        "  because: tables.toml declares no `version` for courses\n"
        '  try:     version = {attribute = "schema_version", current = 2} below [tables.courses],'
        " or leave out from= and to="
    )


def test_all_of_them_are_refused_at_once_and_a_name_is_guessed() -> None:
    both = [
        migration(ITEMS.format("courses", "from=1 to=2")),
        migration(ITEMS.format("lesons", "from=1 to=2"), "2"),
    ]
    with pytest.raises(SeveralErrors) as caught:
        require_versions(declared(), both)
    first, second = caught.value.errors
    assert "those of courses have none" in first.what
    assert (second.what, second.try_) == (
        "2_m is about a table that does not exist: lesons",
        "did you mean lessons?",
    )


@pytest.mark.parametrize(
    ("text", "name", "line", "hint"),
    [
        (ITEMS.format("cuorses", ""), "cuorses", 2, "did you mean courses?"),
        (ITEMS.format("courses", "needs=lesson"), "lesson", 2, "did you mean lessons?"),
        (
            TABLE.format("courses", "needs=courses.by_tacher"),
            "courses.by_tacher",
            1,
            "did you mean by_teacher?",
        ),
        (
            TABLE.format("lessons", "needs=lessons.by_room"),
            "lessons.by_room",
            1,
            "declare it: [tables.lessons.indexes.by_room]",
        ),
    ],
)
def test_what_is_neither_declared_nor_there_is_refused_with_a_guess(
    text: str, name: str, line: int, hint: str
) -> None:
    wrong = migration(text)
    with pytest.raises(MigrationFileError) as caught:
        require_known(declared(), [(wrong, name)], set())
    assert (caught.value.at and caught.value.at.line, caught.value.try_) == (line, hint)
    assert name in caught.value.what
    require_known(declared(), [(wrong, name)], {name})  # there, though no longer declared
    require_known(TableShapes(), [(wrong, name)], set())  # nothing is declared: others make the tables


def test_what_is_declared_and_not_there_yet_is_no_error() -> None:
    text = migration(TABLE.format("courses", "needs=courses.by_teacher"))
    require_known(declared(), [(text, "courses"), (text, "courses.by_teacher")], set())


def test_a_broken_file_is_refused_with_its_line_and_none_at_all_is_fine(tmp_path: Path) -> None:
    engine = DynamoEngine()
    engine.check_declared(tmp_path, (), ())
    (tmp_path / "tables.toml").write_text('[tables.courses]\nkey = {partition = "id"}\n')
    with pytest.raises(ManifestError) as caught:
        engine.check_declared(tmp_path, (), ())
    assert caught.value.at
    assert caught.value.at.path.endswith("tables.toml")
    assert caught.value.at.line == 1
    assert "attributes" in str(caught.value)
