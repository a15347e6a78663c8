"""A platform, its services, their databases: what the manifest declares."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING, NewType

from msgspec import Struct

from seedbed.errors import Location
from seedbed.model.environment import EnvironmentPattern

if TYPE_CHECKING:  # few commands read them
    from seedbed.model.release_rules import ReleaseRules

DatabaseId = NewType("DatabaseId", str)  # "user/postgres"


class Database(Struct, frozen=True):
    """One engine of one service; `directory` holds its `migrations/` and `seeds/`."""

    service: str
    engine: str
    directory: PurePath
    options: object = None  # the engine's own section of the manifest, validated by its type

    @property
    def id(self) -> DatabaseId:
        return DatabaseId(f"{self.service}/{self.engine}")


class Where(Struct, frozen=True):
    """Which rows of a table hold ids that count.

    `equal`: fields beside the id, each with the texts of which it has to have one. `since`: of the others, only those
    are read that have a time from then on in the field `time`, or none there.
    """

    equal: tuple[tuple[str, tuple[str, ...]], ...] = ()
    time: str = ""
    since: datetime | None = None

    def __str__(self) -> str:
        return "".join(f"[{name}={'|'.join(texts)}]" for name, texts in self.equal)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that say whether a row counts."""
        return *(name for name, _ in self.equal), *([self.time] if self.since else [])


ALL = Where()


class Field(Struct, frozen=True):
    """A field of a database, as the manifest writes it: `payment/postgres:payments.user_id`.

    `path` is in the engine's own words: "payments.user_id", with a schema "public.payments.user_id". `where`: the rows
    that are meant; as text behind the path, "payments.subject_id[kind=course]".
    """

    database: DatabaseId
    path: str
    where: Where = ALL

    def __str__(self) -> str:
        return f"{self.database}:{self.path}{self.where}"


class Reference(Struct, frozen=True):
    """An id in the field `from_` that has to be found in the field `to`; no database can check it.

    `optional`: a row may have no id. `grace`: seconds that an id may be on its way. `tolerated`: the share of rows
    that may lead nowhere. `time`: the field beside `from_` that says when a row was written, empty for none. `at`:
    where it is declared.
    """

    from_: Field
    to: Field
    optional: bool = False
    grace: float = 60.0
    tolerated: float = 0.0
    time: str = ""
    at: Location | None = None


class Query(Struct, frozen=True):
    """A question to one database, in the language of its engine."""

    database: DatabaseId
    text: str


class Tolerance(Struct, frozen=True):
    """How far two numbers may lie apart: by `share` of the larger one, or by `number`."""

    share: Decimal = Decimal(0)
    number: Decimal = Decimal(0)


class Expectation(Struct, frozen=True):
    """What must hold, under a name of its own.

    One query finds what contradicts it: it is kept where that has no rows. Several are `equal`: each has one number,
    and these lie no farther apart than the tolerance. `at`: where it is declared.
    """

    name: str
    queries: tuple[Query, ...]
    at: Location
    tolerance: Tolerance = Tolerance()

    @property
    def is_equality(self) -> bool:
        """Whether numbers are compared."""
        return len(self.queries) > 1

    @property
    def databases(self) -> tuple[DatabaseId, ...]:
        """The databases that are asked, each once."""
        return tuple(dict.fromkeys(each.database for each in self.queries))


class Platform(Struct, frozen=True):
    """Everything the manifest says, in the model's own words.

    `releases`: what those keep to where no environment says otherwise; None where the manifest has no [release].
    """

    name: str
    root: PurePath
    databases: tuple[Database, ...]
    references: tuple[Reference, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    environments: tuple[EnvironmentPattern, ...] = ()
    releases: ReleaseRules | None = None

    def database(self, database_id: str) -> Database | None:
        return next((each for each in self.databases if each.id == database_id), None)
