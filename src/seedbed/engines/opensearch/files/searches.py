"""The request of an expectation: one search or count, written as requests of a migration are. Pure."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from seedbed.engines.kit.rows import would_write
from seedbed.engines.opensearch.files.requests import RequestFileError, request
from seedbed.errors import StepFailed

_SEARCH, _COUNT = "_search", "_count"
_ON_ONE_LINE = re.compile(r"\A([A-Z]+ \S+) +(\{)")  # as a directive has it, whose value is one line
_READS = ("GET", "POST")
_PARAMS = frozenset({"routing", "preference", "expand_wildcards", "q", "df", "default_operator", "analyzer"})
# What would leave a part out of the answer without a word.
_PARTS = frozenset({"terminate_after", "timeout", "search_after", "from", "pit"})


class Search(Struct, frozen=True):
    """A search, or a count, of the indexes in `path`; `body` as it is written."""

    path: str
    params: dict[str, str]
    body: dict[str, Any]
    is_count: bool

    @property
    def aggregations(self) -> dict[str, Any]:
        """Its aggregations by their names; none where its hits are the rows."""
        found: dict[str, Any] = self.body.get("aggs") or self.body.get("aggregations") or {}
        return found


def search(query: str) -> Search:
    """Return the request in `query`. Raises UsageError for what is no search, StepFailed for what is no request."""
    try:
        asked = request(_ON_ONE_LINE.sub(r"\1\n\n\2", query.strip()), 1)
    except RequestFileError as error:
        raise _wrong(f"line {error.line} of it: {error.what}, {error.because}") from None
    *indexes, last = asked.segments
    if asked.method not in _READS or last not in {_SEARCH, _COUNT} or len(indexes) > 1:
        raise would_write(f"{asked.method} {asked.path} is neither a search nor a count")
    if not indexes:
        raise _wrong("it names no index")
    if unknown := sorted(set(asked.params) - _PARAMS):
        raise _wrong(f"a search of an expectation has no parameter {unknown[0]}")
    body = {} if asked.json is None else asked.json
    if not isinstance(body, dict):
        raise _wrong("its body is an array or a value, and a search is an object")
    if partial := sorted(_PARTS & body.keys()):
        raise _wrong(f"with {partial[0]} it would not look at everything")
    return Search(asked.path, dict(asked.params), body, last == _COUNT)


def _wrong(because: str) -> StepFailed:
    return StepFailed(
        "the query is not a search",
        because=because,
        try_='GET lessons/_search, a blank line, {"query": …}; the rows are its hits, or the buckets of its "aggs"',
    )
