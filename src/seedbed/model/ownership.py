"""What migrations name: the objects they make, and those that have to be there already."""

from __future__ import annotations

from msgspec import Struct


class Mention(Struct, frozen=True):
    """Something that a migration needs and does not make: on `line` of its file.

    `names`: the names that it may have, the likeliest first: "users" may be in each schema of a search path.
    `is_apart`: it stands where nothing is by default, such as in a schema with a name.
    """

    names: tuple[str, ...]
    line: int = 0
    is_apart: bool = False

    @property
    def name(self) -> str:
        return self.names[0]


class Named(Struct, frozen=True):
    """What a migration names. `hidden`: text of it whose effect only running it would show."""

    makes: frozenset[str] = frozenset()
    needs: tuple[Mention, ...] = ()
    hidden: tuple[str, ...] = ()


class Place(Struct, frozen=True):
    """Where a database is, and as whom it is reached: as its server says, not as it is addressed.

    `server`: the same for two that are on one. `name`: of the database there; `area`: the part of it that holds what
    the service makes, such as a schema. `login`: whoever asks.
    """

    server: str
    name: str
    login: str
    area: str = ""

    def is_same(self, other: Place) -> bool:
        """Return whether what is in one place is in the other."""
        return (self.server, self.name, self.area) == (other.server, other.name, other.area)
