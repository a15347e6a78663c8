"""What a server keeps of a password (RFC 5802 and 7677, in PostgreSQL's notation), without holding up other threads.

libpq computes the same, but keeps the interpreter meanwhile: databases that are made at once would wait for each
other's logins.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode

_ROUNDS = 4096  # of a server that does not say how many it wants: before version 16
_SALT = 16  # bytes


def scram(password: str, rounds: str | None) -> str:
    """Return it for a password of ASCII, which SASLprep leaves as it is; `rounds`: the server's `scram_iterations`."""
    count = int(rounds or _ROUNDS)
    salt = os.urandom(_SALT)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, count)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${count}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return b64encode(value).decode()
