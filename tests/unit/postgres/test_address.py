"""Settings -> address: what is refused, what is never guessed, and when TLS is insisted on."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from seedbed.engines.postgres.address import Address, address, is_this_machine
from seedbed.engines.postgres.options import Options
from seedbed.errors import ExitCode, UsageError
from seedbed.model.secret import Secret

SETTINGS = {"host": "db.example.com", "user": "app", "name": "orders"}
PASSWORD = "p%ss@w:rd/'\"\\ %41 end"  # every character that a URL or a shell gives a meaning to


def made(**settings: str) -> Address:
    return address(settings, Options())


def refusal(**settings: str) -> str:
    """Return the text of the UsageError that `settings` earn."""
    with pytest.raises(UsageError) as caught:
        address(settings, Options())
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


# What an address is made of


def test_the_port_is_5432_where_it_is_not_said() -> None:
    assert made(**SETTINGS).port == 5432
    assert made(**SETTINGS, port="6543").port == 6543


@pytest.mark.parametrize("port", ["0", "65536", "99999999999", "-1", "54.32", "5432 ", "٥٤٣٢", "http"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    assert "DB_PORT is not a port" in refusal(**SETTINGS, port=port)


@pytest.mark.parametrize("gone", ["host", "user", "name"])
@pytest.mark.parametrize("empty", [True, False])
def test_what_is_missing_is_named_and_never_guessed(gone: str, empty: bool) -> None:
    settings = (
        {**SETTINGS, gone: ""} if empty else {key: each for key, each in SETTINGS.items() if key != gone}
    )
    text = refusal(**settings)
    assert f"DB_{gone.upper()}" in text
    assert "never falls back to this machine" in text


def test_everything_that_is_missing_is_named_at_once() -> None:
    assert "DB_HOST, DB_USER, DB_NAME" in refusal(libpq="false")


def test_a_setting_that_nobody_knows_is_refused() -> None:
    assert "'hots' says nothing about a PostgreSQL target" in refusal(**SETTINGS, hots="x")


def test_libpq_is_asked_for_by_true_and_by_nothing_else() -> None:
    assert made(libpq="true").uses_libpq
    assert not made(**SETTINGS, libpq="false").uses_libpq
    assert "neither true nor false" in refusal(**SETTINGS, libpq="yes")


def test_a_service_does_not_open_the_door_to_stray_variables() -> None:
    found = made(service="orders")
    assert found.service == "orders"
    assert not found.uses_libpq


@pytest.mark.parametrize("setting", ["password", "host", "user", "name"])
@pytest.mark.parametrize("value", ["abc\0def", "abc\udcffdef"])
def test_what_no_connection_could_carry_is_refused_without_being_shown(setting: str, value: str) -> None:
    text = refusal(**{**SETTINGS, setting: value})
    assert f"DB_{setting.upper()} holds what is not text" in text
    assert "abc" not in text


def test_an_address_shows_where_it_is_and_no_password() -> None:
    found = address({**SETTINGS, "password": Secret(PASSWORD)}, Options())
    assert str(found) == "app@db.example.com:5432/orders"
    assert PASSWORD not in repr(found)
    assert found.secrets == (Secret(PASSWORD),)
    assert found.password is not None
    assert found.password.reveal() == PASSWORD


def test_an_empty_password_is_none() -> None:
    assert made(**SETTINGS, password="").password is None


# TLS


@pytest.mark.parametrize(
    "host",
    ["/run/postgresql", "@abstract", "localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "/a,/b"],
)
def test_this_machine_may_do_without_tls(host: str) -> None:
    assert is_this_machine(host)
    assert made(**{**SETTINGS, "host": host}).sslmode == "prefer"
    assert made(**{**SETTINGS, "host": host}, sslmode="disable").sslmode == "disable"


@pytest.mark.parametrize(
    "host",
    [
        "db.example.com",
        "10.0.0.7",
        "127.evil.example",
        "localhost.example",
        "127.0.0.1,db",
        "/tmp,db",
        "0.0.0.0",
        "::",
    ],
)
def test_off_this_machine_tls_is_required(host: str) -> None:
    assert not is_this_machine(host)
    assert made(**{**SETTINGS, "host": host}).sslmode == "require"


@pytest.mark.parametrize("weak", ["disable", "allow", "prefer"])
def test_a_weaker_mode_off_this_machine_is_refused(weak: str) -> None:
    text = refusal(**SETTINGS, sslmode=weak)
    assert f"sslmode={weak} would send the password over the network in the clear" in text
    assert "DB_SSLROOTCERT" in text


@pytest.mark.parametrize("strong", ["require", "verify-ca", "verify-full"])
def test_a_stronger_mode_is_kept(strong: str) -> None:
    assert made(**SETTINGS, sslmode=strong).sslmode == strong
    assert made(**{**SETTINGS, "host": "localhost"}, sslmode=strong).sslmode == strong


@pytest.mark.parametrize("asked", ["", "disable", "prefer", "require", "verify-ca"])
@pytest.mark.parametrize("host", ["db.example.com", "localhost"])
def test_with_a_bundle_the_name_is_verified_whatever_else_is_said(host: str, asked: str) -> None:
    found = made(**{**SETTINGS, "host": host}, sslrootcert="/etc/ca.pem", sslmode=asked)
    assert found.sslmode == "verify-full"


def test_a_mode_that_libpq_does_not_know_is_refused() -> None:
    assert "there is no sslmode 'verify_full'" in refusal(**SETTINGS, sslmode="verify_full")


# URLs


def test_a_url_says_it_all() -> None:
    found = made(
        url=f"postgresql://us%40er:{quote(PASSWORD, safe='')}@db.example.com:6543/my%20db?sslmode=verify-ca"
    )
    assert (found.host, found.port, found.user, found.name) == ("db.example.com", 6543, "us@er", "my db")
    assert found.password == Secret(PASSWORD)
    assert found.sslmode == "verify-ca"


def test_a_url_without_a_port_means_5432_and_its_host_needs_tls() -> None:
    found = made(url="postgres://app@db.example.com/orders")
    assert (found.port, found.sslmode, found.password) == (5432, "require", None)


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("%2Fvar%2FRun%2FPG", "/var/Run/PG"),
        ("[::1]", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("DB.Example", "DB.Example"),
    ],
)
def test_the_host_of_a_url_is_kept_as_it_is_written(host: str, meant: str) -> None:
    assert made(url=f"postgresql://app:pw@{host}:5432/orders").host == meant


def test_libpq_s_way_to_name_a_socket_in_a_url_is_understood() -> None:
    found = made(url="postgresql:///orders?host=/var/Run&user=app&password=pw&port=5433")
    assert (found.host, found.port, found.user, found.password) == ("/var/Run", 5433, "app", Secret("pw"))


@pytest.mark.parametrize(
    ("url", "lacking"),
    [
        ("postgresql:///orders?user=app", "names no host"),
        ("postgresql://app@/orders", "names no host"),
        ("postgresql://db/orders", "DB_USER"),
        ("postgresql://app@db", "names no database"),
        ("postgresql://app@db/", "names no database"),
        ("postgresql://app@one:5432,two:5432/orders", "names several hosts"),
        ("postgresql://app:se?cr@db/orders", "cannot be read"),
        ("postgresql://app@db/orders?search_path=a", 'search_path = ["app"]'),
        ("mysql://app@db/orders", "cannot be read"),
        ("app@db/orders", "cannot be read"),
        ("postgresql://app@db:port/orders", "cannot be read"),
        ("postgresql://app@[::1/orders", "cannot be read"),
        (
            "postgresql://app@db/orders?options=-csearch_path%3Dx",
            "sets options, which seedbed does not accept",
        ),
        ("postgresql://app@db/orders?sslmode=disable", "in the clear"),
        ("postgresql://app:%00@db/orders", "not text"),
        ("postgresql://app:%FF@db/orders", "cannot be read"),
    ],
)
def test_a_url_that_lacks_something_or_says_too_much_is_refused(url: str, lacking: str) -> None:
    assert lacking in refusal(url=url)


@pytest.mark.parametrize("setting", ["host", "user", "password", "name", "port"])
def test_a_url_beside_one_of_its_parts_is_refused(setting: str) -> None:
    assert f"its {setting} are both given" in refusal(**{"url": "postgresql://app@db:1/orders", setting: "1"})


@pytest.mark.parametrize(
    "password",
    [
        "100%secret",
        "secret%",
        "secret%zz",
        "se/cret",
        "12/secret",
        "p@1/secret",
        "secret#x",
        "p@db/d#secret",
        "secret?x=y",
        "p@db/d?secret=1&x",
        "p@db/d?a=1&secret=2",
        "[secret",
        "secret]",
        "1:secret/2",
    ],
)
def test_no_part_of_a_badly_encoded_password_is_ever_shown(password: str) -> None:
    """Either it is understood all the same, or it is refused; a message holds nothing of it."""
    url = f"postgresql://app:{password}@db.example.com/orders"
    try:
        shown = str(made(url=url))
    except UsageError as error:
        shown = f"{error!r} {error}"
    assert "secret" not in shown
    assert password not in shown


# Logins that are made, or are there

OWN = {**SETTINGS, "password": "p"}
ADMIN = {"admin_user": "boss", "admin_password": "q"}
APPLICATION = {"app_user": "orders_app", "app_password": "r"}


def test_with_an_administrator_there_are_three_logins() -> None:
    found = made(**OWN, **ADMIN, **APPLICATION)
    assert found.admin
    assert found.application
    assert (found.user, found.admin.user, found.application.user) == ("app", "boss", "orders_app")


def test_without_one_the_application_s_login_is_there_already() -> None:
    found = made(**OWN, **APPLICATION)
    assert found.admin is None
    assert found.application
    assert found.application.user == "orders_app"


@pytest.mark.parametrize("gone", [*ADMIN, *APPLICATION])
def test_half_of_an_administrator_or_one_without_an_application_is_refused(gone: str) -> None:
    settings = {key: each for key, each in {**OWN, **ADMIN, **APPLICATION}.items() if key != gone}
    assert f"DB_{gone.upper()}" in refusal(**settings)
    assert "DB_APP_USER, DB_APP_PASSWORD" in refusal(**OWN, **ADMIN)
    assert "DB_APP_PASSWORD" in refusal(**OWN, app_user="orders_app")
    assert "name one login twice" in refusal(**OWN, app_user="app", app_password="r")
