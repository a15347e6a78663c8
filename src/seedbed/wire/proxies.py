"""Which proxy leads to a server, by the variables that every tool reads: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.

The name in lower case wins, as in curl. A loopback address is never asked for through a proxy, as in Go: what answers
there is this machine's own sandbox.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct

from seedbed.errors import UsageError
from seedbed.wire.endpoint import Endpoint


class Proxy(Struct, frozen=True):
    """`variable` named it; `login` is the value of Proxy-Authorization, "" where the URL has none. Never shown."""

    host: str
    port: int
    variable: str
    login: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Proxy({self.host!r}, {self.port}, {self.variable!r})"


def proxy(endpoint: Endpoint, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """Return the proxy that requests to `endpoint` take, None where they go straight.

    Raises UsageError for a proxy that cannot be used: no URL, SOCKS, or one that is itself reached by TLS.
    """
    variable, text = _first(environ, "https_proxy" if endpoint.is_tls else "http_proxy")
    if not text or endpoint.is_loopback or _is_exempt(endpoint, _first(environ, "no_proxy")[1]):
        return None
    parts, port = _parsed(variable, text)
    if parts.username is None:
        return Proxy(parts.hostname or "", port, variable)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(parts.hostname or "", port, variable, f"Basic {b64encode(login.encode()).decode()}")


def _first(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return the variable that counts and its value, "" where it is not set."""
    for each in (name, name.upper()):
        if each in environ:
            return each, environ[each].strip()
    return name.upper(), ""


def _parsed(variable: str, text: str) -> tuple[SplitResult, int]:
    """Return the URL of a proxy, and its port. Raises UsageError, which shows no password."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:  # a port that is not a number, brackets that are not an address
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme not in {"http", ""}:
        over = "SOCKS" if parts.scheme.startswith("socks") else f"{parts.scheme}://"
        raise UsageError(
            f"the proxy of {variable} cannot be used",
            because=f"it is spoken to over {over}, and seedbed speaks plain HTTP to a proxy (and TLS through it)",
            try_=f"{variable}=http://host:port, or NO_PROXY with the server's name",
        )
    if not host:
        raise UsageError(
            f"{variable} names no proxy",
            because="it has to look like http://host:port or http://user:password@host:port",
            try_="in a user or a password, / is %2F, @ is %40, : is %3A, # is %23, ? is %3F",
        )
    return parts, port


def _is_exempt(endpoint: Endpoint, entries: str) -> bool:
    """Return whether NO_PROXY names the server: *, a domain and all below it, a network, each perhaps with a port."""
    return any(_names(each.strip().lower(), endpoint) for each in entries.split(",") if each.strip())


def _names(entry: str, endpoint: Endpoint) -> bool:
    if entry == "*":
        return True
    host = endpoint.host.lower().rstrip(".")
    if "/" in entry:
        return _is_within(host, entry)
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.startswith("[")):
        if int(port) != endpoint.port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").strip(".")
    is_address = ":" in host or host.replace(".", "").isdigit()
    return bool(entry) and (host == entry or (not is_address and host.endswith(f".{entry}")))


def _is_within(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:  # a name is in no network
        return False
