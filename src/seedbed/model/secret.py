"""Values that may be used but never shown."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

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
    """Replaces every known form of every known secret in text that is about to leave the process.

    The second line of defence: no message is built from a secret in the first place, but drivers,
    servers and tracebacks quote what they were given.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._forms: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret) -> None:
        known = {*self._forms, *_forms(secret.reveal())}
        self._forms = sorted(known, key=len, reverse=True)  # longest first: a form may contain another

    def __call__(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text


def _forms(value: str) -> set[str]:
    """Return the spellings in which `value` turns up: plain, URL, repr, JSON, shell, SQL, libpq, base64."""
    if len(value) < _SHORTEST:
        return set()
    escaped = value.replace("\\", "\\\\")
    spellings = {
        value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        repr(value)[1:-1],
        repr(value.encode())[2:-1],
        escaped,
        escaped.replace("'", "\\'"),
        escaped.replace('"', '\\"'),
        value.replace("'", "''"),
        value.replace("'", "'\\''"),
    }
    spellings |= {quote(value, safe="").lower(), quote(value).lower()} - {value.lower()}
    return {form for form in spellings | _base64_cores(value.encode()) if len(form) >= _SHORTEST}


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
