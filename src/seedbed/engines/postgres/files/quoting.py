"""Names and text as SQL writes them."""

from __future__ import annotations


def quoted_name(*names: str) -> str:
    """Return a name, qualified where there are several, as a quoted identifier."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def quoted_text(text: str) -> str:
    """Return `text` as an SQL literal; standard_conforming_strings is pinned on, NUL cannot occur."""
    return "'" + text.replace("'", "''") + "'"
