"""Variables as lines: of a .env file, as every reader of those understands it, and of a shell's script."""

from __future__ import annotations

import re
import shlex

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
# Inside single quotes; readers disagree about backslashes, about quotes in quotes, and about ${NAME}.
_QUOTED = re.compile(r"[^'\\$\x00-\x1f\x7f]*")


def dotenv_line(name: str, value: str) -> str:
    """Return `NAME=value` for a .env file. Raises ValueError for a value that its readers would read differently."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    if _QUOTED.fullmatch(value):
        return f"{name}='{value}'"
    raise ValueError(f"{name} has a quote, a backslash, a dollar sign or a control character")


def export_line(name: str, value: str) -> str:
    """Return `export NAME=value` for a POSIX shell."""
    return f"export {name}={shlex.quote(value)}"
