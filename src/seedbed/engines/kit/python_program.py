"""A migration's own code: run in a namespace of its own, and named by file and line where it fails.

Nothing here is run while a file is parsed; whoever applies or tries a migration asks for its functions.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from msgspec import Struct

from seedbed.errors import Location, MigrationFileError, SeedbedError, StepFailed

Function = Callable[..., Any]


class Program(Struct, frozen=True):
    """What one migration file defined when it was run."""

    path: str
    namespace: dict[str, Any]

    def function(self, name: str) -> Function | None:
        """Return the function `name`; None where the file defines none."""
        found = self.namespace.get(name)
        return found if callable(found) else None


def compiled(source: str, path: str) -> Program:
    """Run the text of a migration file and return what it defines; `path` is what tracebacks show.

    Raises StepFailed where the file's own code fails, MigrationFileError where it is not valid Python.
    """
    code = _code(source, path)
    namespace: dict[str, Any] = {"__name__": "migration", "__file__": path}
    # What a traceback shows of a file is looked up by its name, and the working directory may be another one.
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    try:
        exec(code, namespace)  # noqa: S102  what a .py migration is for
    except KeyboardInterrupt:
        raise
    except BaseException as wrong:  # also SystemExit, and whatever else is no Exception
        raise failure(wrong, path) from wrong
    return Program(path, namespace)


def failure(error: BaseException, path: str, on: str = "") -> StepFailed:
    """Return `error`, raised while code of the file `path` ran, as the error that a person reads; `on` what it ran.

    A SeedbedError keeps its own words. `at` is the innermost line of the file itself: what it calls may fail
    somewhere else.
    """
    at = Location(path, line_in(path, error))
    if isinstance(error, SeedbedError):
        return StepFailed(error.what, because=error.because, try_=error.try_, at=error.at or at)
    return StepFailed(
        f"the migration's own code failed{f' on {on}' if on else ''}: {type(error).__name__}",
        because=str(error),
        try_="fix it and run the same command again",
        at=at,
    )


def calling_line(path: str) -> int:
    """Return the line of the file `path` that is being run right now, further up the stack; 0 if none is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == path:
            return frame.f_lineno
        frame = frame.f_back
    return 0


def _code(source: str, path: str) -> CodeType:
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as wrong:
        raise MigrationFileError(
            "not valid Python",
            because=getattr(wrong, "msg", str(wrong)),
            at=Location(path, getattr(wrong, "lineno", 0) or 0),
        ) from None


def line_in(path: str, error: BaseException) -> int:
    """Return the innermost line of the file `path` that `error` passed through; 0 for none."""
    line, traceback = 0, error.__traceback__
    while traceback:
        if traceback.tb_frame.f_code.co_filename == path:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
