"""Migrations in Python: functions that convert rows. They are compiled and looked at, never run."""

from __future__ import annotations

import ast

from seedbed.engines.kit.python_source import Function, only_parameter, source_of
from seedbed.engines.postgres.files.header import MigrationHeader, read_header
from seedbed.engines.postgres.files.text import MigrationText
from seedbed.model.migration import Backfill, Step
from seedbed.support.phrases import flat


def read_rows(text: MigrationText) -> tuple[tuple[Step, ...], tuple[Step, ...], MigrationHeader]:
    """Return the steps up and down and the header of a migration that converts rows with Python."""
    source = source_of(text.path, text.text)
    header = read_header(text, source.directives())
    if header.backfill is None:
        raise text.error(
            1,
            "a migration in Python changes rows, and this one does not say which",
            "it is called for each row of a table, batch by batch",
            "# seedbed: backfill=table.key",
        )
    functions = source.functions(("up", "down"), "def up(row): return {'column': …}")
    up, down = functions.get("up"), functions.get("down")
    if up is None:
        raise text.error(0, "the file has no function `up`", "", "def up(row): return {'column': …}")
    up_step = _function_step(text, up, header.backfill, source.about())
    down_step = (_function_step(text, down, header.backfill, ""),) if down else ()
    return (up_step,), down_step, header


def _function_step(text: MigrationText, function: Function, backfill: Backfill, about: str) -> Step:
    if not only_parameter(function):
        raise text.error(
            function.lineno,
            f"`{function.name}` is not a function of one row",
            "it is called with a dict of the row's columns, and returns those that change",
            f"def {function.name}(row): return {{'column': …}}",
        )
    said = ast.get_docstring(function) or about or f"{function.name}: every row of {backfill.table}"
    return Step(
        index=0,
        body=text.text,
        line=1,
        atomic=False,
        summary=flat(said.strip().split("\n", 1)[0]),
        backfill=backfill,
    )
