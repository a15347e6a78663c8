"""One request of a migration, as written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from seedbed.engines.opensearch.rest import query


class Request(Struct, frozen=True):
    """`path` as it is sent, without its query; `body`: JSON or NDJSON without comments, empty if there is none.

    `line`: of the request in its file. `title`: the text after its `###`.
    """

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    line: int
    title: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the path as written: ("lessons", "_doc", "a%2Fb")."""
        return tuple(self.path[1:].split("/"))

    @property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path decoded: ("lessons", "_doc", "a/b")."""
        return tuple(unquote(each) for each in self.parts)

    @property
    def index(self) -> str:
        """The index in the path (or several, with commas); empty if there is none."""
        first = self.segments[0]
        return "" if first.startswith("_") else first

    @property
    def operation(self) -> str:
        """The first part that begins with an underscore: "_doc"; empty if there is none."""
        return next((each for each in self.segments if each.startswith("_")), "")

    @property
    def is_bulk(self) -> bool:
        return self.segments[-1] == "_bulk"

    @property
    def json(self) -> Any:
        """The body decoded; None if there is none."""
        return json.loads(self.body) if self.body else None

    @property
    def lines(self) -> list[Any]:
        """The lines of NDJSON, decoded."""
        return [json.loads(each) for each in self.body.split(b"\n") if each]

    def __str__(self) -> str:
        return f"{self.method} {self.path}{query(self.params)}"
