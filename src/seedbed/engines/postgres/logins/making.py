"""Make the logins of a database and give them what they lack, as the administrator and under the lease.

All but the hand-over of single objects is one transaction, and each object is one of its own: a run that dies leaves
what the next one finds and goes on with, and no table is locked for longer than its own hand-over takes. Whoever works
as the administrator goes on meanwhile: it is a member of the new owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seedbed.engines.postgres.address import Address, Login
from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.logins.lacking import Lack, Topic, in_words, lacking
from seedbed.engines.postgres.logins.scram import scram
from seedbed.engines.postgres.store.history import closed
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.messages import ServerError, asking, run
from seedbed.errors import Refused, StepFailed
from seedbed.model.secret import Secret
from seedbed.support.phrases import listed
from seedbed.wire.retrying import Policy, retrying

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

_SET_OPTION = 160000
_DATA = "SELECT, INSERT, UPDATE, DELETE"
_SEQUENCE = "USAGE, SELECT"
_TABLES = {"table", "view", "materialized view", "foreign table"}
_ROUTINES = {"function", "procedure", "aggregate"}
_SCRAM = b"scram-sha-256"


def make(connection: Connection, address: Address, target: str, *, are_new: bool = False) -> Iterator[str]:
    """Give the logins of `address` what they lack, and tell it as it is done. `connection`: the administrator's.

    `are_new`: both were made with these passwords, which are not tried then. Raises Refused, StepFailed, ServerError,
    QueryFailed.
    """
    version = connection.info.server_version
    lets_in = are_new or None
    lacks = lacking(asking(connection), address, version, own=lets_in, app=lets_in)
    _require_harmless(lacks, target)
    if not lacks:
        return
    first, rest = _divided(lacks, address.history_schema)
    _transaction(connection, address, [*_first(connection, address, first, version)])
    yield from in_words([each for each in first if each.topic is not Topic.EXTENSION], address)
    for each in first:
        if each.topic is Topic.EXTENSION:  # with the session's own search_path: it says where its objects go
            run(connection, f"CREATE EXTENSION IF NOT EXISTS {quoted_name(each.name)}")
            yield from in_words([each], address)
    yield from _hand_over(connection, address, rest)
    if left := lacking(asking(connection), address, version, own=lets_in, app=lets_in):
        raise StepFailed(
            f"the logins of {target} still lack something: {listed(in_words(left, address))}",
            because="the administrator's login has not got the rights for that",
            try_="do it as the owner of what is named, then run the same command again",
        )


def _hand_over(connection: Connection, address: Address, objects: Sequence[Lack]) -> Iterator[str]:
    """Hand `objects` over one by one, and tell how many; also of those that came before one that could not be."""
    done = 0
    try:
        for each in objects:
            _transaction(connection, address, [*_handed(each, address)])
            done += 1
    except ServerError as error:
        yield from in_words(objects[:done], address)
        if not error.is_transient:
            raise
        raise StepFailed(
            f"{objects[done].kind} {objects[done].name} cannot be handed to {address.user}: {error}",
            because="whoever works with it holds a lock for longer than lock_timeout, as often as it was tried",
            try_="find who holds it (pg_stat_activity), then run the same command again: it goes on from there",
        ) from None
    yield from in_words(objects, address)


def _require_harmless(lacks: Sequence[Lack], target: str) -> None:
    for each in lacks:
        if each.topic is Topic.DANGER:
            raise Refused(
                f"the application of {target} cannot have the login {each.name}",
                because=f"it {each.kind}, and could change the schema and the history",
                try_="take those rights from it, or name another one in DB_APP_USER",
            )


def _divided(lacks: Sequence[Lack], history: str) -> tuple[list[Lack], list[Lack]]:
    """Return what goes into the first transaction, and the objects that are handed over one by one.

    Schemas come first, because an owner has to be able to create where his objects are; the history goes whole, because
    it is read only where all of it belongs to one.
    """
    single = [
        each
        for each in lacks
        if each.topic is Topic.OBJECT and each.kind != "schema" and each.schema != history
    ]
    return [each for each in lacks if each not in single], single


def _transaction(connection: Connection, address: Address, statements: Sequence[str]) -> None:
    """Send `statements` as one transaction, and again where it gave way to a lock. Raises ServerError."""
    if not statements:
        return
    for attempt in retrying(Policy(attempts=address.lock_retries + 1, base=0.1, cap=10.0, floor=0.05)):
        try:
            run(connection, "; ".join(["BEGIN", OWN_PATH, *statements, "COMMIT"]))
            return
        except ServerError as error:
            if not error.is_transient:
                raise
            attempt.failed(error)


def _first(connection: Connection, address: Address, lacks: Sequence[Lack], version: int) -> Iterator[str]:
    """Yield the statements of the first transaction, in an order in which each finds the rights that it takes."""
    assert address.admin is not None
    assert address.application is not None
    migrate, app, admin = map(quoted_name, (address.user, address.application.user, address.admin.user))
    own = Login(address.user, address.password or Secret(""))
    logins = {each.user: each for each in (own, address.application)}
    by_topic = {topic: [each for each in lacks if each.topic is topic] for topic in Topic}
    for each in by_topic[Topic.ROLE]:
        yield f"CREATE ROLE {quoted_name(each.name)} LOGIN PASSWORD {verifier(connection, logins[each.name])}"
    for each in by_topic[Topic.LOGIN]:
        yield f"ALTER ROLE {quoted_name(each.name)} LOGIN"
    for each in by_topic[Topic.PASSWORD]:
        yield f"ALTER ROLE {quoted_name(each.name)} PASSWORD {verifier(connection, logins[each.name])}"
    is_new = any(each.name == address.user for each in by_topic[Topic.ROLE])
    if by_topic[Topic.MEMBER] or (is_new and not _is_superuser(connection)):
        options = " WITH INHERIT TRUE, SET TRUE" if version >= _SET_OPTION else ""
        yield f"GRANT {migrate} TO {admin}{options}"
    if by_topic[Topic.PUBLIC]:
        yield f"GRANT USAGE, CREATE ON SCHEMA public TO {migrate}"
    for each in by_topic[Topic.DATABASE]:
        yield f"ALTER DATABASE {each.name} OWNER TO {migrate}"
    for each in by_topic[Topic.CREATE]:
        yield f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {each.name} TO {migrate}"
    for each in by_topic[Topic.OBJECT]:
        yield from _handed(each, address)
    if by_topic[Topic.DEFAULT]:
        yield f"GRANT CONNECT ON DATABASE {_database(connection)} TO {app}"
        made = f"ALTER DEFAULT PRIVILEGES FOR ROLE {migrate} GRANT"
        yield f"{made} {_DATA} ON TABLES TO {app}"
        yield f"{made} {_SEQUENCE} ON SEQUENCES TO {app}"
        yield f"{made} USAGE ON SCHEMAS TO {app}"
    for each in by_topic[Topic.GRANT]:
        yield from _granted(each, app)
    if by_topic[Topic.CREATE_FOR_ALL]:
        yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    for each in by_topic[Topic.TEMPORARY_FOR_ALL]:
        yield f"REVOKE TEMPORARY ON DATABASE {each.name} FROM PUBLIC"
    for each in by_topic[Topic.HISTORY]:
        yield closed(each.name, f"{app}, PUBLIC")


def _handed(each: Lack, address: Address) -> Iterator[str]:
    """Yield the statements that make seedbed's login the owner of an object, and give the application its data."""
    assert address.application is not None
    kind = {"statistics object": "STATISTICS"}.get(each.kind, each.kind.upper())
    if each.kind in _ROUTINES:
        kind = "ROUTINE"
    yield f"ALTER {kind} {each.name} OWNER TO {quoted_name(address.user)}"
    if each.schema != address.history_schema:
        yield from _granted(each, quoted_name(address.application.user))


def _granted(each: Lack, app: str) -> Iterator[str]:
    if each.kind == "schema":
        yield f"GRANT USAGE ON SCHEMA {each.name} TO {app}"
    elif each.kind in _TABLES:
        yield f"GRANT {_DATA} ON TABLE {each.name} TO {app}"
    if sequences := each.name if each.kind == "sequence" else each.sequences:
        yield f"GRANT {_SEQUENCE} ON SEQUENCE {sequences} TO {app}"


def verifier(connection: Connection, login: Login) -> str:
    """Return what the server keeps of a password, quoted: computed here, so that no statement carries the password."""
    password = login.password.reveal()
    if password.isascii():
        return quoted_text(scram(password, connection.info.parameter_status("scram_iterations")))
    made = connection.pgconn.encrypt_password(password.encode(), login.user.encode(), _SCRAM)
    return quoted_text(made.decode())


def _is_superuser(connection: Connection) -> bool:
    return connection.info.parameter_status("is_superuser") == "on"


def _database(connection: Connection) -> str:
    return quoted_name(connection.info.dbname)
