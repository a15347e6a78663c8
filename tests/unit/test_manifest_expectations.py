"""[[expectations]], of the manifest and beside a database: what is accepted, and how what is not is explained."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import Struct

from seedbed.errors import Location, ManifestError
from seedbed.manifest.expectations import beside
from seedbed.manifest.load import load
from seedbed.model.platform import Database, DatabaseId, Expectation, Query, Tolerance

MANIFEST = """\
[platform]
name = "shop"
[services.user.postgres]
[services.order.postgres]
"""
IDS = {"user/postgres", "order/postgres"}


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def declared(tmp_path: Path, text: str) -> tuple[Expectation, ...]:
    path = tmp_path / "seedbed.toml"
    path.write_text(MANIFEST + text, encoding="utf-8")
    return load(path, lambda _: Options).expectations


def test_the_manifest_declares_queries_and_numbers_that_are_equal(tmp_path: Path) -> None:
    one, other = declared(
        tmp_path,
        """
[[expectations]]
name = "the ledger sums to zero"
database = "order/postgres"
query = "SELECT 1"

[[expectations]]
name = "as many customers as users"
equal = [
    { database = "user/postgres", query = "SELECT 2" },
    { database = "order/postgres", query = "SELECT 3" },
]
tolerance = "0.1%"
""",
    )
    order, user = DatabaseId("order/postgres"), DatabaseId("user/postgres")
    assert (one.name, one.queries) == ("the ledger sums to zero", (Query(order, "SELECT 1"),))
    assert one.at.line == 6
    assert not one.is_equality
    assert other.queries == (Query(user, "SELECT 2"), Query(order, "SELECT 3"))
    assert other.tolerance == Tolerance(share=Decimal("0.001"))


def test_a_tolerance_may_be_a_number(tmp_path: Path) -> None:
    equal = '[[expectations]]\nname = "a"\nequal = [{ database = "user/postgres", query = "1" },' * 1
    equal += ' { database = "user/postgres", query = "2" }]\ntolerance = 0.5\n'
    (found,) = declared(tmp_path, equal)
    assert found.tolerance == Tolerance(number=Decimal("0.5"))


QUERY = 'query = "SELECT 1"\n'
IN_USER = 'database = "user/postgres"\n'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (f'name = "a"\n{QUERY}database = "usr/postgres"', 8, "there is no database usr/postgres"),
        (f'name = "a"\n{QUERY}', 5, "a query names no database"),
        (f'name = "a"\n{IN_USER}', 5, "has a query, or numbers"),
        (f'name = "a"\nquery = ""\n{IN_USER}', 7, "expected a string that is not empty"),
        (f'name = ""\n{QUERY}{IN_USER}', 6, "one line that says what holds"),
        (f"{QUERY}{IN_USER}", 5, "name is missing"),
        (f'name = "a"\n{QUERY}{IN_USER}tolerance = 1', 9, "has no tolerance"),
        (f'name = "a"\n{QUERY}{IN_USER}tolerance = "1"', 9, "a share, as in 0.1%"),
        ('name = "a"\nequal = [{ query = "1", database = "user/postgres" }]', 7, "no second one"),
        (f'name = "a"\nqueri = "1"\n{IN_USER}', 7, "query"),
        (
            f'name = "a"\n{QUERY}{IN_USER}[[expectations]]\nname = "a"\n{QUERY}{IN_USER}',
            10,
            "seedbed.toml:5",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        declared(tmp_path, f"[[expectations]]\n{text}\n")
    error = caught.value
    assert error.at is not None
    assert error.at.line == line
    assert said in f"{error.what} {error.because} {error.try_}"


def test_an_unknown_database_comes_with_a_guess(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        declared(tmp_path, f'[[expectations]]\nname = "a"\n{QUERY}database = "usr/postgres"\n')
    assert "user/postgres" in caught.value.try_


def test_beside_a_database_it_need_not_be_named(tmp_path: Path) -> None:
    database = Database("order", "postgres", tmp_path)
    assert beside(database, IDS, {}) == ()
    (tmp_path / "expectations.toml").write_text(
        f'[[expectations]]\nname = "a"\n{QUERY}[[expectations]]\nname = "b"\n'
        'equal = [{ query = "1" }, { query = "2", database = "user/postgres" }]\n'
    )
    one, other = beside(database, IDS, {})
    assert one.queries == (Query(database.id, "SELECT 1"),)
    assert other.databases == (database.id, "user/postgres")
    assert (Path(one.at.path).name, one.at.line) == ("expectations.toml", 1)
    with pytest.raises(ManifestError, match="there are two expectations of the name 'a'") as caught:
        beside(database, IDS, {"a": Location("seedbed.toml", 9)})
    assert caught.value.because == "the other one is declared at seedbed.toml:9"


@pytest.mark.parametrize(("written", "share"), [('"0.1%"', 0.001), ("0.001", 0.001), ("0", 0.0)])
def test_what_is_tolerated_of_a_reference_is_a_share_written_either_way(
    tmp_path: Path, written: str, share: float
) -> None:
    path = tmp_path / "seedbed.toml"
    ends = 'from = "order/postgres:orders.user_id"\nto = "user/postgres:users.id"\n'
    path.write_text(f"{MANIFEST}[[references]]\n{ends}tolerated = {written}\n", encoding="utf-8")
    (reference,) = load(path, lambda _: Options).references
    assert reference.tolerated == share
