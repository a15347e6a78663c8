"""An engine comes with one package and one entry point; nothing else in seedbed changes for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("seedbed.testing")

from seedbed.engines import registry  # noqa: E402
from seedbed.testing import ApplyContract, AtomicLoadContract, HistoryContract, Hold, LoadContract  # noqa: E402

PACKAGE = Path(__file__).parents[1] / "support" / "toy_engine"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the package where an installation would put it."""
    monkeypatch.syspath_prepend(PACKAGE)
    registry.forget()
    yield
    registry.forget()
    sys.modules.pop("toy_engine", None)


class ToyHarness:
    """Directories under one directory; nothing waits here."""

    entry_point = "toy_engine:engine"
    suffix = ".toy"
    comment = "#"
    options: Mapping[str, Any] = {}
    leaves_work = False

    def __init__(self, home: Path) -> None:
        self._home = home

    def settings(self) -> Mapping[str, str]:
        path = self._home / str(len(list(self._home.iterdir())))
        path.mkdir()
        return {"path": str(path)}

    def nowhere(self) -> Mapping[str, str]:
        return {"path": "/nowhere"}

    def creates(self, thing: str) -> str:
        return f"# migrate:up\nmake {thing}\n# migrate:down\nunmake {thing}\n"

    def adds(self, table: str) -> str:
        return f"# migrate:up\nmore {table}\n"

    def fails(self, thing: str) -> str:
        return f"# migrate:up\nmake {thing}\nmake {thing}\n"

    def fails_down(self, thing: str) -> str:
        return f"# migrate:up\nmake {thing}\n# migrate:down\nunmake {thing}\nunmake {thing}\n"

    def backfill(self, table: str, batch: int) -> str:
        return f"# migrate:up\nvisit {table}\n"

    def waits(self, thing: str) -> str:
        raise NotImplementedError

    def probeable(self, thing: str, on: str) -> str:
        raise NotImplementedError

    def unprovable(self, thing: str) -> str:
        raise NotImplementedError

    def repeatable(self, table: str) -> str:
        raise NotImplementedError

    def hold(self, settings: Mapping[str, str]) -> AbstractContextManager[Hold]:
        raise NotImplementedError

    def _store(self, settings: Mapping[str, str]) -> dict[str, Any]:
        file = Path(settings["path"], "store.json")
        store: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"tables": {}, "audit": []}
        return store

    def _change(self, settings: Mapping[str, str], key: str) -> None:
        store = self._store(settings)
        Path(settings["path"], "store.json").write_text(json.dumps({**store, key: store[key] + 1}))

    def made(self, settings: Mapping[str, str]) -> Collection[str]:
        return list(self._store(settings)["tables"])

    def rows(self, settings: Mapping[str, str], table: str) -> Sequence[Mapping[str, Any]]:
        return list(self._store(settings)["tables"][table].values())

    def audit(self, settings: Mapping[str, str]) -> Sequence[str]:
        audit: list[str] = self._store(settings)["audit"]
        return audit

    def break_lease(self, settings: Mapping[str, str]) -> None:
        self._change(settings, "token")

    def age_lease(self, settings: Mapping[str, str]) -> None:
        """Its lease ends with its holder."""

    def age_history(self, settings: Mapping[str, str]) -> None:
        self._change(settings, "format")

    def lose_identity(self, settings: Mapping[str, str]) -> None:
        path = Path(settings["path"], "store.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), "identity": None}))


@pytest.fixture
def harness(tmp_path: Path) -> ToyHarness:
    return ToyHarness(tmp_path)


def test_an_installed_engine_is_found_by_its_entry_point() -> None:
    assert "toy" in registry.names()
    assert "toy_engine" not in sys.modules
    engine = registry.load("toy")
    assert engine.name == "toy"
    assert engine.suffixes == (".toy",)


class TestToyHistory(HistoryContract): ...


class TestToyApplies(ApplyContract): ...


class TestToyLoads(LoadContract, AtomicLoadContract): ...
