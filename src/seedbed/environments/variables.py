"""Settings from environment variables: `DB_HOST` in a service's own task, `USER_DB_HOST` where several share one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from seedbed.engines.base import Variable
from seedbed.errors import SeedbedError, Unreachable, UsageError
from seedbed.model.environment import ConnectionSettings
from seedbed.model.secret import Secret

Settings = dict[str, str | Secret]
_IN_TASK = "ECS_CONTAINER_METADATA_URI_V4"  # ECS sets it in every container
NO_SECRET = "none-is-needed"  # noqa: S105  the sandbox asks for none, and readers of variables for some


class Wanted(Struct, frozen=True):
    """A database whose settings are wanted: its id, its service, its engine's variables, what is known already."""

    database: str
    service: str
    variables: Sequence[Variable]
    known: Mapping[str, str | Secret]


def read(
    wanted: Sequence[Wanted], environ: Mapping[str, str], *, beside: bool = False
) -> dict[str, Settings]:
    """Return the settings of each database, by its id. `beside`: others are selected, and bare variables are theirs.

    A prefixed variable wins over a bare one; bare ones serve a single target only, but for those that are
    shared; an empty one says nothing.
    Raises UsageError that names every variable that is missing, and for a bare variable with several targets
    selected, unless each of them has its own.
    """
    given = {name: value for name, value in environ.items() if value}
    alone = len(wanted) == 1 and not beside
    found = {each.database: _settings(each, given, bare_allowed=alone) for each in wanted}
    missing = [line for each in wanted for line in _missing(each, found[each.database], alone=alone)]
    if not alone and not beside and (bare := _bare_in_use(wanted, given)):
        raise UsageError(
            f"{bare[0]} is set, but {len(wanted)} databases are selected",
            because="one address cannot be meant for all of them",
            try_=f"select one (--service {wanted[0].service}), or set {prefixed(wanted[0].service, bare[0])} and so on",
        )
    if missing:
        raise UsageError(
            f"environment variables are missing: {', '.join(missing)}",
            because="they say where the databases are; seedbed never guesses, and never falls back to this machine",
            try_="set them, or try the embedded databases with -e sandbox",
        )
    return found


def prefixed(service: str, name: str) -> str:
    """Return the variable of one service: `tutor-matching`, `DB_HOST` -> `TUTOR_MATCHING_DB_HOST`."""
    return f"{service.upper().replace('-', '_')}_{name}"


def written(
    service: str, variables: Sequence[Variable], settings: Mapping[str, str], *, bare: bool = False
) -> ConnectionSettings:
    """Return the variables that lead to a database of the sandbox as `read` reads them; others carry its name, too.

    Each begins with the service's name, unless it is shared or all are to be `bare`. The sandbox checks no credentials:
    a secret, and one that `read` asks for, has a value that is none.
    """
    found: dict[str, str] = {}
    for each in variables:
        is_asked = each.required and each.secret
        if settings.get(each.setting) or is_asked:
            name = each.name if bare or each.shared else prefixed(service, each.name)
            found[name] = NO_SECRET if each.secret else settings[each.setting]
    carried = {each.setting for each in variables}
    return ConnectionSettings(found, {name: each for name, each in settings.items() if name not in carried})


def told(wanted: Wanted, environ: Mapping[str, str]) -> Settings:
    """Return what variables tell of one database, with its prefix or without, whatever is missing."""
    given = {name: value for name, value in environ.items() if value}
    return _settings(wanted, given, bare_allowed=True)


def are_silent(wanted: Wanted, environ: Mapping[str, str], *, alone: bool) -> bool:
    """Return whether no variable of its own says where a database that needs some is."""
    own = [each for each in wanted.variables if not each.shared]
    names = {prefixed(wanted.service, each.name) for each in own} | {each.name for each in own if alone}
    return any(each.required for each in own) and not any(environ.get(each) for each in names)


def unfilled(wanted: Wanted, environ: Mapping[str, str], *, alone: bool) -> SeedbedError | None:
    """Return what is wrong with a database whose secret was made and never filled in; None for any other.

    Such a secret has empty members. Where they were read, they are known; in a task of ECS they are empty variables.
    """
    empty = [each.name for each in wanted.variables if each.required and _is_empty(wanted, each.setting)]
    if _IN_TASK in environ and are_silent(wanted, environ, alone=alone):
        names = [prefixed(wanted.service, each.name) for each in wanted.variables if each.required]
        names += [each.name for each in wanted.variables if each.required and alone]
        empty += [name for name in names if environ.get(name) == ""]
    if not empty:
        return None
    return Unreachable(
        f"nothing says where {wanted.database} is: {', '.join(empty)} is empty",
        because="the secret that it comes from was made with empty members, and never filled in",
        try_="aws secretsmanager put-secret-value; the stack's output SecretArn names the secret",
    )


def _is_empty(wanted: Wanted, setting: str) -> bool:
    value = wanted.known.get(setting)
    return isinstance(value, Secret) and not value.reveal()


def _settings(wanted: Wanted, environ: Mapping[str, str], *, bare_allowed: bool) -> Settings:
    settings: Settings = dict(wanted.known)
    for variable in wanted.variables:
        is_bare = bare_allowed or variable.shared
        names = [prefixed(wanted.service, variable.name), *([variable.name] if is_bare else [])]
        value = next((environ[name] for name in names if name in environ), None)
        if value is not None:
            settings[variable.setting] = Secret(value) if variable.secret else value
    return settings


def _missing(wanted: Wanted, settings: Settings, *, alone: bool) -> list[str]:
    return [
        each.name if alone else prefixed(wanted.service, each.name)
        for each in wanted.variables
        if each.required
        and not settings.get(each.setting)
        and not any(settings.get(other) for other in each.unless)
    ]


def _bare_in_use(wanted: Sequence[Wanted], given: Mapping[str, str]) -> list[str]:
    """Return the bare variables that are set, and that at least one target has no own one for."""
    return [
        each.name
        for one in wanted
        for each in one.variables
        if each.name in given and not each.shared and prefixed(one.service, each.name) not in given
    ]
