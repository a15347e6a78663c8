"""DB_* variables -> settings: whose they are, what is missing, and what is never guessed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from seedbed.engines.postgres.address import VARIABLES
from seedbed.environments.variables import Settings, Wanted, prefixed, read, unfilled
from seedbed.errors import ExitCode, UsageError
from seedbed.model.secret import Secret

BARE = {"DB_HOST": "db", "DB_USER": "app", "DB_PASSWORD": "pw", "DB_NAME": "orders"}


def wanted(*services: str, **known: str | Secret) -> list[Wanted]:
    return [Wanted(f"{service}/postgres", service, VARIABLES, known) for service in services]


def own(service: str, values: Mapping[str, str] = BARE) -> dict[str, str]:
    return {prefixed(service, name): value for name, value in values.items()}


def only(environ: Mapping[str, str], **known: str) -> Settings:
    return read(wanted("user", **known), environ)["user/postgres"]


def refusal(services: list[Wanted], environ: Mapping[str, str]) -> str:
    with pytest.raises(UsageError) as caught:
        read(services, environ)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


def test_bare_variables_are_those_of_the_one_target() -> None:
    settings = only(BARE)
    assert settings == {"host": "db", "user": "app", "password": Secret("pw"), "name": "orders"}


def test_a_prefixed_variable_wins_over_a_bare_one() -> None:
    assert only({**BARE, "USER_DB_HOST": "other"})["host"] == "other"


def test_a_hyphen_in_a_service_s_name_becomes_an_underscore() -> None:
    assert prefixed("tutor-matching", "DB_HOST") == "TUTOR_MATCHING_DB_HOST"


def test_each_of_several_targets_has_its_own_variables() -> None:
    environ = {**own("user"), **own("payment", {**BARE, "DB_HOST": "other"})}
    found = read(wanted("payment", "user"), environ)
    assert found["user/postgres"]["host"] == "db"
    assert found["payment/postgres"]["host"] == "other"


def test_everything_that_is_missing_is_named_at_once() -> None:
    text = refusal(wanted("user"), {"DB_USER": "app"})
    assert "environment variables are missing: DB_HOST, DB_PASSWORD, DB_NAME" in text
    assert "never falls back to this machine" in text


def test_what_is_missing_for_several_targets_is_named_with_their_prefixes() -> None:
    text = refusal(wanted("payment", "user"), own("user"))
    for name in BARE:
        assert f"PAYMENT_{name}" in text
        assert f"USER_{name}" not in text


@pytest.mark.parametrize("name", BARE)
def test_an_empty_variable_is_as_good_as_a_missing_one(name: str) -> None:
    assert f"are missing: {name}" in refusal(wanted("user"), {**BARE, name: ""})


def test_an_empty_prefixed_variable_does_not_hide_the_bare_one() -> None:
    assert only({**BARE, "USER_DB_HOST": ""})["host"] == "db"


def test_the_port_need_not_be_said() -> None:
    assert "port" not in only(BARE)
    assert only({**BARE, "DB_PORT": "1"})["port"] == "1"


@pytest.mark.parametrize("known", [{"libpq": "true"}, {"service": "orders"}, {"url": "postgresql://a@b/c"}])
def test_what_the_manifest_asks_for_stands_in_for_the_variables(known: dict[str, str]) -> None:
    assert only({}, **known) == known


def test_an_empty_setting_of_the_manifest_stands_in_for_nothing() -> None:
    assert "are missing" in refusal(wanted("user", service=""), {})


def test_a_url_stands_in_for_all_others_and_is_a_secret() -> None:
    assert only({"DB_URL": "postgresql://a@b/c"}) == {"url": Secret("postgresql://a@b/c")}


def test_a_variable_wins_over_the_manifest() -> None:
    assert only(BARE, host="declared")["host"] == "db"


@pytest.mark.parametrize("name", [*BARE, "DB_PORT", "DB_SSLROOTCERT", "DB_URL"])
def test_a_bare_variable_with_several_targets_is_refused(name: str) -> None:
    environ = {**own("user"), **own("payment"), name: "1"}
    environ.pop(prefixed("payment", name), None)
    text = refusal(wanted("user", "payment"), environ)
    assert f"{name} is set, but 2 databases are selected" in text
    assert "--service user" in text


def test_a_bare_variable_with_several_targets_is_refused_even_where_libpq_would_fill_the_gap() -> None:
    assert "DB_HOST is set" in refusal(wanted("user", "payment", libpq="true"), {"DB_HOST": "db"})


def test_a_bare_variable_harms_nobody_where_each_target_has_its_own() -> None:
    environ = {**own("user"), **own("payment"), "DB_HOST": "stray"}
    found = read(wanted("user", "payment"), environ)
    assert {settings["host"] for settings in found.values()} == {"db"}


def test_a_refusal_shows_no_value() -> None:
    text = refusal(wanted("user", "payment"), {"DB_PASSWORD": "hush-hush"})
    assert "hush" not in text


IN_TASK = {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/1"}


def test_a_secret_that_was_never_filled_in_is_told_by_its_empty_members() -> None:
    (read_,) = wanted("user", host=Secret(""), user=Secret(""), password=Secret(""), name=Secret(""))
    assert "DB_HOST, DB_USER, DB_PASSWORD, DB_NAME is empty" in str(unfilled(read_, {}, alone=True))
    empty = dict.fromkeys(own("user"), "")
    (user,) = wanted("user")
    assert "user/postgres is: USER_DB_HOST" in str(unfilled(user, {**IN_TASK, **empty}, alone=False))


@pytest.mark.parametrize(
    "environ",
    [
        dict.fromkeys(own("user"), ""),  # of a person, who says nothing by it
        IN_TASK,
        {**IN_TASK, **dict.fromkeys(own("user"), ""), "USER_DB_HOST": "db"},
        {**IN_TASK, **own("user")},
    ],
)
def test_other_empty_variables_say_nothing(environ: Mapping[str, str]) -> None:
    assert unfilled(wanted("user")[0], environ, alone=False) is None
