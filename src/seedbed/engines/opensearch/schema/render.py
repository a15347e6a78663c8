"""The schema of a cluster as lines, so that two clusters can be compared.

Left out: what differs from index to index (number, uuid, date, version of the server); former indexes of an alias; and
dynamic fields: a field in a dynamic part of a mapping, exactly as OpenSearch maps one from documents. If a mapping is
strict, every field counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.engines.opensearch.schema.catalogue import Body, Catalogue, is_former, lasting_name
from seedbed.engines.opensearch.schema.names import META

_OWN = frozenset({"uuid", "creation_date", "provided_name", "version", "resize", "history", "routing"})
_SERVERS = frozenset({"merge", "replication", "knn.derived_source"})  # depend on the version of the server
_DYNAMIC_FIELDS: tuple[Body, ...] = (
    {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}},
    {"type": "long"},
    {"type": "float"},
    {"type": "boolean"},
    {"type": "date"},
)


def schema_lines(found: Catalogue) -> Sequence[str]:
    """Return the lines of a catalogue, sorted."""
    lines = {
        line
        for name, body in found.indexes.items()
        if not is_former(name, found.indexes)
        for line in index_lines(name, body)
    }
    lines |= {f"data stream {name}" for name in found.streams}
    for kind, each in found.others.items():
        lines |= {f"{kind.name} {name} = {_text(body)}" for name, body in each.items()}
    return sorted(lines)


def index_lines(physical: str, body: Body) -> Iterator[str]:
    """Yield the lines of an index: `body` holds its aliases, mappings and settings."""
    name = lasting_name(physical, body)
    yield f"index {name}"
    for alias, how in body.get("aliases", {}).items():
        yield f"index {name} alias {alias}" + (f" = {_text(how)}" if how else "")
    settings = body.get("settings", {}).get("index", {})
    for key, value in _flat(settings):
        if key.partition(".")[0] not in _OWN | _SERVERS and not any(
            key.startswith(f"{each}.") for each in _SERVERS
        ):
            yield f"index {name} setting {key} = {_text(value)}"
    mappings = dict(body.get("mappings", {}))
    properties = mappings.pop("properties", {})
    if meta := {key: value for key, value in mappings.pop("_meta", {}).items() if key != META}:
        yield f"index {name} mapping _meta = {_text(meta)}"
    for key, value in mappings.items():
        yield f"index {name} mapping {key} = {_text(value)}"
    is_dynamic = _is_dynamic(mappings, default=True)
    yield from (f"index {name} field {line}" for line in _fields(properties, is_dynamic=is_dynamic))


def _fields(properties: Mapping[str, Body], *, is_dynamic: bool, prefix: str = "") -> Iterator[str]:
    for field, found in properties.items():
        inner = found.get("properties")
        if inner is not None:
            is_inner_dynamic = _is_dynamic(found, default=is_dynamic)
            lines = list(_fields(inner, is_dynamic=is_inner_dynamic, prefix=f"{prefix}{field}."))
            yield from lines
            rest = {key: value for key, value in found.items() if key != "properties"}
            if rest or not is_dynamic:
                yield f"{prefix}{field} = {_text({'type': 'object', **rest})}"
        elif not (is_dynamic and found in _DYNAMIC_FIELDS):
            yield f"{prefix}{field} = {_text(found)}"


def _is_dynamic(mapping: Body, *, default: bool) -> bool:
    dynamic = mapping.get("dynamic")
    return default if dynamic is None else str(dynamic).lower() == "true"


def _flat(settings: Body, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
