"""Names of one environment on a domain that several share: each begins with its prefix, "dev-ana.search.". Pure.

No name of an environment or of a service has a dot. So no prefix begins another one, and a name says whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from seedbed.errors import Refused

LONGEST = 255  # bytes of a name
STREAM = ".ds-"  # an index of a data stream is named after it

_NAME = r"[a-z0-9](?:-?[a-z0-9])*"
_PREFIX = re.compile(rf"({_NAME})\.({_NAME})\.")
_OTHERS = re.compile(rf"dev(?:-?[a-z0-9])*\.{_NAME}\.")  # environments that lie in a base begin so

Named = Callable[[str], str]


class Beyond(Refused):
    """A request reaches beyond what its environment has on a shared domain; it was not sent."""


def beyond(what: str, because: str, try_: str = "") -> Beyond:
    """Return the error of a request that is `what`."""
    return Beyond(
        what,
        because=f"this environment shares its domain with others, and {because}",
        try_=try_ or 'give it a domain of its own: own = ["opensearch"] in its section of seedbed.toml',
    )


def prefix_of(environment: str, service: str) -> str:
    """Return what the names of `service` begin with in `environment`: "dev-ana.search."."""
    return f"{environment}.{service}."


def is_prefix(text: str) -> bool:
    """Return whether `text` is the prefix of an environment and a service."""
    return _PREFIX.fullmatch(text) is not None


def owner_of(name: str) -> tuple[str, str] | None:
    """Return the environment and the service whose `name` it is, of an index or whatever else; None for no one's."""
    found = _PREFIX.match(name.removeprefix(STREAM))
    return (found[1], found[2]) if found and _OTHERS.match(found[0]) else None


class Names(Struct, frozen=True):
    """The names below one prefix: `inside` as files have them, `outside` as the domain has them."""

    prefix: str

    def outside(self, name: str) -> str:
        """Return a plain name, pattern or list of both as the domain has it. Raises Beyond."""
        return ",".join(self._outside(each) for each in name.split(","))

    def inside(self, name: str) -> str:
        """Return a name of the domain as files have it; another's as it is."""
        if name.startswith(STREAM + self.prefix):
            return STREAM + name[len(STREAM + self.prefix) :]
        return name.removeprefix(self.prefix)

    def is_own(self, name: str) -> bool:
        return name.removeprefix(STREAM).startswith(self.prefix)

    def without(self, text: str) -> str:
        """Return a text of the domain's, such as a reason, with plain names in it."""
        return text.replace(self.prefix, "")

    def _outside(self, name: str) -> str:
        if name in {"_all", "*"}:
            return f"{self.prefix}*"
        if name.startswith("-") and len(name) > 1:  # in a list: but not these
            return f"-{self._outside(name[1:])}"
        if wrong := _wrong(name):
            raise beyond(f"{name!r} is no name below {self.prefix}", wrong)
        found = self.prefix + name
        if len(found.encode()) > LONGEST:
            raise beyond(
                f"{name!r} is too long", f"with {self.prefix} before it, it has more than {LONGEST} bytes"
            )
        return found


def _wrong(name: str) -> str:
    """Return why a name cannot be put below a prefix, "" where it can."""
    if not name:
        return "an empty name may stand for everything"
    if name[0] in "._<-+":
        return "such names are the server's, of the whole domain, or another each day"
    if ":" in name:
        return "it names another cluster"
    if _OTHERS.match(name):
        return "it begins as names of an environment do: a file has the plain name, such as lessons"
    return ""
