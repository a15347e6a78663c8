"""Values that may be used but never shown."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

MASK = "********"
_SHORTEST = 4  # masking shorter values would shred ordinary words and hide nothing


class Secret:
    """A string that prints as a mask; `reveal()` at the one place that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is not pickled: hand it over as it is, in this process")


class Redactor:
    """Replaces every known secret, however it is spelled, in text that is about to leave the process.

    The second line of defence: no message is built from a secret in the first place, but drivers,
    servers and tracebacks quote what they were given.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._secrets: list[str] = []
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret) -> None:
        value = secret.reveal()
        if len(value) < _SHORTEST or value in self._secrets:
            return
        self._secrets = sorted([*self._secrets, value], key=len, reverse=True)  # one may contain another
        self._pattern = None

    def __call__(self, text: str) -> str:
        if not self._secrets:
            return text
        if self._pattern is None:  # compiled once, when all secrets are known
            self._pattern = re.compile("|".join(form for each in self._secrets for form in _forms(each)))
        return self._pattern.sub(MASK, text)


def _forms(value: str) -> Iterable[str]:
    """Return patterns for `value` as it is, for its spellings, and for base64 of what contains it."""
    # Of quotes and blanks alone, the pattern would match anything.
    if sum(map(str.isalnum, value)) >= _SHORTEST:
        yield _spelled(value)
    yield re.escape(value)
    yield from map(re.escape, sorted(_base64_cores(value.encode("utf-8", "replace")), key=len, reverse=True))


def _spelled(value: str) -> str:
    """Return a pattern for `value` in a URL, a repr, JSON, SQL, a shell, or several of them inside each other.

    Letters and digits stay what they are everywhere. Anything else may be escaped with a % or with backslashes,
    quotes may be doubled as well, and a run of blanks may be as long as it likes, or gone from an end.
    """
    runs = re.findall(r"""[\\'"`]+|\s+|.""", value.strip(), re.DOTALL)
    return "".join(_run(each) for each in runs)


def _run(run: str) -> str:
    first = run[0]
    if first.isascii() and first.isalnum():
        return first
    if first.isspace():
        return r"(?:\s|\+|%20|%0[9ADad]|\\{1,4}[nrt])+"
    if first in "\\'\"`":  # as one run: a pattern for each of them could match in too many ways
        return r"""(?:[\\'"`]|%5[Cc]|%2[27]|%60)+"""
    raw = first.encode("utf-8", "replace")
    units = first.encode("utf-16-be", "replace")
    escapes = [
        re.escape(first),
        "".join(f"%{byte:02x}" for byte in raw),
        "".join(rf"\\{{1,4}}x{byte:02x}" for byte in raw),
        rf"\\{{1,4}}x{ord(first):02x}",
        rf"\\{{1,4}}U{ord(first):08x}",
        "".join(rf"\\{{1,4}}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)),
    ]
    return rf"\\{{0,4}}(?i:{'|'.join(escapes)})"


def _base64_cores(raw: bytes) -> set[str]:
    """Return what base64 of any text that contains `raw` must contain, for each of the three alignments."""
    cores = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    for lead in range(3):
        start = (lead * 8 + 5) // 6  # characters that also carry bits of what comes before
        end = (lead + len(raw)) * 8 // 6  # characters that carry only bits of `raw`
        padded = b"\0" * lead + raw
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(padded).decode()[start:end]
            if len(core) >= 2 * _SHORTEST:
                cores.add(core)
    return cores
