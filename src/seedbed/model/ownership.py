"""What migrations name: the objects they make, and those that have to be there already."""

from __future__ import annotations

from msgspec import Struct


class Mention(Struct, frozen=True):
    """Something that a migration needs and does not make: on `line` of its file.

    `names`: the names that it may have, the likeliest first: "users" may be in each schema of a search path.
    `is_apart`: it stands in a place that is nobody's by default, such as a schema with a name.
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
