"""However a file is laid out, its statements and lines are found, and whatever it is, it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from seedbed.engines.postgres.files import grammar, scanner
from seedbed.engines.postgres.files.parse import parse
from seedbed.errors import MigrationFileError, SeedbedError, SeveralErrors
from seedbed.model.migration import Migration, MigrationFile, Source

STATEMENTS = st.sampled_from(
    [
        "SELECT 1",
        "SELECT ';', E'\\';', U&'d\\0061t', '\n-- migrate:down\n'",
        "CREATE TABLE é (\n  x int -- migrate:down\n)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n-- migrate:down\n  COMMIT; RETURN 1;\nEND $$",
        "DO $body$ BEGIN\n-- migrate:up\nPERFORM $$;$$; END $body$",
        "CREATE FUNCTION g() RETURNS int LANGUAGE sql\nBEGIN ATOMIC SELECT 1; SELECT 2; END",
        "UPDATE t SET \"a;\n-- migrate:down\n\" = 'it''s' /* ; /*\n-- migrate:down\n*/ */ WHERE b",
        "INSERT INTO t VALUES (1, 'ü'),\n\n\n(2, $q$-- seedbed: phase=contract$q$)",
        "COMMENT ON TABLE t IS 'a'\n'b'",
    ]
)
BLANKS = st.lists(
    st.sampled_from(
        [" ", "\n", "\t", "\n\n", "-- c; é\n", "/* ; */", "/*\n-- migrate:down\n*/", "--\n", "-- it's\n"]
    ),
    max_size=5,
).map("".join)
SEMICOLONS = st.sampled_from([";", " ;", ";;", ";\n;", "\n;", "/* x */;", "-- y\n;"])
NEWLINES = st.sampled_from(["\n", "\r\n", "\r"])


def read(data: bytes, suffix: str = ".sql") -> Migration:
    return parse(MigrationFile("1", "name", Source("1_name" + suffix, suffix, data), "checksum"))


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
    text = f"{header}\n-- migrate:up transaction:false{up[0]}"
    second = text.count("\n") + 1
    text += f"-- migrate:down{down[0]}"
    first = header.count("\n") + 2
    migration = read((("\ufeff" if bom else "") + text.replace("\n", newline)).encode())
    assert [(each.body, each.line) for each in migration.up] == [(sql, first + at) for sql, at in up[1]]
    if not down[1]:
        assert migration.down == ()
        return
    (step,) = migration.down
    assert step.line == second + down[1][0][1]
    assert step.body.startswith(down[1][0][0])
    assert step.body.endswith(down[1][-1][0])


MARKS = [b"-- migrate:up\n", b"-- migrate:down\n", b"-- seedbed: phase=contract after=a/b:1 batch=1\n"]
PIECES = st.one_of(
    st.sampled_from(
        [
            *MARKS,
            b"-- migrate:up transaction:false\n",
            b'-- seedbed: backfill=a.b\n-- seedbed: irreversible because "x"\n',
            *[
                b"SELECT",
                b"CREATE",
                b"TABLE",
                b"INDEX",
                b"t",
                b"(",
                b")",
                b",",
                b";",
                b"$1",
                b"$2",
                b"$$",
                b"'",
            ],
            *[b'"', b"/*", b"*/", b"--", b"\\", "é".encode(), b"||", b"E'", b"1", b"="],
            *(
                b" ",
                b"\n",
                b"\r",
                b"\r\n",
                b"\xff",
                b"\x00",
                b"\xef\xbb\xbf",
                b"UPDATE t SET a = 1 WHERE b BETWEEN $1 AND $2",
            ),
            *(
                b"COPY t FROM STDIN",
                b"VACUUM t",
                b"DROP INDEX CONCURRENTLY",
                b"REINDEX TABLE",
                b"CALL f()",
                b"\\restrict x\n",
            ),
            *(b"def up(row): ...\n", b"def down(row): ...\n", b"# seedbed: backfill=a.b\n", b'"""', b"\tx\n"),
        ]
    ),
    st.binary(max_size=8),
)


@settings(max_examples=4 * settings().max_examples)  # each is quick
@given(
    data=st.one_of(st.binary(), st.lists(PIECES, max_size=20).map(b"".join), st.text().map(str.encode)),
    begins=st.sampled_from([b"", MARKS[0]]),
    suffix=st.sampled_from([".sql", ".py"]),
)
def test_whatever_the_bytes_are_the_answer_is_a_migration_or_a_reason(
    data: bytes, begins: bytes, suffix: str
) -> None:
    lines = (begins + data).count(b"\n") + (begins + data).count(b"\r") + 1
    migration, errors = answer(begins + data, suffix)
    for error in errors:
        assert error.what
        assert error.at is not None
        assert error.at.line <= lines
    for step in (*migration.up, *migration.down) if migration else ():
        assert 1 <= step.line <= lines
        assert len(step.summary) <= 80
        assert "\n" not in step.summary


TRICKY = st.sampled_from(
    [
        "SELECT 1",
        "/* a; /* b */ */ SELECT ';,\n'",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END",
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
        "DO $x$ BEGIN PERFORM 1; END $x$",
        "INSERT INTO \"a;b\" VALUES (1,\n2),\n(E'\\';', 4)",
        "-- only;\n",
        "",
        "SELECT U&'\\0441;',\n$1",
    ]
)


@given(texts=st.lists(TRICKY, max_size=8), size=st.integers(1, 60))
def test_a_text_read_in_pieces_has_the_statements_and_comments_that_it_has_as_a_whole(
    texts: list[str], size: int
) -> None:
    sql = ";\n".join(texts).encode()
    whole = [(each.kind, each.start, each.end, bytes(each.tree)) for each in grammar.parse(sql)]
    comments = list(scanner.scan(sql))
    with mock.patch.object(scanner, "PIECE", size):
        pieces = list(grammar.parsed(sql))
        assert list(scanner.scan(sql)) == comments
        alone = [each for each in grammar.one_by_one(sql) if isinstance(each, grammar.ParsedStatement)]
    assert [(each.kind, each.start, each.end) for each in pieces] == [each[:3] for each in whole]
    assert [(each.kind, each.start, each.end) for each in alone] == [each[:3] for each in whole]


def answer(data: bytes, suffix: str) -> tuple[Migration | None, Sequence[SeedbedError]]:
    try:
        return read(data, suffix), ()
    except (MigrationFileError, SeveralErrors) as error:
        return None, error.errors
