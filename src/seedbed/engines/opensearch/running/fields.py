"""What the mappings of indexes say of a field that holds ids, and the ids in documents. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from seedbed.errors import StepFailed
from seedbed.model.ids import number_text, whole

# The least and the most of whole numbers. Of unsigned_long, an aggregation rounds those beyond 2^63.
_WHOLE = {
    kind: (-(1 << bits), (1 << bits) - 1)
    for kind, bits in (("long", 63), ("integer", 31), ("short", 15), ("byte", 7))
}
_CHANGES = ("normalizer", "null_value")  # what is indexed then is not what the document has
_WORDS = frozenset({"text", "match_only_text", "keyword"})


class ExactField(Struct, frozen=True):
    """A field whose values are indexed as they are. `longest`: characters beyond which they are not, 0 for none.

    OpenSearch counts as Java does: a character beyond U+FFFF is two.
    """

    name: str
    between: tuple[int, int] | None  # of a number without fractions, the least and the most
    longest: int = 0

    def values(self, texts: Iterable[str]) -> list[Any]:
        """Return those of `texts` that it can have, as it has them."""
        if self.between is None:
            return list(texts)
        least, most = self.between
        return [value for each in texts if (value := whole(each, least, most)) is not None]

    def holds(self, ids: Collection[str]) -> bool:
        """Return whether all of `ids` are indexed, wherever they are."""
        return not self.longest or all(
            len(each.encode("utf-16-le", "surrogatepass")) <= 2 * self.longest for each in ids
        )


def exact(mappings: Sequence[Mapping[str, Any]], name: str) -> ExactField | None:
    """Return the field that all `mappings` index the values of `name` in, one of its subfields too; None for none."""
    found = [_exact(each, name) for each in mappings]
    return found[0] if found and all(each == found[0] for each in found) else None


def is_possible(mapping: Mapping[str, Any], name: str) -> bool:
    """Return whether documents of an index may have the field `name`."""
    if str(mapping.get("dynamic", "true")).lower() != "strict":
        return True
    names = name.split(".")
    return any(
        found is not None and (at == len(names) or "properties" not in found)
        for at in range(1, len(names) + 1)
        for found in [_mapped(mapping, ".".join(names[:at]), nested=True)]
    )


def keeps(mapping: Mapping[str, Any], name: str) -> bool:
    """Return whether documents are stored with what they had in the field `name`."""
    field = _mapped(mapping, name)
    if field is not None and field.get("type") == "alias":
        return False
    stored = mapping.get("_source") or {}
    if str(stored.get("enabled", True)).lower() == "false":
        return False
    names = name.split(".")
    within = [".".join(names[: at + 1]) for at in range(len(names))]  # what it lies in, and itself
    return (not stored.get("includes") or _is_one(within, stored["includes"])) and not _is_one(
        within, stored.get("excludes", ())
    )


def _is_one(names: Sequence[str], patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def is_date(mappings: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Return whether all `mappings` index `name` as a date, for searches and for the least of several."""
    fields = [_mapped(each, name) or {} for each in mappings]
    return all(
        each.get("type") == "date" and "null_value" not in each and _is_searched(each) for each in fields
    )


def ids_in(source: Any, name: str) -> Iterator[str]:
    """Yield the ids that the field `name` of a document has. Raises StepFailed for an object."""
    for value in _within(source, name.split(".")):
        match value:
            case None:
                pass
            case str():
                yield value
            case bool():
                yield str(value).lower()
            case int() | Decimal():
                yield number_text(str(value))
            case _:
                raise StepFailed(
                    f"{name} is an object, not an id",
                    because=f"its members are {', '.join(sorted(value)) or 'none'}",
                    try_="name one of them in the reference of seedbed.toml: index.field.member",
                )


def _exact(mapping: Mapping[str, Any], name: str) -> ExactField | None:
    field = _mapped(mapping, name)
    if field is None:
        return None
    if found := _as_it_is(field, name):
        return found
    if field.get("type") not in _WORDS:
        return None
    subfields = field.get("fields", {})
    fitting = (_as_it_is(each, f"{name}.{sub}") for sub, each in sorted(subfields.items()))
    return next(filter(None, fitting), None)


def _as_it_is(field: Mapping[str, Any], name: str) -> ExactField | None:
    kind = field.get("type")
    if not _is_searched(field) or any(each in field for each in _CHANGES):
        return None
    if kind == "keyword":
        return ExactField(name, None, longest=int(field.get("ignore_above", 0)))
    return ExactField(name, _WHOLE[kind]) if kind in _WHOLE else None


def _is_searched(field: Mapping[str, Any]) -> bool:
    return all(str(field.get(each, True)).lower() == "true" for each in ("index", "doc_values"))


def _mapped(mapping: Mapping[str, Any], name: str, *, nested: bool = False) -> Mapping[str, Any] | None:
    """Return the mapping of the field `name`; None where there is none, or it lies in documents of their own.

    `nested`: in these, too.
    """
    found: Mapping[str, Any] = mapping
    for each in name.split("."):
        if (found.get("type") == "nested" and not nested) or each not in found.get("properties", {}):
            return None
        found = found["properties"][each]
    return found


def _within(value: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield what `value` has under `names`: each element of a list; a key may be several names with dots."""
    if isinstance(value, list):
        for each in value:
            yield from _within(each, names)
    elif not names:
        yield value
    elif isinstance(value, dict):
        for at in range(1, len(names) + 1):
            if (key := ".".join(names[:at])) in value:
                yield from _within(value[key], names[at:])
