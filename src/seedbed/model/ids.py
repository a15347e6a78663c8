"""Ids of a field, as an engine reads them: blocks of what is found in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

UUID_BYTES = 16
UUID_FORM = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
is_uuid = re.compile(UUID_FORM).fullmatch
_is_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?").fullmatch


class Extent(Struct, frozen=True):
    """What there is to read of a field before its ids are read, about.

    `rows`: None where nothing knows them without reading. `units`: what reading takes, where reads are charged.
    `index`: what is read in the table's place, empty for the table itself. `finds_few`: a few ids are found there
    without reading all of it, where reads are charged.
    """

    rows: int | None = None
    units: float = 0.0
    index: str = ""
    finds_few: bool = True


class Ids(Struct, frozen=True):
    """A block of the ids of one field.

    `uuids`: those that the server keeps as UUIDs, 16 bytes each, one after the other. `texts`: all others, as text; a
    UUID among them is the same id as its 16 bytes, however it is written. `rows`: for each of `texts` the key of the
    row that holds it, as text, where the engine needs that to find the row again; empty where it does not.
    `empty`: how many rows of the block have no id.
    """

    uuids: bytes = b""
    texts: Sequence[str] = ()
    rows: Sequence[str] = ()
    empty: int = 0

    @property
    def count(self) -> int:
        """How many ids it has."""
        return len(self.uuids) // UUID_BYTES + len(self.texts)


def same_id(text: str) -> str:
    """Return the one text of an id: of a UUID the form that PostgreSQL writes, of any other the text itself."""
    return text.lower() if is_uuid(text) else text


def spellings(ids: Iterable[str]) -> Mapping[str, str]:
    """Return, by the texts that a server may hold of `ids`, the ids: of a UUID its capitals too, though no mixture."""
    found = {}
    for each in ids:
        if is_uuid(each):
            found[each.upper()] = each
        found[each] = each
    return found


def number_text(text: str) -> str:
    """Return a number as an id is written: "1E+2" as "100", "1.50" as "1.5"."""
    if _is_number(text):
        return "0" if text == "-0" else text
    plain = format(Decimal(text), "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in {"-0", ""} else plain


def whole(id_: str, least: int = -(1 << 63), most: int = (1 << 63) - 1) -> int | None:
    """Return the whole number that `id_` writes, if it lies between the two, else None."""
    if number(id_) is None or "." in id_ or len(id_) > len(str(1 << 64)):
        return None
    value = int(id_)
    return value if least <= value <= most else None


def number(id_: str) -> str | None:
    """Return `id_` if it is a number as `number_text` writes it, else None."""
    return id_ if _is_number(id_) and id_ != "-0" else None
