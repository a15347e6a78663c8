"""What of a cloud assembly is deployed, and is the same wherever it was synthesised.

Left out is what describes the app that made it: the tree of constructs, traces with paths of the machine, the report of
the validation. The CLI deploys without that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from seedbed.deployment.assembly import read, read_json
from seedbed.errors import UsageError
from seedbed.files.archive import Member
from seedbed.files.platform import is_program, linked, read_all, sendable

MANIFEST = "manifest.json"
_DESCRIPTIONS = ("cdk:tree", "cdk:feature-flag-report")  # types of artifacts
_REPORTS = frozenset({"validation-report.json", "policy-validation-report.json"})
_MADE = frozenset({".cache"})  # by the CLI, when it uploads
# What the CLI looks at of what the app said: errors, and assets of older apps. All else is about constructs.
_METADATA = ("aws:cdk:asset", "aws:cdk:error", "aws:cdk:info", "aws:cdk:stack-tags", "aws:cdk:warning")


def members(directory: Path) -> tuple[Member, ...]:
    """Return the files of the assembly in `directory`, by their names. Raises UsageError, TooMuch."""
    read(directory)
    manifests = dict(_manifests(directory, PurePosixPath()))
    left_out = {
        str(PurePosixPath(name).parent / each)
        for name, (_, described) in manifests.items()
        for each in described
    }
    files = sorted((name, path) for name, path in _files(directory) if name not in left_out)
    found = read_all(files, "build large assets elsewhere, as images")
    paths = dict(files)
    found |= {name: _written(document) for name, (document, _) in manifests.items()}
    return tuple(Member(name, data, is_program(paths[name])) for name, data in sorted(found.items()))


def _manifests(
    directory: Path, below: PurePosixPath
) -> Iterator[tuple[str, tuple[dict[str, Any], set[str]]]]:
    """Yield each manifest by its name, without what describes the app, and the files that it names of that."""
    document = read_json(directory / below / MANIFEST)
    described = set(_REPORTS)
    artifacts = document.get("artifacts", {})
    for name, each in list(artifacts.items()):
        if each.get("type") in _DESCRIPTIONS:
            described.add(str(each.get("properties", {}).get("file", "")))
            del artifacts[name]
            continue
        described.add(str(each.pop("additionalMetadataFile", "")))
        if metadata := _told(each.pop("metadata", {})):
            each["metadata"] = metadata
        if each.get("type") == "cdk:asset-manifest":
            _require_inside(directory, below, str(each["properties"]["file"]))
        if each.get("type") == "cdk:cloud-assembly":
            yield from _manifests(directory, below / str(each["properties"]["directoryName"]))
    yield str(below / MANIFEST), (document, described - {""})


def _told(metadata: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for path, entries in metadata.items():
        kept = [
            {key: value for key, value in each.items() if key != "trace"}
            for each in entries
            if each.get("type") in _METADATA
        ]
        if kept:
            found[path] = kept
    return found


def _require_inside(directory: Path, below: PurePosixPath, file: str) -> None:
    """Raise UsageError for an asset that is not in the assembly: its path means nothing on another machine."""
    document = read_json(directory / below / file)
    for kind, key in (("files", "path"), ("dockerImages", "directory")):
        for each in document.get(kind, {}).values():
            named = each.get("source", {}).get(key)
            if named is None:
                continue  # a command makes it
            place = Path(os.path.realpath(directory / below / named))
            if Path(named).is_absolute() or not place.is_relative_to(directory.resolve()):
                raise UsageError(
                    f"the assembly in {directory} cannot be moved: {named} is not in it",
                    because="the app has the context key aws:cdk:disable-asset-staging, or was synthesised with "
                    "--no-staging",
                    try_="synthesise it without that",
                )


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    home = directory.resolve()
    for folder, folders, names in os.walk(directory):
        folders[:] = [each for each in folders if each not in _MADE]
        for each in (*folders, *names):
            path = Path(folder, each)
            if path.is_symlink() and (
                each in folders or not Path(os.path.realpath(path)).is_relative_to(home)
            ):
                raise linked(path, f"it leads to {os.path.realpath(path)}")
        for each in names:
            path = Path(folder, each)
            if path.is_file() and path.suffix != ".lock":
                yield sendable(path.relative_to(directory).as_posix()), path


def _written(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
