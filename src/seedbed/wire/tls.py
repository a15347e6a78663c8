"""What a server has to prove, and by whose word."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


def context(authorities: str = "") -> ssl.SSLContext:
    """Return what verifies a server by the file `authorities`, by this system's where that is "".

    Reading some hundred authorities takes its time: it is done once for each file, as long as the file stays.
    Raises OSError for a file that cannot be read or is no PEM.
    """
    found = os.stat(authorities) if authorities else None
    state = (found.st_mtime_ns, found.st_size) if found else ()
    return _made(authorities, state, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=8)
def _made(authorities: str, *_: object) -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context(cafile=authorities or None)


def is_untrusted(error: BaseException) -> bool:
    """Return whether `error` says that a certificate is not to be trusted: the next attempt would find the same."""
    import ssl

    return isinstance(error, ssl.SSLCertVerificationError)
