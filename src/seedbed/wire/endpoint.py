"""What a URL says about where to connect, and how the target of a request is written."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from msgspec import Struct

_SAFE = "/:@!$&'()*+,;=~-._?[]"  # what a target may have besides letters, digits and what is quoted already
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Endpoint(Struct, frozen=True):
    """`authority` is the Host header, without the scheme's usual port; `path` is "/" where the URL has none."""

    host: str
    port: int
    is_tls: bool
    authority: str
    path: str

    @property
    def is_loopback(self) -> bool:
        is_v4 = self.host.startswith("127.") and self.host.replace(".", "").isdigit()  # no name
        return is_v4 or self.host in {"localhost", "::1"}


def endpoint(url: str) -> Endpoint:
    """Return where `url` leads; it is checked already."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    usual = 443 if is_tls else 80
    host, port = parts.hostname or "", parts.port or usual
    name = f"[{host}]" if ":" in host else host
    return Endpoint(host, port, is_tls, name if port == usual else f"{name}:{port}", parts.path or "/")


def encoded(target: str) -> str:
    """Return path and query with all that may not be sent as it is quoted; what is quoted stays so."""
    if target.isascii() and target.isprintable() and not set(target) & set(' "#%<>\\^`{|}'):
        return target
    return quote(_STRAY.sub("%25", target), safe=f"{_SAFE}%")
