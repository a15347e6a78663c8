"""The plugin for applications, without a server: what it costs, and what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seedbed.errors import ManifestError, SandboxError, UsageError
from seedbed.fixtures.databases import TestDatabases

IMPORTED = """
import sys
import pytest
before = set(sys.modules)
import seedbed.fixtures.plugin
print(sorted(each for each in set(sys.modules) - before if each.partition(".")[0] in {"seedbed", "msgspec", "psycopg"}))
"""


def test_a_suite_that_asks_for_no_database_imports_nothing_of_seedbed_but_the_plugin() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['seedbed', 'seedbed.fixtures', 'seedbed.fixtures.plugin']"


def test_kinds_of_seeds_that_do_not_exist_and_missing_manifests_are_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    with (
        pytest.raises(UsageError, match=r"'fixtures' is not a kind of seeds(?s:.*)did you mean fixture\?"),
        TestDatabases.open(tmp_path, ["fixtures"]),
    ):
        pass
    with pytest.raises(ManifestError), TestDatabases.open(tmp_path, ["fixture"]):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("named", "likely"),
    [
        ("order/postgres", "did you mean orders/postgres?"),
        ("orders", "did you mean orders/postgres?"),
        ("orders/neo4j", "did you mean orders/postgres?"),
        ("xyzzy", "name it as the manifest does: SERVICE/ENGINE"),
    ],
)
def test_a_database_that_is_not_declared_is_answered_with_those_that_are(
    named: str, likely: str, tmp_path: Path
) -> None:
    (tmp_path / "seedbed.toml").write_text(
        '[platform]\nname = "shop"\n[services.orders.postgres]\n[services.user.postgres]\n', encoding="utf-8"
    )
    with TestDatabases.open(tmp_path, ["fixture"]) as databases:
        for bring in (databases.shared, lambda name: databases.fresh(name).__enter__()):
            with pytest.raises(UsageError) as caught:
                bring(named)
            assert caught.value.because == "it has orders/postgres, user/postgres"
            assert caught.value.try_ == likely


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A platform of one database."""
    (tmp_path / "seedbed.toml").write_text(
        '[platform]\nname = "shop"\n[services.orders.postgres]\n', encoding="utf-8"
    )
    return tmp_path


def test_no_two_workers_have_the_databases_of_one_number(shop: Path) -> None:
    with TestDatabases.open(shop, []) as one, TestDatabases.open(shop, []) as other:
        assert (one._slot, other._slot) == (0, 1)
    with TestDatabases.open(shop, []) as later:
        assert later._slot == 0


def test_a_database_that_cannot_be_made_ready_is_tried_once(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []

    def fails(_: TestDatabases, databases: object) -> None:
        tries.append(databases)
        raise SandboxError("its migration fails")

    monkeypatch.setattr(TestDatabases, "_make_ready", fails)
    with TestDatabases.open(shop, []) as databases:
        for _ in range(2):
            with pytest.raises(SandboxError, match="its migration fails"):
                databases.shared("orders/postgres")
    assert len(tries) == 1
