"""Sources of rows: however a file comes and however it is read, it is the same rows."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seedbed.errors import SeedFileError
from seedbed.model.seed import RowSource, Script, location
from seedbed.seeding import documents
from seedbed.seeding.cells import Malformed, records
from tests.support.seeds import opened

_pieces = st.integers(1, 40)
_sizes = st.integers(1, 12)
_cells = st.one_of(
    st.none(),
    st.text('a,"\n\r', max_size=6),
    st.text(st.characters(codec="utf-8", exclude_characters="\0@"), max_size=6),
)
_csv = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(_cells, min_size=width, max_size=width), max_size=30).map(
        lambda rows: "\n".join(
            [",".join(f"c{at}" for at in range(width)), *(",".join(map(_quoted, row)) for row in rows)]
        )
    )
)
_rows = st.lists(st.fixed_dictionaries({"id": st.integers(), "v": st.none() | st.text("ab\n", max_size=3)}))
_json = st.one_of(
    _rows.map(lambda rows: json.dumps(rows, indent=1)),
    _rows.map(lambda rows: json.dumps({"rows": rows, "table": "t", "key": "id"}, indent=1) if rows else "[]"),
)


_names = st.sampled_from(
    ['""', '"a"', '"a:b"', '"\\u003a"', '"\\"@a"', '"@@a"', '"@a.b:c"', '"\\ud800"', '"NaN"', '"\\\\u0000"']
)
_numbers = st.sampled_from(
    ["1", "-0", "1.50", "1e400", "12345678901234567890123", "true", "null", "NaN", "-Infinity", "01"]
)
_documents = st.recursive(
    _names | _numbers,
    lambda inside: (
        st.lists(inside, max_size=3).map(lambda each: f"[{', '.join(each)}]")
        | st.lists(st.tuples(_names, inside), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{name} : {value}" for name, value in pairs) + "}"
        )
    ),
    max_leaves=6,
)


def _quoted(cell: str | None) -> str:
    return "" if cell is None else '"' + cell.replace('"', '""') + '"'


def read(source: RowSource | Script, size: int) -> list[tuple[object, int]]:
    """Return all rows with their lines, read in batches of `size`."""
    assert not isinstance(source, Script)
    found: list[tuple[object, int]] = []
    for batch in source.batches(size):
        assert batch.first == len(found)
        assert 0 < len(batch.rows) <= size
        found += zip(batch.rows, batch.lines, strict=True)
    return found


def same(path: str, text: str, piece: int, size: int) -> None:
    whole, source = opened(path, text), opened(path, text, piece=piece)
    assert not isinstance(whole, Script)
    assert not isinstance(source, Script)
    assert (source.table, source.columns, source.key, source.line) == (
        whole.table, whole.columns, whole.key, whole.line,
    )  # fmt: skip
    expected = read(whole, 1_000_000)
    assert read(source, size) == expected
    assert read(source, size) == expected  # a source is the same at every reading
    for number, (_, line) in enumerate(expected):
        assert location(source, number).line == line


@given(_csv, _pieces, _sizes)
def test_a_csv_in_batches_of_any_size_is_the_whole(text: str, piece: int, size: int) -> None:
    same("s/1_t.csv", text, piece, size)


@given(_json, _pieces, _sizes)
def test_a_json_in_batches_of_any_size_is_the_whole(text: str, piece: int, size: int) -> None:
    same("s/1_t.json", text, piece, size)


@given(st.integers(0, 1200), _sizes)
def test_a_program_in_batches_of_any_size_is_the_whole(count: int, size: int) -> None:
    text = f"def rows():\n    for n in range({count}):\n        yield {{'n': n}}\n"
    source = opened("s/t.py", text)
    assert [row for row, _ in read(source, size)] == [(n,) for n in range(count)]
    assert len(read(source, 1_000)) == count


@given(st.text(alphabet='a,"\n\r x', max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_a_text_in_any_pieces_is_read_or_refused_as_the_whole(text: str, cuts: Sequence[int]) -> None:
    ends = sorted(min(each, len(text)) for each in cuts)
    pieces = [text[begin:end] for begin, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    assert _outcome(pieces) == _outcome([text])


def _outcome(pieces: Sequence[str]) -> object:
    try:
        return [
            (line, record)
            for found in records(pieces)
            for line, record in zip(found.lines, found.fields, strict=True)
        ]
    except Malformed as wrong:
        return str(wrong), wrong.line, wrong.hint


@example(b"\r\r\n\xff", 1)
@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"a", "\u00e4\U0001f600".encode(), b"\xff"])).map(b"".join),
    _pieces,
)
def test_bytes_in_any_pieces_are_refused_at_the_same_place(data: bytes, piece: int) -> None:
    assert _refusal(data, piece) == _refusal(data, 1000)


def _refusal(data: bytes, piece: int) -> object:
    try:
        return read(opened("s/t.csv", b"a\n" + data, piece=piece), 5)
    except SeedFileError as wrong:
        return wrong.what, wrong.because, wrong.at


@given(_documents)
@example('{"b": 1, "b": {"c:d": 2}}')
@example('{"b": "\\u003a", "b": 1}')
def test_a_row_that_is_read_quickly_is_what_the_exact_reader_says(value: str) -> None:
    text = f'[{{"id": 1, "v": {value}}}]'
    quick = _json_outcome(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents._Reader, "_is_exact", lambda *_: False)
        assert quick == _json_outcome(text)


def _json_outcome(text: str) -> str:
    """Return the rows of a `.json` with their types, or what is wrong with it."""
    try:
        return repr(read(opened("s/1_t.json", text), 10))
    except SeedFileError as wrong:
        return f"{wrong} {wrong.because} {wrong.at}"
