"""The JSON Schema of seedbed.toml, for editors: generated from the very types that check it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from seedbed.manifest.sections import (
    ENVIRONMENT,
    EnvironmentSection,
    ExpectationSection,
    ExpectationsFile,
    Name,
    PlatformReleaseSection,
    PlatformSection,
    ReferenceSection,
)
from seedbed.support.json_schema import json_schema as generated

_DIRECTORY = Annotated[
    str,
    Meta(
        min_length=1,
        description="Where its migrations/ and seeds/ lie, from the manifest's directory."
        " Default: services/<service>/<engine>.",
    ),
]


def json_schema(engine_options: Mapping[str, type[Any]]) -> dict[str, Any]:
    """Return the schema of a manifest whose engines are `engine_options`: name -> `msgspec.Struct`."""
    return generated(
        _document(engine_options),
        "manifest",
        title="seedbed.toml",
        description="The databases of a platform of services, and the environments they live in.",
    )


def expectations_schema() -> dict[str, Any]:
    """Return the schema of the expectations.toml that lies beside a database."""
    return generated(ExpectationsFile, "expectations.toml", title="expectations.toml")


def _document(engine_options: Mapping[str, type[Any]]) -> type[Struct]:
    engines = [
        (f"engine_{index}", _section(name, options) | msgspec.UnsetType, msgspec.UNSET)
        for index, (name, options) in enumerate(sorted(engine_options.items()))
    ]
    names = {f"engine_{index}": name for index, name in enumerate(sorted(engine_options))}
    service = msgspec.defstruct(
        "Service",
        engines,
        rename=names,
        forbid_unknown_fields=True,
        namespace={"__doc__": "The databases of one service: one section per engine."},
    )
    pattern = Annotated[str, Meta(pattern=ENVIRONMENT)]
    return msgspec.defstruct(
        "Manifest",
        [
            ("platform", PlatformSection),
            ("services", dict[Name, service], {}),  # type: ignore[valid-type]  # made a line above
            ("references", list[ReferenceSection], []),
            ("expectations", list[ExpectationSection], []),
            ("release", PlatformReleaseSection | msgspec.UnsetType, msgspec.UNSET),
            ("environments", dict[pattern, EnvironmentSection], {}),
        ],
        forbid_unknown_fields=True,
    )


def _section(engine: str, options: type[Any]) -> Any:
    """Return `options` with the generic key that every database's section has besides."""
    words = (options.__doc__ or "").strip()
    return msgspec.defstruct(
        "".join(part.capitalize() for part in engine.replace("_", "-").split("-")) + "Section",
        [("directory", _DIRECTORY | msgspec.UnsetType, msgspec.UNSET)],
        bases=(options,),
        kw_only=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": words or f"A database of the engine {engine}."},
    )
