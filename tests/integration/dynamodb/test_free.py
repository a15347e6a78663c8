"""Free form: what `up(table)` is handed, and what becomes of what it writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from textwrap import dedent, indent

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.shape import IndexShape, Key, TableShape
from seedbed.errors import Interrupted, Location, MigrationFileError, OutcomeUnknown, Refused, StepFailed
from seedbed.model.event import StepProbed, WorkStarted
from seedbed.model.migration import Direction
from tests.support.dynamodb.tables import (
    COURSES,
    EACH_SERVER,
    LESSONS,
    Stage,
    indexed,
    migration,
    opened,
    spied,
    stage,
)

TEACHERS = indexed(TableShape("teachers", Key(("id",)), {"id": "S"}), "school")
PATH = "migrations/1_m.py"


@pytest.fixture
def here(world: World) -> Iterator[Stage]:
    with stage(world, COURSES, LESSONS, TEACHERS) as made:
        yield made


def program(up: str, *, directives: str = "", more: str = "", table: str = "courses") -> str:
    """Return a migration whose `up` begins on line 2."""
    body = indent(dedent(up).strip(), "    ")
    return f"# seedbed: table={table} {directives}\ndef up(table):\n{body}\n\n\n{dedent(more)}"


# reading


@EACH_SERVER
def test_a_table_is_read_by_key_by_query_by_index_and_whole(here: Stage) -> None:
    here.put("courses", {"id": "c1", "title": "Go"})
    here.put("lessons", *({"course": "c1", "number": number, "done": number % 2} for number in range(6)))
    here.put("teachers", {"id": "t1", "school": "s1"}, {"id": "t2", "school": "s2"})
    here.apply(
        program(
            """
            assert table.get({"id": "c1"}) == {"id": "c1", "title": "Go"}
            assert table.get({"id": "c2"}) is None
            assert table.is_there and not table.sibling("courses.r12").is_there
            lessons, teachers = table.sibling("lessons"), table.sibling("teachers")
            where, values = "course = :course AND #n > :from", {":course": "c1", ":from": 1}
            found = lessons.query(where, values, names={"#n": "number"}, forward=False)
            assert [each["number"] for each in found] == [5, 4, 3, 2]
            found = lessons.query("course = :c", {":c": "c1", ":done": 1}, where="done = :done")
            assert [each["number"] for each in found] == [1, 3, 5]
            (found,) = teachers.query("school = :s", {":s": "s2"}, index="by_school")
            assert found == {"id": "t2", "school": "s2"}
            assert {each["id"] for each in teachers.scan()} == {"t1", "t2"}
            assert [each["id"] for each in teachers.scan(where="school = :s", values={":s": "s1"})] == ["t1"]
            table.put({"id": "all is well"})
            """
        )
    )
    assert here.item("courses", id="all is well")


@EACH_SERVER
def test_a_query_of_many_pages_is_read_whole(here: Stage) -> None:
    here.fill("lessons", [{"course": "c1", "number": number, "text": "x" * 1000} for number in range(30)])

    def smaller(operation: str, body: Mapping[str, object]) -> None:
        if operation in {"Query", "Scan"} and body["TableName"] != here.database.history:
            assert isinstance(body, dict)
            body["Limit"] = 4

    spied(here.client, smaller)
    here.apply(
        program(
            """
            assert len(list(table.query("course = :c", {":c": "c1"}))) == 30
            assert len(list(table.scan())) == 30
            table.put({"course": "all is well", "number": 1})
            """,
            table="lessons",
        )
    )
    assert here.item("lessons", course="all is well", number=1)


# writing together


@EACH_SERVER
def test_writes_go_out_together_over_several_tables(here: Stage) -> None:
    here.put("courses", {"id": "c1", "title": "Go"}, {"id": "c2"})
    here.apply(
        program(
            """
            table.update({"id": "c1"}, "SET title = :new, price = :price", values={":new": "Golang", ":price": 7})
            table.delete({"id": "c2"})
            table.sibling("lessons").put({"course": "c1", "number": 1, "parts": {"a", "b"}, "raw": b"\\x00"})
            """
        )
    )
    assert here.items("courses") == [{"id": "c1", "title": "Golang", "price": 7}]
    assert here.items("lessons") == [{"course": "c1", "number": 1, "parts": {"a", "b"}, "raw": b"\x00"}]
    assert here.recorded() == {"1": "applied"}


@EACH_SERVER
def test_a_condition_that_does_not_hold_leaves_nothing_and_is_named_by_its_line(here: Stage) -> None:
    text = program(
        """
        table.put({"id": "c1"})
        table.update(
            {"id": "c2"},
            "SET title = :t",
            values={":t": "x"},
            condition="attribute_exists(id)",
        )
        """
    )
    with pytest.raises(StepFailed) as caught:
        here.apply(text)
    assert caught.value.at is not None
    assert caught.value.at.path == PATH
    assert 4 <= caught.value.at.line <= 9
    assert "update in courses" in str(caught.value)
    assert "its condition does not hold" in str(caught.value)
    assert here.items("courses") == []
    assert here.recorded() == {}


def test_an_item_that_is_written_twice_is_named(here: Stage) -> None:
    text = program('table.put({"id": "c1", "n": 1})\ntable.delete({"id": "c1"})')
    with pytest.raises(StepFailed) as caught:
        here.apply(text)
    assert caught.value.at == Location(PATH, 4)
    assert "c1" in caught.value.what
    assert "transaction=false" in caught.value.try_


def test_more_writes_than_fit_into_a_transaction_are_refused_before_any(here: Stage) -> None:
    with pytest.raises(StepFailed) as caught:
        here.apply(program('for number in range(98):\n    table.put({"id": str(number)})'))
    assert "transaction=false" in caught.value.try_
    assert here.items("courses") == []
    here.apply(program('for number in range(97):\n    table.put({"id": str(number)})'))
    assert len(here.items("courses")) == 97


def test_a_way_down_has_as_much_room(here: Stage) -> None:
    down = 'def down(table):\n    for number in range(97):\n        table.delete({"id": str(number)})\n'
    text = program('for number in range(97):\n    table.put({"id": str(number)})', more=down)
    here.apply(text)
    here.apply(text, Direction.DOWN)
    assert here.items("courses") == []
    assert here.recorded() == {}


def test_a_step_that_writes_nothing_is_applied(here: Stage) -> None:
    here.apply(program("list(table.scan())"))
    assert here.recorded() == {"1": "applied"}


# what goes wrong in the migration's own code


def test_an_error_is_told_with_the_line_of_the_migration(here: Stage) -> None:
    text = program("import json\nvalue = 1\njson.loads('{')")
    with pytest.raises(StepFailed) as caught:
        here.apply(text)
    assert caught.value.at == Location(PATH, 5)
    assert "1_m failed on courses/dynamodb" in caught.value.what
    assert "JSONDecodeError" in caught.value.what
    assert here.recorded() == {}


def test_an_error_at_the_top_of_the_file_is_told_with_its_line(here: Stage) -> None:
    text = "# seedbed: table=courses\nRATE = 1 / 0\n\n\ndef up(table):\n    pass\n"
    with pytest.raises(StepFailed) as caught:
        here.apply(text)
    assert caught.value.at == Location(PATH, 2)
    assert here.recorded() == {}


def test_a_value_that_no_attribute_holds_is_told_with_its_line(here: Stage) -> None:
    with pytest.raises(StepFailed) as caught:
        here.apply(program('table.put({"id": "c1", "price": 1.5})'))
    assert caught.value.at == Location(PATH, 3)
    assert "price is a float" in caught.value.what
    assert "Decimal" in caught.value.try_


@EACH_SERVER
def test_a_decimal_is_written_as_it_is(here: Stage) -> None:
    here.apply(program('from decimal import Decimal\ntable.put({"id": "c1", "price": Decimal("1.50")})'))
    assert here.item("courses", id="c1") == {"id": "c1", "price": Decimal("1.5")}


@pytest.mark.parametrize(
    "write",
    [
        'table.sibling("nothing").put({"id": "x"})',
        'table.sibling("nothing").delete({"id": "x"})',
        'table.sibling("nothing").get({"id": "x"})',
        'list(table.sibling("nothing").scan())',
    ],
)
def test_a_table_that_is_missing_is_named(here: Stage, write: str) -> None:
    for directives in ("", "transaction=false"):
        with pytest.raises(Refused) as caught:
            here.apply(program(write, directives=directives))
        assert here.database.physical("nothing") in caught.value.because
    assert here.recorded() == {}


def test_exit_is_no_way_out_of_a_migration(here: Stage) -> None:
    with pytest.raises(StepFailed):
        here.apply(program("raise SystemExit(0)"))
    assert here.recorded() == {}


def test_what_a_transformation_should_be_is_no_free_form() -> None:
    with pytest.raises(MigrationFileError):
        migration("# seedbed: table=courses\ndef up(rows):\n    pass\n")


# writing at once


def test_outside_of_a_transaction_writes_are_seen_by_the_reads_after_them(here: Stage) -> None:
    here.apply(
        program(
            """
            for number in range(120):
                table.put({"id": f"{number:03}"})
            assert len(list(table.scan())) == 120
            table.delete({"id": "000"})
            assert table.get({"id": "000"}) is None
            """,
            directives="transaction=false",
        )
    )
    assert len(here.items("courses")) == 119


@EACH_SERVER
def test_outside_of_a_transaction_a_condition_may_fail_and_be_handled(here: Stage) -> None:
    here.put("courses", {"id": "c1", "title": "Go"})
    here.apply(
        program(
            """
            try:
                table.put({"id": "c1"}, condition="attribute_not_exists(id)")
            except table.ConditionFailed:
                table.put({"id": "c2"})
            """,
            directives="transaction=false",
        )
    )
    assert [each["id"] for each in here.items("courses")] == ["c1", "c2"]
    assert here.item("courses", id="c1") == {"id": "c1", "title": "Go"}


def test_a_step_that_failed_before_its_first_write_leaves_no_record(here: Stage) -> None:
    with pytest.raises(StepFailed):
        here.apply(program("1 / 0", directives="transaction=false"))
    assert here.recorded() == {}


HALF = 'table.put({"id": "a"})\nif table.get({"id": "go"}) is None:\n    1 / 0\ntable.put({"id": "b"})'


def test_a_step_that_failed_after_some_writes_says_how_many_and_waits_for_a_person(here: Stage) -> None:
    text = program(HALF, directives="transaction=false")
    with pytest.raises(OutcomeUnknown) as caught:
        here.apply(text)
    assert "1 of its writes" in caught.value.because
    assert caught.value.at == Location(PATH, 5)
    here.put("courses", {"id": "go"})
    with pytest.raises(OutcomeUnknown):
        here.apply(text)
    assert here.recorded() == {"1": "started"}


def test_a_repeatable_step_that_failed_after_some_writes_goes_on_by_itself(here: Stage) -> None:
    text = program(HALF, directives='transaction=false repeatable because "it writes the same items"')
    with pytest.raises(OutcomeUnknown):
        here.apply(text)
    here.put("courses", {"id": "go"})
    assert any(isinstance(each, WorkStarted) and each.resumed for each in here.apply(text))
    assert [each["id"] for each in here.items("courses")] == ["a", "b", "go"]
    assert here.recorded() == {"1": "applied"}


def test_applied_decides_about_a_step_that_was_begun(here: Stage) -> None:
    applied = 'def applied(table):\n    return table.get({"id": "b"}) is not None\n'
    text = program(HALF, directives="transaction=false", more=applied)
    with pytest.raises(OutcomeUnknown):
        here.apply(text)
    here.put("courses", {"id": "go"}, {"id": "b"})
    (probed,) = [each for each in here.apply(text) if isinstance(each, StepProbed)]
    assert "took effect" in probed.verdict
    assert here.recorded() == {"1": "applied"}


def test_applied_may_not_write(here: Stage) -> None:
    applied = 'def applied(table):\n    table.delete({"id": "a"})\n'
    text = program(HALF, directives="transaction=false", more=applied)
    with pytest.raises(OutcomeUnknown):
        here.apply(text)
    with pytest.raises(StepFailed) as caught:
        here.apply(text)
    assert "may only read" in caught.value.because
    assert [each["id"] for each in here.items("courses")] == ["a"]


def test_an_interruption_between_two_reads_leaves_nothing(here: Stage, world: World) -> None:
    with opened(world, here.database.service, COURSES) as other:

        def interrupting(operation: str, body: Mapping[str, object]) -> None:
            if operation == "GetItem" and body["TableName"] == here.database.physical("courses"):
                other.client.interrupt()

        spied(other.client, interrupting)
        with pytest.raises(Interrupted):
            other.apply(program('table.put({"id": "a"})\ntable.get({"id": "b"})'))
    assert here.items("courses") == []
    assert here.recorded() == {}


@EACH_SERVER
def test_a_local_index_is_read_consistently_and_a_global_one_as_it_can(world: World) -> None:
    local = TableShape(
        "chats",
        Key(("room",), ("at",)),
        {"room": "S", "at": "N", "who": "S"},
        local_indexes=(IndexShape("by_who", Key(("room",), ("who",))),),
    )
    with stage(world, local, TEACHERS) as made:
        asked: list[Mapping[str, object]] = []
        spied(made.client, lambda operation, body: asked.append(body) if operation == "Query" else None)
        made.apply(
            program(
                """
                list(table.query("room = :r", {":r": "1"}, index="by_who"))
                list(table.sibling("teachers").query("school = :s", {":s": "1"}, index="by_school"))
                """,
                table="chats",
            )
        )
    consistent = {str(each["IndexName"]): each["ConsistentRead"] for each in asked if "IndexName" in each}
    assert consistent == {"by_who": True, "by_school": False}
