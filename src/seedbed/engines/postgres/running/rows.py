"""Rows that a migration's own function converts: what it returns -> `UPDATE … FROM unnest(…)`.

Every value travels as text in an array for its column, as psycopg writes it or quicker where its form is known, and
is cast on the server to the type that a parameter of its own would have had. So a float still reaches an integer
column by PostgreSQL's assignment cast, and a string by the column's input function. See docs/adr.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import compress, islice
from operator import eq, not_, or_
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.json import Json, Jsonb

from seedbed.engines.postgres.files.quoting import quoted_name
from seedbed.engines.postgres.wire.pipeline import Statement

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.pq.abc import PGresult

Operator = Callable[[str], str]  # ">=" -> the one that orders keys, qualified
Convert = Callable[[dict[str, Any]], Mapping[str, Any] | None]

# Returns the qualified name of each type, in the order of the array, without a length: that of the column cuts nothing.
TYPE_NAMES = """
SELECT pg_catalog.format('%I.%I', s.nspname, t.typname)
FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS a (oid, n)
JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.oid
JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) t.typnamespace
ORDER BY n
"""
_LARGEST = 8 * 1024 * 1024  # characters in the arrays of a statement
_JSON, _JSONB, _JSONS, _JSONBS = 114, 3802, 199, 3807
_DOCUMENTS = frozenset({_JSON, _JSONB, _JSONS, _JSONBS})
_INTEGERS = frozenset({20, 21, 23, 1700})  # int8, int2, int4, numeric
# Types whose values no function can change in place: bool, bytea, "char", name, integers, text, oid, floats, money,
# inet, char, varchar, dates and times, numeric, uuid.
_IMMUTABLE = frozenset(
    {16, 17, 18, 19, 20, 21, 23, 25, 26, 700, 701, 790, 869, 1042, 1043}
    | {1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950}
)
_PLAIN = frozenset({int, str})  # types of values that are written column by column


class RowFailed(Exception):
    """The function fails for a row, or returns what cannot be written; `cause` says why."""

    def __init__(self, key: object, cause: BaseException) -> None:
        super().__init__(f"row {key} fails: {cause!r}")
        self.cause = cause


class AmbiguousKey(Exception):
    """More than one row of a batch has the key."""


class _Column(Struct, frozen=True):
    name: str
    position: int
    oid: int
    is_plain: bool  # no function can change its values in place, and a string is read as it is
    is_integer: bool


class _Group(Struct):
    """Rows in which the same columns change, with values of the same types: a list for each column."""

    keys: list[Any]
    values: tuple[list[str | None], ...]


_Change = tuple[str, int]  # a column, and the type to read its values as
_Changed = tuple[
    tuple[Any, ...], Mapping[str, Any], Mapping[str, Any]
]  # a row, its changes, what may have changed
_Groups = dict[tuple[_Change, ...], _Group]


class RowConverter:
    """The function of a migration, and what it takes to call it and to write back what it returns."""

    def __init__(
        self,
        connection: Connection[tuple[Any, ...]],
        convert: Convert,
        table: str,
        key: str,
        type_names: Callable[[Sequence[int]], Sequence[str]],
    ) -> None:
        """`table` is quoted, `key` is bare; `type_names` asks the server for the names of types."""
        self._adapt = Transformer(connection)
        self._convert = convert
        self._table = table
        self._key = key
        self._ask = type_names
        self._types: dict[int, str] = {}
        self._columns: dict[str, _Column] = {}

    def statements(
        self, result: PGresult, bounds: tuple[str, str], operator: Operator
    ) -> Sequence[Statement]:
        """Return what writes back the rows of `result`, converted; `bounds` are the first and the last key as text.

        Raises AmbiguousKey, RowFailed, and psycopg.Error for a value that Python has no form for.
        """
        self._describe(result)
        rows = self._adapt.load_rows(0, result.ntuples, tuple)
        position = self._columns[self._key].position
        keys = [row[position] for row in rows]
        for key in compress(keys, map(eq, keys, islice(keys, 1, None))):
            raise AmbiguousKey(f"{key} is the {self._key} of more than one row")
        groups = self._converted(rows, position)
        self._learn_types({oid for changes in groups for _, oid in changes} | {self._columns[self._key].oid})
        return [
            each
            for changes, group in groups.items()
            if group.keys
            for each in self._written(changes, group, bounds, operator)
        ]

    def _describe(self, result: PGresult) -> None:
        self._adapt.set_pgresult(result)
        found = [((result.fname(n) or b"").decode(), result.ftype(n)) for n in range(result.nfields)]
        self._columns = {
            name: _Column(name, n, oid, oid in _IMMUTABLE, oid in _INTEGERS)
            for n, (name, oid) in enumerate(found)
        }

    def _converted(self, rows: Sequence[tuple[Any, ...]], key: int) -> _Groups:
        """Return what the function changes, by the columns that change. Raises RowFailed."""
        convert, names = self._convert, tuple(self._columns)
        mutable = [each for each in self._columns.values() if not each.is_plain]
        groups: _Groups = {}
        changed: dict[tuple[str, ...], list[_Changed]] = defaultdict(list)
        before: Mapping[str, Any] = {}
        for row in rows:
            if mutable:
                # The function may change lists and documents in place: what they were is kept beside them.
                before = {each.name: deepcopy(row[each.position]) for each in mutable}
            try:
                changes = convert(dict(zip(names, row)))  # noqa: B905  a third slower, and never of two lengths
                if not changes:
                    continue
                if type(changes) is not dict and not isinstance(changes, Mapping):
                    raise TypeError(f"it returns a {type(changes).__name__}, not a dict of columns")
                if not _PLAIN.issuperset(map(type, changes.values())):
                    self._add(groups, row, before, changes, row[key])
                    continue
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # also SystemExit, and whatever else is no Exception
                raise RowFailed(row[key], error) from error
            # A copy: the function may return the same dict for the next row, with other values in it.
            changed[tuple(changes)].append((row, dict(changes), before))
        for names, members in changed.items():
            for row, changes, before in self._sort_plain(groups, names, members, key):
                try:
                    self._add(groups, row, before, changes, row[key])
                except Exception as error:
                    raise RowFailed(row[key], error) from error
        return groups

    def _sort_plain(
        self, groups: _Groups, names: tuple[str, ...], members: Sequence[_Changed], key: int
    ) -> Sequence[_Changed]:
        """Add rows whose changes all are text or integers, column by column, and return the others.

        A value costs a tenth of what it costs in `_add`.
        """
        columns = [self._columns.get(name) for name in names]
        values: list[list[str | None]] = []
        stays = [False] * len(members)
        for name, column in zip(names, columns, strict=True):
            found = [changes[name] for _, changes, _ in members]
            types = set(map(type, found))
            if column is None or name == self._key or not column.is_plain:
                return members
            if types == {int} and column.is_integer:
                try:
                    values.append(list(map(str, found)))
                except (
                    ValueError
                ):  # Python writes no integer beyond its limit of digits: `_add` names the row
                    return members
            elif types == {str}:
                values.append(found)
            else:
                return members
            position = column.position
            same = map(eq, found, [row[position] for row, _, _ in members])
            stays = list(map(or_, stays, same))
        moves = list(map(not_, stays))
        changes = tuple((each.name, each.oid) for each in columns if each)
        group = _group(groups, changes)
        group.keys.extend(row[key] for row, _, _ in compress(members, moves))
        for target, found in zip(group.values, values, strict=True):
            target.extend(compress(found, moves))
        return list(compress(members, stays))

    def _add(
        self,
        groups: _Groups,
        row: tuple[Any, ...],
        before: Mapping[str, Any],
        changes: Mapping[str, Any],
        key: Any,
    ) -> None:
        """Add to its group what differs in a row. Raises an exception for a value that cannot be written."""
        if unknown := changes.keys() - self._columns.keys():
            raise ValueError(f"column {min(unknown)!r} is not one it may change")
        if self._key in changes and changes[self._key] != key:
            raise ValueError(f"column {self._key!r} is not one it may change")
        changed: list[_Change] = []
        texts: list[str | None] = []
        for name, value in changes.items():
            column = self._columns[name]
            if _is_same(before[name] if name in before else row[column.position], value):
                continue
            text, oid = self._text(value, column)
            changed.append((name, oid))
            texts.append(text)
        if changed:
            group = _group(groups, tuple(changed))
            group.keys.append(key)
            for values, text in zip(group.values, texts, strict=True):
                values.append(text)

    def _text(self, value: Any, column: _Column) -> tuple[str | None, int]:
        """Return `value` as text, and the type to read it as. Raises what says that it cannot be written."""
        if value is None:
            return None, column.oid
        if column.oid in _DOCUMENTS:
            value = _document(value, column.oid)
        elif type(value) is str or (type(value) is int and column.is_integer):
            return str(value), column.oid
        dumper = self._adapt.get_dumper(value, PyFormat.TEXT)
        data = dumper.dump(value)
        return None if data is None else bytes(data).decode(), dumper.oid or column.oid

    def _learn_types(self, oids: set[int]) -> None:
        if new := sorted(oids - self._types.keys()):
            self._types.update(zip(new, self._ask(new), strict=True))

    def _written(
        self, changes: Sequence[_Change], group: _Group, bounds: tuple[str, str], operator: Operator
    ) -> Iterator[Statement]:
        """Yield the statements that write `group`; what is too large for one is halved. Raises RowFailed."""
        key = self._columns[self._key]
        keys: Sequence[str | None]
        if key.is_integer and set(map(type, group.keys)) == {int}:
            keys = list(map(str, group.keys))
        else:
            keys = [self._text(each, key)[0] for each in group.keys]
        parameters = [_array(each) for each in (keys, *group.values)]
        half = len(keys) // 2
        if half and sum(map(len, parameters)) > _LARGEST:
            for part in (slice(half), slice(half, None)):
                cut = _Group(group.keys[part], tuple(each[part] for each in group.values))
                yield from self._written(changes, cut, bounds, operator)
            return
        if any(map(_is_unfit, parameters)):
            raise _failed(group)
        # Of several arrays, only an unqualified unnest takes more than one.
        arrays = ", ".join(
            f"pg_catalog.unnest(${n}::pg_catalog.text[])" for n in range(1, len(parameters) + 1)
        )
        names = ", ".join(f"c{n}" for n in range(len(changes)))
        values = ", ".join(
            f"{quoted_name(name)} = new.c{n}::{self._types[oid]}" for n, (name, oid) in enumerate(changes)
        )
        # The bounds say nothing new, but they keep the planner from reading the whole table to find a batch.
        column, first = f"old.{quoted_name(key.name)}", len(parameters) + 1
        text = (
            f"UPDATE {self._table} AS old SET {values} FROM ROWS FROM ({arrays}) AS new (k, {names}) "
            f"WHERE {column} {operator('=')} new.k::{self._types[key.oid]} "
            f"AND {column} {operator('>=')} ${first} AND {column} {operator('<=')} ${first + 1}"
        )
        yield text, [*parameters, *bounds]


def _group(groups: _Groups, changes: tuple[_Change, ...]) -> _Group:
    group = groups.get(changes)
    if group is None:
        group = groups[changes] = _Group([], tuple([] for _ in changes))
    return group


def _is_unfit(parameter: str) -> bool:
    """Return whether PostgreSQL has no such text: it knows no NUL, and UTF-8 no half of a surrogate pair."""
    if "\0" in parameter:
        return True
    try:
        parameter.isascii() or parameter.encode()
    except UnicodeEncodeError:
        return True
    return False


def _failed(group: _Group) -> RowFailed:
    """Return the error for the row in `group` that has a text which PostgreSQL does not."""
    for key, *values in zip(group.keys, *group.values, strict=True):
        for value in values:
            if value is not None and _is_unfit(value):
                return RowFailed(
                    key, ValueError(f"no text of PostgreSQL holds {value!r}: NUL or half a character")
                )
    raise AssertionError("no value is unfit")


def _document(value: Any, oid: int) -> Any:
    """Return `value` as psycopg takes it for a column of JSON, or of lists of JSON."""
    wrap = Jsonb if oid in {_JSONB, _JSONBS} else Json
    if oid in {_JSON, _JSONB}:
        return wrap(value)
    return [each if each is None else wrap(each) for each in value] if isinstance(value, list) else value


def _array(values: Sequence[str | None]) -> str:
    """Return an array of text as its input function reads it."""
    if None not in values:
        text = '","'.join(cast("Sequence[str]", values))
        if text.count('"') == 2 * (len(values) - 1) and "\\" not in text:  # as nearly always
            return f'{{"{text}"}}'
    quoted = [
        "NULL" if each is None else '"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for each in values
    ]
    return "{" + ",".join(quoted) + "}"


def _is_same(before: Any, value: Any) -> bool:
    """Return whether writing `value` would change nothing. To Python, 1 is 1.0 and True; to a document it is not."""
    if isinstance(value, dict | list):
        return bool(_typed(before) == _typed(value))
    return bool(before == value) and isinstance(before, bool) == isinstance(value, bool)


def _typed(value: Any) -> Any:
    match value:
        case dict():
            return {name: _typed(each) for name, each in value.items()}
        case list():
            return [_typed(each) for each in value]
    return type(value), value
