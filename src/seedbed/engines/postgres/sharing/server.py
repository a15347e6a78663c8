"""A shared server: the databases and logins of each environment there, as its administrator makes and drops them.

Each share has a lock of its own, an advisory one in the administrator's database: it goes with the session that has it.
What is done under it is done in steps that the next run finds as they are:

1. the two logins, with the share in their comments,
2. the database, empty or a copy, closed to everybody; it is the administrator's until all in it is handed over,
3. what the logins lack there (`logins.making`), and the history's identity, written as the login that owns it: what a
   copy brought along never runs as the administrator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from enum import Enum, auto
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from seedbed.engines.postgres.address import Address, Login, address
from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.logins import making
from seedbed.engines.postgres.sharing import catalog
from seedbed.engines.postgres.sharing.binding import bind
from seedbed.engines.postgres.sharing.handover import Handover, Pair
from seedbed.engines.postgres.sharing.names import (
    MIGRATE,
    TEMPLATE_APP,
    TEMPLATE_OWNER,
    shared_settings,
    template_database,
)
from seedbed.engines.postgres.sharing.sending import doing, send_whole
from seedbed.engines.postgres.sharing.telltale import telltale
from seedbed.engines.postgres.wire.connection import open_connection
from seedbed.engines.postgres.wire.messages import ServerError, asking, run
from seedbed.errors import Refused, UsageError
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share
from seedbed.support.phrases import listed

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

MOST_TEMPLATES = 4  # of one database
_TEMPLATE_PAIR = Pair(TEMPLATE_OWNER, TEMPLATE_APP)
_SET_OPTION = 160000  # since version 16 a member may inherit a role's rights, or act as it, or both
_TRANSACTION_TIMEOUT = 170000  # the version that has that setting
_GONE, _IN_USE = "3D000", "55006"
_KNOWN = ("host", "port", "sslmode", "sslrootcert", "pauses")


class Content(Enum):
    """What is in a database that `make` finds, or has just made."""

    OWN = auto()  # what its logins have, and nobody else
    NONE = auto()
    COPIED = auto()  # it is still the template's
    UNKNOWN = auto()  # one of the latter two


@contextmanager
def shared_server(settings: Mapping[str, str | Secret]) -> Iterator[SharedPostgres]:
    """Reach the server that `settings` describe as their `admin_user`, in the database `name`, else in `postgres`.

    Raises UsageError, Unreachable, Refused.
    """
    missing = [name for name in ("host", "admin_user", "admin_password") if not settings.get(name)]
    if missing:
        raise UsageError(
            f"the administrator of a shared PostgreSQL server is not known: {listed(missing)}",
            because="only it can make databases and logins there",
            try_="deploy the base, whose parameters have them",
        )
    given = {name: settings[name] for name in _KNOWN if settings.get(name)}
    name = settings.get("name") or "postgres"
    user, password = settings["admin_user"], settings["admin_password"]
    place = address({**given, "name": name, "user": user, "password": password}, None)
    with closing(open_connection(replace(place, lock_timeout="0"))) as connection:
        yield SharedPostgres(connection, place)


class SharedPostgres:
    """One, reached in the administrator's own database."""

    def __init__(self, connection: Connection, place: Address) -> None:
        self._connection = connection
        self._place = place
        self._query = asking(connection)
        self._is_superuser = connection.info.parameter_status("is_superuser") == "on"
        catalog.require_version(connection.info.server_version, is_superuser=self._is_superuser)

    def listed(self) -> Sequence[Share]:
        with doing("listing what is on the shared server"):
            return catalog.shares(self._query)

    def templates(self) -> Sequence[str]:
        with doing("listing the templates of the shared server"):
            return sorted({each.name for each in catalog.templates(self._query).values()})

    def make(self, share: Share, logins: Mapping[str, Secret], *, template: str = "") -> str:
        place = self._place_of(share, logins)
        with doing(f"making {share}"), self._locked(place.name):
            made = self._logins(share, place)
            are_new = len(made) == 2
            content, told = self._database(share, place, template)
            made += told
            made += self._filled(place, content, are_new=are_new)
            if content is not Content.NONE:
                bind(replace(place, admin=None), share)
            self._close()
        return "; ".join(made)

    def drop(self, share: Share) -> str:
        names = shared_settings(share.environment, share.service)
        pair = Pair(names["user"], names["app_user"])
        with doing(f"dropping {share}"), self._locked(names["name"]):
            found = catalog.roles(self._query, (pair.owner, pair.app))
            ours = [
                each for each in (pair.app, pair.owner) if found.get(each) == catalog.share_comment(share)
            ]
            gone = []
            self._sweep()  # what a `keep` left may lean on the logins
            if ours and catalog.database(self._query, names["name"]):
                self._drop_database(names["name"])
                gone.append(f"database {names['name']}")
            for each in ours:  # the one that owned the database last: until then the share is listed
                self._drop_login(each)
                gone.append(f"login {each}")
        return "; ".join(gone)

    def keep(self, share: Share, template: str) -> bool:
        names = shared_settings(share.environment, share.service)
        pair = Pair(names["user"], names["app_user"])
        copy = template_database(share.platform, share.database, template)
        with doing(f"keeping {share}"), self._locked(names["name"]), self._locked(copy):
            if copy in catalog.templates(self._query):
                return True
            found = catalog.database(self._query, names["name"], pair.app)
            if found is None or found.owner != pair.owner or found.is_own:
                return False
            self._template_logins()
            self._sweep(but=copy)
            if not self._copied(copy, names["name"]) or not self._handed_to_nobody(copy, pair):
                return False
            used = catalog.now(self._query)
            self._finish(copy, catalog.Template(share.platform, share.database, template, used))
            self._prune(share)
        return True

    def drop_template(self, name: str) -> None:
        with doing(f"dropping template {name}"):
            for database, each in catalog.templates(self._query).items():
                if each.name == name:
                    self._drop_database(database)

    # The steps of `make`

    def _place_of(self, share: Share, logins: Mapping[str, Secret]) -> Address:
        """Return the address of what `share` has, with its three logins. Raises UsageError."""
        names = shared_settings(share.environment, share.service)
        if missing := [each for each in ("user", "app_user") if not logins.get(each)]:
            raise UsageError(
                f"{share} has no password for {listed([names[each] for each in missing])}",
                because="a login of a shared server is made with the password that its secret has",
                try_="deploy the environment, whose stacks make the secrets",
            )
        assert self._place.password is not None
        return replace(
            self._place,
            name=names["name"],
            user=names["user"],
            password=logins["user"],
            admin=Login(self._place.user, self._place.password),
            application=Login(names["app_user"], logins["app_user"]),
        )

    def _logins(self, share: Share, place: Address) -> list[str]:
        assert place.password is not None
        assert place.application is not None
        wanted = [Login(place.user, place.password), place.application]
        found = catalog.roles(self._query, [each.user for each in wanted])
        comment = catalog.share_comment(share)
        if strange := [name for name, said in found.items() if said != comment]:
            raise Refused(
                f"the login {strange[0]} is there, and {share} did not make it",
                because="its comment does not say so, and what it has would be the environment's",
                try_="look who made it, and drop or rename it",
            )
        missing = [each for each in wanted if each.user not in found]
        statements = []
        for each in missing:
            name = quoted_name(each.user)
            statements += [
                f"CREATE ROLE {name} LOGIN PASSWORD {making.verifier(self._connection, each)}",
                f"COMMENT ON ROLE {name} IS {quoted_text(comment)}",
            ]
        self._transaction([*statements, *(self._membership(each.user) for each in wanted)])
        return [f"login {each.user}" for each in missing]

    def _membership(self, role: str) -> str:
        """Return the statement that gives the administrator the rights of `role`: to hand over, to cut off, to drop."""
        options = (
            " WITH INHERIT TRUE, SET TRUE" if self._connection.info.server_version >= _SET_OPTION else ""
        )
        return "" if self._is_superuser else f"GRANT {quoted_name(role)} TO CURRENT_USER{options}"

    def _database(self, share: Share, place: Address, template: str) -> tuple[Content, list[str]]:
        """Make the database of `place` where there is none, open it, and return what is in it, and what was done."""
        found = catalog.database(self._query, place.name)
        if found is None:
            kept = template_database(share.platform, share.database, template) if template else ""
            is_copy = self._created(place.name, kept)
            told = [f"database {place.name}, {f'a copy of template {template}' if is_copy else 'empty'}"]
            self._open(place.name)
            return Content.COPIED if is_copy else Content.NONE, told
        if found.owner != place.user:  # its maker was killed
            self._open(place.name)
            return Content.UNKNOWN, [f"database {place.name}"]
        if not found.allows:  # what `drop` began
            self._transaction([f"ALTER DATABASE {quoted_name(place.name)} WITH ALLOW_CONNECTIONS true"])
        return Content.OWN, []

    def _created(self, name: str, template: str) -> bool:
        """Make the database `name`, and return whether it is a copy of `template`: where that is gone it is empty."""
        if template and (kept := catalog.kept(self._query, template)):
            try:
                used = quoted_text(catalog.template_comment(kept))
                run(self._connection, f"COMMENT ON DATABASE {quoted_name(template)} IS {used}")
                run(self._connection, _create(name, template))
                return True
            except ServerError as error:
                if error.sqlstate != _GONE:
                    raise
        run(self._connection, _create(name, "template0"))
        return False

    def _open(self, name: str) -> None:
        database = quoted_name(name)
        self._transaction(
            [
                f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true",
            ]
        )

    def _filled(self, place: Address, content: Content, *, are_new: bool) -> list[str]:
        """Hand the database of `place`, and what is in it, to its logins, give them what they lack, and return that.

        `are_new`: the logins were made with these passwords a moment ago, which nobody has to try.
        """
        assert place.application is not None
        pair = Pair(place.user, place.application.user)
        database = quoted_name(place.name)
        reached = f"GRANT CONNECT ON DATABASE {database} TO {quoted_name(pair.app)}"
        # What is handed over has the rights that were kept, by the names that are right.
        is_whole = are_new and content is Content.COPIED
        is_found = content in {Content.OWN, Content.UNKNOWN}
        if content is Content.UNKNOWN:
            were_kept = TEMPLATE_OWNER in catalog.roles(self._query, [TEMPLATE_OWNER])
            content = Content.COPIED if were_kept else Content.NONE
        with self._inside(place.name, is_found=is_found) as connection:
            if content is Content.COPIED:
                handover = Handover(_TEMPLATE_PAIR, pair, place.name, then=pair.owner)
                send_whole(connection, [*handover.statements(asking(connection)), reached])
            elif content is Content.NONE:
                send_whole(
                    connection, [f"ALTER DATABASE {database} OWNER TO {quoted_name(pair.owner)}", reached]
                )
            else:
                send_whole(connection, [reached])
            return [] if is_whole else [*making.make(connection, place, place.name, are_new=are_new)]

    def _close(self) -> None:
        """Take the administrator's own databases from those who have one of their own, where that is ours to do."""
        names = [self._place.name, "postgres", "template1"]
        if not catalog.open_to_all(self._query, names):
            return
        with self._locked("databases of all"):
            for each in catalog.open_to_all(self._query, names):
                database = quoted_name(each)
                self._transaction(
                    [
                        f"GRANT CONNECT ON DATABASE {database} TO CURRENT_USER",
                        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                    ]
                )

    # The steps of `drop`

    def _drop_database(self, name: str) -> None:
        """Drop the database `name`, whatever its owner said of it, and whoever is connected."""
        database = quoted_name(name)
        run(self._connection, f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false IS_TEMPLATE false")
        run(self._connection, f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def _drop_login(self, name: str) -> None:
        """Drop a login, and first what others gave it in their databases; what it made there is their owners'."""
        role = quoted_name(name)
        self._transaction([f"ALTER ROLE {role} NOLOGIN", self._membership(name)])
        for database, owner in catalog.leaning(self._query, name):
            if database:
                with self._inside(database) as connection:
                    given = f"REASSIGN OWNED BY {role} TO {quoted_name(owner)}"
                    send_whole(connection, [given, f"DROP OWNED BY {role}"])
        self._transaction([f"DROP OWNED BY {role}", f"DROP ROLE IF EXISTS {role}"])

    # The steps of `keep`

    def _template_logins(self) -> None:
        with self._locked("logins of templates"):
            found = catalog.roles(self._query, [TEMPLATE_OWNER, TEMPLATE_APP])
            missing = [each for each in (TEMPLATE_OWNER, TEMPLATE_APP) if each not in found]
            made = [f"CREATE ROLE {quoted_name(each)} NOLOGIN" for each in missing]
            self._transaction([*made, *map(self._membership, missing)])

    def _copied(self, copy: str, name: str) -> bool:
        """Copy the database `name`, and return whether that could be done: not while somebody is connected to it."""
        if catalog.database(self._query, copy):  # of a `keep` that was killed
            self._drop_database(copy)
        try:
            run(self._connection, _create(copy, name))
        except ServerError as error:
            if error.sqlstate == _IN_USE:
                return False
            raise
        return True

    def _handed_to_nobody(self, copy: str, pair: Pair) -> bool:
        """Hand what is in `copy` to those whom nobody logs in as; return False, and drop it, where that cannot be."""
        self._open(copy)
        with self._inside(copy) as connection:
            handover = Handover(pair, _TEMPLATE_PAIR, copy, then=self._place.user)
            query = asking(connection)
            is_done = not handover.strange(query) and not telltale(query, pair.owner.removesuffix(MIGRATE))
            if is_done:
                send_whole(connection, [*handover.statements(query)])
                is_done = not handover.left(query)
            if is_done:
                send_whole(connection, [*handover.note(query)])
        if not is_done:
            self._drop_database(copy)
        return is_done

    def _finish(self, copy: str, template: catalog.Template) -> None:
        database = quoted_name(copy)
        self._transaction(
            [
                f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false",
                f"COMMENT ON DATABASE {database} IS {quoted_text(catalog.template_comment(template))}",
            ]
        )

    def _prune(self, share: Share) -> None:
        """Drop the templates of a database that were used longest ago, but for the last few."""
        kept = [
            (each.used, name)
            for name, each in catalog.templates(self._query).items()
            if (each.platform, each.database) == (share.platform, share.database)
        ]
        for _, name in sorted(kept)[:-MOST_TEMPLATES]:
            self._drop_database(name)

    def _sweep(self, but: str = "") -> None:
        """Drop what was to be a template, and is left by a kill: its lock is free."""
        for each in catalog.unfinished(self._query):
            if each != but and self._try_lock(each):
                try:
                    if each in catalog.unfinished(self._query):
                        self._drop_database(each)
                finally:
                    self._unlock(each)

    # Of all steps

    @contextmanager
    def _inside(self, name: str, *, is_found: bool = True) -> Iterator[Connection]:
        """Yield the administrator's session in the database `name`, whatever its owner said of sessions there.

        `is_found`: it may have had an owner other than the administrator.
        """
        if is_found and catalog.is_limited(self._query, name):
            self._transaction([f"ALTER DATABASE {quoted_name(name)} CONNECTION LIMIT -1"])
        with closing(open_connection(replace(self._place, name=name))) as connection:
            can_end = connection.info.server_version >= _TRANSACTION_TIMEOUT
            run(connection, f"SET ROLE NONE{'; SET transaction_timeout = 0' if can_end else ''}")
            yield connection

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        run(self._connection, f"SELECT pg_catalog.pg_advisory_lock({_key(name)})")
        try:
            yield
        finally:
            self._unlock(name)

    def _try_lock(self, name: str) -> bool:
        ((is_free,),) = self._query(f"SELECT pg_catalog.pg_try_advisory_lock({_key(name)})::pg_catalog.text")
        return is_free == "true"

    def _unlock(self, name: str) -> None:
        if not self._connection.closed:
            run(self._connection, f"SELECT pg_catalog.pg_advisory_unlock({_key(name)})")

    def _transaction(self, statements: Sequence[str]) -> None:
        wanted = [*filter(None, statements)]
        if wanted:
            send_whole(self._connection, wanted)


def _key(name: str) -> int:
    """Return the number of the advisory lock for what is called `name`."""
    return int.from_bytes(sha256(f"seedbed share {name}".encode()).digest()[:8], "big", signed=True)


def _create(name: str, template: str) -> str:
    """Return the statement that makes a database to which nobody can connect yet: PUBLIC may, until that is revoked."""
    return f"CREATE DATABASE {quoted_name(name)} TEMPLATE {quoted_name(template)} ALLOW_CONNECTIONS false"
