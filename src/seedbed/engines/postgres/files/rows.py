"""Migrations in Python: functions that convert rows. They are compiled and looked at, never run."""

from __future__ import annotations

import ast
from functools import partial

from seedbed.engines.kit.python_source import Function, only_parameter, source_of
from seedbed.engines.postgres.files.header import MigrationHeader, read_header
from seedbed.engines.postgres.files.text import MigrationText
from seedbed.model.migration import Backfill, Step
from seedbed.support.phrases import flat

_FORM = "def up(row): return {'column': …}"


def read_rows(text: MigrationText) -> tuple[tuple[Step, ...], tuple[Step, ...], MigrationHeader]:
    """Return the steps up and down and the header of a migration that converts rows with Python."""
    source = source_of(text.path, text.text)
    header = text.attempt(lambda: read_header(text, source.directives()))
    backfill = header.backfill if header else None
    if header and backfill is None:
        wrong = text.error(
            1,
            "a migration in Python changes rows, and this one does not say which",
            "it is called for each row of a table, batch by batch",
            "# seedbed: backfill=table.key",
        )
        text.note(wrong)
    found = text.attempt(lambda: source.functions(("up", "down"), _FORM))
    for function in (found or {}).values():
        text.attempt(partial(_require_one_row, text, function))
    if found is not None and "up" not in found:
        text.note(text.error(0, "the file has no function `up`", "", _FORM))
    text.require_none()
    assert header is not None
    assert backfill is not None
    assert found is not None
    up = _function_step(text, found["up"], backfill, source.about())
    down = (_function_step(text, found["down"], backfill, ""),) if "down" in found else ()
    return (up,), down, header


def _require_one_row(text: MigrationText, function: Function) -> None:
    if not only_parameter(function):
        raise text.error(
            function.lineno,
            f"`{function.name}` is not a function of one row",
            "it is called with a dict of the row's columns, and returns those that change",
            f"def {function.name}(row): return {{'column': …}}",
        )


def _function_step(text: MigrationText, function: Function, backfill: Backfill, about: str) -> Step:
    said = ast.get_docstring(function) or about or f"{function.name}: every row of {backfill.table}"
    return Step(
        index=0,
        body=text.text,
        line=1,
        atomic=False,
        summary=flat(said.strip().split("\n", 1)[0]),
        backfill=backfill,
    )
