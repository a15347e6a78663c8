"""The certificate authorities of Amazon RDS: a file of the image, or fetched once from AWS and checked.

Nobody but AWS uses them, so no system has them. The file is not shipped with seedbed: AWS adds authorities to it, and
says nothing about who may hand it on. What is fetched has to be the one whose SHA-256 stands here; a newer seedbed
knows the newer one, and until then DB_SSLROOTCERT names any file.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

from seedbed.errors import AccessRefused, Unreachable

IN_IMAGE = Path("/etc/ssl/certs/rds-global-bundle.pem")  # where images of containers have it
URL = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
SHA256 = "e5bb2084ccf45087bda1c9bffdea0eb15ee67f0b91646106e466714f9de3c7e3"  # 108 certificates, 165 408 bytes
# Partitions with authorities of their own: by what a host ends with. Their files are fetched by people.
_ELSEWHERE = {
    ".amazonaws.com.cn": "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem",
    ".us-gov-west-1.rds.amazonaws.com": "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/global/global-bundle.pem",
    ".us-gov-east-1.rds.amazonaws.com": "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/global/global-bundle.pem",
}
_MOST = 1 << 20  # bytes
_TIMEOUT = 10  # seconds
_fetching = threading.Lock()


def bundle(host: str) -> Path:
    """Return the file with the authorities that the server `host` is verified by. Raises Unreachable, AccessRefused."""
    if IN_IMAGE.is_file():
        return IN_IMAGE
    name = host.rstrip(".").lower()
    for ending, url in _ELSEWHERE.items():
        if name.endswith(ending):
            raise Unreachable(
                f"{host} cannot be verified: its authorities are not at {IN_IMAGE}",
                because=f"this part of AWS has its own, at {url}",
                try_=f"fetch that file, and put it there or name it in DB_SSLROOTCERT: curl -O {url}",
            )
    from seedbed.servers.jars import cache

    path = cache() / f"rds-global-bundle-{SHA256[:12]}.pem"
    with _fetching:  # several databases are connected to at once
        if not _is_whole(path):
            _fetch(host, path)
    return path


def _is_whole(path: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    except OSError:
        return False


def _fetch(host: str, path: Path) -> None:
    """Put AWS's file at `path`, whole or not at all."""
    try:
        data = _downloaded()
    except OSError as error:  # what urllib raises, and a certificate of the wrong authority, is one
        raise Unreachable(
            f"{host} cannot be verified: the authorities of Amazon RDS are not here",
            because=f"{URL} cannot be fetched: {error}",
            try_=f"fetch it where there is a network, and put it at {IN_IMAGE} or name it in DB_SSLROOTCERT",
        ) from None
    if (digest := hashlib.sha256(data).hexdigest()) != SHA256:
        raise AccessRefused(
            f"{host} cannot be verified: {URL} is not the file that this seedbed knows",
            because=f"its SHA-256 is {digest}, {SHA256} is expected: AWS changed it, or something on the way did",
            try_="upgrade seedbed; or look at the file yourself, and name it in DB_SSLROOTCERT",
        )
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(data)
        os.replace(scratch, path)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink()
        raise Unreachable(
            f"{host} cannot be verified: the authorities of Amazon RDS cannot be kept",
            because=str(error),
            try_=f"SEEDBED_CACHE=DIRECTORY of your own, or fetch {URL} and name it in DB_SSLROOTCERT",
        ) from None


def _downloaded() -> bytes:
    from urllib.request import urlopen

    from seedbed.wire.endpoint import endpoint
    from seedbed.wire.proxies import proxy

    proxy(endpoint(URL))  # one that urllib would not understand is refused
    with urlopen(URL, timeout=_TIMEOUT) as answer:
        return bytes(answer.read(_MOST))
