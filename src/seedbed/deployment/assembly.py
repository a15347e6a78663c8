"""Cloud assemblies: what `cdk synth` leaves, read, and written again with another template in a stack's place."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from seedbed.errors import UsageError
from seedbed.model.deployment import Template

_ENVIRONMENT = re.compile(r"^aws://([^/]+)/([^/]+)$")
_UNKNOWN = ("unknown-account", "unknown-region")


class Stack(Struct, frozen=True):
    """A stack as it was synthesised. `account`, `region`: "" where the app left them open.

    `id`: what the CLI knows it by. `depends`: the ids of stacks that have to be deployed before it. `bootstrap`: the
    parameter that says how its account was prepared, "" where it needs no preparation, and the least version of it.
    `role`: the one that makes its change sets, as the app names it, "" for none.
    """

    id: str
    name: str
    template_file: str
    account: str = ""
    region: str = ""
    depends: tuple[str, ...] = ()
    bootstrap: str = ""
    bootstrap_version: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    role: str = ""


class Assembly(Struct, frozen=True):
    """A directory that `cdk synth` wrote, and the stacks in it, each after those that it depends on.

    `stages`: assemblies in it, of which each has stacks of its own; those are not looked at.
    """

    directory: Path
    stacks: tuple[Stack, ...]
    stages: tuple[str, ...] = ()

    @property
    def has_any(self) -> bool:
        return bool(self.stacks or self.stages)

    def stack(self, name: str) -> Stack | None:
        return next((each for each in self.stacks if each.name == name), None)

    def template(self, stack: Stack) -> dict[str, Any]:
        return read_json(self.directory / stack.template_file)

    def write(self, stack: Stack, template: Template, into: Path) -> None:
        """Write this assembly into `into`, with `template` in the place of the one of `stack`.

        The template is itself an asset, stored under the hash of its text: the CLI would find the old hash where it
        uploads, believe that nothing is to be done, and deploy the old text.
        """
        shutil.copytree(self.directory, into, ignore=shutil.ignore_patterns("*.lock"))
        text = json.dumps(template, indent=1)
        (into / stack.template_file).write_text(text, encoding="utf-8")
        new = sha256(text.encode()).hexdigest()
        for path in [*into.glob("*.assets.json")]:
            document = read_json(path)
            for old in _keys(document, stack.template_file):
                _replace(path, old, new)
                _replace(into / "manifest.json", old, new)


def read(directory: Path) -> Assembly:
    """Return the assembly in `directory`. Raises UsageError where there is none."""
    if not (directory / "manifest.json").is_file():
        raise UsageError(
            f"{directory} holds no cloud assembly",
            because="there is no manifest.json in it",
            try_="cdk synth --output DIR",
        )
    artifacts = read_json(directory / "manifest.json").get("artifacts", {})
    stacks = {
        name: _stack(name, each, artifacts)
        for name, each in artifacts.items()
        if each.get("type") == "aws:cloudformation:stack"
    }
    stages = sorted(name for name, each in artifacts.items() if each.get("type") == "cdk:cloud-assembly")
    return Assembly(directory, tuple(_ordered(stacks)), tuple(stages))


def _stack(name: str, artifact: Mapping[str, Any], artifacts: Mapping[str, Any]) -> Stack:
    properties = artifact.get("properties", {})
    found = _ENVIRONMENT.match(str(artifact.get("environment", "")))
    account, region = (("" if each in _UNKNOWN else each) for each in found.groups()) if found else ("", "")
    depends = tuple(
        each
        for each in artifact.get("dependencies", ())
        if artifacts.get(each, {}).get("type") == "aws:cloudformation:stack"
    )
    return Stack(
        name,
        str(properties.get("stackName", name)),
        str(properties["templateFile"]),
        account,
        region,
        depends,
        str(properties.get("bootstrapStackVersionSsmParameter", "")),
        int(properties.get("requiresBootstrapStackVersion", 0)),
        {str(key): str(value) for key, value in properties.get("tags", {}).items()},
        str(properties.get("assumeRoleArn", "")),
    )


def _ordered(stacks: Mapping[str, Stack]) -> list[Stack]:
    """Return `stacks`, each after those that it depends on, by name where nothing says otherwise."""
    left, done = dict(sorted(stacks.items())), list[Stack]()
    while left:
        free = [each for each in left.values() if not any(other in left for other in each.depends)]
        if not free:
            raise UsageError("the dependencies of the stacks form a cycle", because=", ".join(left))
        done += free
        for each in free:
            del left[each.id]
    return done


def fingerprint(template: Template) -> str:
    """Return the SHA-256 of a template, whatever the order of its keys."""
    return sha256(json.dumps(template, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def with_dependencies(assembly: Assembly, chosen: Sequence[Stack]) -> list[Stack]:
    """Return `chosen` and all that they depend on, in the assembly's order."""
    known = {each.id: each for each in assembly.stacks}
    wanted: set[str] = set()
    todo = [each.id for each in chosen]
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += known[name].depends
    return [each for each in assembly.stacks if each.id in wanted]


def _keys(document: Mapping[str, Any], template_file: str) -> list[str]:
    files = document.get("files", {})
    return [key for key, each in files.items() if each.get("source", {}).get("path") == template_file]


def _replace(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read", because=str(error), try_="synthesise it anew") from None
    if not isinstance(document, dict):
        raise UsageError(
            f"{path} is not a JSON object",
            because="a cloud assembly holds objects",
            try_="synthesise it anew",
        )
    return document
