"""Loading a dataset: rows become documents, what is there and equal is left alone.

Every row is checked before the first is written. Then some hundreds at a time are read, compared and written, each on
condition that its document still is as it was read. Volume goes in bulk instead, unread. There are no transactions:
what failed goes on when it is run again. What a row does not name stays as it is in its document.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from seedbed.engines.opensearch import bulk
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import Location, SeedFileError, StepFailed
from seedbed.model.seed import Dataset, Loaded, Rows, RowSource, Script, SeedKind, in_memory
from seedbed.support.guess import did_you_mean
from seedbed.support.phrases import shorten

if TYPE_CHECKING:
    from seedbed.engines.opensearch.guarded import Guarded

_READ = 500  # documents in one _mget
_LARGEST = 4 << 20  # bytes of rows compared at once
_ATTEMPTS = 5
_WHOLE = re.compile(r"[+-]?[0-9]+")
_INTEGERS = frozenset({"long", "integer", "short", "byte", "unsigned_long"})
_FLOATS = frozenset({"double", "float", "half_float", "scaled_float", "rank_feature"})
_DOCUMENTS = frozenset(
    {"object", "nested", "flat_object", "knn_vector", "rank_features", "join", "percolator"}
)
_LISTED = _INTEGERS | _FLOATS | {"keyword"}
_VECTOR = "knn_vector"

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode  # exact: what is written back is what was read


class Index(Struct, frozen=True):
    """What rows go into: an alias or an index, with the properties of its mapping."""

    name: str
    is_alias: bool
    properties: Mapping[str, Any]
    is_strict: bool


class Row(Struct, frozen=True):
    """A row as a document; None for a field that it is not to have."""

    id: str
    document: Mapping[str, Any]
    line: int
    size: int


class _Part(Struct, frozen=True):
    rows: Rows
    index: Index
    key: tuple[str, ...]
    documents: tuple[Row, ...] = ()


class _Stored(Struct, frozen=True):
    source: Mapping[str, Any]
    seq: tuple[int, int]


def load(lease: Guarded, dataset: Dataset) -> Iterator[Loaded]:
    """Load all parts of `dataset`. Every row is checked before the first is written.

    Raises StepFailed with file and line, LeaseLost, Interrupted.
    """
    is_volume = dataset.kind is SeedKind.VOLUME
    parts = [_part(lease, each, is_volume=is_volume) for each in dataset.parts]
    for part in parts:
        try:
            yield _bulk(lease, part) if is_volume else _loaded(lease, part)
        except RequestFailed as error:
            raise _failed(
                part.rows, 0, f"the seed failed: {error.type or error.what}", error.reason
            ) from None
    _refresh(lease, [part.index.name for part in parts])


def _bulk(lease: Guarded, part: _Part) -> Loaded:
    """Write all documents as they are, without looking at what is there: volume is made, and made again the same."""
    try:
        counts = bulk.load(
            lease.place.client,
            part.index.name,
            _documents(part),
            before=lease.insist,
            require_alias=part.index.is_alias,
        )
    except bulk.ItemRefused as refused:
        numbers = range(len(part.rows.rows))
        line = next((_line(part.rows, at) for at in numbers if _id(part, at) == refused.id), 0)
        raise _failed(part.rows, line, refused.what, refused.because) from None
    return Loaded(part.rows.path, counts.created + counts.replaced, counts.updated)


def _documents(part: _Part) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number in range(len(part.rows.rows)):
        values = _values(part, number)
        yield _id(part, number), {name: each for name, each in values.items() if each is not None}


def _refresh(lease: Guarded, names: Sequence[str]) -> None:
    """Make what was loaded visible to searches, wherever refreshes are rare or switched off."""
    if names:
        joined = ",".join(quote(each, safe="") for each in dict.fromkeys(names))
        lease.place.client.call("POST", f"/{joined}/_refresh")


# comparing and writing


def _loaded(lease: Guarded, part: _Part) -> Loaded:
    inserted = updated = 0
    for rows in _some(part.documents):
        added, changed = _chunk(lease, part, rows)
        inserted, updated = inserted + added, updated + changed
    return Loaded(part.rows.path, inserted, updated, len(part.documents) - inserted - updated)


def _some(rows: Sequence[Row]) -> Iterator[list[Row]]:
    some: list[Row] = []
    size = 0
    for row in rows:
        if some and (len(some) == _READ or size + row.size > _LARGEST):
            yield some
            some, size = [], 0
        some.append(row)
        size += row.size
    if some:
        yield some


def _chunk(lease: Guarded, part: _Part, rows: Sequence[Row]) -> tuple[int, int]:
    """Make the index hold `rows`; return how many were inserted and updated."""
    inserted = updated = 0
    left = {row.id: row for row in rows}
    for attempt in range(_ATTEMPTS):
        lease.prove()
        stored = _stored(lease, part, list(left))
        conflicts: list[str] = []
        writer = bulk.Writer(
            lease.place.client,
            part.index.name,
            before=lease.insist,
            require_alias=part.index.is_alias,
            on_conflict=conflicts.append,
        )
        try:
            for row in left.values():
                _write(writer, part.index, row, stored.get(row.id))
            writer.flush()
        except bulk.ItemRefused as refused:
            raise _failed(part.rows, left[refused.id].line, refused.what, refused.because) from None
        inserted, updated = inserted + writer.counts.created, updated + writer.counts.updated
        left = {id_: left[id_] for id_ in conflicts}  # somebody wrote in between: look again
        if not left:
            return inserted, updated
        lease.place.client.sleep(0.05 * attempt)
    raise _failed(
        part.rows,
        next(iter(left.values())).line,
        f"documents of {part.index.name} change all the time",
        f"{_ATTEMPTS} times somebody else had written again what was to be loaded",
    )


def _write(writer: bulk.Writer, index: Index, row: Row, stored: _Stored | None) -> None:
    """Let `writer` make the index hold `row`; nothing where it does already."""
    if stored is None:
        writer.create(row.id, {name: value for name, value in row.document.items() if value is not None})
        return
    if all(
        _is_same(stored.source.get(name), value, index.properties.get(name, {}))
        for name, value in row.document.items()
    ):
        return
    merged = {**stored.source, **row.document}
    document = {
        name: value for name, value in merged.items() if name not in row.document or value is not None
    }
    writer.index(row.id, document, if_seq=stored.seq)


def _stored(lease: Guarded, part: _Part, ids: Sequence[str]) -> dict[str, _Stored]:
    """Return what is stored under `ids`, as of now: it need not be visible to searches yet."""
    path = f"/{quote(part.index.name, safe='')}/_mget"
    answer = _decode(lease.place.client.send("POST", path, _encode({"ids": ids}), idempotent=True))
    found: dict[str, _Stored] = {}
    for each in answer["docs"]:
        if error := each.get("error"):
            raise _failed(
                part.rows,
                0,
                f"{part.index.name} cannot be read",
                str(error.get("reason") or error.get("type")),
            )
        if each.get("found"):
            found[each["_id"]] = _Stored(each["_source"], (each["_seq_no"], each["_primary_term"]))
    return found


def _is_same(stored: Any, wanted: Any, mapping: Mapping[str, Any]) -> bool:
    """Return whether two values mean the same: numbers by value, vectors as the floats of 32 bit that they become."""
    if isinstance(stored, bool) or isinstance(wanted, bool):
        return stored is wanted
    if isinstance(stored, Mapping) and isinstance(wanted, Mapping):
        properties = mapping.get("properties", {})
        return stored.keys() == wanted.keys() and all(
            _is_same(value, wanted[name], properties.get(name, {})) for name, value in stored.items()
        )
    if isinstance(stored, list) and isinstance(wanted, list):
        if mapping.get("type") == _VECTOR:
            return _as_vector(stored) == _as_vector(wanted)
        return len(stored) == len(wanted) and all(
            _is_same(a, b, mapping) for a, b in zip(stored, wanted, strict=True)
        )
    return bool(stored == wanted)


def _as_vector(values: list[Any]) -> array[float] | list[Any]:
    try:
        return array("f", [float(each) for each in values])
    except (TypeError, ValueError):
        return values


# rows -> documents


def _part(lease: Guarded, source: RowSource | Script, *, is_volume: bool) -> _Part:
    """Return a part of a dataset, its rows as documents unless there are too many. Raises StepFailed, SeedFileError."""
    if isinstance(source, Script):
        raise SeedFileError(
            "this is no seed of this engine",
            because="it loads rows: .csv, .json, .py",
            at=Location(source.path),
        )
    part = in_memory(source)
    made = _Part(part, _index(lease, part), _key(part))
    _insist_on_columns(made)
    if is_volume:
        return made
    rows = tuple(_row(made, number) for number in range(len(part.rows)))
    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        if (first := seen.setdefault(row.id, number)) != number:
            other = rows[first].line
            because = (
                f"line {other} has it too" if other != row.line else f"rows {first + 1} and {number + 1} do"
            )
            raise _failed(part, row.line, f"two rows have the id {row.id}", because)
    return _Part(part, made.index, made.key, rows)


def _index(lease: Guarded, part: Rows) -> Index:
    """Return the live index that a part goes into. Raises StepFailed."""
    try:
        found = lease.place.client.call("GET", f"/{quote(part.table, safe='')}")
    except RequestFailed as error:
        if error.status != 404:
            raise _failed(part, 0, f"{part.table} cannot be looked at", error.reason) from None
        raise _failed(
            part, 0, f"there is no index {part.table!r}", "a seed makes none: migrations do"
        ) from None
    if len(found) != 1:
        raise _failed(
            part, 0, f"{part.table} is {len(found)} indexes", f"it stands for {', '.join(sorted(found))}"
        )
    ((physical, state),) = found.items()
    mappings = state.get("mappings", {})
    return Index(
        part.table,
        physical != part.table,
        mappings.get("properties", {}),
        str(mappings.get("dynamic", "")) == "strict",
    )


def _key(part: Rows) -> tuple[str, ...]:
    """Return the columns that a document's id is made of."""
    if part.key:
        return part.key
    for name in ("_id", "id"):
        if name in part.columns:
            return (name,)
    if not part.rows:
        return ()
    raise StepFailed(
        f"nobody knows the ids of the documents of {part.table}",
        because="no key is declared, and there is neither a column _id nor id",
        try_='say which column is the id: `# seedbed: key=…`, or "key" in a .json',
        at=Location(part.path),
    )


def _insist_on_columns(part: _Part) -> None:
    """Raise StepFailed for columns that a strict mapping does not have."""
    if not part.index.is_strict:
        return
    for name in part.rows.columns:
        if name != "_id" and name.partition(".")[0] not in part.index.properties:
            known = sorted(part.index.properties)
            raise StepFailed(
                f"{part.rows.table} has no field {name}",
                because=f"its mapping is strict, and has {', '.join(known)}",
                try_=did_you_mean(name, known),
                at=Location(part.rows.path, 0),
            )


def _row(part: _Part, number: int) -> Row:
    line = _line(part.rows, number)
    values = _values(part, number)
    try:
        encoded = _encode(values)
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise _failed(part.rows, line, "a row cannot be sent", str(error)) from None
    id_ = _id(part, number)
    return Row(id_, _decode(encoded), line, len(encoded))


def _line(part: Rows, number: int) -> int:
    return part.lines[number] if number < len(part.lines) else 0


def _id(part: _Part, number: int) -> str:
    """Return the id of a row: the columns of its key joined by colons. Raises StepFailed."""
    rows, line = part.rows, _line(part.rows, number)
    given = dict(zip(rows.columns, rows.rows[number], strict=True))
    words: list[str] = []
    for name in part.key:
        value = given.get(name)
        if value is None or value == "" or isinstance(value, bool | float | list | Mapping):
            what = (
                f"{name} is empty" if value in (None, "") else f"{name} = {shorten(repr(value), 40)} is no id"
            )
            raise _failed(rows, line, what, "the id of the document is made of it")
        if len(part.key) > 1 and ":" in str(value):
            raise _failed(
                rows,
                line,
                f"{name} = {shorten(repr(value), 40)} has a colon",
                "colons join the parts of an id",
            )
        words.append(str(value))
    found = ":".join(words)
    if len(found.encode()) > bulk.LONGEST_ID:
        raise _failed(
            rows,
            line,
            f"the id {shorten(found, 40)} is too long",
            f"OpenSearch takes {bulk.LONGEST_ID} bytes",
        )
    return found


def _values(part: _Part, number: int) -> dict[str, Any]:
    """Return the fields of row `number` as its mapping wants them. Raises StepFailed naming the row."""
    rows, properties = part.rows, part.index.properties
    is_cell = rows.path.endswith(".csv")
    values: dict[str, Any] = {}
    for name, value in zip(rows.columns, rows.rows[number], strict=True):
        if name == "_id":
            continue
        try:
            is_text = is_cell and isinstance(value, str)
            values[name] = _read_cell(str(value), properties.get(name, {})) if is_text else value
        except (ValueError, InvalidOperation) as wrong:
            what = f"{name} = {shorten(repr(value), 40)} does not fit"
            raise _failed(rows, _line(rows, number), what, str(wrong)) from None
    return values


def _read_cell(text: str, mapping: Mapping[str, Any]) -> object:
    """Return what the text of a .csv means in a field of this mapping. Raises ValueError."""
    kind = mapping.get("type", "object" if "properties" in mapping else "")
    if kind in _DOCUMENTS or (text[:1] == "[" and kind in _LISTED):
        return _decode(text)
    if kind in _INTEGERS:
        if not _WHOLE.fullmatch(text):
            raise ValueError(f"a field of type {kind} is a whole number")
        return int(text)
    if kind in _FLOATS:
        return Decimal(text)
    if kind == "boolean":
        if text.lower() not in {"true", "false"}:
            raise ValueError("a boolean is true or false")
        return text.lower() == "true"
    return text


# errors


def _failed(part: Rows, line: int, what: str, because: str) -> StepFailed:
    return StepFailed(
        what,
        because=because,
        try_="mend the seed and run the same command again",
        at=Location(part.path, line),
    )
