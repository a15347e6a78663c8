"""Engines are found by entry points, read from the files of what is installed or asked of importlib.metadata."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from seedbed.engines import registry
from seedbed.errors import UsageError


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    registry.forget()
    yield
    registry.forget()


def declare(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "entry_points.txt").write_text(text, encoding="utf-8")


def test_what_is_read_from_files_is_what_importlib_finds() -> None:
    assert registry.names() == sorted({each.name for each in entry_points(group=registry.GROUP)})


def test_an_engine_in_another_package_is_found_and_the_first_on_the_path_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "[console_scripts]\nx = y:z\n\n[seedbed.engines]\n# ours\ntoy = toys.{}:engine [extra]\n\n[other]\nno = a:b\n"
    declare(tmp_path / "first", "toys-1.dist-info", text.format("first"))
    declare(tmp_path / "second", "toys.egg-info", text.format("second"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second"), *sys.path])
    assert registry._entry_points()["toy"] == ["toys.first:engine"]
    assert "no" not in registry.names()


def test_where_something_is_installed_otherwise_importlib_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @staticmethod
        def find_distributions(_context: object) -> list[object]:
            return []

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert not registry._is_plain()
    assert "postgres" in registry.names()


@pytest.mark.parametrize("is_plain", [True, False])
def test_a_name_that_several_packages_claim_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_plain: bool
) -> None:
    for name in ("one", "two"):
        text = f"[seedbed.engines]\ntoy = {name}:engine\nsame = both:engine\n"
        declare(tmp_path, f"{name}-1.dist-info", text)
        (tmp_path / f"{name}-1.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
    (tmp_path / "both.py").write_text("engine = 'an engine'")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_is_plain", lambda: is_plain)
    with pytest.raises(UsageError, match="several packages bring an engine 'toy'") as raised:
        registry.load("toy")
    assert "one:engine, two:engine" in raised.value.because
    same: object = registry.load("same")
    assert same == "an engine"
    assert registry.load("postgres").name == "postgres"


@pytest.mark.parametrize(
    "text", ["raise ValueError('no such luck')", "import nothing_of_the_kind", "other = 1", "x ="]
)
def test_an_engine_that_cannot_be_imported_is_no_bug_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    declare(tmp_path, "broken-1.dist-info", "[seedbed.engines]\nbroken = broken_toy:engine\n")
    (tmp_path / "broken_toy.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="the engine 'broken' cannot be imported") as raised:
        registry.load("broken")
    assert "broken_toy:engine" in raised.value.because
    assert registry.load("postgres").name == "postgres"
    sys.modules.pop("broken_toy", None)
