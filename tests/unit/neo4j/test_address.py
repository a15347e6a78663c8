"""Settings -> the address of a Neo4j database."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.address import Address, address
from seedbed.engines.neo4j.options import Options
from seedbed.errors import UsageError
from seedbed.model.secret import Secret

OPTIONS = Options()
LOGIN: dict[str, str | Secret] = {"user": "ana", "password": Secret("correct horse")}


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        ("bolt://127.0.0.1:7688", "bolt://127.0.0.1:7688"),
        ("neo4j+s://abc.databases.neo4j.io", "neo4j+s://abc.databases.neo4j.io:7687"),
        ("neo4j+ssc://graph.internal/", "neo4j+ssc://graph.internal:7687"),
        ("BOLT+S://Graph.Internal:1", "bolt+s://graph.internal:1"),
        ("bolt://[::1]:7687", "bolt://[::1]:7687"),
        ("neo4j://graph:7687?policy=eu", "neo4j://graph:7687?policy=eu"),
    ],
)
def test_a_uri_is_kept_with_its_port(given: str, uri: str) -> None:
    assert address({"uri": given}, OPTIONS).uri == uri


@pytest.mark.parametrize(
    "given",
    [
        "",
        "graph.internal:7687",
        "bolt://",
        "bolt://:7687",
        "bolt://graph:99999",
        "bolt://graph:0",
        "bolt://graph:x",
        "http://graph:7474",
        "bolt://graph/neo4j",
        "bolt://graph#1",
        "bolt://gr aph",
        "bolt://graph\n",
        "bolt://gräph",
        "bolt://[::1",
    ],
)
def test_what_is_no_uri_of_a_server_is_refused(given: str) -> None:
    with pytest.raises(UsageError):
        address({"uri": given}, OPTIONS)


@pytest.mark.parametrize("given", ["bolt://ana:hunter2hunter2@graph", "neo4j+s://:hunter2hunter2@graph:1"])
def test_a_password_in_the_uri_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        address({"uri": given}, OPTIONS)
    assert "hunter2" not in str(caught.value)


def test_a_login_needs_both_halves() -> None:
    for half, missing in (("user", "NEO4J_PASSWORD"), ("password", "NEO4J_USERNAME")):
        with pytest.raises(UsageError, match=missing) as caught:
            address({"uri": "bolt://127.0.0.1", half: LOGIN[half]}, OPTIONS)
        assert "correct horse" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["bolt", "neo4j"])
def test_a_password_does_not_travel_in_the_open(scheme: str) -> None:
    with pytest.raises(UsageError, match="unencrypted"):
        address({"uri": f"{scheme}://graph.internal", **LOGIN}, OPTIONS)
    for safe in (
        f"{scheme}://127.0.0.8",
        f"{scheme}://localhost",
        f"{scheme}://[::1]",
        f"{scheme}+s://graph.internal",
    ):
        assert address({"uri": safe, **LOGIN}, OPTIONS).user == "ana"


def test_an_address_shows_no_secret() -> None:
    found = address({"uri": "bolt+s://graph", **LOGIN}, OPTIONS)
    assert found.secrets == (Secret("correct horse"),)
    assert "horse" not in f"{found} {found!r}"
    assert str(found) == "bolt+s://graph:7687 database neo4j"


def test_a_database_has_the_name_that_the_server_gives_it() -> None:
    assert address({"uri": "bolt://127.0.0.1"}, OPTIONS).database == "neo4j"
    assert address({"uri": "bolt://127.0.0.1", "database": "Skills.v2"}, OPTIONS).database == "skills.v2"


@pytest.mark.parametrize("name", ["ab", "1st", "a b", "a`b", "x" * 64, "system", "SYSTEM"])
def test_what_is_no_database_to_migrate_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        address({"uri": "bolt://127.0.0.1", "database": name}, OPTIONS)


def test_a_setting_that_nobody_knows_is_named() -> None:
    with pytest.raises(UsageError, match="'host' is not a setting"):
        address({"host": "graph"}, OPTIONS)


def test_the_options_of_the_manifest_go_along() -> None:
    options = Options(lease_seconds=4, transaction_seconds=60, snapshot=("make", "copy"))
    found = address({"uri": "bolt://127.0.0.1"}, options)
    assert isinstance(found, Address)
    assert (found.lease_seconds, found.transaction_seconds, found.snapshot) == (4, 60, ("make", "copy"))
