"""Rows of a seed as nodes and relationships, before any server is asked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from seedbed.engines.neo4j.rules.seed_scripts import checked as checked_script
from seedbed.engines.neo4j.seeds import statements
from seedbed.engines.neo4j.seeds.keys import constraint, resolved, unique_from
from seedbed.engines.neo4j.seeds.shape import NodeKey, NodeShape, RelationshipShape, SeedColumn, shape_of
from seedbed.engines.neo4j.seeds.table import GraphTable, table_of
from seedbed.engines.neo4j.seeds.values import InvalidValue, fitted
from seedbed.errors import SeedFileError, StepFailed
from seedbed.model.seed import Rows, Script
from tests.support.neo4j.graphs import parts

UNIQUE = unique_from([{"label": "Skill", "properties": ["slug"]}, {"label": "Tutor", "properties": ["id"]}])


def rows(table: str, *columns: str, key: tuple[str, ...] = ()) -> Rows:
    return Rows("seeds/x.csv", table, columns, (tuple("1" for _ in columns),), key, (2,))


def checked(name: str, text: str) -> GraphTable:
    (part,) = parts({name: text})
    assert not isinstance(part, Script)
    return resolved(table_of(part), UNIQUE).checked()


def test_a_table_is_a_label_or_two_labels_and_a_type() -> None:
    assert shape_of(rows("Tutor:Person", "id", "name:string", key=("id",))) == NodeShape(
        NodeKey("Tutor", (SeedColumn("id", 0),)), ("Person",), (SeedColumn("name", 1, "string"),)
    )
    wanted = RelationshipShape(
        NodeKey("Skill", (SeedColumn("slug", 0),)),
        "NEEDS",
        NodeKey("Skill", (SeedColumn("slug", 1),)),
        (SeedColumn("year", 3, "int"),),
        (SeedColumn("how", 2),),
    )
    columns = ("from.slug", "to.slug", "how", "year:int")
    assert shape_of(rows("Skill-NEEDS-Skill", *columns, key=("year:int",))) == wanted
    assert shape_of(rows("(:Skill)-[:NEEDS]->(:Skill)", *columns, key=("year",))) == wanted


@pytest.mark.parametrize(
    ("name", "text", "words", "at"),
    [
        ("Skill.csv", "slug,rank:int\na,1\nb,one\n", "'one' is not of type int", "Skill.csv:3"),
        ("Skill.csv", "slug,rank:int\na,1\na,2\n", "two rows have the same key", "Skill.csv:3"),
        ("Skill.csv", "slug,rank:int\n,1\n", "a row has no key", "Skill.csv:2"),
        ("Skill.csv", "slug,rank:colour\na,1\n", "a type that Neo4j does not know", "Skill.csv"),
        ("Skill.csv", "slug,:int\na,1\n", "names no property", "Skill.csv"),
        ("Skill.csv", "slug,at:datetime\na,2026-01-01T00:00\n", "it has no offset from UTC", "Skill.csv:2"),
        ("Skill.json", '[{"slug": "a", "tree": {"b": 1}}]', "a property holds no map", "Skill.json:1"),
        (
            "Skill.json",
            '[{"slug": "a", "at": {"longitude": 13.4, "latitude": 52.5}}]',
            "say `:point` behind the column's name",
            "Skill.json:1",
        ),
        ("Skill.json", '[{"slug": "a", "n": 9223372036854775808}]', "more than 64 bits", "Skill.json:1"),
        ("Skill.json", '[{"slug": "a", "n": 0.12345678901234567890123}]', "64-bit floats", "Skill.json:1"),
        ("Skill.json", '[{"slug": "a", "n": [1, "b"]}]', "are of one kind", "Skill.json:1"),
        ("Skill.json", '[{"slug": "a", "n": [null]}]', "neither lists nor nulls", "Skill.json:1"),
        (
            "Skill.csv",
            "# seedbed: key=name\nslug,name\na,A\n",
            "no constraint makes name unique",
            "Skill.csv",
        ),
        ("Course.csv", "id,name\n1,A\n", "FOR (n:Course) REQUIRE n.id IS UNIQUE", "Course.csv"),
        ("Tutor-TEACHES-Course.csv", "from.id,to.id\n1,a\n", "FOR (n:Course)", "Course.csv"),
        ("Tutor-TEACHES-Skill.csv", "id,slug\n1,a\n", "no column from.", "Skill.csv"),
        ("migrations_history.csv", "key\nlease\n", "belongs to seedbed", "history.csv"),
        ("1.json", '{"table": "A:", "rows": [{"a": 1}]}', "names no label", "1.json"),
    ],
)
def test_rows_that_cannot_be_loaded_say_where(name: str, text: str, words: str, at: str) -> None:
    with pytest.raises((StepFailed, SeedFileError)) as caught:
        checked(name, text)
    assert words in str(caught.value)
    assert at in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("CREATE INDEX i FOR (n:N) ON (n.a);", "statements that change data", 1),
        (
            "RETURN 1;\nUNWIND [1] AS n CALL (n) { CREATE (:N) } IN TRANSACTIONS;",
            "statements that change data",
            2,
        ),
        ("RETURN 1;\n\nUSE other CREATE (:N);", "`USE` is not allowed in a seed", 3),
        ("RETURN 1;\nCREATE (:N {a: 'x});", "", 2),
        ("MATCH (n:migrations_history) DELETE n", "belongs to seedbed", 1),
    ],
)
def test_a_script_holds_what_its_transaction_can_hold(text: str, words: str, line: int) -> None:
    (part,) = parts({"1.cypher": text})
    assert isinstance(part, Script)
    with pytest.raises(SeedFileError) as caught:
        checked_script(part)
    assert words in str(caught.value)
    assert f"seeds/1.cypher:{line}" in str(caught.value)


def test_values_that_need_nothing_are_handed_on_as_they_are() -> None:
    column = ("a", None, 7, 2.5, True, b"x")
    assert fitted(column, "", is_cell=True) is column
    assert fitted((Decimal("4.2"), None, [1, Decimal("2.5")]), "", is_cell=False) == [4.2, None, [1.0, 2.5]]
    lists: tuple[object, ...] = (["a"], 5, [], None)
    assert fitted(lists, "", is_cell=False) is lists
    assert fitted(([1], [2.5], 3), "", is_cell=False) == [[1], [2.5], 3]
    assert fitted(("a; b",), "string[]", is_cell=True) == [["a", "b"]]
    assert fitted(("a; b",), "string", is_cell=True) == ["a; b"]
    assert fitted(("true", "FALSE"), "boolean", is_cell=True) == [True, False]


@pytest.mark.parametrize(
    ("value", "type_", "said"),
    [
        ("abc", "float", "it is not a number"),
        ("", "float", "it is not a number"),
        ("1e99999999999999999999", "float", "it is not a number"),
        ("1e400", "float", "has no exact float"),
        (Decimal("1e999999999"), "int", "more than 64 bits"),
        (Decimal("1.5"), "int", "it is not an integer"),
    ],
)
def test_a_number_that_its_type_does_not_have_is_refused(value: object, type_: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        fitted((value,), type_, is_cell=isinstance(value, str))


def test_a_value_of_another_kind_is_another_key() -> None:
    part = Rows("x.json", "Skill", ("slug",), ((1,), (True,), ("1",)), ("slug",))
    resolved(table_of(part), UNIQUE).checked()
    with pytest.raises(StepFailed, match="two rows have the same key"):
        resolved(table_of(Rows("x.json", "Skill", ("slug",), ((1,), (1.0,)), ("slug",))), UNIQUE).checked()


def test_names_travel_in_quotes_and_values_never_in_the_text() -> None:
    shape = shape_of(rows("Odd` label", "the `key", "a.b", key=("the `key",)))
    for text in (statements.look(shape), statements.write(shape)):
        assert "`Odd`` label`" in text
        assert "{`the ``key`: $c0[i]}" in text
    assert constraint("Odd label", ["id"]) == (
        "CREATE CONSTRAINT `odd label_id_unique` FOR (n:`Odd label`) REQUIRE n.id IS UNIQUE"
    )
