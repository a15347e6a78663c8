"""From a name to an environment."""

from __future__ import annotations

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.errors import UsageError
from seedbed.manifest.environments import environment
from seedbed.model.environment import Environment, EnvironmentPattern, is_ephemeral
from seedbed.model.platform import Platform


def _platform(*environments: EnvironmentPattern) -> Platform:
    return Platform("edtech", PurePath("/p"), (), environments=environments)


DECLARED = _platform(
    EnvironmentPattern("dev-*", account="111111111111", ephemeral=True),
    EnvironmentPattern("dev-ci-*", account="999999999999", ephemeral=True),
    EnvironmentPattern("staging"),
    EnvironmentPattern("prod", protected=True),
)


def test_the_sandbox_is_built_in_and_ephemeral() -> None:
    sandbox = environment(_platform(), "sandbox")
    assert sandbox == Environment("sandbox", ephemeral=True)
    assert is_ephemeral(sandbox)


def test_a_pattern_gives_its_settings_to_every_name_it_matches() -> None:
    found = environment(DECLARED, "dev-ana")
    assert found == Environment("dev-ana", account="111111111111", ephemeral=True)


def test_an_exact_name_wins_over_a_longer_pattern() -> None:
    platform = _platform(EnvironmentPattern("pro[d]*", region="eu-west-1"), EnvironmentPattern("prod"))
    assert environment(platform, "prod").region == ""


def test_the_longer_of_two_patterns_wins() -> None:
    assert environment(DECLARED, "dev-ci-42").account == "999999999999"


def test_two_patterns_of_equal_length_are_an_error_that_names_both() -> None:
    platform = _platform(
        EnvironmentPattern("dev-a*", ephemeral=True), EnvironmentPattern("dev-?n", ephemeral=True)
    )
    with pytest.raises(UsageError, match="dev-an is declared twice") as caught:
        environment(platform, "dev-an")
    assert "dev-a* and dev-?n" in caught.value.because


def test_an_undeclared_name_is_told_what_is_declared() -> None:
    with pytest.raises(UsageError, match="there is no environment stagin") as caught:
        environment(DECLARED, "stagin")
    assert caught.value.because == "declared are dev-*, dev-ci-*, staging, prod, sandbox (built in)"
    assert caught.value.try_ == "did you mean staging?"


def test_a_pattern_is_no_name_that_could_be_meant() -> None:
    with pytest.raises(UsageError, match="there is no environment devana") as caught:
        environment(DECLARED, "devana")
    assert caught.value.try_ == (
        "a name that dev-* or dev-ci-* matches, or declare it in seedbed.toml: [environments.devana]"
    )


@pytest.mark.parametrize(
    "name", ["", "Prod", "a_b", "a.b", "-a", "a-", "a--b", "prod\n", "x" * 33, "dev-*", "ü", "a/b"]
)
def test_a_name_that_no_dns_would_take_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of an environment"):
        environment(_platform(EnvironmentPattern("*")), name)


def test_a_dev_name_is_never_served_by_a_pattern_that_is_not_ephemeral() -> None:
    with pytest.raises(UsageError, match="dev-ana is not declared as a dev environment"):
        environment(_platform(EnvironmentPattern("*", protected=True)), "dev-ana")


@given(st.from_regex(r"[a-z][a-z0-9]{0,9}(-[a-z0-9]{1,8}){0,2}", fullmatch=True))
def test_only_names_that_start_with_dev_are_ephemeral(name: str) -> None:
    platform = _platform(EnvironmentPattern("dev*", ephemeral=True), EnvironmentPattern("*"))
    assert is_ephemeral(environment(platform, name)) == (name.startswith("dev") or name == "sandbox")
