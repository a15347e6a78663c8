"""Two services on one server: the same database, and logins that read what is another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.session import PostgresSession
from seedbed.errors import Location, Refused, Unavailable
from seedbed.model.platform import DatabaseId, Expectation, Query
from seedbed.model.verification import OwnershipResult, Reader, Verdict
from seedbed.project import Project, Request, Run
from tests.support.postgres.wire import connected, role
from tests.support.projects import ProjectFiles, variables

MANIFEST = """
[platform]
name = "sample"
[services.payment.postgres]
{payment}
[services.user.postgres]
{user}
[environments.staging]
[environments.prod]
protected = true
"""


class Two:
    """The services `payment` and `user`, each with a database and a login of its own, on one server."""

    def __init__(self, files: ProjectFiles, server: EmbeddedServer, databases: tuple[str, str]) -> None:
        self.files, self.server, self.databases = files, server, databases
        self.logins = ("", "")
        self.options = ("", "")
        self.away: Mapping[str, str] = {}

    @contextmanager
    def as_people(self, of: int) -> Iterator[psycopg.Connection]:
        with connected(self.server, self.databases[of]) as connection:
            yield connection

    @property
    def environ(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for service, database, login in zip(("PAYMENT_", "USER_"), self.databases, self.logins, strict=True):
            found |= variables(self.server, database, service)
            if login:
                found[f"{service}DB_USER"] = login
        return {name: value for name, value in {**found, **self.away}.items() if value}

    @contextmanager
    def run(self, environment: str, *services: str) -> Iterator[Run]:
        payment, user = self.options
        manifest = MANIFEST.format(payment=payment, user=user)
        (self.files.root / "seedbed.toml").write_text(manifest, encoding="utf-8")
        project = Project.open(self.files.root, environ=self.environ)
        with project.run(environment, project.catalog.databases(services)) as run:
            yield run

    def verify(self, environment: str) -> tuple[dict[str, OwnershipResult], bool]:
        """Return what is found of each database, and whether all is well."""
        with self.run(environment) as run:
            found = run.verify((), ())
        return {each.database: each for each in found.ownership}, found.is_passed


@pytest.fixture
def two(
    files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> Iterator[Two]:
    found = Two(files, postgres_server, (new_database(), new_database()))
    with (
        role(postgres_server, found.databases[0]) as payment,
        role(postgres_server, found.databases[1]) as user,
    ):
        found.logins = payment, user
        databases, logins = found.databases, found.logins
        for number, login in enumerate(logins):
            with found.as_people(number) as people:
                people.execute(f"CREATE SCHEMA own AUTHORIZATION {login}".encode())
                people.execute(f"SET ROLE {login}".encode())
                people.execute("CREATE TABLE own.cards (id int, name text)")
        yield found
        for database in databases:  # before the roles go
            with connected(postgres_server, database) as people:
                people.execute("DROP SCHEMA own CASCADE")
                people.execute(f"DROP OWNED BY {', '.join(logins)}".encode())


def test_logins_that_keep_to_their_own_are_fine(two: Two) -> None:
    for environment in ("staging", "prod"):
        found, is_passed = two.verify(environment)
        assert [each.verdict for each in found.values()] == [Verdict.OK, Verdict.OK]
        assert is_passed


@pytest.mark.parametrize("granted", ["SELECT", "SELECT (name)"])
def test_a_login_that_can_read_a_table_of_another_service_is_named_with_it(two: Two, granted: str) -> None:
    with two.as_people(0) as people:
        people.execute(f"GRANT USAGE ON SCHEMA own TO {two.logins[1]}".encode())
        people.execute(f"GRANT {granted} ON own.cards TO {two.logins[1]}".encode())
    found, is_passed = two.verify("prod")
    assert found["payment/postgres"].verdict is Verdict.BROKEN
    assert found["payment/postgres"].readers == (Reader("user/postgres", two.logins[1], 1, ("own.cards",)),)
    assert found["user/postgres"].verdict is Verdict.OK
    assert not is_passed
    found, is_passed = two.verify("staging")
    assert found["payment/postgres"].verdict is Verdict.TOLERATED
    assert is_passed


def test_a_privilege_that_leads_nowhere_is_none(two: Two) -> None:
    """Without the schema, or without the right to connect, the table cannot be read."""
    with two.as_people(0) as people:
        people.execute(f"GRANT SELECT ON own.cards TO {two.logins[1]}".encode())
    assert two.verify("prod")[1]
    with two.as_people(0) as people:
        people.execute(f"GRANT USAGE ON SCHEMA own TO {two.logins[1]}".encode())
        people.execute(f"REVOKE CONNECT ON DATABASE {two.databases[0]} FROM public".encode())
        people.execute(f"GRANT CONNECT ON DATABASE {two.databases[0]} TO {two.logins[0]}".encode())
    assert two.verify("prod")[1]


def test_a_superuser_reads_everything(two: Two) -> None:
    two.logins = two.logins[0], ""
    found, is_passed = two.verify("prod")
    assert [each.count for each in found["payment/postgres"].readers] == [1]
    assert not is_passed


def test_of_one_login_for_both_it_is_not_known_what_those_of_the_services_can_read(two: Two) -> None:
    two.logins = "", ""
    found, is_passed = two.verify("prod")
    assert {each.verdict for each in found.values()} == {Verdict.UNVERIFIED}
    assert found["payment/postgres"].alike == ("user/postgres",)
    assert is_passed


def test_two_histories_in_one_database_are_found_by_where_it_is(two: Two) -> None:
    """Each finds its own identity, so that nothing else would tell."""
    two.databases = two.databases[0], two.databases[0]
    two.logins = "", ""
    two.options = 'history_schema = "one"', 'history_schema = "two"'
    for environment in ("staging", "prod"):
        found, is_passed = two.verify(environment)
        assert found["payment/postgres"].same == ("user/postgres",)
        assert {each.verdict for each in found.values()} == {Verdict.BROKEN}
        assert not is_passed


def test_databases_that_no_reference_touches_are_looked_at_as_well(two: Two) -> None:
    two.databases = two.databases[0], two.databases[0]
    two.logins = "", ""
    two.options = 'history_schema = "one"', 'history_schema = "two"'
    with two.run("prod", "payment") as run:
        assert run.verify((), ()).is_passed
        (payment,) = [each.session for each in run.connected]
        assert isinstance(payment, PostgresSession)
        assert (
            len(list(payment.ids("own.cards.id"))) <= 1
        )  # by the driver, which is not asked for the other one
        found = run.verify((), (), beside=True)
        assert [(each.database, each.verdict) for each in found.ownership] == [
            ("payment/postgres", Verdict.BROKEN),
            ("user/postgres", Verdict.BROKEN),
        ]


def test_of_a_database_beside_that_does_not_answer_it_is_not_known_and_one_without_settings_is_left_out(
    two: Two,
) -> None:
    two.away = {"USER_DB_HOST": "/nowhere/at/all"}
    query = Query(DatabaseId("payment/postgres"), "SELECT 1 WHERE false")
    holds = Expectation("nothing is wrong", (query,), Location("seedbed.toml", 1))
    with two.run("prod", "payment") as run:
        found = run.verify((), [holds], beside=True)
        _, silent = found.ownership
        assert (silent.database, silent.verdict) == ("user/postgres", Verdict.UNVERIFIED)
        assert isinstance(silent.error, Unavailable)
        assert found.is_passed
    two.away = {"USER_DB_HOST": ""}
    with two.run("prod", "payment") as run:
        assert [each.database for each in run.verify((), (), beside=True).ownership] == ["payment/postgres"]


def test_a_schema_for_each_service_is_no_common_database(two: Two) -> None:
    two.databases = two.databases[0], two.databases[0]
    two.logins = two.logins[0], ""
    with two.as_people(0) as people:
        people.execute("CREATE SCHEMA users")
    two.options = (
        'history_schema = "one"\nsearch_path = ["own"]',
        'history_schema = "two"\nsearch_path = ["users"]',
    )
    found, _ = two.verify("staging")
    assert not found["payment/postgres"].same
    assert [each.names for each in found["payment/postgres"].readers] == [("own.cards",)]
    assert found["user/postgres"].verdict is Verdict.OK


def test_a_migration_that_writes_into_the_schema_of_another_service_needs_a_reason(two: Two) -> None:
    two.databases = two.databases[0], two.databases[0]
    two.logins = "", ""
    two.options = (
        'history_schema = "one"\nsearch_path = ["own"]',
        'history_schema = "two"\nsearch_path = ["users"]',
    )
    two.files.manifest(["payment", "user"])
    made = "CREATE SCHEMA users; CREATE TABLE users.people (id int)"
    two.files.migration("20260101000001_make", made, service="user")
    written = "CREATE TABLE bills (id int);\nINSERT INTO users.people VALUES (1)"
    two.files.migration("20260101000001_write", written, service="payment")
    unreviewed = Request(unreviewed=True)
    with two.run("prod", "user") as run:
        assert run.apply(unreviewed).exit_code == 0
    with two.run("prod", "payment") as run, pytest.raises(Refused, match="hazard") as caught:
        run.apply(unreviewed)
    assert "line 3: PG201, names users.people, a table of user/postgres" in caught.value.because
    two.files.migration(
        "20260101000001_write", written, service="payment", directives='allow=PG201 because "one team"'
    )
    with two.run("prod", "payment") as run:
        assert run.apply(unreviewed).exit_code == 0
    with two.as_people(0) as people:
        people.execute("DROP SCHEMA users CASCADE")
