"""Values of Python and of DynamoDB: what goes in comes back, exactly, or is refused by name."""

from __future__ import annotations

import enum
import uuid
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, Underflow
from types import MappingProxyType
from typing import Any

import boto3.dynamodb.types as theirs
import msgspec
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from seedbed.engines.dynamodb.wire.sizes import item_size
from seedbed.engines.dynamodb.wire.values import (
    InvalidValue,
    from_attribute,
    from_item,
    to_attribute,
    to_item,
)
from seedbed.errors import ExitCode

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def decimals(draw: st.DrawFn) -> Decimal:
    """Numbers as DynamoDB has them: 38 digits, exponents of the first from -130 to 125."""
    digits = draw(st.integers(1, 10**38 - 1))
    first = draw(st.integers(-130, 125) | st.integers(-8, 40))
    return Decimal((draw(st.integers(0, 1)), tuple(map(int, str(digits))), first - len(str(digits)) + 1))


numbers = st.integers(-(10**38) + 1, 10**38 - 1) | decimals() | st.just(0)
scalars = st.none() | st.booleans() | numbers | texts | st.binary(max_size=20)
sets = (
    st.sets(texts, min_size=1, max_size=4)
    | st.sets(numbers, min_size=1, max_size=4)
    | st.sets(st.binary(max_size=8), min_size=1, max_size=4)
)
values = st.recursive(
    scalars | sets,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def same(a: object, b: object) -> bool:
    """Whether two values are equal and of the same types, whole numbers being ints."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b


@given(values)
def test_a_value_comes_back_as_it_went_in_also_through_json(value: object) -> None:
    attribute = to_attribute(value)
    assert same(from_attribute(attribute), value)
    assert same(from_attribute(msgspec.json.decode(msgspec.json.encode(attribute))), value)


@contextmanager
def as_far_as_boto3_goes() -> Iterator[None]:
    """Below 1E-128 boto3 has fewer digits than DynamoDB, and refuses the others."""
    try:
        yield
    except Underflow:
        reject()


@given(values)
def test_an_attribute_means_to_boto3_what_it_means_to_us(value: object) -> None:
    with as_far_as_boto3_goes():
        read = theirs.TypeDeserializer().deserialize(with_bytes(to_attribute(value)))
    assert same(of_boto3(read), value)


@given(numbers)
def test_what_boto3_writes_as_a_number_reads_the_same(value: int | Decimal) -> None:
    with as_far_as_boto3_goes():
        written = theirs.TypeSerializer().serialize(value)
    assert from_attribute(written) == value
    assert Decimal(to_attribute(value)["N"]) == Decimal(written["N"]) == value


@given(decimals())
def test_a_number_has_one_form_whatever_it_was_written_as(value: Decimal) -> None:
    with_zeros = Decimal(f"{value}0") if "E" not in str(value) and "." in str(value) else value
    assert to_attribute(value) == to_attribute(with_zeros)
    found = from_attribute(to_attribute(value))
    assert isinstance(found, int) == (value == int(value))


def of_boto3(value: Any) -> Any:
    """Return what boto3 read, without its own type for bytes."""
    if isinstance(value, theirs.Binary):
        return value.value
    if isinstance(value, set):
        return {of_boto3(each) for each in value}
    if isinstance(value, list):
        return [of_boto3(each) for each in value]
    return {key: of_boto3(each) for key, each in value.items()} if isinstance(value, dict) else value


def with_bytes(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attribute value as boto3 has it: bytes instead of base64."""
    ((kind, value),) = attribute.items()
    match kind:
        case "B":
            return {kind: b64decode(value)}
        case "BS":
            return {kind: [b64decode(each) for each in value]}
        case "L":
            return {kind: [with_bytes(each) for each in value]}
        case "M":
            return {kind: {name: with_bytes(each) for name, each in value.items()}}
    return {kind: value}


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        (None, {"NULL": True}),
        (True, {"BOOL": True}),
        (1, {"N": "1"}),
        (-0, {"N": "0"}),
        (10**37, {"N": "1" + "0" * 37}),
        (10**38, {"N": "1E38"}),
        (10**125, {"N": "1E125"}),
        (Decimal("-0"), {"N": "0"}),
        (Decimal("-0.0"), {"N": "0"}),
        (Decimal("1.50"), {"N": "1.5"}),
        (Decimal(100), {"N": "100"}),
        (Decimal("1E+2"), {"N": "100"}),
        (Decimal("1E-7"), {"N": "1E-7"}),
        (Decimal("0.000001"), {"N": "0.000001"}),
        (Decimal("1E-130"), {"N": "1E-130"}),
        ("", {"S": ""}),
        (b"\0\xff", {"B": "AP8="}),
        (bytearray(b"a"), {"B": "YQ=="}),
        ((1, "a"), {"L": [{"N": "1"}, {"S": "a"}]}),
        ({}, {"M": {}}),
        ({"b", "a"}, {"SS": ["a", "b"]}),
        (frozenset({Decimal("1.5"), 1}), {"NS": ["1", "1.5"]}),
        ({b"b"}, {"BS": ["Yg=="]}),
    ],
)
def test_values_as_they_are_written(value: object, attribute: object) -> None:
    assert to_attribute(value) == attribute


class Kind(enum.StrEnum):
    TEXT = "text"


class Old(str, enum.Enum):  # noqa: UP042  it prints itself as something else, and people have such
    TEXT = "old text"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Kind.TEXT, "text"),
        (Old.TEXT, "old text"),
        (Level.HIGH, 3),
        (OrderedDict(a=[Level.HIGH]), {"a": [3]}),
        (MappingProxyType({"a": {"b": Kind.TEXT}}), {"a": {"b": "text"}}),
        ({Kind.TEXT}, {"text"}),
        ([{"deep": {Level.HIGH, 1}}], [{"deep": {3, 1}}]),
    ],
)
def test_a_subclass_is_written_as_what_it_extends(value: object, plain: object) -> None:
    assert to_attribute(value) == to_attribute(plain)
    assert to_item({"x": value}) == to_item({"x": plain})


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"price": 0.1}, r'price is a float: 0.1[\s\S]*Decimal\("0.1"\)'),
        ({"a": {"b": [1, {"c": 2.5}]}}, r"a\.b\[1\]\.c is a float"),
        ({"a": float("nan")}, "a is a float"),
        ({"a": Decimal("NaN")}, "a: NaN is not a number"),
        ({"a": [Decimal("Infinity")]}, r"a\[0\]: Infinity is not a number"),
        ({"a": 10**126}, "a: 1000+.* is out of range"),
        ({"a": Decimal("1E-131")}, "a: 1E-131 is out of range"),
        ({"a": 10**38 + 1}, "38 significant digits"),
        ({"a": set()}, "a: the set is empty"),
        ({"a": {1, "x"}}, "a: the set mixes int, str"),
        ({"a": {None}}, "a: the set mixes NoneType"),
        ({"a": datetime(2026, 11, 1, tzinfo=UTC)}, "a is a datetime"),
        ({"a": {"id": uuid.UUID(int=1)}}, "a.id is a UUID"),
        ({"a": {1: "x"}}, "a has the name 1"),
        ({"a": object()}, "a is a object"),
    ],
)
def test_what_no_attribute_can_hold_is_refused_with_its_place(item: Mapping[str, object], words: str) -> None:
    with pytest.raises(InvalidValue, match=words) as raised:
        to_item(item)
    assert raised.value.exit_code is ExitCode.FAILED


def test_a_number_of_the_wire_is_an_int_where_it_is_whole() -> None:
    texts = ["1", "1.0", "1E2", "-7", "1.5", "1E-3"]
    found = [from_attribute({"N": each}) for each in texts]
    assert found == [1, 1, 100, -7, Decimal("1.5"), Decimal("0.001")]
    assert list(map(type, found)) == [int, int, int, int, Decimal, Decimal]


def test_a_type_that_there_is_not_is_no_value() -> None:
    with pytest.raises(ValueError, match="'X' is not a type"):
        from_attribute({"X": 1})


def test_an_item_has_the_size_that_the_guide_says() -> None:
    item = to_item({"pk": "käse", "n": 27, "m": {"a": [True, None]}, "b": b"abc", "s": {"x", "yz"}})
    # names 2+1+1+1+1; values 5, 2, 3+(1+(3+2*2)+1), 3, 3
    assert item_size(item) == 6 + 5 + 2 + 12 + 3 + 3
    assert from_item(item)["m"] == {"a": [True, None]}


@given(st.binary(max_size=40))
def test_bytes_count_without_their_base64(value: bytes) -> None:
    assert item_size({"": {"B": b64encode(value).decode()}}) == len(value)
