"""Files of seeds -> rows and scripts."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from seedbed.errors import SeedFileError, SeveralErrors
from seedbed.model.seed import MISSING, Rows, Script, SeedKind
from seedbed.seeding import cells, decoding
from seedbed.seeding.cells import Malformed, Record, records
from seedbed.seeding.dataset import dataset
from seedbed.seeding.keys import entity_key
from seedbed.seeding.sources import open_seed
from tests.support.seeds import in_memory, opened, seed_file


def rows(text: str | bytes, path: str = "seeds/10_users.csv") -> Rows:
    found = part(text, path)
    assert isinstance(found, Rows)
    return found


def part(text: str | bytes, path: str) -> Rows | Script:
    """Return what a file that comes in pieces holds, read to its end: small ones, unless there were too many."""
    found = opened(path, text, scripts=(".sql",), piece=7 if len(text) < 100_000 else 4093)
    return found if isinstance(found, Script) else in_memory(found)


def read_csv(text: str) -> list[tuple[int, Record]]:
    return [
        (line, each)
        for found in records([text])
        for line, each in zip(found.lines, found.fields, strict=True)
    ]


def refusal(text: str | bytes, path: str = "seeds/10_users.csv") -> SeedFileError:
    with pytest.raises(SeedFileError) as caught:
        part(text, path)
    return caught.value


# CSV

_fields = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0")))
_tables = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(_fields, min_size=width, max_size=width), min_size=1)
)


def _quoted(field: str | None) -> str:
    return "" if field is None else '"' + field.replace('"', '""') + '"'


@given(_tables, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_written_as_csv_is_read_back(table: list[list[str | None]], end: str, ends: bool) -> None:
    text = end.join(",".join(map(_quoted, record)) for record in table) + (end if ends else "")
    expected = [tuple(f.replace("\r\n", "\n") if f else f for f in record) for record in table]
    assert [record for _, record in read_csv(text)] == expected


@given(_tables)
def test_every_record_knows_the_line_that_it_begins_on(table: list[list[str | None]]) -> None:
    text = "\n".join(",".join(map(_quoted, record)) for record in table)
    lines = text.replace("\r\n", "\n").split("\n")
    for line, record in read_csv(text):
        begin = "" if record[0] is None else '"' + record[0].replace('"', '""').split("\n")[0]
        assert lines[line - 1].startswith(begin)


@given(st.text(alphabet='a,"\n\r x'))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    line = 1
    try:
        line = max((line for line, _ in read_csv(text)), default=1)
    except Malformed as wrong:
        line = wrong.line
    assert 1 <= line <= text.count("\n") + 1


def test_an_empty_field_is_null_and_a_quoted_one_is_empty() -> None:
    found = rows('id,name,city\n1,,""\n')
    assert found.rows == (("1", None, ""),)


def test_table_and_key_come_from_the_name_or_the_directives() -> None:
    assert rows("id\n1\n").table == "users"
    assert rows("id\n1\n", "seeds/2_billing.payments.csv").table == "billing.payments"
    found = rows("# the cast\n# seedbed: table=people key=id,city\n\nid,city\n1,Bonn\n")
    assert (found.table, found.key, found.lines) == ("people", ("id", "city"), (5,))


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    plain = '# seedbed: key=id\nid,text\n1,"two\nlines"\n\n2,x\n'
    windows = b"\xef\xbb\xbf" + plain.replace("\n", "\r\n").encode()
    assert rows(windows) == rows(plain)
    assert rows(plain).rows == (("1", "two\nlines"), ("2", "x"))
    assert rows(plain).lines == (3, 6)


def test_references_in_cells_become_keys() -> None:
    found = rows("id,handle\n@user.users:ana,@@ana\n")
    assert found.rows == ((str(entity_key("edtech", "user.users", "ana")), "@ana"),)
    assert str(refusal("id\n1\n@ana\n").at) == "seeds/10_users.csv:3"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "there is no header row"),
        ("# seedbed: key=id\n", 2, "there is no header row"),
        ("# seedbed: key=id", 2, "there is no header row"),
        ("id,name\n1\n", 2, "the row has 1 field, the header 2"),
        ("id;name\n1;2,5\n", 1, "the columns are separated by semicolons"),
        ("id\tname\n", 1, "the columns are separated by tabs"),
        ('id,name\n1,"a\nb"\n1,2,3\n', 4, "the row has 3 fields, the header 2"),
        ("id,,name\n", 1, "a column has no name"),
        ("id, name\n", 1, 'a column is called " name"'),
        ("id,name,id\n", 1, "column id is there twice"),
        ('id\n"1\n2\n', 2, "a quote is not closed"),
        ('id\n1 "x"\n', 2, "a quote stands in the middle of a field that does not begin with one"),
        ('id\n"1"x\n', 2, "something follows the closing quote of a field"),
        ("id\n1\r2\n", 2, "a carriage return stands alone in a field"),
        ("# seedbed: colour=red\nid\n", 1, "there is no directive 'colour'"),
        ("# seedbed: table\nid\n", 1, "'table' says nothing"),
        ("# seedbed: key=a,,b\na,b\n", 1, "key=a,,b names no columns"),
        ("# seedbed: key=b\na\n", 0, "the key names b, which is not a column of the file"),
        (b"id\n\xff\n", 2, "the file is not UTF-8: byte 3 is 0xff"),
        ("id\na\0\n", 2, "the file holds a NUL character"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_with_its_line(text: str | bytes, line: int, what: str) -> None:
    error = refusal(text)
    assert (error.what, error.at and error.at.line) == (what, line)


def test_a_csv_that_changes_while_it_is_read_is_refused() -> None:
    texts = iter([b"id,name\n1,Ana\n", b"name,id\nAna,1\n"])
    file = replace(seed_file("seeds/10_users.csv", ""), read=lambda: iter([next(texts)]))
    source = open_seed(file, platform="edtech", scripts=())
    assert not isinstance(source, Script)
    with pytest.raises(SeedFileError, match="the file was changed while it was read"):
        list(source.batches(10))


def test_how_many_rows_a_csv_has_is_not_known_before_it_is_read() -> None:
    source = opened("seeds/10_users.csv", "id\n1\n2\n")
    assert not isinstance(source, Script)
    assert source.count is None
    assert [len(batch.rows) for batch in source.batches(1)] == [1, 1]


def test_a_directive_said_twice_is_refused() -> None:
    assert "given twice" in refusal("# seedbed: key=a\n# seedbed: key=b\na,b\n").what


# JSON


def test_numbers_in_json_stay_exact() -> None:
    found = rows('[{"a": 123456789012345678901234567890, "b": 0.1, "c": 1e400, "d": [1.50]}]', "s/x.json")
    assert found.rows == (
        (123456789012345678901234567890, Decimal("0.1"), Decimal("1e400"), [Decimal("1.50")]),
    )


def test_rows_of_json_know_their_lines_and_may_name_their_columns_in_any_order() -> None:
    text = '[\n {"id": 1, "who": "@user.users:ana"},\n\n {"who": null,\n  "id": 2}\n]\n'
    found = rows(text, "s/01_people.json")
    ana = str(entity_key("edtech", "user.users", "ana"))
    assert (found.table, found.columns, found.rows, found.lines) == (
        "people",
        ("id", "who"),
        ((1, ana), (2, None)),
        (2, 4),
    )


def test_json_may_name_its_table_and_key() -> None:
    found = rows('{"key": ["a", "b"], "rows": [{"a": 1, "b": {"c": [true]}}], "table": "t"}', "s/x.json")
    assert (found.table, found.key, found.rows) == ("t", ("a", "b"), ((1, {"c": [True]}),))
    assert rows('{"key": "a, b", "rows": []}', "s/x.json").key == ("a", "b")
    assert rows("[]", "s/x.json").rows == ()


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "the file is empty"),
        ("\n3", 2, "the file holds neither a list nor an object"),
        ("{}", 1, "there are no rows"),
        ('{"rows": [],\n "colour": 1}', 2, "there is no 'colour' in a seed"),
        ('{"rows": [],\n "rows": []}', 2, "'rows' is there twice"),
        ('{"rows": {}}', 1, "the rows are not a list"),
        ('{"table": 3, "rows": []}', 1, "`table` is not a name"),
        ('{"key": [], "rows": []}', 1, "`key` is not a list of names"),
        ('{"key": ["a", 3], "rows": []}', 1, "`key` is not a list of names"),
        ("[\n1]", 2, "a row is not an object"),
        ('[{"a": 1},\n {"a": 1, "a": 2}]', 2, "a row cannot be read exactly"),
        ('[{"a": NaN}]', 1, "a row cannot be read exactly"),
        ('[{"a": ' + "1" * 5000 + "}]", 1, "a row cannot be read exactly"),
        ('[{"a": 1},\n {"a": 1e99999999999999999999}]', 2, "a row cannot be read exactly"),
        ('[{"a": {"b": [1e-99999999999999999999]}}]', 1, "a row cannot be read exactly"),
        ('[{"a": 1},\n {"b": 1}]', 2, "row 2 has other columns than the first one"),
        ('[{"a": 1},\n {"a": 1, "b": 1}]', 2, "row 2 has other columns than the first one"),
        ('[{"a": 1}\n {"a": 1}]', 2, "not valid JSON: Expecting ']'"),
        ('[\n{"a": 1},\n]', 3, "not valid JSON: Expecting value"),
        ("[] 1", 1, "not valid JSON: something follows the data"),
        ('[{"a": "\\ud800"}]', 1, "a value is not text"),
    ],
)
def test_what_is_wrong_with_json_is_said_with_its_line(text: str, line: int, what: str) -> None:
    error = refusal(text, "s/x.json")
    assert (error.what, error.at and error.at.line) == (what, line)


def test_json_nested_without_end_is_refused() -> None:
    assert refusal("[" * 100_000, "s/x.json").what == "the values are nested too deeply to be data"


def test_json_that_lacks_columns_says_which() -> None:
    assert refusal('[{"a": 1, "b": 2}, {"b": 1, "c": 3}]', "s/x.json").because == "it lacks a; only it has c"


# Python


def test_a_program_yields_rows_with_the_lines_that_yielded_them() -> None:
    text = """\
# seedbed: table=people key=id
from datetime import date
from decimal import Decimal
from uuid import UUID

def rows():
    yield {"id": UUID(int=1), "born": date(2000, 1, 2), "tags": ("a",), "owes": Decimal("1.10")}
    for name in ("@user.users:ana",):
        yield {"id": name, "born": None, "tags": [], "owes": 2}
"""
    found = rows(text, "s/x.py")
    ana = str(entity_key("edtech", "user.users", "ana"))
    assert found.rows == (
        ("00000000-0000-0000-0000-000000000001", "2000-01-02", ["a"], Decimal("1.10")),
        (ana, None, [], 2),
    )
    assert (found.table, found.key, found.lines) == ("people", ("id",), (7, 9))


def test_a_program_may_change_its_row_and_yield_it_again() -> None:
    found = rows(
        "def rows():\n    row = {}\n    for n in range(3):\n        row['id'] = n\n        yield row\n",
        "s/t.py",
    )
    assert found.rows == ((0,), (1,), (2,))


@pytest.mark.parametrize("raised", ["SystemExit(3)", "asyncio.CancelledError()", "BaseException()"])
def test_nothing_that_a_program_raises_gets_past_its_reader(raised: str) -> None:
    error = refusal(f"import asyncio\ndef rows():\n    yield {{'id': 1}}\n    raise {raised}\n", "s/t.py")
    assert (error.what, error.at and error.at.line) == ("the seed's own code failed", 4)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("def rows(:\n", 1, "not valid Python"),
        ("x = 1\n", 0, "there is no `rows`"),
        ("\n1 / 0\n", 2, "the seed's own code failed"),
        (
            "import json\ndef rows():\n    yield {'a': 1}\n    json.loads('{')\n",
            4,
            "the seed's own code failed",
        ),
        ("def rows():\n    return 3\n", 1, "`rows()` returned int"),
        ("def rows():\n    yield {'a': 1}\n    yield 3\n", 3, "`rows()` yielded int"),
        ("def rows():\n    yield {'a': object()}\n", 2, "a value is of type object"),
        ("def rows():\n    yield {'a': {1: 2}}\n", 2, "a name is 1"),
        ("raise SystemExit(0)\n", 1, "the seed's own code failed"),
    ],
)
def test_a_program_that_fails_says_where(text: str, line: int, what: str) -> None:
    error = refusal(text, "s/x.py")
    assert (error.what, error.at and error.at.line) == (what, line)


# Scripts, datasets


def test_a_script_is_left_as_it_is_and_its_directives_are_read() -> None:
    text = "-- people\n-- seedbed: lock_timeout=5s\n\nINSERT INTO a VALUES ('@x');\n-- seedbed: not=this\n"
    found = part(text, "s/x.sql")
    assert isinstance(found, Script)
    assert (found.source.data.decode(), dict(found.directives)) == (text, {"lock_timeout": "5s"})


def test_a_suffix_that_the_engine_does_not_read_is_refused() -> None:
    assert refusal("x", "s/x.cypher").because == "this engine reads .csv, .json, .py, .sql"


def test_parts_are_loaded_by_number_then_by_path() -> None:
    names = ["b.csv", "10_a.csv", "9_b.csv", "a.csv", "100_a.csv", "9_a.csv"]
    files = [seed_file(f"s/{name}", "id\n") for name in names]
    found = dataset(SeedKind.FIXTURE, files, platform="edtech", scripts=())
    assert [each.path[2:] for each in found.parts] == [
        "9_a.csv", "9_b.csv", "10_a.csv", "100_a.csv", "a.csv", "b.csv",
    ]  # fmt: skip


def test_all_files_that_cannot_be_opened_are_named_at_once() -> None:
    files = [seed_file("s/2_b.csv", ""), seed_file("s/1_a.csv", "id\n1\n"), seed_file("s/3_c.json", "{")]
    with pytest.raises(SeveralErrors) as caught:
        dataset(SeedKind.FIXTURE, files, platform="edtech", scripts=())
    assert [str(each.at) for each in caught.value.errors] == ["s/2_b.csv:1", "s/3_c.json:1"]


# Files that are large


def memory(path: str, text: str, count: int) -> int:
    """Return the most bytes that were held at once while a file was opened and its `count` rows were read."""
    file = seed_file(path, text, piece=1 << 16)
    tracemalloc.start()
    try:
        source = open_seed(file, platform="edtech", scripts=())
        assert not isinstance(source, Script)
        assert sum(len(batch.rows) for batch in source.batches(500)) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_of_a_csv_and_of_a_program_a_batch_is_in_memory_and_not_the_file() -> None:
    count = 12_500
    text = "id,name,note\n" + "".join(f"{number},user {number},{'x' * 300}\n" for number in range(count))
    assert memory("s/t.csv", text, count) < 2 << 20 < len(text)
    program = f"def rows():\n    for n in range({count}):\n        yield {{'id': n, 'name': f'user {{n}}', 'note': 'x' * 300}}\n"
    assert memory("s/t.py", program, count) < 2 << 20


def test_of_a_json_the_text_is_in_memory_and_not_its_rows() -> None:
    count = 25_000
    text = "[" + ",\n".join(f'{{"id": {number}, "name": "user {number}"}}' for number in range(count)) + "]"
    assert memory("s/t.json", text, count) < len(text) * 2 + (1 << 20)


@pytest.mark.parametrize("suffix", [".json", ".py", ".sql"])
def test_what_is_read_as_a_whole_has_a_largest_size(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "WHOLE", 1 << 20)
    error = refusal(" " * (3 << 20), f"s/t{suffix}")
    assert (error.what, error.because) == (
        "the file has 3 MB",
        f"a {suffix} is read as a whole, and has 1 MB at most",
    )


@pytest.mark.parametrize("comments", ["#" * (2 << 20), "# x\n" * (1 << 19)], ids=["a line", "lines"])
def test_the_comments_at_the_head_of_a_csv_have_a_largest_size(comments: str) -> None:
    assert refusal(comments, "s/t.csv").what == "the comments at the head of the file have more than 1 MB"


def test_quotes_without_end_are_found_in_one_pass() -> None:
    assert refusal('id,a\n1,"' + '""' * 500_000).what == "a quote is not closed"
    columns = ",".join(f"c{number}" for number in range(100_000))
    source = opened("s/t.csv", f"{columns}\n")
    assert not isinstance(source, Script)
    assert len(source.columns) == 100_000


def test_a_record_of_a_csv_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "LONGEST", 100)
    unclosed = refusal('id,a\n1,"' + "x\n" * 200)
    assert (unclosed.what, unclosed.at and unclosed.at.line) == ("a quote is not closed", 2)
    assert refusal('id,a\n1,x"' + "x\n" * 200).what.startswith("a quote stands in the middle")
    assert refusal("id,a\n1," + "x" * 200).what == "a record has more than 0 MB"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("seeds/items.json", '[{"a": 1, "b": "@user.users:ana"},\n {"c": null, "a": 2},\n {"b": "x"}]'),
        (
            "seeds/items.py",
            "def rows():\n"
            "    yield {'a': 1, 'b': '@user.users:ana'}\n"
            "    yield {'c': None, 'a': 2}\n"
            "    yield {'b': 'x'}\n",
        ),
    ],
)
def test_rows_of_one_file_may_differ_where_items_of_one_table_do(path: str, text: str) -> None:
    ana = str(entity_key("sample", "user.users", "ana"))
    kinds = (SeedKind.FIXTURE, SeedKind.VOLUME)
    fixture, volume = (
        dataset(kind, [seed_file(path, text)], platform="sample", scripts=(), vary=True).parts[0]
        for kind in kinds
    )
    assert not isinstance(fixture, Script)
    assert not isinstance(volume, Script)
    found = in_memory(fixture)
    assert (found.columns, found.rows) == (
        ("a", "b", "c"),
        ((1, ana, MISSING), (2, MISSING, None), (MISSING, "x", MISSING)),
    )
    with pytest.raises(SeedFileError, match="row 2 has other columns than the first one"):
        in_memory(volume)
