"""What migrations take away from those that use a cluster: indexes, aliases, fields, and names of other objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from seedbed.engines.opensearch.files.programs import is_program, subject_of
from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.files.requests import request
from seedbed.engines.opensearch.rules.endpoints import Effect, endpoint_of
from seedbed.engines.opensearch.rules.kinds import RequestKind, kind_of
from seedbed.engines.opensearch.rules.naming import listed_names
from seedbed.engines.opensearch.rules.reach import deletes_documents, removed_indexes
from seedbed.engines.opensearch.schema.changes import change
from seedbed.engines.opensearch.schema.read import read_declared
from seedbed.model.migration import Migration
from seedbed.model.usage import Removed

INDEX, STREAM, ALIAS, FIELD, DOCUMENTS = "index", "data stream", "alias", "field", "documents"
FIELDS = "what a function takes out of documents of"
_KINDS = {
    "_alias": ALIAS,
    "_aliases": ALIAS,
    "_data_stream": STREAM,
    "_doc": DOCUMENTS,
    "_scripts": "script",
    "_ingest": "ingest pipeline",
    "_search": "search pipeline",
    "_index_template": "",  # whoever makes an index next would be asked, and nobody reads one
    "_component_template": "",
    "_template": "",
}


def gone(migration: Migration, directory: PurePath) -> tuple[Removed, ...]:
    """Return what the up section of `migration` removes, each once; `directory` has the indexes.toml of its database.

    Raises ManifestError.
    """
    if is_program(migration):
        return tuple(_of_program(migration, directory))
    found = (one for step in migration.up for one in _of_request(request(step.body, step.line)))
    return tuple(dict.fromkeys(found))


def _of_program(migration: Migration, directory: PurePath) -> Iterator[Removed]:
    """Yield the fields that the next version of an index lacks: the alias moves to it, and its name stays."""
    subject = subject_of(migration)
    if subject.kind != "index":
        return  # a pipeline or a template becomes another one, under its name
    if "function" in migration.settings:
        yield Removed(FIELDS, (subject.name,))
    declared = read_declared(directory).index(subject.name)
    newer = declared.version(subject.version) if declared and subject.version else None
    older = declared.before(subject.version) if declared and newer else None
    if older is not None and newer is not None:
        for path in change(older, newer).removed:
            yield Removed(FIELD, (subject.name, path))


def _of_request(each: Request) -> Iterator[Removed]:
    for name in removed_indexes(each):
        yield Removed(INDEX, (name,))
    if kind_of(each) is RequestKind.ALIASES:
        yield from _aliases((each.json or {}).get("actions", ()))
    elif deletes_documents(each) or (each.is_bulk and any("delete" in line for line in each.lines)):
        yield Removed(DOCUMENTS, tuple(filter(None, (each.index,))))
    elif each.operation == "_close":
        yield Removed(INDEX, (each.index,))
    else:
        endpoint = endpoint_of(each)
        if endpoint is not None and endpoint.effect is Effect.REMOVES:
            kind = _KINDS.get(each.operation, each.operation.strip("_"))
            if kind:
                yield Removed(kind, (each.index,) if kind == DOCUMENTS else (each.segments[-1],))


def _aliases(actions: Any) -> Iterator[Removed]:
    """Yield the aliases that `actions` take from one index and give to no other."""
    added = {name for each in actions for name in _named(each.get("add", {}))}
    for each in actions:
        for name in _named(each.get("remove", {})):
            if name not in added:
                yield Removed(ALIAS, (name,))


def _named(action: Mapping[str, Any]) -> list[str]:
    return list(listed_names(action.get("aliases", action.get("alias", []))))
