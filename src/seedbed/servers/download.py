"""Fetch one file from Maven Central, or a mirror of it, and see that it is the one that was meant."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from msgspec import Struct

from seedbed.errors import SandboxError
from seedbed.wire.endpoint import endpoint
from seedbed.wire.proxies import proxy
from seedbed.wire.retrying import Policy, retrying

REPOSITORY = "SEEDBED_MAVEN"  # of those who may not reach Maven Central
MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
TIMEOUT_SECONDS = 60
ATTEMPTS = 4
POLICY = Policy(attempts=ATTEMPTS, base=0.25, cap=4.0)
PASSING = frozenset({408, 429, 500, 502, 503, 504})  # answers after which another attempt may succeed
CHUNK = 1 << 18
_WAY = f"again with a network, or {REPOSITORY}=URL of a mirror; what is there already is kept"


class Artifact(Struct, frozen=True):
    """A file of Maven Central: its coordinates, its size in bytes and its SHA-256 (hexadecimal)."""

    group: str
    name: str
    kind: str
    version: str
    size: int
    sha256: str
    classifier: str = ""

    @property
    def filename(self) -> str:
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.kind}"

    @property
    def path(self) -> str:
        """Where it lies in a repository."""
        return f"{self.group.replace('.', '/')}/{self.name}/{self.version}/{self.filename}"

    def __str__(self) -> str:
        return ":".join(filter(None, (self.group, self.name, self.kind, self.classifier, self.version)))


def repository() -> str:
    """Return the URL that files are fetched from, without a password: SEEDBED_MAVEN's, else Maven Central's.

    Raises SandboxError where it is not a URL.
    """
    from urllib.parse import urlsplit

    try:
        found = urlsplit(_named())
        is_url = found.scheme in {"http", "https"} and bool(found.hostname) and found.port != 0
    except ValueError:  # brackets that are not an address, a port that is not a number
        found, is_url = urlsplit(""), False
    # With an @ further on, a password has a / of its own: what is after it would be taken for the path, and shown.
    if not is_url or "@" in found.path or found.query or found.fragment:
        raise SandboxError(
            f"{REPOSITORY} names no repository",
            because="it is not a URL that begins with https:// or http://, or something in it is not escaped",
            try_=f"{REPOSITORY}={MAVEN_CENTRAL}; in a name or a password, / is %2F, @ is %40, ? is %3F, # is %23",
        )
    return found._replace(netloc=found.netloc.rpartition("@")[2]).geturl()


def _named() -> str:
    return os.environ.get(REPOSITORY, "").rstrip("/") or MAVEN_CENTRAL


def fetch(artifact: Artifact, folder: Path) -> Path:
    """Put `artifact` into `folder` and return its path; it is there whole or not at all. Raises SandboxError."""
    path = folder / artifact.filename
    scratch = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder))
    try:
        found = _downloaded(artifact, scratch)
        if (digest := sha256(found)) != artifact.sha256:
            raise SandboxError(
                f"{artifact} is not what it should be",
                because=f"its SHA-256 is {digest}, {artifact.sha256} is expected",
                try_="again; if that does not help, something on the way changes downloads",
            )
        os.replace(found, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return path


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _downloaded(artifact: Artifact, scratch: Path) -> Path:
    """Return the path of `artifact`, downloaded into the empty directory `scratch`."""
    from http.client import HTTPException
    from ssl import SSLError
    from urllib.error import HTTPError, URLError

    path = scratch / artifact.filename
    for attempt in retrying(POLICY):
        try:
            _get(artifact, path)
            break
        except HTTPError as error:
            error.close()
            failed = _failed(artifact, f"the answer is {error.code} {error.reason}")
            if error.code not in PASSING:
                raise failed from error
            attempt.failed(failed)
        except (URLError, HTTPException, ConnectionError, TimeoutError, SSLError) as error:
            because = str(error.reason if isinstance(error, URLError) else error)
            attempt.failed(_failed(artifact, because, try_=_WAY))
        except OSError as error:  # a full disk
            raise _failed(artifact, str(error)) from error
    return path


def _failed(artifact: Artifact, because: str, *, try_: str = "") -> SandboxError:
    return SandboxError(f"{artifact} cannot be fetched from {repository()}", because=because, try_=try_)


def _get(artifact: Artifact, path: Path) -> None:
    """Write what the repository has for `artifact` to `path`. Raises what urllib raises.

    urllib takes the proxy that the variables name, and follows redirects; one that it would not understand is refused.
    """
    from urllib.request import Request, build_opener

    proxy(endpoint(repository()))
    request = Request(f"{repository()}/{artifact.path}", headers={"user-agent": "seedbed"})  # noqa: S310  the scheme is checked
    if login := _login():
        request.add_unredirected_header("authorization", login)
    size = 0
    with build_opener().open(request, timeout=TIMEOUT_SECONDS) as answer, path.open("wb") as file:
        while size <= artifact.size:  # of more than that, no byte is wanted
            chunk = answer.read(CHUNK)
            if not chunk and size < int(answer.headers.get("content-length") or 0):
                raise ConnectionError(f"the answer ended after {size} bytes")
            if not chunk:
                break
            size += len(chunk)
            file.write(chunk)


def _login() -> str:
    """Return what authorises a request where the repository's URL has a name and a password, else ""."""
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit

    found = urlsplit(_named())
    if found.username is None:
        return ""
    login = f"{unquote(found.username)}:{unquote(found.password or '')}"
    return f"Basic {b64encode(login.encode()).decode()}"
