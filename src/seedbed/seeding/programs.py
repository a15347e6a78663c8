"""A `.py` seed -> the rows that its `rows()` yields.

The one place where a seed's own code runs: in a namespace of its own, handed nothing and importing what it
asks for. It has to be a function of nothing: it runs again for every reading, and every reading has to see the
same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, GeneratorType, TracebackType

from seedbed.errors import SeedFileError
from seedbed.seeding.given import Given, error

_HOW = "def rows():\n    yield {…}"


def compiled(text: str, path: str) -> CodeType:
    """Return the program as code; nothing of it is run. Raises SeedFileError."""
    try:
        return compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as wrong:
        line = getattr(wrong, "lineno", 0) or 0
        raise error(path, line, "not valid Python", getattr(wrong, "msg", str(wrong))) from None


def run_rows(text: str, path: str) -> Iterator[Given]:
    """Run the program and yield its rows as it does, each with the line that yielded it. Raises SeedFileError."""
    code = compiled(text, path)
    namespace: dict[str, object] = {"__name__": "seed", "__file__": path}
    try:
        exec(code, namespace)  # noqa: S102  what a .py seed is for
        rows = namespace.get("rows")
        if not callable(rows):
            raise error(path, 0, "there is no `rows`", "a .py seed defines it", _HOW)
        yield from _given(rows(), path, rows.__code__.co_firstlineno if hasattr(rows, "__code__") else 0)
    except (SeedFileError, GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as wrong:  # also SystemExit, and what asyncio cancels with
        raise error(
            path,
            _line(wrong.__traceback__, path),
            "the seed's own code failed",
            f"{type(wrong).__name__}: {wrong}",
        ) from wrong


def _given(rows: object, path: str, defined: int) -> Iterator[Given]:
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | Mapping):
        raise error(path, defined, f"`rows()` returned {type(rows).__name__}", "it yields dicts", _HOW)
    for row in rows:
        frame = rows.gi_frame if isinstance(rows, GeneratorType) else None
        line = frame.f_lineno if frame else defined
        if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
            raise error(
                path, line, f"`rows()` yielded {type(row).__name__}", "a row is a dict with names", _HOW
            )
        yield Given(line, dict(row))  # a program may change its row and yield it again


def _line(traceback: TracebackType | None, path: str) -> int:
    """Return the innermost line of the file itself: what it calls may fail somewhere else."""
    line = 0
    while traceback:
        if traceback.tb_frame.f_code.co_filename == path:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
