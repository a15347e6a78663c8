"""What keeps the code readable in one go: short modules, short functions, and nothing that stands there twice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source import tree
from tools.repeats import repeated

pytestmark = pytest.mark.usefixtures("trees")

SRC = Path(__file__).parents[2] / "src"
MODULES = sorted(SRC.rglob("*.py"))
LONGEST_MODULE = 450  # lines
LONGEST_FUNCTION = 60
MOST_REPEATED = 20  # runs; 41 stood here once


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and the number of lines of every function of a module."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{node.name} at line {node.lineno}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_a_module_and_its_functions_can_be_read_in_one_go() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    assert len(lengths) > 300
    assert {path.relative_to(SRC): each for path, each in lengths.items() if each > LONGEST_MODULE} == {}
    long = [(path, *each) for path in MODULES for each in functions(path) if each[1] > LONGEST_FUNCTION]
    assert long == []


def test_little_stands_in_two_places() -> None:
    assert len(repeated(MODULES)) <= MOST_REPEATED, "python -m tools.repeats --list"
