"""The modules of seedbed as trees, each parsed once for all tests of a worker that look at them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def tree(path: Path) -> ast.Module:
    """Return the tree of a module; nobody changes it."""
    return ast.parse(path.read_text(encoding="utf-8"))
