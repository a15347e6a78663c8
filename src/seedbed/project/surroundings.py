"""Whether the programs of a database could learn where they run: then what they make is one environment's alone.

A `.py` of migrations or seeds is handed rows and nothing else, but it is any Python. What only imports modules that
compute, and opens nothing, makes the same in every environment; of everything else that is not known.
"""

from __future__ import annotations

import ast
from pathlib import Path

_COMPUTE = frozenset(
    {
        *(
            "__future__",
            "abc",
            "array",
            "base64",
            "binascii",
            "bisect",
            "calendar",
            "collections",
            "copy",
            "csv",
        ),
        *(
            "dataclasses",
            "datetime",
            "decimal",
            "difflib",
            "enum",
            "fractions",
            "functools",
            "hashlib",
            "heapq",
            "hmac",
        ),
        *(
            "html",
            "io",
            "itertools",
            "json",
            "math",
            "numbers",
            "operator",
            "random",
            "re",
            "secrets",
            "statistics",
        ),
        *("string", "struct", "textwrap", "time", "typing", "unicodedata", "uuid", "zlib", "zoneinfo"),
    }
)
_REACH = frozenset({"__builtins__", "__import__", "breakpoint", "compile", "eval", "exec", "open"})
_OPENS = frozenset({"FileIO", "modules", "open", "open_code", "sys"})  # as members of such a module


def learned_by(directory: Path) -> tuple[Path, str] | None:
    """Return the first program below `directory` that could learn where it runs, and by what; None where none could."""
    for path in sorted(directory.rglob("*.py")):
        try:
            name = reaches(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError):
            name = "what cannot be read"
        if name:
            return path, name
    return None


def reaches(source: str) -> str:
    """Return a name by which this Python could learn where it runs; "" for none. Raises SyntaxError, ValueError."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
            if found := [each.name for each in node.names if each.name in _OPENS | {"*"}]:
                return f"{names[0]}.{found[0]}"
        elif isinstance(node, ast.Name) and node.id in _REACH:
            return node.id
        elif isinstance(node, ast.Attribute) and (node.attr in _OPENS or node.attr.startswith("__")):
            return node.attr
        else:
            continue
        for name in names:
            if name.partition(".")[0] not in _COMPUTE:
                return name
    return ""
