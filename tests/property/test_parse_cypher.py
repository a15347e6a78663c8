"""However a file is laid out, its statements and lines are found, and whatever it is, it is answered."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from seedbed.engines.neo4j.files.commands import parse_command
from seedbed.engines.neo4j.files.lexer import LexError, Token, scan
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.files.parse import parse
from seedbed.engines.neo4j.files.split import split
from seedbed.errors import MigrationFileError, SeedbedError, SeveralErrors
from seedbed.model.migration import Migration, MigrationFile, Source

# Schema statements, so that each is a step of its own, with all that a lexer could stumble over.
STATEMENTS = st.sampled_from(
    [
        "DROP INDEX i",
        "DROP CONSTRAINT `a;``// migrate:down\n` IF EXISTS",
        "CREATE INDEX é FOR (n:L) /* ; ' ` \n// migrate:down\n*/ ON (n.p)",
        "CREATE INDEX j // it's; a `comment`\n FOR (n:L) ON (n.`p;\n// migrate:down\n`)",
        'CREATE FULLTEXT INDEX k FOR (n:L|M) ON EACH [n.p]\nOPTIONS {indexConfig: {`a`: \';}\', `b`: "\\";\n"}}',
        "CYPHER 25 CREATE CONSTRAINT c FOR ()-[r:`T]`]-()\n\nREQUIRE r.p IS :: LIST<STRING NOT NULL>",
    ]
)
BLANKS = st.lists(
    st.sampled_from(
        [
            " ",
            "\n",
            "\t",
            "\n\n",
            "// c; é\n",
            "/* ; */",
            "/*\n// migrate:down\n*/",
            "//\n",
            "// it's `\n",
            "/**/",
        ]
    ),
    max_size=5,
).map("".join)
SEMICOLONS = st.sampled_from([";", " ;", ";;", ";\n;", "\n;", "/* x */;", "// y\n;"])
NEWLINES = st.sampled_from(["\n", "\r\n", "\r"])


def read(data: bytes) -> Migration:
    return parse(MigrationFile("1", "name", Source("1_name.cypher", ".cypher", data), "checksum"))


@st.composite
def layouts(draw: st.DrawFn) -> tuple[str, list[tuple[str, int]]]:
    """Return the text of a section, and its statements with the lines they begin on, the section's being 0."""
    text, expected = "\n" + draw(BLANKS), []
    for statement in draw(st.lists(STATEMENTS, max_size=6)):
        text += draw(BLANKS)
        expected.append((statement, text.count("\n")))
        text += statement + draw(SEMICOLONS) + draw(BLANKS)
    return text + "\n", expected


@given(header=BLANKS, up=layouts(), down=layouts(), newline=NEWLINES, bom=st.booleans())
def test_the_same_statements_and_lines_are_found_in_every_layout(
    header: str,
    up: tuple[str, list[tuple[str, int]]],
    down: tuple[str, list[tuple[str, int]]],
    newline: str,
    bom: bool,
) -> None:
    assume(up[0].strip())  # a blank one is refused
    text = f"{header}\n// migrate:up{up[0]}"
    second = text.count("\n") + 1
    text += f"// migrate:down{down[0]}"
    first = header.count("\n") + 2
    migration = read((("\ufeff" if bom else "") + text.replace("\n", newline)).encode())
    assert [(each.body, each.line) for each in migration.up] == [(said, first + at) for said, at in up[1]]
    if down[1]:
        assert [(each.body, each.line) for each in migration.down] == [
            (said, second + at) for said, at in down[1]
        ]
    else:
        assert [each.body for each in migration.down] == [f"undo {index}" for index in range(len(up[1]))][
            ::-1
        ]


@given(layouts())
def test_what_was_split_and_joined_is_split_the_same_way(layout: tuple[str, list[tuple[str, int]]]) -> None:
    statements = [each.text for each in split(layout[0])]
    assert [each.text for each in split(";".join(statements))] == statements
    assert [each.text for each in split("\n;\n".join(statements))] == statements


MARKS = [b"// migrate:up\n", b"// migrate:down\n", b"// seedbed: phase=contract after=a/b:1 batch=1\n"]
PIECES = st.one_of(
    st.sampled_from(
        [*MARKS, b"'", b'"', b"`", b"//", b"/*", b"*/", b"\n", b";", b"{", b"}", b"\\", b"\\u0027", b"$x"]
    ),
    STATEMENTS.map(str.encode),
    st.binary(max_size=8),
)


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_whatever_a_file_holds_it_is_a_migration_or_refused_with_a_place(data: bytes) -> None:
    errors: Sequence[SeedbedError] = ()
    try:
        read(data)
    except (MigrationFileError, SeveralErrors) as refused:
        errors = refused.errors
    for error in errors:
        assert error.at is not None
        assert 0 <= error.at.line <= data.count(b"\n") + data.count(b"\r") + 1


def _scanned(text: str) -> tuple[Token, ...]:
    """Return the tokens of `text`, none where it is lex_error."""
    try:
        return scan(text)
    except LexError:
        return ()


@given(st.text(max_size=40).filter(lambda text: not text or _scanned(text)))
def test_tokens_lie_in_a_row_and_leave_out_nothing_but_blanks(text: str) -> None:
    tokens, position = _scanned(text), 0
    for token in tokens:
        assert not text[position : token.start].strip()
        assert token.start < token.end
        position = token.end
    assert not text[position:].strip()


@given(
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=20).filter(
        lambda name: "\\" not in name
    )
)
def test_any_name_in_backticks_comes_back(name: str) -> None:
    assert parse_command(f"DROP INDEX {quoted(name)}").name == name
