"""The grammar of directives, the same in every language."""

from __future__ import annotations

import pytest

from seedbed.errors import MigrationFileError, SeedFileError
from seedbed.model.directives import Directive, directive_lines, parse_directives, unknown_directive


def directives(*lines: str) -> list[tuple[str, str, str, int]]:
    found = parse_directives(enumerate(lines, 1), "m.sql")
    return [(each.key, each.value, each.because, each.line) for each in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("   ", []),
        ("phase=contract", [("phase", "contract", "", 1)]),
        ("  a=1\tb=2  ", [("a", "1", "", 1), ("b", "2", "", 1)]),
        ('name="two words"', [("name", "two words", "", 1)]),
        (r'name="a \"quoted\" \\ word"', [("name", r'a "quoted" \ word', "", 1)]),
        ('repeatable because "it is an upsert"', [("repeatable", "", "it is an upsert", 1)]),
        (
            'irreversible because"x" phase=migrate',
            [("irreversible", "", "x", 1), ("phase", "migrate", "", 1)],
        ),
        ("because_of=rain", [("because_of", "rain", "", 1)]),
        ("key=a,b", [("key", "a,b", "", 1)]),
        ("after=a/b:1,c/d:2", [("after", "a/b:1", "", 1), ("after", "c/d:2", "", 1)]),
        ('allow="A1, B2" because "x"', [("allow", "A1", "x", 1), ("allow", "B2", "x", 1)]),
        ("key=value=more", [("key", "value=more", "", 1)]),
        ("name=Zürich", [("name", "Zürich", "", 1)]),
    ],
    ids=range(14),
)
def test_a_line_holds_directives(line: str, expected: list[tuple[str, str, str, int]]) -> None:
    assert directives(line) == expected


def test_directives_know_their_line() -> None:
    assert directives("a=1", "b=2") == [("a", "1", "", 1), ("b", "2", "", 2)]


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["=1"], "'=1' is not a directive"),
        (["1=2"], "'1=2' is not a directive"),
        (["a="], "'a' has no value"),
        (['a=""'], "'a' has no value"),
        (["a= b"], "'a' has no value"),
        (['a="x'], "a quote is not closed"),
        ([r'a="x\"'], "a quote is not closed"),
        (['a="x"y'], "'y' is not a directive"),
        (['a=x"y"'], "'\"y\"' is not a directive"),
        (["a,b"], "',b' is not a directive"),
        (['because "x"'], "`because` has no directive before it"),
        (['a=1 because "x" because "y"'], "`because` has no directive before it"),
        (["a=1 because"], "`because` has no reason"),
        (["a=1 because so"], "`because` has no reason"),
        (['a=1 because " "'], "`because` has no reason"),
        (["a=1 a=2"], "'a' is given twice"),
        (["a=1", "a=1"], "'a' is given twice"),
        (["after=x,,y"], "'after=x,,y' has an empty value"),
        (["after=x,"], "'after=x,' has an empty value"),
    ],
    ids=range(19),
)
def test_a_malformed_line_is_refused_with_its_number(lines: list[str], what: str) -> None:
    with pytest.raises(MigrationFileError) as caught:
        directives(*lines)
    assert caught.value.what == what
    assert str(caught.value.at) == f"m.sql:{len(lines)}"


def test_a_seed_is_refused_as_a_seed() -> None:
    with pytest.raises(SeedFileError):
        parse_directives([(1, "=")], "users.csv", error=SeedFileError)


def test_a_caller_says_which_keys_may_be_repeated() -> None:
    found = parse_directives([(1, "tag=a tag=b")], "x", repeatable={"tag"})
    assert [each.value for each in found] == ["a", "b"]


@pytest.mark.parametrize("comment", ["--", "#", "//"])
def test_only_comments_with_the_word_are_lines_of_directives(comment: str) -> None:
    lines = [f"{comment} seedbed: a=1", f"{comment}seedbed:b=2", f"{comment} Seedbed: c", "seedbed: d", "x"]
    assert list(directive_lines(enumerate(lines, 1), comment)) == [(1, " a=1"), (2, "b=2")]


def test_an_unknown_directive_is_answered_with_the_one_that_was_meant() -> None:
    error = unknown_directive(Directive("fase", "contract", "", 3), {"phase", "after"}, "m.sql")
    assert error.try_ == "did you mean 'phase'?"
    assert str(error.at) == "m.sql:3"
    assert unknown_directive(Directive("zzz", "", "", 3), {"phase"}, "m.sql").try_ == ""
