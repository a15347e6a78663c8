"""Signature version 4 of AWS: headers in, the same headers and a signature out. What stays the same all day is kept."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = frozenset({"accept-encoding", "authorization", "connection", "expect", "user-agent"})


class Keys(NamedTuple):
    """One set of credentials. Never shown: it lives between where it is found and the signature only."""

    access_key: str
    secret_key: str
    session_token: str

    def __repr__(self) -> str:
        return f"Keys({self.access_key!r}, ********)"


class Signer:
    """Signs requests to one host. Thread-safe: what it keeps is replaced whole, never changed.

    `host` as the Host header has it: with its port unless that is the scheme's own. `clock` returns seconds since the
    epoch.
    """

    def __init__(
        self, *, host: str, region: str, service: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._host = host
        self._region = region
        self._service = service
        self._clock = clock
        self._day: tuple[Keys, str, bytes] | None = None  # keys, date, signing key of that date

    def signed(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, keys: Keys
    ) -> dict[str, str]:
        """Return `headers` with those that sign the request; `url` is path and query as they are sent."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        digest = sha256(body).hexdigest()
        sent = {"Host": self._host, **headers, "X-Amz-Date": stamp, "X-Amz-Content-SHA256": digest}
        if keys.session_token:
            sent["X-Amz-Security-Token"] = keys.session_token
        order, names = _order(tuple(sent))
        lines = "".join([f"{low}:{' '.join(sent[name].split())}\n" for low, name in order])
        canonical = f"{method}\n{_canonical(url)}\n{lines}\n{names}\n{digest}"
        date = stamp[:8]
        scope = f"{date}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key(keys, date), text.encode(), "sha256").hex()
        sent["Authorization"] = (
            f"{_ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return sent

    def _key(self, keys: Keys, date: str) -> bytes:
        if (day := self._day) is None or day[1] != date or day[0] != keys:
            key = f"AWS4{keys.secret_key}".encode()
            for part in (date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day = day = (keys, date, key)
        return day[2]


@lru_cache(maxsize=32)
def _order(names: tuple[str, ...]) -> tuple[list[tuple[str, str]], str]:
    """Return those of `names` that are signed, sorted, in lower case and as they are; and the list that says so."""
    order = sorted((name.lower(), name) for name in names if name.lower() not in _UNSIGNED)
    return order, ";".join(low for low, _ in order)


@lru_cache(maxsize=32)
def _canonical(url: str) -> str:
    """Return path and query, each on a line, as they are signed.

    The path is quoted once more than it is sent, as all services but S3 want it, and without empty segments, "." and
    ".."; the query is sorted, names and values quoted strictly.
    """
    path, _, query = url.partition("?")
    kept: list[str] = []
    for each in path.split("/"):
        if each == "..":
            del kept[-1:]
        elif each not in {"", "."}:
            kept.append(each)
    straight = "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")
    pairs = parse_qsl(query, keep_blank_values=True)
    quoted = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return f"{quote(straight, safe='/-_.~')}\n{'&'.join(f'{name}={value}' for name, value in quoted)}"
