"""Limits of OpenSearch that indexes.toml can violate, each with a message and a fix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from seedbed.engines.opensearch.rules.foreign_types import foreign_types
from seedbed.engines.opensearch.rules.naming import complaint_about, listed_names, matches_history
from seedbed.engines.opensearch.schema.fields import fields, placed
from seedbed.engines.opensearch.schema.names import HISTORY, is_reserved
from seedbed.engines.opensearch.schema.sections import BodySection, IndexesFile, IndexSection, VersionSection
from seedbed.engines.opensearch.schema.settings import flat, is_fixed, normalized
from seedbed.toml.document import Problem
from seedbed.toml.lines import KeyPath

LONGEST = 200  # characters of an alias: an index behind it has a number after it, 255 bytes at most
FIELDS = 1000  # index.mapping.total_fields.limit, unless set
LEVELS = 20  # index.mapping.depth.limit, unless set
SHARDS = 1024
DIMENSIONS = 16_000
ENGINES = ("lucene", "faiss")

_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*")
_NUMBERED = re.compile(r"(.+)-[1-9][0-9]*")
_LIMIT = "mapping.total_fields.limit"
_DEPTH = "mapping.depth.limit"


def problems(document: IndexesFile) -> Iterator[Problem]:
    """Yield every violation in `document`."""
    for name, index in document.indexes.items():
        yield from _name(name, document)
        yield from _numbers(("indexes", name), index.versions)
        yield from _versions(name, index)
    for kind, things in (("pipelines", document.pipelines), ("templates", document.templates)):
        for name, thing in things.items():
            yield from _numbers((kind, name), thing.versions)
        yield from _objects(kind, things)
    yield from _templates(document)


def _name(name: str, document: IndexesFile) -> Iterator[Problem]:
    at = ("indexes", name)
    if not _NAME.fullmatch(name) or len(name) > LONGEST or is_reserved(name):
        yield Problem(
            at,
            f"an index cannot be named {name!r}",
            f"a name is lower case letters, digits, `.`, `_`, `+` and `-`, a letter or digit first, {LONGEST}"
            f" characters at most, and {HISTORY} is reserved for seedbed",
        )
    found = _NUMBERED.fullmatch(name)
    if found and found[1] in document.indexes:
        yield Problem(
            at,
            f"{name!r} is the name of an index behind {found[1]!r}",
            "a physical index has the name of its alias and a number",
            "rename one of the two",
        )


def _numbers(at: KeyPath, versions: Sequence[VersionSection] | Sequence[BodySection]) -> Iterator[Problem]:
    if not versions:
        yield Problem(
            at, f"{at[-1]} has no version", "an index, pipeline or template needs a definition", "number = 1"
        )
    numbers = [each.number for each in versions]
    for position, (one, other) in enumerate(pairwise(numbers), 1):
        if other <= one:
            yield Problem(
                (*at, "versions", position, "number"),
                f"version {other} comes after version {one}",
                "definitions are ordered by number, oldest first, each number once",
            )


def _versions(name: str, index: IndexSection) -> Iterator[Problem]:
    for position, version in enumerate(index.versions):
        at = ("indexes", name, "versions", position)
        settings = flat(version.settings)
        yield from _settings((*at, "settings"), settings)
        yield from _source((*at, "mappings"), version.mappings)
        yield from _vectors((*at, "mappings"), version.mappings, settings)
        yield from _foreign((*at, "mappings"), version.mappings)
        yield from _depth((*at, "mappings"), version.mappings, settings)
        yield from _count((*at, "mappings"), version.mappings, settings)


def _settings(at: KeyPath, settings: Mapping[str, Any]) -> Iterator[Problem]:
    for name in settings:
        if name.startswith("lifecycle."):
            yield Problem(
                at,
                f"there is no setting {name}",
                "Elasticsearch has it",
                "OpenSearch has ISM, whose policies belong to the cluster's configuration",
            )
        if is_fixed(name):
            yield Problem(at, f"the setting {name!r} cannot be declared", "OpenSearch or seedbed sets it")
    shards = settings.get("number_of_shards", 1)
    if not str(shards).isdigit() or not 1 <= int(shards) <= SHARDS:
        yield Problem(at, f"an index cannot have {shards!r} shards", f"it has 1 to {SHARDS} of them")


def _source(at: KeyPath, mappings: Mapping[str, Any]) -> Iterator[Problem]:
    source = mappings.get("_source") or {}
    if isinstance(source, Mapping) and (
        source.get("enabled") is False or source.get("excludes") or source.get("includes")
    ):
        yield Problem(
            at,
            "documents would not be stored as they are sent",
            "the next version is filled from `_source`, which would lack these fields",
            "leave `_source` as it is; OpenSearch 3 stores vectors only once",
        )


def _vectors(at: KeyPath, mappings: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Problem]:
    for each in placed(mappings):
        path, field = each.path, each.definition
        if field.get("type") != "knn_vector":
            continue
        if normalized(settings.get("knn")) != "true":
            yield Problem(
                (*at, *each.keys),
                f"{path} is a vector in an index without k-NN",
                "it could not be searched",
                "settings.knn = true",
            )
        if "model_id" not in field:
            yield from _vector((*at, *each.keys), path, field)


def _vector(at: KeyPath, path: str, field: Mapping[str, Any]) -> Iterator[Problem]:
    method = field.get("method")
    engine = method.get("engine") if isinstance(method, Mapping) else None
    if engine not in ENGINES:
        yield Problem(
            at,
            f"{path} does not name the engine of its vectors"
            if engine is None
            else f"{path}: no engine {engine!r}",
            "the engine decides how vectors are searched, and the default differs between versions of OpenSearch",
            f'method = {{name = "hnsw", engine = "lucene"}}; engines are {", ".join(ENGINES)}',
        )
    dimension = field.get("dimension")
    if not isinstance(dimension, int) or not 1 <= dimension <= DIMENSIONS:
        yield Problem(
            at,
            f"{path} has no valid dimension",
            f"a vector has 1 to {DIMENSIONS} numbers",
            "dimension = 384",
        )


def _foreign(at: KeyPath, mappings: Mapping[str, Any]) -> Iterator[Problem]:
    for each in foreign_types(mappings):
        yield Problem((*at, *each.keys), each.what, "Elasticsearch has it", each.instead)


def _depth(at: KeyPath, mappings: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Problem]:
    given = str(settings.get(_DEPTH, LEVELS))
    limit = int(given) if given.isdigit() else LEVELS
    deepest = max(placed(mappings), key=lambda each: each.level, default=None)
    if deepest is not None and deepest.level > limit:
        yield Problem(
            (*at, *deepest.keys),
            f"{deepest.path} has fields on {deepest.level} levels",
            f"an index accepts {limit}",
            f"nest less, or raise settings {_DEPTH}",
        )


def _templates(document: IndexesFile) -> Iterator[Problem]:
    for name, section in document.templates.items():
        for position, version in enumerate(section.versions):
            at = ("templates", name, "versions", position, "body")
            for pattern in listed_names(version.body.get("index_patterns", [])):
                if matches_history(pattern):
                    yield Problem(
                        (*at, "index_patterns"),
                        f"the pattern {pattern!r} reaches {HISTORY}",
                        "a template would change seedbed's own index",
                        'patterns that begin with the names of your indexes: "logs-*"',
                    )
            template = version.body.get("template")
            mappings = template.get("mappings") if isinstance(template, Mapping) else None
            if isinstance(mappings, Mapping):
                yield from _foreign((*at, "template", "mappings"), mappings)


def _objects(kind: str, names: Iterable[str]) -> Iterator[Problem]:
    """Yield what is wrong with the names of pipelines or templates: DELETE would take a pattern as one."""
    for name in names:
        if wrong := complaint_about(name, kind.removesuffix("s")):
            yield Problem((kind, name), wrong.what, wrong.because, wrong.try_)


def _count(at: KeyPath, mappings: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Problem]:
    limit = int(settings.get(_LIMIT, FIELDS)) if str(settings.get(_LIMIT, FIELDS)).isdigit() else FIELDS
    count = sum(1 for _ in fields(mappings))
    if count > limit:
        yield Problem(
            at,
            f"there are {count} fields",
            f"an index accepts {limit}",
            f"raise settings {_LIMIT}, or map fewer",
        )
