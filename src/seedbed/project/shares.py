"""What environments have on the servers of their base: made, copied, listed and dropped by who reaches those servers.

That is the base's own task. It is told names alone: what a part is called follows from them, and the passwords of its
logins are in secrets that are found by them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain

from seedbed.engines.sharing import SharedServer, SupportsSharing
from seedbed.environments import variables
from seedbed.errors import Refused, SeedbedError, StepFailed, UsageError, as_one
from seedbed.execution.threads import returned, side_by_side
from seedbed.manifest.environments import is_name
from seedbed.model.environment import Environment, is_dev_name
from seedbed.model.names import RESERVED, login_secret
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share, ShareOutcome, SharePart
from seedbed.project.protection import require_base
from seedbed.project.targets import Targets

_Do = Callable[[SharedServer, Share, SharePart], str]
_SECRETS = {
    "user": "migrate",
    "app_user": "app",
}  # by the setting that names a login, which secret has its password
_SERVICE = re.compile(r"[a-z0-9_-]+")
_PASSWORD = "password"  # noqa: S105  the member of such a secret
_AT_ONCE = 4  # databases of one engine that are made at the same time: others work on that server meanwhile


class Shares:
    """The servers of `base`, and what is done there for one environment at a time."""

    def __init__(self, targets: Targets, base: Environment) -> None:
        """Raises UsageError where `base` is none."""
        require_base(targets.catalog.platform, base)
        self._targets, self._catalog, self._base = targets, targets.catalog, base
        self._lock = threading.Lock()  # of what is not for threads: AWS is asked one question after the other

    @property
    def engines(self) -> list[str]:
        """The engines of the platform whose servers are shared, sorted."""
        names = sorted({each.engine for each in self._catalog.platform.databases})
        return [each for each in names if isinstance(self._catalog.engine(each), SupportsSharing)]

    def make(self, environment: str, parts: Sequence[SharePart]) -> list[ShareOutcome]:
        """Make what `parts` lack, some of them at the same time, and return how it ended for each."""

        def make(server: SharedServer, share: Share, part: SharePart) -> str:
            return server.make(share, self._logins(share), template=part.template)

        return self._each(environment, parts, make, at_once=_AT_ONCE)

    def keep(self, environment: str, parts: Sequence[SharePart]) -> list[ShareOutcome]:
        """Keep what `parts` hold as their templates, where that can be, and return how it ended for each."""

        def keep(server: SharedServer, share: Share, part: SharePart) -> str:
            if not part.template or part.template in server.templates():
                return ""
            return f"kept as template {part.template}" if server.keep(share, part.template) else ""

        return self._each(environment, parts, keep)

    def drop(self, environment: str, parts: Sequence[SharePart] = ()) -> list[ShareOutcome]:
        """Drop `parts`, none named: all that `environment` has, and return how it ended for each.

        What is still there after that has failed.
        """
        outcomes: list[ShareOutcome] = []
        if not parts:
            found = self.listed(environment)
            outcomes = [each for each in found if each.error]
            parts = [SharePart(each.share.database) for each in found if not each.error]
        outcomes += self._each(environment, parts, lambda server, share, _: server.drop(share))
        dropped = {each.share for each in outcomes if not each.error}
        left = [each.share for each in self.listed(environment) if each.share in dropped] if dropped else []
        return [
            ShareOutcome(each.share, each.what, _still_there(each.share)) if each.share in left else each
            for each in outcomes
        ]

    def listed(self, environment: str = "") -> list[ShareOutcome]:
        """Return what is there, "": of all environments; with an error, of an engine whose server does not tell it."""
        found: list[ShareOutcome] = []
        for engine in self.engines:
            try:
                with self.server(engine) as server:
                    found += [ShareOutcome(each) for each in server.listed()]
            except SeedbedError as error:
                nothing = Share(self._catalog.platform.name, environment, f"{RESERVED}/{engine}")
                found.append(ShareOutcome(nothing, error=as_one(error)))
        platform = self._catalog.platform.name
        return [
            each
            for each in found
            if each.share.platform == platform and environment in {"", each.share.environment}
        ]

    @contextmanager
    def server(self, engine: str) -> Iterator[SharedServer]:
        """Reach the server that environments share, as its administrator. Raises UsageError, Unreachable."""
        found = self._catalog.engine(engine)
        if not isinstance(found, SupportsSharing):
            raise UsageError(
                f"no server of {engine} can be shared", because=f"{self._base.name} has none that is"
            )
        wanted = variables.Wanted(f"{RESERVED}/{engine}", RESERVED, found.variables, {})
        settings = variables.told(wanted, self._targets.environ)
        with self._lock:
            for value in settings.values():
                if isinstance(value, Secret):
                    self._targets.redactor.add(value)
        with found.shared_server(settings) as server:
            yield server

    def _each(
        self, environment: str, parts: Sequence[SharePart], do: _Do, *, at_once: int = 1
    ) -> list[ShareOutcome]:
        """Return what `do` did for each of `parts`; one that fails stops no other. Raises Refused, UsageError.

        `at_once`: how many sessions there are on one server, each for its part of the parts.
        """
        require_ephemeral_name(environment)
        for each in parts:
            require_one_service(each.database)
        by_engine: dict[str, list[SharePart]] = {}
        for each in parts:
            by_engine.setdefault(each.engine, []).append(each)
        calls = [
            partial(self._session, environment, engine, those[first::at_once], do)
            for engine, those in by_engine.items()
            for first in range(min(at_once, len(those)))
        ]
        done = side_by_side(calls) if at_once > 1 else [each() for each in calls]
        names = [each.args[1] for each in calls]
        return sorted(chain.from_iterable(returned(names, done)), key=lambda each: each.share)

    def _session(
        self, environment: str, engine: str, parts: Sequence[SharePart], do: _Do
    ) -> list[ShareOutcome]:
        """Return what `do` did for each of `parts`, which are of one engine, one after the other."""
        shares = [Share(self._catalog.platform.name, environment, each.database) for each in parts]
        done: list[ShareOutcome] = []
        try:
            with self.server(engine) as server:
                for share, part in zip(shares, parts, strict=True):
                    done.append(_done(share, server, part, do))
        except SeedbedError as error:
            done += [ShareOutcome(each, error=as_one(error)) for each in shares[len(done) :]]
        return done

    def _logins(self, share: Share) -> Mapping[str, Secret]:
        """Return the passwords of the logins of `share`, by the settings that name them. Raises what AWS raises."""
        from seedbed.aws import parameters

        engine = self._catalog.engine(share.database.partition("/")[2])
        assert isinstance(engine, SupportsSharing)
        named = engine.shared_settings(share.environment, share.service)
        found = {}
        with self._lock:
            cloud = self._targets.cloud(self._base)
            for setting in (each for each in _SECRETS if each in named):
                name = login_secret(share.platform, share.environment, share.database, _SECRETS[setting])
                found[setting] = parameters.member(cloud, name, _PASSWORD)
                self._targets.redactor.add(found[setting])
        return found


def require_ephemeral_name(environment: str) -> None:
    """Raise Refused for an environment whose name does not say that it may be deleted.

    Raises UsageError for what is no name: a server may take `dev-*` for all that begin so.
    """
    if not is_name(environment):
        raise UsageError(
            f"{environment!r} is not the name of one environment",
            because="what it has on a server is found by its name",
            try_="dev-ana, for example",
        )
    if not is_dev_name(environment):
        raise Refused(
            f"{environment} has no place on a shared server",
            because="only environments whose names start with dev lie in a base",
            try_="name one of those",
        )


def require_one_service(database: str) -> None:
    """Raise UsageError unless the id of a database has the name of one service in front."""
    if _SERVICE.fullmatch(database.partition("/")[0]) is None:
        raise UsageError(
            f"{database!r} is not the id of one database",
            because="what it has on a server is found by the name of its service",
            try_="SERVICE/ENGINE, one of each",
        )


def _done(share: Share, server: SharedServer, part: SharePart, do: _Do) -> ShareOutcome:
    try:
        return ShareOutcome(share, do(server, share, part))
    except SeedbedError as error:
        return ShareOutcome(share, error=as_one(error))


def _still_there(share: Share) -> SeedbedError:
    return StepFailed(
        f"{share} is still there",
        because="it was made anew while it was dropped, or something in it could not be",
        try_="the same command again, once nothing makes it any more",
    )
