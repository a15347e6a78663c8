"""An engine's parts are found by their names, which no type checker sees."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import pytest
from msgspec import Struct

from seedbed.engines import registry
from seedbed.engines.capabilities import SupportsDiagnosis
from seedbed.engines.kit.lazy import LazyEngine
from seedbed.testing import reference

BUILT_IN = ("dynamodb", "neo4j", "opensearch", "postgres")
ENGINES = (*BUILT_IN, "memory")
PARTS = [("session", "connect", "target"), ("sandbox", "embedded", "home")]


def _package(name: str) -> str:
    return f"seedbed.engines.{name}" if name in BUILT_IN else "seedbed.testing.reference"


def _engine(name: str) -> LazyEngine:
    engine = registry.load(name) if name in BUILT_IN else reference.engine
    assert isinstance(engine, LazyEngine)
    return engine


@pytest.mark.parametrize("name", ENGINES)
def test_every_part_is_where_the_engine_looks_for_it(name: str) -> None:
    engine = _engine(name)
    assert issubclass(engine.options, Struct)
    diagnosis = [("sandbox", "diagnose", "home")] if isinstance(engine, SupportsDiagnosis) else []
    for module, function, parameter in [(engine.parser, "parse", "file"), *PARTS, *diagnosis]:
        part = getattr(import_module(f"{engine.package}.{module}"), function)
        assert list(inspect.signature(part).parameters) == [parameter], (name, function)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_says_all_that_is_asked_of_one(name: str) -> None:
    engine = _engine(name)
    assert engine.name == name
    assert engine.package == _package(name)
    assert "{summary}" in engine.template
    assert "{directives}" in engine.template
    assert engine.suffixes
    assert all(each.setting for each in engine.variables)


@pytest.mark.parametrize("name", ENGINES)
def test_loading_an_engine_imports_none_of_its_parts(name: str) -> None:
    modules = ("options", _engine(name).parser, "session", "sandbox")
    parts = {f"{_package(name)}.{each}" for each in modules}
    code = f"import sys, {_package(name)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not parts & set(loaded.split())
