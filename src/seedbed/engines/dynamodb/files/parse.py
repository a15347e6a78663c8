"""Migrations of DynamoDB: Python files that transform items or work on a table. Compiled and looked at, never run.

`up(item)` is a transformation: it is called for every item of a table. `up(table)` is free form: it is called once.
Both have their directives in `# seedbed:` comments before the first line of code.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from seedbed.engines.dynamodb.files.directives import (
    TableMigrationHeader,
    mode,
    read_header,
    require_free_form,
    require_transformation,
)
from seedbed.engines.kit.findings import Findings
from seedbed.engines.kit.python_returns import forgotten_return
from seedbed.engines.kit.python_source import Function, PythonSource, only_parameter, read_source
from seedbed.errors import Location, MigrationFileError
from seedbed.model.migration import Backfill, Migration, MigrationFile, Step
from seedbed.support.phrases import flat

SUFFIX = ".py"
_ITEM, _TABLE = "item", "table"
_FORMS = "def up(item): … is called for every item, def up(table): … once"


class _Way(Struct, frozen=True):
    """One of the functions `up` and `down`: where it stands, what it is called with, what it says about itself."""

    line: int
    takes: str
    about: str


def parse(file: MigrationFile) -> Migration:
    """Return the migration that `file` holds; nothing in it is run. Raises MigrationFileErrors with their lines."""
    if file.source.suffix != SUFFIX:
        raise MigrationFileError(
            f"DynamoDB has no migrations in {file.source.suffix!r}",
            because=f"they are Python: {SUFFIX}",
            at=Location(file.path),
        )
    source, findings = read_source(file), Findings(file.path)
    header = findings.attempt(lambda: read_header(file.path, source.directives()))
    functions = findings.attempt(lambda: source.functions(("up", "down", "applied"), _FORMS))
    ways = {
        name: findings.attempt(partial(_way, source, function))
        for name, function in (functions or {}).items()
    }
    if functions is not None and "up" not in functions:
        findings.note(source.error(0, "the file has no function `up`", _FORMS, "def up(item): …"))
    findings.require_none()
    up, down = ways.get("up"), ways.get("down")
    assert header is not None
    assert functions is not None
    assert up is not None
    _require_one_form(source, header, up, down, functions)
    common = header.common
    about, text = up.about or source.about(), source.text
    return Migration(
        version=file.version,
        name=file.name,
        path=file.path,
        checksum=file.checksum,
        phase=common.phase,
        up=(_step(text, header, up, "up", about),),
        down=(_step(text, header, down, "down", ""),) if down else (),
        irreversible=common.irreversible,
        after=common.after,
        overtakes=common.overtakes,
        settings=_settings(header, up),
        allows=common.allows,
        postconditions=common.postconditions,
    )


def _way(source: PythonSource, function: Function) -> _Way:
    """Return what `function` is. Raises MigrationFileError for what cannot be called with one item or table."""
    takes = only_parameter(function)
    if takes not in {_ITEM, _TABLE}:
        raise source.error(
            function.lineno,
            f"`{function.name}` takes neither an `item` nor a `table`",
            "what it is comes from the name of its one parameter",
            _FORMS.replace("up", function.name),
        )
    about = (ast.get_docstring(function) or "").strip().split("\n", 1)[0]
    return _Way(function.lineno, takes, about)


def _require_one_form(
    source: PythonSource,
    header: TableMigrationHeader,
    up: _Way,
    down: _Way | None,
    functions: Mapping[str, Function],
) -> None:
    if down and down.takes != up.takes:
        raise source.error(
            down.line,
            f"`up` takes a {up.takes} and `down` a {down.takes}",
            "a migration is one or the other, both ways",
            "make two migrations of it",
        )
    if down and header.common.irreversible:
        raise source.error(
            header.line("irreversible"),
            "the file is declared irreversible and has a `down` function",
            f"`def down` stands on line {down.line}",
            "remove one of the two",
        )
    if up.takes == _ITEM:
        require_transformation(source.path, header)
        _require_results(source, functions)
    else:
        require_free_form(source.path, header)
    if applied := functions.get("applied"):
        _require_probe(source, header, up, applied)


def _require_results(source: PythonSource, functions: Mapping[str, Function]) -> None:
    """Refuse a function of items that may end without a result: that would delete the item, mostly by mistake."""
    for name in ("up", "down"):
        function = functions.get(name)
        if function is not None and (line := forgotten_return(function)):
            raise source.error(
                line,
                f"`{name}` may end without returning the item",
                "no result would mean that the item is deleted",
                "return item, or return None where it is to be deleted",
            )


def _require_probe(source: PythonSource, header: TableMigrationHeader, up: _Way, applied: Function) -> None:
    way = _way(source, applied)
    if up.takes != _TABLE or header.is_transaction:
        raise source.error(
            applied.lineno,
            "`applied` is never called",
            "only a free form with `transaction=false` can have an unknown outcome",
            "remove the function",
        )
    if way.takes != _TABLE:
        raise source.error(
            applied.lineno, "`applied` is asked about a table", "", "def applied(table) -> bool: …"
        )


def _step(text: str, header: TableMigrationHeader, way: _Way, name: str, about: str) -> Step:
    is_transformation = way.takes == _ITEM
    what = f"every item of {header.table}" if is_transformation else header.table
    return Step(
        index=0,
        body=text,
        line=1,
        atomic=not is_transformation and header.is_transaction,
        repeatable=is_transformation or header.is_repeatable,
        summary=flat(way.about or about or f"{name}: {what}"),
        backfill=Backfill(header.table, "", header.batch) if is_transformation else None,
    )


def _settings(header: TableMigrationHeader, up: _Way) -> dict[str, str]:
    found = dict(header.settings)
    if up.takes == _ITEM:
        found["mode"] = mode(header).value
    return found
