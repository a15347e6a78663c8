"""Every limit of DynamoDB that a file can break is told in words of its own, where it stands, with the way round."""

from __future__ import annotations

import pytest

from seedbed.engines.dynamodb.rules.limits import physical_problem
from seedbed.engines.dynamodb.schema.read import KIND, parse
from seedbed.engines.dynamodb.schema.shape import TableShapes
from seedbed.errors import ManifestError
from seedbed.toml.text import Text

HEAD = """\
[tables.courses]
key = {partition = "id", sort = "at"}
attributes = {id = "S", at = "N", a = "S", b = "S", c = "S", d = "S", e = "S", map = "M"}
"""


def tables(text: str) -> TableShapes:
    return parse(Text("tables.toml", text, KIND))


def refusal(text: str) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        tables(text)
    assert caught.value.because
    assert caught.value.try_
    assert caught.value.at is not None
    return caught.value


def index(name: str, **keys: str) -> str:
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
    return f'[tables.courses.indexes."{name}"]\n{lines}\n'


def local(name: str, **keys: str) -> str:
    return index(name, **keys).replace(".indexes.", ".local_indexes.")


def listed(count: int) -> str:
    return str([f"p{each}" for each in range(count)])


def names(*letters: str) -> str:
    return str(list(letters)).replace("'", '"')


TWENTY = "".join(index(f"by_{each}", partition='"a"') for each in range(20))
A_HUNDRED = "".join(index(f"by_{each}", partition='"a"', projection=listed(20)) for each in range(5))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[tables.migrations_history]" + HEAD[16:], 1, "a table cannot be called migrations_history"),
        (HEAD.replace("courses", "my-courses"), 1, "my-courses cannot be the name of a table"),
        (HEAD.replace("courses", '"my.courses"'), 1, '"my.courses" cannot be the name of a table'),
        (HEAD.replace("courses", "c" * 190), 1, f"{'c' * 59}… is too long for the name of a table"),
        (HEAD + index("by a", partition='"a"'), 4, '"by a" cannot be the name of an index'),
        (HEAD + index("by", partition='"a"'), 4, "by cannot be the name of an index"),
        (HEAD + index("b" * 256, partition='"a"'), 4, f"{'b' * 59}… cannot be the name of an index"),
        (HEAD + TWENTY + index("one_more", partition='"a"'), 44, "courses has 21 global indexes"),
        (
            HEAD + "".join(local(f"by_{each}", sort='"a"') for each in range(6)),
            14,
            "courses has 6 local indexes",
        ),
        (HEAD.replace(', sort = "at"', "") + local("by_a", sort='"a"'), 4, "courses cannot have local indexes"),
        (
            HEAD + index("by_a", partition='"a"') + local("by_a", sort='"a"'),
            6,
            "two indexes are called by_a",
        ),
        (HEAD + local("by_id", sort='"id"'), 5, "id stands twice in the key of by_id, which has the table's partition key"),
        (HEAD.replace('sort = "at"', 'sort = "id"'), 2, "id stands twice in the key"),
        (HEAD.replace('id = "S", ', ""), 2, "the type of id is not declared"),
        (HEAD + index("by_x", partition='"x"'), 5, "the type of x is not declared"),
        (HEAD + index("by_map", partition='"map"'), 3, "map cannot be part of a key"),
        (HEAD + index("by_many", partition=names(*"abcde")), 5, "the partition key of by_many has 5 attributes"),
        (HEAD + index("by_many", partition='"id"', sort=names(*"abcde")), 6, "the sort key of by_many has 5 attributes"),
        (HEAD + index("by_none", partition="[]"), 5, "the partition key of by_none is an empty list"),
        (HEAD + index("by_none", partition='"a"', sort="[]"), 6, "the sort key of by_none is an empty list"),
        (HEAD + index("by_twice", partition=names("a", "b"), sort=names("c", "a")), 6, "a stands twice in the key of by_twice"),
        (HEAD + index("by_a", partition='"a"', projection='"SOME"'), 6, "by_a has a projection that DynamoDB does not know"),
        (HEAD + index("by_a", partition='"a"', projection="[]"), 6, "by_a projects an empty list"),
        (HEAD + index("by_a", partition='"a"', projection=names("x", "id")), 6, "by_a lists id, which is part of a key"),
        (HEAD + index("by_a", partition='"a"', projection=names("a")), 6, "by_a lists a, which is part of a key"),
        (HEAD + index("by_a", partition='"a"', projection=names("x", "x")), 6, "by_a lists x twice"),
        (HEAD + index("by_a", partition='"a"', projection=listed(21)), 6, "by_a lists 21 attributes"),
        (HEAD + A_HUNDRED + index("by_x", partition='"a"', projection='["x"]'), 21, "the indexes of courses list 101 attributes"),
        (HEAD.replace("map", f'"{"ä" * 128}"').replace('"M"', '"S"') + index("by_ä", partition=f'"{"ä" * 128}"').replace("by_ä", "by_long"), 5, f"the attribute \"{'ä' * 59}…\" has too long a name"),
        (HEAD + index("by_a", partition='"a"', projection=f'["{"x" * 256}"]'), 6, f"the attribute {'x' * 59}… has too long a name"),
        (HEAD.replace("map", f'"{"x" * 65536}"'), 3, f"the attribute {'x' * 59}… has too long a name"),
        (HEAD + f'ttl = "{"x" * 256}"\n', 4, f"the attribute {'x' * 59}… has too long a name"),
        (HEAD + 'ttl = "a"\n', 4, "items cannot expire by a"),
        (HEAD + 'version = {attribute = "a"}\n', 4, "a cannot hold the version of an item"),
        (HEAD + 'version = {attribute = "at"}\n', 4, "at cannot hold the version of an item"),
        (HEAD + 'ttl = "x"\nversion = {attribute = "x"}\n', 5, "x cannot hold the version of an item"),
    ],
)  # fmt: skip
def test_what_dynamodb_would_refuse_is_refused_at_its_line(text: str, line: int, said: str) -> None:
    error = refusal(text)
    assert error.what == said
    assert error.at is not None
    assert error.at.line == line


@pytest.mark.parametrize(
    ("word", "try_"),
    [
        ("keys_only", 'projection = "KEYS_ONLY"'),
        ("INCLUDE", 'projection = ["title", …], the attributes to include'),
        ("title", 'projection = ["title"], if that is an attribute'),
    ],
)
def test_a_projection_that_is_no_word_is_guessed(word: str, try_: str) -> None:
    assert refusal(HEAD + index("by_a", partition='"a"', projection=f'"{word}"')).try_ == try_


def test_what_lies_just_within_the_limits_is_taken() -> None:
    long = "x" * 255
    text = (
        HEAD.replace("courses", "c" * 189)
        + TWENTY.replace("courses", "c" * 189)
        + "".join(local(f"of_{each}", sort='"a"') for each in range(5)).replace("courses", "c" * 189)
    )
    (table,) = tables(text).tables
    assert (len(table.global_indexes), len(table.local_indexes)) == (20, 5)
    assert tables(HEAD + A_HUNDRED).tables
    assert tables(
        HEAD.replace("map", long) + index("b" * 255, partition='"a"', projection=f'["{long}"]')
    ).tables
    multi = tables(HEAD + index("all", partition=names(*"abcd"), sort=names("e", "id", "at"))).tables[0]
    assert len(multi.global_indexes[0].key.partition) == 4


def test_items_may_expire_by_an_attribute_that_is_a_key() -> None:
    (table,) = tables(HEAD + 'ttl = "at"\n').tables
    assert table.ttl == "at"
    assert "at" not in table.attributes


def test_a_physical_name_has_to_fit_with_service_and_environment() -> None:
    assert physical_problem("tutor-matching", "tutor_profiles", "dev-ana") == ""
    assert physical_problem("s" * 32, "t" * 189, "e" * 32) == ""
    assert "256 characters" in physical_problem("s" * 32, "t" * 190, "e" * 32)
    assert "letters, digits" in physical_problem("kurse", "größen", "prod")
