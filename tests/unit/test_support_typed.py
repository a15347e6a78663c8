"""Threads that read into the same type for the first time, at the same moment."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.source import tree

pytestmark = pytest.mark.usefixtures("trees")

ROOT = Path(__file__).parents[2] / "src" / "seedbed"

# Looking at the inner type takes until another thread has read into the outer one, or has been made to wait.
_TWO_READERS = """
    import threading, time
    import msgspec
    from seedbed.support.typed import ready

    looking, done = threading.Event(), []

    def number() -> type:
        looking.set()
        time.sleep(0.3)
        return int

    class Inner(msgspec.Struct):
        value: "number()"

    class Outer(msgspec.Struct):
        inner: Inner

    def read():
        found = msgspec.convert({"inner": {"value": 1}}, %s)
        assert found.inner.value == 1
        done.append(found)

    first = threading.Thread(target=read)
    first.start()
    looking.wait()
    second = threading.Thread(target=read)
    second.start()
    first.join()
    second.join()
    print(len(done))
"""


def test_two_threads_may_read_into_a_type_that_neither_has_read_into_before() -> None:
    done = _python(_TWO_READERS % "ready(Outer)")
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


def test_msgspec_alone_would_let_the_second_thread_see_the_type_half_done() -> None:
    """The day this fails, msgspec is mended and `ready` can go."""
    assert _python(_TWO_READERS % "Outer").returncode < 0


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=False, timeout=60
    )


def test_whatever_reads_into_a_type_inside_a_function_makes_it_ready_first() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.name != "typed.py"
        for call in _reads(tree(path))
        if not _is_ready(call)
    ]
    assert not found


def _reads(module: ast.Module) -> Iterator[ast.Call]:
    """Yield msgspec's calls with a type, inside functions: a module's own run once, under the lock of its import."""
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _type_of(call) is not None:
                    yield call


def _type_of(call: ast.Call) -> ast.expr | None:
    """Return what a call of `msgspec.convert`, `msgspec.json.decode` or `Decoder` reads into, None for any other."""
    last = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if last not in {"convert", "decode", "Decoder"}:
        return None
    name = ast.unparse(call.func)
    first = {"msgspec.convert": 1, "msgspec.json.decode": 1, "json.Decoder": 0, "Decoder": 0}
    place = next((at for end, at in first.items() if name == end or name.endswith("." + end)), None)
    if place is None:
        return None
    named = next((each.value for each in call.keywords if each.arg == "type"), None)
    return named or (call.args[place] if len(call.args) > place else None)


def _is_ready(call: ast.Call) -> bool:
    read = _type_of(call)
    return isinstance(read, ast.Call) and ast.unparse(read.func) == "ready"
