"""From an environment's name to what the manifest says about it; and the rules such a saying has to keep."""

from __future__ import annotations

import re
from collections.abc import Sequence

from seedbed.errors import UsageError
from seedbed.model.environment import SANDBOX, Environment, EnvironmentPattern, is_dev_name, is_ephemeral
from seedbed.model.platform import Platform
from seedbed.support.guess import did_you_mean
from seedbed.support.phrases import listed, shorten

MAX_NAME = 32
_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")  # it becomes part of DNS names, stack names and table names
_WILD = re.compile(r"[*?\[]")
_DEV_MEANS = "a name that starts with `dev` means that all data there may be deleted"
_NAMES_HAVE = f"names have lower-case letters, digits and single hyphens, and at most {MAX_NAME} characters"


def environment(platform: Platform, name: str) -> Environment:
    """Return the environment called `name`: the built-in sandbox, one declared by name, or by a pattern.

    An exact name wins over every pattern, a longer pattern over a shorter one.
    Raises UsageError for a name that is malformed, undeclared, or matched by two patterns of equal length.
    """
    if name == SANDBOX:
        return Environment(name=SANDBOX, ephemeral=True, releases=platform.releases)
    if not is_name(name):
        raise UsageError(
            f"{_quoted(name)} cannot be the name of an environment",
            because=_NAMES_HAVE,
            try_="dev-ana, staging",
        )
    found = _declared(platform, name).named(name)
    if is_dev_name(name) and not is_ephemeral(found):
        # only a pattern such as `*` or `?ev-1` gets here: what it says was never meant for a dev environment
        raise UsageError(
            f"{name} is not declared as a dev environment",
            because=_DEV_MEANS,
            try_=f'[environments."dev-*"] with ephemeral = true, or a name other than {name}',
        )
    return found


def is_name(text: str) -> bool:
    """Return whether `text` can be the name of one environment."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def is_pattern(text: str) -> bool:
    """Return whether `text` stands for a family of names."""
    return _WILD.search(text) is not None


def broken_rule(declared: EnvironmentPattern) -> tuple[str, str, str, str] | None:
    """Return what is wrong with a declaration, or None: the key at fault ("" for all), what, because, try."""
    pattern = declared.pattern
    if pattern == SANDBOX:
        return ("", "`sandbox` cannot be declared", "it is built in", "choose another name")
    if not is_pattern(pattern) and not is_name(pattern):
        because = _NAMES_HAVE
        return ("", f"{_quoted(pattern)} cannot be the name of an environment", because, "")
    return _broken_promise(declared)


def broken_base(
    declared: EnvironmentPattern, among: Sequence[EnvironmentPattern]
) -> tuple[str, str, str, str] | None:
    """Return what is wrong with what a declaration says of a base and of an end: as `broken_rule`, or None."""
    if declared.is_base and (broken := _broken_as_base(declared)):
        return broken
    if declared.ttl and not declared.ephemeral:
        because = "only what is ephemeral may be deleted when its time is over"
        return ("ttl", f"{declared.pattern} cannot have a ttl", because, "remove the line")
    if declared.notify and not declared.is_base:
        because = "only what lies in a base is told of, to the topic of that"
        return (
            "notify",
            f"{declared.pattern} is no base, and cannot have notify",
            because,
            "add the line to a base",
        )
    if declared.own and not declared.base:
        because = "`own` says what does not lie in the base, and no base is named"
        return ("own", f"{declared.pattern} lies in no base", because, 'base = "…", or remove the line')
    return _broken_within(declared, among) if declared.base else None


def _broken_as_base(declared: EnvironmentPattern) -> tuple[str, str, str, str] | None:
    pattern = declared.pattern
    if is_pattern(pattern) or is_dev_name(pattern):
        what = f"{pattern} cannot be a base"
        because = (
            "a base is one environment by its own name, and stays, while all that starts with `dev` may go"
        )
        return ("base", what, because, "shared-dev, for example")
    if declared.protected:
        because = "a base is for environments that may be deleted"
        return (
            "protected",
            f"{pattern} is a base, and cannot be protected",
            because,
            "remove one of the lines",
        )
    if not (declared.account and declared.region):
        because = "environments that lie in it are looked for in one account and region"
        return ("base", f"{pattern} is a base without account or region", because, "add both")
    return None


def _broken_within(
    declared: EnvironmentPattern, among: Sequence[EnvironmentPattern]
) -> tuple[str, str, str, str] | None:
    pattern, base = declared.pattern, next((each for each in among if each.pattern == declared.base), None)
    if not declared.ephemeral:
        because = "what lies in a base is isolated from its neighbours by rights alone: only for what may be deleted"
        return ("base", f"{pattern} cannot lie in a base", because, "remove the line")
    if base is None or not base.is_base:
        bases = [each.pattern for each in among if each.is_base]
        because = f"bases are {listed(bases)}" if bases else "no environment says base = true"
        try_ = did_you_mean(
            declared.base, bases, otherwise=f"[environments.{declared.base}] with base = true"
        )
        return ("base", f"{declared.base} is no base", because, try_)
    here, there = (declared.account, declared.region), (base.account, base.region)
    if here != there:
        because = f"{pattern} is in {_place(*here)}, {base.pattern} in {_place(*there)}"
        return (
            "base",
            f"{pattern} cannot lie in {base.pattern}",
            because,
            "the same account and region for both",
        )
    return None


def _place(account: str, region: str) -> str:
    return f"account {account or 'none'}, region {region or 'none'}"


def _broken_promise(declared: EnvironmentPattern) -> tuple[str, str, str, str] | None:
    """Return what is wrong where a name and what is declared disagree on whether everything may be deleted."""
    pattern = declared.pattern
    is_dev = is_dev_name(pattern)
    if is_dev == declared.ephemeral == is_ephemeral(declared.named(pattern)):
        return None
    if not is_dev:
        return (
            "ephemeral",
            f"{pattern} cannot be ephemeral",
            "only an environment whose name starts with `dev` may be deleted",
            f"rename it to dev-{pattern}, or remove the line",
        )
    if declared.protected:
        return (
            "protected",
            f"{pattern} cannot be protected",
            _DEV_MEANS,
            "give it another name, or remove the line",
        )
    because = f"{_DEV_MEANS}, and that has to be said"
    return ("", f"{pattern} is not declared ephemeral", because, "ephemeral = true, or another name")


def _declared(platform: Platform, name: str) -> EnvironmentPattern:
    exact = next((each for each in platform.environments if each.pattern == name), None)
    if exact:
        return exact
    matching = [each for each in platform.environments if is_pattern(each.pattern) and each.matches(name)]
    if not matching:
        raise _undeclared(platform, name)
    longest = max(len(each.pattern) for each in matching)
    closest = [each for each in matching if len(each.pattern) == longest]
    if len(closest) > 1:
        both = " and ".join(each.pattern for each in closest)
        raise UsageError(
            f"{name} is declared twice",
            because=f"it matches {both}, which are equally long",
            try_=f"[environments.{name}], which wins over any pattern",
        )
    return closest[0]


def _undeclared(platform: Platform, name: str) -> UsageError:
    names = [each.pattern for each in platform.environments]
    patterns = [each for each in names if is_pattern(each)]
    fitting = f"a name that {' or '.join(patterns)} matches, or " if patterns else ""
    return UsageError(
        f"there is no environment {name}",
        because=f"declared are {', '.join([*names, f'{SANDBOX} (built in)'])}",
        try_=did_you_mean(
            name,
            [SANDBOX, *(each for each in names if not is_pattern(each))],
            otherwise=f"{fitting}declare it in seedbed.toml: [environments.{name}]",
        ),
    )


def _quoted(name: str) -> str:
    return f'"{shorten(ascii(name)[1:-1], 64)}"'
