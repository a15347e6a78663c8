"""How OpenSearch's REST API spells paths, parameters and bodies. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

_SAFE = "-_.~!,*@"  # in a segment of a path
_encode = msgspec.json.Encoder().encode

Params = Mapping[str, str | int | bool]


def path(*segments: str) -> str:
    """Return the path of `segments`, each quoted: `path("lessons", "_doc", "a/b")` is "/lessons/_doc/a%2Fb"."""
    return "".join(f"/{quote(each, safe=_SAFE)}" for each in segments)


def query(params: Params | None) -> str:
    """Return "?name=value&…", empty where there are none."""
    if not params:
        return ""
    words = {key: str(value).lower() if isinstance(value, bool) else value for key, value in params.items()}
    return "?" + urlencode(words, quote_via=quote)


def ndjson(lines: Sequence[Any]) -> bytes:
    """Return `lines` as NDJSON: each one line of JSON."""
    return b"".join(_encode(each) + b"\n" for each in lines)
