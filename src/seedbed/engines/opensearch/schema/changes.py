"""The difference between two definitions of an index: a change in place, or why it needs a new index. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.schema.fields import CHILDREN, documented, fields
from seedbed.engines.opensearch.schema.settings import is_dynamic, normalized
from seedbed.engines.opensearch.schema.shape import IndexDefinition
from seedbed.model.migration import Direction
from seedbed.support.phrases import shorten

# Parameters of a field that an open index accepts another value of.
_UPDATABLE = frozenset(
    {
        "coerce",
        "copy_to",
        "dynamic",
        "eager_global_ordinals",
        "fielddata",
        "fielddata_frequency_filter",
        "ignore_above",
        "ignore_malformed",
        "meta",
        "search_analyzer",
        "search_quote_analyzer",
    }
)
_UPDATABLE_ROOT = frozenset(
    {"_meta", "date_detection", "dynamic", "dynamic_date_formats", "dynamic_templates", "numeric_detection"}
)
_LATER = {
    "copy_to": "what is copied",
    "ignore_above": "what is left out",
}  # only documents written later have it
_MISSING = object()


class IndexChange(Struct, frozen=True):
    """The change from one definition to another.

    `settings`: to put on the open index; None: the default. `reasons`: why it needs a new index; none if the change can
    be made in place. `partial`: what existing documents lack after a change in place. `removed`: fields of documents
    that only the old definition has.
    """

    settings: Mapping[str, Any]
    reasons: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def is_in_place(self) -> bool:
        return not self.reasons


def change(old: IndexDefinition, new: IndexDefinition) -> IndexChange:
    """Return the change from `old` to `new`, which may be the older of the two."""
    had, has = dict(documented(old.mappings)), dict(documented(new.mappings))
    settings = _changed_settings(old.settings, new.settings)
    return IndexChange(
        settings={name: value for name, value in settings.items() if is_dynamic(name)},
        reasons=(*_static(old.settings, settings), *_root(old.mappings, new.mappings), *_fields(old, new)),
        partial=tuple(_partial(old.mappings, new.mappings, "", "true")),
        removed=_outermost(path for path in had if path not in has),
    )


def taken_out(found: IndexChange, new: IndexDefinition, direction: Direction) -> tuple[str, ...]:
    """Return the fields that the change `found` to `new` removes from every document, where no code transforms them.

    Up: those that the next definition lacks, since dropping a field means that. Down: only if the older definition is
    strict; otherwise the values stay.
    """
    return found.removed if direction is Direction.UP or new.is_strict else ()


def clashes(existing: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields of the mappings `new` that an existing index has mapped to another type, from documents."""
    mapped = dict(fields(existing))
    return tuple(
        f"{path} is {_type(mapped[path])} in the index already, not {_type(field)}"
        for path, field in fields(new)
        if path in mapped and _type(mapped[path]) != _type(field)
    )


def _outermost(paths: Iterator[str]) -> tuple[str, ...]:
    """Return `paths` without those inside another one."""
    found: list[str] = []
    for path in paths:  # parents come first
        if not any(path.startswith(f"{each}.") for each in found):
            found.append(path)
    return tuple(found)


def _changed_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    names = sorted({*old, *new})
    return {name: new.get(name) for name in names if normalized(old.get(name)) != normalized(new.get(name))}


def _static(old: Mapping[str, Any], changed: Mapping[str, Any]) -> Iterator[str]:
    analysis = sorted({".".join(name.split(".")[1:3]) for name in changed if name.startswith("analysis.")})
    if analysis:
        yield f"analysis of {', '.join(analysis)}: text is analysed when a document is written"
    for name, value in changed.items():
        if not is_dynamic(name) and not name.startswith("analysis."):
            yield f"setting {name}, {_shown(old.get(name))} -> {_shown(value)}: it is fixed when an index is created"


def _root(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*old, *new} - {"properties", "_meta"}):
        before, after = old.get(key, _MISSING), new.get(key, _MISSING)
        if before == after:
            continue
        if key not in _UPDATABLE_ROOT:
            yield f"mappings.{key}: it is fixed when an index is created"
        elif key == "dynamic_templates" and not _grown(before, after):
            yield "mappings.dynamic_templates: an open index only accepts more of them"
        elif after is _MISSING:
            yield f"mappings.{key}: an open index keeps what it was given"


def _grown(before: Any, after: Any) -> bool:
    """Return whether `after` has every template of `before`, or a newer one of its name."""
    return _names(before) <= _names(after)


def _names(templates: Any) -> set[str]:
    return {name for each in (templates if isinstance(templates, list) else ()) for name in each}


def _fields(old: IndexDefinition, new: IndexDefinition) -> Iterator[str]:
    yield from _walk(old.mappings, new.mappings, "")


def _walk(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key in CHILDREN:
        before, after = old.get(key) or {}, new.get(key) or {}
        for name, field in before.items():
            path = f"{prefix}{name}"
            if name not in after:
                yield f"{path} is removed: an open index keeps every field"
            else:
                yield from _field(path, field, after[name])


def _field(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    one, other = _type(old), _type(new)
    if one != other:
        yield f"{path} changes its type, {one} -> {other}"
        return
    for key in sorted({*old, *new} - {*CHILDREN, "type"}):
        if old.get(key) != new.get(key) and key not in _UPDATABLE:
            yield f"{path} changes {key}, {_shown(old.get(key))} -> {_shown(new.get(key))}"
    yield from _walk(old, new, f"{path}.")


def _type(field: Mapping[str, Any]) -> str:
    return str(field.get("type", "object"))


def _partial(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str, dynamic: str) -> Iterator[str]:
    """Yield what documents lack that are there already; `dynamic`: what `old` has that says nothing about it."""
    dynamic = str(old.get("dynamic", dynamic)).lower()
    for key in CHILDREN:
        before, after = old.get(key) or {}, new.get(key) or {}
        for name, field in after.items():
            path = f"{prefix}{name}"
            if name not in before:
                if key == "fields" or dynamic == "false":  # then documents may have it, unknown to the index
                    yield f"{path}: existing documents are not found by it until they are written again"
                continue
            for word, what in _LATER.items():
                if before[name].get(word) != field.get(word):
                    yield f"{path}: {what} by {word} applies to documents written from now on"
            yield from _partial(before[name], field, f"{path}.", dynamic)


def _shown(value: Any) -> str:
    if value is None:
        return "default"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return shorten(text, 60)
