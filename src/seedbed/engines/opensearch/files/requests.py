"""Read the text of an `.http` file: its sections and requests. Pure.

::

    # migrate:up
    PUT /lessons-1

    {
      "mappings": { … }   // comments are removed
    }

    ### the first lessons
    POST /lessons-1/_bulk

    {"index": {"_id": "1"}}
    {"title": "…"}

    # migrate:down
    DELETE /lessons-1
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl

from msgspec import Struct

from seedbed.engines.opensearch.files.comments import JsonError, decoded, without_comments
from seedbed.engines.opensearch.files.request import Request
from seedbed.support.phrases import shorten

SECTION = re.compile(r"#\s*migrate:(\w+)\s*(.*?)\s*\Z")
_BREAK = re.compile(r"###+\s*(.*?)\s*\Z")
_METHODS = ("PUT", "POST", "DELETE", "PATCH", "GET", "HEAD")
_FIRST = re.compile(r"([A-Za-z]+)\s+(\S+)(?:\s+HTTP/[0-9.]+)?\s*\Z")
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*:\s*(.*?)\s*\Z")
_RESERVED_HEADERS = frozenset(
    {"authorization", "host", "content-length", "transfer-encoding", "connection", "x-opaque-id", "cookie"}
)
# By these the security plugin, a proxy or AWS is told who asks.
_RESERVED_PREFIXES = (
    "opendistro",
    "opensearch",
    "securitytenant",
    "x-proxy",
    "x-forwarded",
    "x-amz",
    "proxy-",
)


class RequestFileError(Exception):
    """The text is not a valid migration: `what`, `because` of what, on which `line`."""

    def __init__(self, what: str, because: str, line: int, try_: str = "", column: int = 0) -> None:
        super().__init__(what)
        self.what, self.because, self.line, self.try_, self.column = what, because, line, try_, column


class HttpSection(Struct, frozen=True):
    """`# migrate:NAME` at `line`, and the lines after it."""

    name: str
    line: int
    lines: tuple[str, ...]


class RequestText(Struct, frozen=True):
    """The text of one request: from its first line to the next `###`."""

    text: str
    line: int
    title: str


def sections(lines: Sequence[str]) -> list[HttpSection]:
    """Return the sections of a file. Raises RequestFileError."""
    marks = [(number, match) for number, line in enumerate(lines, 1) if (match := SECTION.match(line))]
    names = [match[1] for _, match in marks]
    if names not in (["up"], ["up", "down"]):
        raise RequestFileError(
            "the file does not have the sections of a migration",
            f"its section marks are {', '.join(names) or 'missing'}",
            marks[0][0] if marks else 0,
            "write `# migrate:up`, the requests, and optionally `# migrate:down`",
        )
    for number, match in marks:
        if match[2]:
            raise RequestFileError(
                f"a section has no option {match[2]!r}", "requests are sent one by one", number
            )
    ends = [number for number, _ in marks[1:]] + [len(lines) + 1]
    return [
        HttpSection(match[1], number, tuple(lines[number : end - 1]))
        for (number, match), end in zip(marks, ends, strict=True)
    ]


def blocks(section: HttpSection) -> Iterator[RequestText]:
    """Yield the requests of a section as text; text with comments only is left out."""
    title, first = "", section.line + 1
    lines: list[str] = []
    for number, line in enumerate(section.lines, section.line + 1):
        if match := _BREAK.match(line):
            yield from _block(lines, first, title)
            title, lines, first = match[1], [], number + 1
        else:
            lines.append(line)
    yield from _block(lines, first, title)


def _block(lines: Sequence[str], first: int, title: str) -> Iterator[RequestText]:
    for offset, line in enumerate(lines):
        if line.strip() and not _is_comment(line):
            yield RequestText("\n".join(lines[offset:]).rstrip(), first + offset, title)
            return


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", "//"))


def request(text: str, line: int, title: str = "") -> Request:
    """Return the request in `text`, whose first line is line `line` of the file. Raises RequestFileError."""
    lines = text.split("\n")
    method, path, params = _target(lines[0], line)
    headers, body_at = _headers(lines, line)
    body = "\n".join(lines[body_at:]).rstrip()
    is_ndjson = path.rstrip("/").rpartition("/")[2] == "_bulk" or "ndjson" in headers.get("Content-Type", "")
    read = _ndjson if is_ndjson else _json
    headers.pop("Content-Type", None)
    return Request(method, path, params, headers, read(body, line + body_at), line, title)


def _target(first: str, line: int) -> tuple[str, str, dict[str, str]]:
    match = _FIRST.match(first)
    if match is None or match[1] not in _METHODS:
        raise RequestFileError(
            f"{shorten(first.strip(), 60)!r} does not begin a request",
            f"a request begins with one of {', '.join(_METHODS[:3])} and a path",
            line,
            "PUT /lessons-1",
        )
    if "{{" in first:
        raise RequestFileError(
            "variables are not supported", "a migration is the same in every environment", line
        )
    target = match[2]
    if "://" in target.partition("?")[0]:
        raise RequestFileError(
            "a request must not name a host",
            "the environment defines the host",
            line,
            "begin with the path: PUT /lessons-1",
        )
    path, _, query = target.partition("?")
    if not path.isascii() or "#" in target:
        raise RequestFileError(
            f"{target!r} is not a path",
            "characters other than ASCII, and #, are percent-encoded",
            line,
            "%C3%A9 is é",
        )
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(dict(pairs)) != len(pairs):
        raise RequestFileError("a parameter is given twice", "only one of them could apply", line)
    return (
        match[1],
        path if path.startswith("/") else f"/{path}",
        {key: value or "true" for key, value in pairs},
    )


def _headers(lines: Sequence[str], line: int) -> tuple[dict[str, str], int]:
    """Return the headers and the offset of the body's first line."""
    found: dict[str, str] = {}
    for offset, text in enumerate(lines[1:], 1):
        if not text.strip():
            return found, offset + 1
        if text.lstrip().startswith(("{", "[")):
            return found, offset
        if _is_comment(text):
            continue
        match = _HEADER.match(text)
        if match is None:
            _require_no_request(text, line + offset)
            raise RequestFileError(
                f"{shorten(text.strip(), 60)!r} is not a header",
                "headers follow the request line, and a blank line comes before the body",
                line + offset,
            )
        if match[1].lower() in _RESERVED_HEADERS or match[1].lower().startswith(_RESERVED_PREFIXES):
            raise RequestFileError(
                f"a migration cannot set the header {match[1]}",
                "credentials, hosts and marks come from the environment and from seedbed",
                line + offset,
            )
        found[match[1].title()] = match[2]
    return found, len(lines)


def _require_no_request(text: str, line: int) -> None:
    """Raise RequestFileError for a line that begins the next request, as OpenSearch Dashboards has them."""
    found = _FIRST.match(text.strip())
    if found and found[1] in _METHODS:
        raise RequestFileError(
            f"{shorten(text.strip(), 60)!r} begins another request",
            "`###` stands between two",
            line,
            "### above it",
        )


def _json(text: str, line: int) -> bytes:
    plain = without_comments(
        "\n".join("" if each.lstrip().startswith("#") else each for each in text.split("\n"))
    )
    if not plain.strip():
        return b""
    try:
        decoded(plain)
    except JsonError as error:
        number = line + error.line - 1
        _require_no_request(plain.split("\n")[error.line - 1], number)
        raise RequestFileError(
            "the body is not valid JSON", str(error), number, column=error.column
        ) from None
    return plain.strip().encode()


def _ndjson(text: str, line: int) -> bytes:
    """Return the lines of `text` as NDJSON, without blank lines and comments."""
    lines: list[bytes] = []
    for number, each in enumerate(text.split("\n"), line):
        plain = "" if _is_comment(each) else without_comments(each).strip()
        if not plain:
            continue
        try:
            decoded(plain)
        except JsonError as error:
            _require_no_request(plain, number)
            raise RequestFileError(
                "a line of the body is not valid JSON",
                f"{error}; in NDJSON every line is one object",
                number,
                column=error.column,
            ) from None
        lines.append(plain.encode() + b"\n")
    return b"".join(lines)
