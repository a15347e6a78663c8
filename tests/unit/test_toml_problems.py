"""msgspec's sentences are read: all forms of them are known, and one that is not is shown as it is."""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from seedbed.errors import UsageError
from seedbed.toml.problems import convert
from seedbed.toml.text import Text

# What the library's code holds of its messages. `%U` at the end is where the path goes; what comes before is
# "Expected `TYPE`", which is said again in TOML's words, or a sentence that reads well as it is.
SAID_AGAIN = {
    "Expected `%U`, got `%s`",
    "Expected `%s`, got `%s`",
    "Expected `%s` with a timezone component",
    "Expected `%s` with no timezone component",
    "Expected `array` of at least length %zd, got %zd",
    "Expected `array` of at least length %zd, got 0",
    "Expected `array` of at least length 1, got 0",
    "Expected `array` of at most length %zd, got %zd",
    "Expected `array` of length %zd",
    "Expected `array` of length %zd to %zd",
    "Expected `array` of length %zd to %zd, got %zd",
    "Expected `array` of length %zd, got %zd",
    "Expected `array` of length <= %zd",
    "Expected `array` of length >= %zd",
    "Expected `bytes` of length <= %zd",
    "Expected `bytes` of length >= %zd",
    "Expected `float` %s %R",
    "Expected `int`",
    "Expected `int` <= %lld",
    "Expected `int` >= %lld",
    "Expected `int` that's a multiple of %lld",
    "Expected `object` of length <= %zd",
    "Expected `object` of length >= %zd",
    "Expected `str`",
    "Expected `str` matching regex %R",
    "Expected `str` of length <= %zd",
    "Expected `str` of length >= %zd",
    "Invalid enum value %R",
    "Object missing required field `%U`",
}
AS_THEY_ARE = {
    "Duration is out of range",
    "Integer value out of range",
    "Invalid ISO8601 duration",
    "Invalid MessagePack timestamp",
    "Invalid MessagePack timestamp: nanoseconds out of range",
    "Invalid RFC3339 encoded date",
    "Invalid RFC3339 encoded datetime",
    "Invalid RFC3339 encoded time",
    "Invalid UUID",
    "Invalid UUID bytes",
    "Invalid base64 encoded string",
    "Invalid decimal string",
    "Invalid epoch timestamp",
    "Invalid value %R",
    "Invalid value %lld",
    "Invalid value %llu",
    "Invalid value '%U'",
    "Number out of range",
    "Object contains unknown field `%U`",  # never seen: ours says it before
    "Only units 'D', 'H', 'M', and 'S' are supported when parsing ISO8601 durations",
    "Timestamp is out of range ",
    " - at ",
}


def test_every_form_of_msgspecs_messages_is_known() -> None:
    code = Path(msgspec._core.__file__).read_bytes()
    found = {each.decode() for each in re.findall(rb"([ -~]{3,})%U\0", code)}
    assert len(found) > 30, "its messages are not found any more"
    unknown = found - SAID_AGAIN - AS_THEY_ARE
    assert not unknown, "see what `convert` says of these, and put them into one of the two lists"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct):
    number: int


SAID = [
    (int, '"x"', "expected an integer, found a string"),
    (bool, "1", "expected true or false, found the number 1"),
    (int | None, '"x"', "expected an integer, found a string"),
    (int | str, "true", "expected an integer or a string, found true"),
    (datetime, "1", "expected a date and time, found the number 1"),
    (Annotated[datetime, Meta(tz=True)], "2020-01-01T00:00:00", "expected a date and time with a timezone component, "),
    (Annotated[int, Meta(ge=1)], "0", "expected an integer >= 1, found the number 0"),
    (Annotated[int, Meta(multiple_of=5)], "2", "expected an integer that's a multiple of 5, found the number 2"),
    (Annotated[float, Meta(gt=1.5)], "0.5", "expected a number > 1.5, found the number 0.5"),
    (Annotated[str, Meta(min_length=2)], '"x"', "expected a string of length >= 2, found a string"),
    (Annotated[str, Meta(pattern="^a$")], '"x"', "expected a string matching ^a$, found 'x'"),
    (Annotated[list[int], Meta(max_length=1)], "[1, 2]", "expected an array of length <= 1, found an array"),
    (tuple[int, int], "[1]", "expected an array of length 2, got 1, found an array"),
    (Annotated[dict[str, int], Meta(min_length=1)], "{}", "expected a table that is not empty"),
    (Colour, '"green"', "expected one of red, blue, found green"),
    (Literal[1, 2], "3", "expected one of 1, 2, found the number 3"),
    (date, '"x"', "Invalid RFC3339 encoded date"),
]  # fmt: skip


def _error(type_: Any, value: str) -> UsageError:
    document = msgspec.defstruct("Document", [("key", type_)])
    text = Text("seedbed.toml", f"\nkey = {value}")
    with pytest.raises(UsageError) as caught:
        convert(text, text.data, document, ())
    assert caught.value.at is not None
    assert caught.value.at.line == 2
    return caught.value


@pytest.mark.parametrize(("type_", "value", "because"), SAID)
def test_what_is_wrong_is_said_in_tomls_words(type_: Any, value: str, because: str) -> None:
    error = _error(type_, value)
    assert error.what == "key is wrong"
    assert error.because.startswith(because)


def test_of_two_tables_that_are_wrong_alike_the_first_key_that_is_wrong_is_named() -> None:
    error = _error(dict[str, dict[str, str]], '{a = {host = "x", port = 1}, b = {host = "x", port = 2}}')
    assert (error.what, error.because) == ("key.a.port is wrong", "expected a string, found the number 1")


def test_a_key_that_is_missing_is_named_with_its_table() -> None:
    error = _error(Inner, "{}")
    assert (error.what, error.because) == ("key.number is missing", "[key] cannot do without it")


def test_a_key_that_is_missing_at_the_top_is_named_as_well() -> None:
    text = Text("seedbed.toml", "")
    with pytest.raises(UsageError) as caught:
        convert(text, text.data, Inner, ())
    assert caught.value.what == "number is missing"
    assert caught.value.because == "the manifest cannot do without it"


@pytest.mark.parametrize(
    ("message", "because"),
    [
        ("`int` would do, got `str` - at `$.key`", "`int` would do, got `str`"),
        ("Expected `str` matching regex <^a$> - at `$.key`", "expected a string matching <^a$>, found 'x'"),
        ("Wanted something else, somewhere - at (key)", "Wanted something else, somewhere - at (key)"),
    ],
)
def test_a_form_that_is_not_known_is_shown_as_it_is(
    message: str, because: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise msgspec.ValidationError(message)

    monkeypatch.setattr(msgspec, "convert", refuse)
    text = Text("seedbed.toml", "key = 'x'")
    with pytest.raises(UsageError) as caught:
        convert(text, text.data, Inner, ())
    assert caught.value.because == because
