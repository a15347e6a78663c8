"""Signature version 4 for one kind of request: POST / with a JSON body. What stays the same all day is kept."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from hashlib import sha256

from seedbed.wire.signing import Keys

_TYPE = "application/x-amz-json-1.0"
_ALGORITHM = "AWS4-HMAC-SHA256"


class Signer:
    """Writes the head of a request, signed. Thread-safe: what it keeps is replaced whole, never changed.

    `host` as the Host header has it, `path` as the URL has it. `clock` returns seconds since the epoch.
    """

    def __init__(
        self,
        *,
        host: str,
        path: str,
        region: str,
        service: str,
        target: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._host = host
        self._path = path
        self._region = region
        self._service = service
        self._target = target
        self._clock = clock
        self._day: tuple[Keys, str, bytes] | None = None  # keys, date, signing key of that date

    def head(self, operation: str, body: bytes, keys: Keys) -> bytes:
        """Return the head of the request for `operation` with `body`, up to and with the empty line."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        date = stamp[:8]
        token, target = keys.session_token, f"{self._target}.{operation}"
        signed, lines = (
            "content-type;host;x-amz-date;",
            f"content-type:{_TYPE}\nhost:{self._host}\nx-amz-date:{stamp}\n",
        )
        if token:
            signed, lines = f"{signed}x-amz-security-token;", f"{lines}x-amz-security-token:{token}\n"
        signed += "x-amz-target"
        canonical = (
            f"POST\n{self._path}\n\n{lines}x-amz-target:{target}\n\n{signed}\n{sha256(body).hexdigest()}"
        )
        scope = f"{date}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key(keys, date), text.encode(), "sha256").hex()
        held = f"X-Amz-Security-Token: {token}\r\n" if token else ""
        return (
            f"POST {self._path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {_TYPE}\r\n"
            f"X-Amz-Date: {stamp}\r\nX-Amz-Target: {target}\r\n{held}"
            f"Authorization: {_ALGORITHM} Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}\r\n"
            f"Accept-Encoding: identity\r\nUser-Agent: seedbed\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()

    def _key(self, keys: Keys, date: str) -> bytes:
        if (day := self._day) is None or day[1] != date or day[0] != keys:
            key = f"AWS4{keys.secret_key}".encode()
            for part in (date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day = day = (keys, date, key)
        return day[2]
