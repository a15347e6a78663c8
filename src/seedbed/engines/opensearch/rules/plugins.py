"""What to do about something of a plugin, or of a native library, that a cluster does not have. Pure."""

from __future__ import annotations

import re

_MISSING = re.compile(
    r"unknown setting \[index\.plugins\.|unknown value for \[index\.codec\]|no processor type exists with name \["
    r"|invalid processor type |no handler for type \[|analyzer \[\w+\] has not been configured"
    r"|(?:unknown|failed to find)(?: global)? (?:analyzer|char_?filter|filter|normalizer|token_?filter|tokenizer)\b",
    re.IGNORECASE,
)


def advice(reason: str) -> str:
    """Return what to try where the server's `reason` names something that a plugin brings, "" for any other."""
    if not _MISSING.search(reason):
        return ""
    return (
        "correct its name, or install the plugin that has it; the sandbox's OpenSearch has k-NN and no other plugin,"
        " and no native libraries: leave it out, or use an environment whose cluster has it"
    )
