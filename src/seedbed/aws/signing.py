"""Signature version 4 for any request, without botocore: headers in, the same headers and a signature out."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from urllib.parse import parse_qsl, quote

from seedbed.aws.keys import Keys

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = frozenset({"accept-encoding", "authorization", "connection", "expect", "user-agent"})


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
        own = {"Host": self._host, "X-Amz-Date": stamp, "X-Amz-Content-SHA256": digest}
        if keys.session_token:
            own["X-Amz-Security-Token"] = keys.session_token
        sent = {**headers, **own}
        lines = {
            name.lower(): " ".join(value.split())
            for name, value in sent.items()
            if name.lower() not in _UNSIGNED
        }
        names = ";".join(sorted(lines))
        path, _, query = url.partition("?")
        canonical = "\n".join(
            [
                method,
                quote(
                    _straight(path), safe="/-_.~"
                ),  # quoted once more than it is sent, as all but S3 want it
                _canonical(query),
                *(f"{name}:{lines[name]}" for name in sorted(lines)),
                "",
                names,
                digest,
            ]
        )
        date = stamp[:8]
        scope = f"{date}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key(keys, date), text.encode(), "sha256").hex()
        credential = f"{keys.access_key}/{scope}"
        sent["Authorization"] = (
            f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        )
        return sent

    def _key(self, keys: Keys, date: str) -> bytes:
        if (day := self._day) is None or day[1] != date or day[0] != keys:
            key = f"AWS4{keys.secret_key}".encode()
            for part in (date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day = day = (keys, date, key)
        return day[2]


def _straight(path: str) -> str:
    """Return `path` without empty segments, "." and "..": so it is signed, however it is sent."""
    kept: list[str] = []
    for each in path.split("/"):
        if each == "..":
            del kept[-1:]
        elif each not in {"", "."}:
            kept.append(each)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")


def _canonical(query: str) -> str:
    """Return `query` with names and values quoted strictly, sorted."""
    pairs = parse_qsl(query, keep_blank_values=True)
    quoted = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in quoted)
