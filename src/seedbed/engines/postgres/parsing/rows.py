"""Migrations in Python: functions that convert rows. They are compiled and looked at, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from seedbed.engines.postgres.parsing.header import Header, looks_like_facts, misplaced_facts, read_header
from seedbed.engines.postgres.parsing.text import Text
from seedbed.engines.postgres.summaries import shortened
from seedbed.model.facts import fact_lines
from seedbed.model.migration import Backfill, Step


def read_rows(text: Text) -> tuple[tuple[Step, ...], tuple[Step, ...], Header]:
    """Return the steps up and down and the header of a migration that converts rows with Python."""
    tree = _compiled(text)
    end = _first_line_of_code(tree)
    lines = list(enumerate(text.text.split("\n"), 1))
    header = read_header(text, fact_lines(_comment_lines(tree, lines[: end - 1]), "#"))
    if any(looks_like_facts(line.lstrip()) for _, line in lines[end - 1 :]):
        _insist_on_no_facts_below(text, end)
    if header.backfill is None:
        raise text.error(
            1,
            "a migration in Python changes rows, and this one does not say which",
            "it is called for each row of a table, batch by batch",
            "# seedbed: backfill=table.key",
        )
    functions = {
        each.name: each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    up, down = functions.get("up"), functions.get("down")
    if up is None:
        raise text.error(0, "the file has no function `up`", "", "def up(row): return {'column': …}")
    about = ast.get_docstring(tree) or _first_comment(lines)
    up_step = _function_step(text, up, header.backfill, about)
    down_step = (_function_step(text, down, header.backfill, ""),) if down else ()
    return (up_step,), down_step, header


def _compiled(text: Text) -> ast.Module:
    """Return the tree of `text` after compiling it, which runs nothing."""
    try:
        tree = ast.parse(text.text, text.path)
        compile(text.text, text.path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise text.error(
            error.lineno or 0, f"this is no Python: {error.msg}", column=error.offset or 0
        ) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise text.error(0, "this is no Python", f"{type(error).__name__}: {error}") from None
    return tree


def _has_docstring(tree: ast.Module) -> bool:
    return ast.get_docstring(tree, clean=False) is not None


def _first_line_of_code(tree: ast.Module) -> int:
    """Return the line of the first statement that is not the docstring; beyond any file where there is none."""
    code = tree.body[1:] if _has_docstring(tree) else tree.body
    if not code:
        return 2**31
    decorators = getattr(code[0], "decorator_list", [])
    lines: list[int] = [each.lineno for each in (code[0], *decorators)]
    return min(lines)


def _comment_lines(tree: ast.Module, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield those of `lines` that do not belong to the docstring."""
    docstring = tree.body[0] if _has_docstring(tree) else None
    for number, line in lines:
        if docstring is None or not docstring.lineno <= number <= (docstring.end_lineno or 0):
            yield number, line


def _insist_on_no_facts_below(text: Text, first: int) -> None:
    """Refuse facts from line `first` on; strings that merely look like some are none."""
    import tokenize

    lines = iter(text.text.splitlines(keepends=True))
    for token in tokenize.generate_tokens(lambda: next(lines, "")):
        begins_line = not token.line[: token.start[1]].strip()
        is_comment = token.type == tokenize.COMMENT and begins_line and token.start[0] >= first
        if is_comment and looks_like_facts(token.string):
            raise misplaced_facts(text, token.start[0], "in the comments before the first line of code")


def _first_comment(lines: Sequence[tuple[int, str]]) -> str:
    """Return the first comment at the top that is for people."""
    for _, line in lines:
        if not line.startswith("#"):
            break
        said = line.lstrip("#").strip()
        if said and not line.startswith("#!") and not said.startswith(("seedbed:", "-*-")):
            return said
    return ""


def _function_step(
    text: Text, function: ast.FunctionDef | ast.AsyncFunctionDef, backfill: Backfill, about: str
) -> Step:
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    others = given.vararg or given.kwarg or given.kwonlyargs
    if isinstance(function, ast.AsyncFunctionDef) or len(positional) != 1 or others:
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
        summary=shortened(said.strip().split("\n", 1)[0]),
        backfill=backfill,
    )
