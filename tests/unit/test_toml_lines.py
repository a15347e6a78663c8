"""The reader of lines: every key of any TOML text that `tomllib` accepts has its true place."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.toml.lines import KeyPath, Lines, TooDeep

DEPTH = 12


def _locate(text: str, *path: str | int) -> tuple[int, int]:
    return Lines(text, depth=DEPTH).locate(path)


def test_a_key_below_a_header_has_its_own_line_and_column() -> None:
    assert _locate("[a]\n\n  b = 1\n", "a", "b") == (3, 3)


def test_each_part_of_a_header_has_its_own_column() -> None:
    text = "[services.user.postgres]\n"
    places = [_locate(text, *["services", "user", "postgres"][:depth]) for depth in (1, 2, 3)]
    assert places == [(1, 2), (1, 11), (1, 16)]


def test_a_header_of_its_own_beats_an_earlier_mention() -> None:
    assert _locate("[a.b]\n[a]\n", "a") == (2, 2)


def test_array_items_are_counted_and_later_headers_speak_of_the_last() -> None:
    text = "[[r]]\nx = 1\n[[r]]\nx = 2\n[r.deep]\ny = 3\n"
    assert _locate(text, "r", 1, "x") == (4, 1)
    assert _locate(text, "r", 1, "deep", "y") == (6, 1)


def test_inline_tables_and_arrays_are_entered() -> None:
    text = "a = [ # one, two ]\n  1, { b.c = [[], 2] },\n]\nz = 0\n"
    assert _locate(text, "a", 1, "b", "c", 1) == (2, 19)
    assert _locate(text, "z") == (4, 1)


@pytest.mark.parametrize("quotes", ['"""', "'''"])
@pytest.mark.parametrize("tail", ["", "x", "\nx"])
def test_what_looks_like_a_header_in_a_string_is_none(quotes: str, tail: str) -> None:
    text = f"[a]\ns = {quotes}\n[b]\nk = 1 # {quotes[0] * 2}{tail}{quotes}\nk = 2\n"
    tomllib.loads(text)
    assert _locate(text, "a", "k")[0] == text.count("\n")
    assert _locate(text, "b") == (0, 0)


def test_a_multi_line_string_may_end_in_five_quotes() -> None:
    text = 'a = """x"""""\nb = 1\n'
    assert tomllib.loads(text)["a"] == 'x""'
    assert _locate(text, "b") == (2, 1)


def test_quoted_keys_are_found_by_what_they_mean() -> None:
    text = '[environments."dev-*"]\n\'a.b\' = 1\n"\\u0061\\"" = 2\n'
    assert _locate(text, "environments", "dev-*", "a.b") == (2, 1)
    assert _locate(text, "environments", "dev-*", 'a"') == (3, 1)


def test_dates_with_a_blank_do_not_confuse() -> None:
    assert _locate("a = [1979-05-27 07:32:00, 2]\nb = 1\n", "a", 1) == (1, 27)


def test_what_is_not_written_down_has_the_place_of_its_closest_ancestor() -> None:
    assert _locate("x = 1\n[a.b]\nc = 1\n", "a", "b", "missing", 3, "d") == (2, 4)
    assert _locate("x = 1\n", "missing") == (0, 0)


def test_text_that_is_no_toml_keeps_the_places_before_it() -> None:
    assert _locate("a = 1\n= = =\nb = 2\n", "a") == (1, 1)


@pytest.mark.parametrize(
    "text", ["a." * 200_000 + "a = 1", "a = " + "[" * 500_000, "a = " + "{a=" * 300_000, "[" + "a." * 300_000]
)
def test_a_bomb_is_too_deep_and_is_over_at_once(text: str) -> None:
    with pytest.raises(TooDeep):
        _locate(text, "a")


@pytest.mark.parametrize(
    "text", ['a = "' + "\\" * 999_999, 'a = """' + '""x' * 300_000, "a" * 10**6, "[[" * 10**5]
)
def test_a_megabyte_of_nonsense_is_read_in_linear_time(text: str) -> None:
    assert _locate(text, "b") == (0, 0)


# Two tests above guard against a reader whose time grows with the square of its text: with one they would hang.
# A document is generated together with the place of every key that it holds.


@dataclass
class _Draft:
    lines: list[str] = field(default_factory=list)
    places: dict[KeyPath, int] = field(default_factory=dict)

    def put(self, line: str, *paths: KeyPath) -> None:
        """Append `line`, which may hold line ends; the keys at `paths` stand in its first one."""
        number = 1 + sum(each.count("\n") + 1 for each in self.lines)
        self.lines.append(line)
        for path in paths:
            self.places[path] = number


_KEYS = st.text(min_size=1, max_size=6) | st.sampled_from(
    ["a", "b-1", "a.b", "dev-*", "", "#", "[x]", '"', "'"]
)
_STRINGS = st.sampled_from(
    ["[a]", "[[r]]\nk = 1", "# no comment", "}", "]", ",", "'''", "\\", "a = 1\n", '"', "", "=", "ü\n\n[b.c]"]
)


def _written(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")


@st.composite
def _values(draw: st.DrawFn, depth: int = 0) -> str:
    kind = draw(st.integers(0, 5 if depth < 2 else 3))
    if kind == 0:
        return draw(
            st.sampled_from(["1", "-1.5e3", "true", "nan", "1979-05-27 07:32:00Z", "0xff", "07:32:00"])
        )
    text = draw(_STRINGS)
    if kind == 1:
        return json.dumps(text)
    if kind == 2:
        return (
            '"""\n'
            + text.replace("\\", "\\\\").replace('"', '\\"')
            + draw(st.sampled_from(["", '"', '""']))
            + '"""'
        )
    if kind == 3:
        return "'''" + text.replace("'", "") + draw(st.sampled_from(["", "'", "''"])) + "'''"
    inner = [draw(_values(depth + 1)) for _ in range(draw(st.integers(0, 3)))]
    if kind == 4:
        return "[" + "".join(f"{each}, # ] comment\n" for each in inner) + "]"
    return "{" + ", ".join(f"k{index}.x = {each}" for index, each in enumerate(inner)) + "}"


@st.composite
def documents(draw: st.DrawFn) -> _Draft:
    """Tables, arrays of tables, dotted and quoted keys, values of every kind; and where each key stands."""
    made = _Draft()
    for table in draw(st.lists(_KEYS, unique=True, max_size=4)):
        for index in range(draw(st.integers(1, 3))) if (is_array := draw(st.booleans())) else (0,):
            at: KeyPath = (table, index) if is_array else (table,)
            blank = draw(st.sampled_from(["", " ", "\t"]))
            opening, closing = ("[[", "]]") if is_array else ("[", "]")
            made.put(draw(st.sampled_from(["", "# [x]", "  "])))
            made.put(f"{blank}{opening}{blank}{_written(table)}{blank}{closing} # {table!r}", at)
            for key in draw(st.lists(_KEYS, unique=True, max_size=4)):
                sub = draw(st.lists(_KEYS, max_size=2))
                paths = [(*at, key, *sub[:depth]) for depth in range(len(sub) + 1)]
                name = f"{blank}.{blank}".join(_written(each) for each in (key, *sub))
                made.put(f"{blank}{name}{blank}={blank}{draw(_values())}", *paths)
    return made


@given(documents(), st.sampled_from(["\n", "\r\n"]))
def test_every_key_is_found_in_its_true_line(made: _Draft, line_end: str) -> None:
    text = "\n".join(made.lines) + "\n"
    data: Any = tomllib.loads(text.replace("\n", line_end))  # it is TOML, and every path leads somewhere
    lines = Lines(text, depth=DEPTH)
    for path, line in made.places.items():
        here = data
        for part in path:
            here = here[part]
        assert lines.locate(path)[0] == line, path


@given(documents())
def test_every_path_that_tomllib_sees_is_known(made: _Draft) -> None:
    text = "\n".join(made.lines) + "\n"
    lines = Lines(text, depth=DEPTH)
    stack: list[tuple[KeyPath, Any]] = [((key,), each) for key, each in tomllib.loads(text).items()]
    while stack:
        path, value = stack.pop()
        line, column = lines.locate(path)
        written = text.split("\n")[line - 1][column - 1 :] if line else ""
        assert written, path
        if isinstance(path[-1], str):
            assert written.startswith((path[-1] or '"', '"')), path
        if isinstance(value, dict | list):
            parts = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend(((*path, part), each) for part, each in parts)


@given(st.text(max_size=200) | st.text(alphabet="a.[]{}=\"'#\n\\, 1", max_size=200))
def test_any_text_at_all_is_read_without_an_accident(text: str) -> None:
    try:
        _locate(text, "a")
    except TooDeep as too_deep:
        line, _ = too_deep.args
        assert 1 <= line <= text.count("\n") + 1
