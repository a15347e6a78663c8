"""Cypher's tokens and statements: what is a string, a comment or a name is never taken for anything else."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.files.lexer import LexError, TokenKind, scan
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.files.split import split


def texts(text: str) -> list[str]:
    return [each.text for each in split(text)]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        (" ;; ; ", []),
        ("// only a comment; nothing", []),
        ("RETURN 1", ["RETURN 1"]),
        ("RETURN 1;RETURN 2;", ["RETURN 1", "RETURN 2"]),
        ("RETURN ';' ; RETURN \";\"", ["RETURN ';'", 'RETURN ";"']),
        (r"RETURN 'it\'s; it'; RETURN 2", [r"RETURN 'it\'s; it'", "RETURN 2"]),
        (r"RETURN '\\'; RETURN 2", [r"RETURN '\\'", "RETURN 2"]),
        ("RETURN 'two\nlines;'; RETURN 2", ["RETURN 'two\nlines;'", "RETURN 2"]),
        ("RETURN '// no comment;'; RETURN 2", ["RETURN '// no comment;'", "RETURN 2"]),
        ("RETURN 'http://x/*'; RETURN '*/'", ["RETURN 'http://x/*'", "RETURN '*/'"]),
        ("MATCH (`a;``b`) RETURN 1; RETURN 2", ["MATCH (`a;``b`) RETURN 1", "RETURN 2"]),
        ("RETURN `it's`; RETURN 2", ["RETURN `it's`", "RETURN 2"]),
        ("RETURN 1 // it's; over\n; RETURN 2", ["RETURN 1", "RETURN 2"]),
        ("RETURN /* ; ' ` */ 1; RETURN 2", ["RETURN /* ; ' ` */ 1", "RETURN 2"]),
        ("RETURN 1 /* /* */; RETURN 2", ["RETURN 1", "RETURN 2"]),
        ("RETURN 1 /* */ // x", ["RETURN 1"]),
        ("RETURN 8 / 2 / 1; RETURN 2", ["RETURN 8 / 2 / 1", "RETURN 2"]),
        (
            "MATCH (n) CALL (n) { CALL { RETURN {a: '}'} AS x } RETURN x } RETURN x; RETURN 2",
            ["MATCH (n) CALL (n) { CALL { RETURN {a: '}'} AS x } RETURN x } RETURN x", "RETURN 2"],
        ),
        ("MATCH (a)-[:X*1..3]->(b)<--() RETURN a[0..1]", ["MATCH (a)-[:X*1..3]->(b)<--() RETURN a[0..1]"]),
    ],
)
def test_a_text_falls_into_its_statements(text: str, statements: list[str]) -> None:
    assert texts(text) == statements


def test_statements_know_their_line_and_their_place() -> None:
    text = "// first\nRETURN\n  1;\n\n/* x\n*/ RETURN 2"
    one, two = split(text)
    assert (one.line, two.line) == (2, 6)
    assert text[two.start : two.end] == "RETURN 2"


def test_comments_inside_a_statement_stay_and_those_around_it_go() -> None:
    assert texts("// a\n/* b */ RETURN // c\n 1 // d\n;") == ["RETURN // c\n 1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("RETURN 'x", "string is opened"),
        ('RETURN "x\\"', "string is opened"),
        ("RETURN `x``", "name is opened"),
        ("RETURN 1 /* x", "comment is opened"),
        ("RETURN (1; RETURN 2", "statement ends before `(` is closed"),
        ("CALL { RETURN 1", "text ends before `{` is closed"),
        ("RETURN 1)", "closes a bracket that is not open"),
        ("RETURN (1]", "`]` comes before `(` is closed"),
        ("RETURN \\u0031", "backslash outside"),
    ],
)
def test_a_text_that_ends_in_the_middle_is_refused(text: str, says: str) -> None:
    with pytest.raises(LexError, match=r".*") as caught:
        split(text)
    assert says in caught.value.what


@pytest.mark.parametrize(
    "text",
    [
        r"RETURN 'a\u0027 + 'b'",
        r"RETURN 'a\u005C'",
        r"RETURN `a\u0060b`",
        r"RETURN 1 // \u000a DROP INDEX x",
        r"RETURN 1 /* \u002a/ ; RETURN 2",
        r"RETURN 'a\\\u0027'",
    ],
)
def test_an_escape_that_the_server_reads_before_strings_and_comments_is_refused(text: str) -> None:
    with pytest.raises(LexError) as caught:
        scan(text)
    assert "is not part of" in caught.value.what


@pytest.mark.parametrize(
    "text", [r"RETURN 'caf\u00e9; x'", r"RETURN 'a\\u0027; b'", r"RETURN 'a\'; b'", r"// \u12; x"]
)
def test_any_other_escape_is_part_of_its_string(text: str) -> None:
    assert len(texts(text)) <= 1


def test_parameters_are_told_from_dynamic_labels() -> None:
    tokens = scan("MATCH (n:$($label):$any($all)) SET n += $`a b`, n.x = $0")
    assert [each.value for each in tokens if each.kind is TokenKind.PARAMETER] == ["label", "all", "a b", "0"]


def test_a_name_in_backticks_says_itself_and_no_keyword() -> None:
    (token,) = scan("`IN``dex`")
    assert (token.kind, token.value, token.is_name) == (TokenKind.NAME, "IN`dex", True)
    assert not scan("`CREATE`")[0].says("CREATE")
    assert scan("create")[0].says("CREATE")


def test_an_escape_in_a_name_is_the_character_that_the_server_reads_there() -> None:
    assert scan("`\\u006digrations`")[0].value == "migrations"
    assert scan(r"`a\\u006db`")[0].value == r"a\\u006db"


@pytest.mark.parametrize("name", ["a`b", r"a\u0060b", r"a\\u0060b", "\\", r"\u005c", "`", "ü\n'"])
def test_a_name_that_is_quoted_is_that_name_again(name: str) -> None:
    (token,) = scan(quoted(name))
    assert (token.kind, token.value) == (TokenKind.NAME, name)
    assert "\\u0060" not in quoted(name)
