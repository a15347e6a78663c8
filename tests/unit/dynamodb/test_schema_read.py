"""tables.toml -> Tables: what is accepted, and how what is not is explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.engines.dynamodb.schema.read import KIND, parse, read
from seedbed.engines.dynamodb.schema.shape import IndexShape, Key, Projection, TableShape, TableShapes
from seedbed.errors import ExitCode, ManifestError
from seedbed.toml.text import Text

COURSES = """\
[tables.courses]
key = {partition = "course_id"}
attributes = {course_id = "S", teacher_id = "S", created_at = "N", country = "S", title = "M"}
ttl = "expires_at"
stream = "NEW_IMAGE"
version = {attribute = "schema_version", current = 2}

[tables.courses.indexes.by_teacher]
partition = "teacher_id"
sort = "created_at"
projection = "KEYS_ONLY"

[tables.courses.indexes.by_place]
partition = ["country", "teacher_id"]
sort = ["created_at"]
projection = ["title", "price"]

[tables.lessons]
key = {partition = "course_id", sort = "lesson"}
attributes = {course_id = "S", lesson = "N", minutes = "N"}

[tables.lessons.local_indexes.by_length]
sort = "minutes"
"""


def tables(text: str) -> TableShapes:
    return parse(Text("tables.toml", text, KIND))


def refusal(old: str, new: str) -> ManifestError:
    assert old in COURSES
    with pytest.raises(ManifestError) as caught:
        tables(COURSES.replace(old, new, 1))
    return caught.value


def test_a_file_says_all_that_a_table_is() -> None:
    assert tables(COURSES) == TableShapes(
        (
            TableShape(
                "courses",
                Key(("course_id",)),
                {"country": "S", "course_id": "S", "created_at": "N", "teacher_id": "S"},
                global_indexes=(
                    IndexShape(
                        "by_place",
                        Key(("country", "teacher_id"), ("created_at",)),
                        Projection("INCLUDE", ("price", "title")),
                    ),
                    IndexShape("by_teacher", Key(("teacher_id",), ("created_at",)), Projection("KEYS_ONLY")),
                ),
                ttl="expires_at",
                stream="NEW_IMAGE",
                attributes={"title": "M", "expires_at": "N", "schema_version": "N"},
                version_attribute="schema_version",
                version=2,
            ),
            TableShape(
                "lessons",
                Key(("course_id",), ("lesson",)),
                {"course_id": "S", "lesson": "N", "minutes": "N"},
                local_indexes=(IndexShape("by_length", Key(("course_id",), ("minutes",))),),
            ),
        )
    )


def test_tables_and_indexes_come_by_name_whatever_their_order_in_the_file() -> None:
    head, _, tail = COURSES.partition("[tables.lessons]")
    assert tables(f"[tables.lessons]{tail}\n{head}") == tables(COURSES)


def test_an_empty_file_declares_no_tables() -> None:
    assert tables("") == TableShapes()


def test_a_file_that_is_missing_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "services" / "courses" / "tables.toml"
    with pytest.raises(ManifestError) as caught:
        read(path)
    assert caught.value.what == "there is no tables.toml"
    assert str(path) in caught.value.because
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_file_is_read_from_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "tables.toml"
    path.write_text(COURSES, encoding="utf-8")
    assert read(path) == tables(COURSES)


def test_what_is_no_toml_is_refused_with_its_line() -> None:
    with pytest.raises(ManifestError, match=r"^tables.toml:2:\d+: this is not TOML"):
        tables("[tables.courses]\nkey = {partition = \n")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("sort = ", "sorted = ", 10, "unknown key sorted in [tables.courses.indexes.by_teacher]"),
        ("[tables.courses]", "[table.courses]", 1, "unknown key table at the top level"),
        ("ttl = ", "tll = ", 4, "unknown key tll in [tables.courses]"),
        ("sort = \"minutes\"", "partition = \"course_id\"", 23, "unknown key partition in [tables.lessons.local_indexes.by_length]"),
        ('key = {partition = "course_id"}\n', "", 1, "tables.courses.key is missing"),
        ('partition = "course_id"}', 'sort = "course_id"}', 2, "tables.courses.key.partition is missing"),
        ("NEW_IMAGE", "NEW", 5, "tables.courses.stream is wrong"),
        ('title = "M"', 'title = "Map"', 3, "tables.courses.attributes.title is wrong"),
        ('"course_id"}', '["course_id", "teacher_id"]}', 2, "tables.courses.key.partition is wrong"),
        ("current = 2", "current = 0", 6, "tables.courses.version.current is wrong"),
        ('ttl = "expires_at"', 'ttl = ""', 4, "tables.courses.ttl is wrong"),
        ('"KEYS_ONLY"', "3", 11, "tables.courses.indexes.by_teacher.projection is wrong"),
    ],
)  # fmt: skip
def test_what_has_another_form_is_refused_at_its_line(old: str, new: str, line: int, said: str) -> None:
    error = refusal(old, new)
    assert error.what == said
    assert error.at is not None
    assert error.at.line == line


def test_a_mistyped_key_is_told_before_what_it_causes() -> None:
    error = refusal("key = ", "keys = ")
    assert error.what == "unknown key keys in [tables.courses]"
    assert error.try_ == "did you mean key?"


def test_several_problems_are_told_at_once_the_first_with_its_place() -> None:
    error = refusal('"teacher_id"\nsort = "created_at"', '"teacherid"\nsort = "createdat"')
    assert error.what == "the type of teacherid is not declared"
    assert error.try_ == "did you mean teacher_id?"
    assert "also line 10: the type of createdat is not declared" in error.because


def test_data_may_be_called_what_a_credential_is_called() -> None:
    found = tables(COURSES.replace('title = "M"', 'password = "B", token = "S"'))
    assert found.tables[0].attributes["token"] == "S"
