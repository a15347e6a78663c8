"""A target that is not the one that was meant is found out before anything is touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.postgres.wire import connected, free_port, snapshot
from tests.support.projects import ProjectFiles, Ran, run, variables

CSV = "id\n1\n"


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def site(files: ProjectFiles, postgres_server: EmbeddedServer, database: str) -> Site:
    files.tables(1)
    files.seed("t1.csv", CSV, kind="fixture")
    files.seed("t1.csv", CSV, kind="reference")
    return Site(files, postgres_server, database)


class Site:
    """A project with a table and seeds for it, and the database that the variables point at."""

    def __init__(self, files: ProjectFiles, server: EmbeddedServer, database: str) -> None:
        self.files, self.server, self.database = files, server, database
        self.env = variables(server, database)

    def run(self, *arguments: str) -> Ran:
        return run(self.files.root, *arguments, env=self.env)

    def refused_untouched(self, *arguments: str) -> str:
        """Return what a command says that has to be refused, and has to leave everything as it is."""
        before = snapshot(self.server, self.database)
        ran = self.run(*arguments)
        assert ran.code == 3, ran.everything
        assert "Traceback" not in ran.err
        assert snapshot(self.server, self.database) == before
        return ran.everything


def test_the_first_apply_binds_and_the_next_one_compares(site: Site) -> None:
    assert "bound to user/postgres of sample in staging" in site.run("apply", "-e", "staging").everything
    assert site.run("apply", "-e", "staging").code == 0
    status = site.run("status", "-e", "staging", "--json").document
    assert status["databases"][0]["identity"] == "user/postgres of sample in staging"


@pytest.mark.parametrize(
    "command",
    [
        ["apply"],
        ["apply", "--dry-run"],
        ["plan"],
        ["status"],
        ["revert"],
        ["seed"],
        ["seed", "--kind", "fixture"],
        ["reset", "--yes"],
        ["repair", "20260101000001", "--forget"],
        ["repair", "--unlock", "--yes"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_another_environment_s_database_is_refused_by_every_command_before_anything_is_touched(
    site: Site, command: list[str]
) -> None:
    assert site.run("apply", "-e", "staging").code == 0
    site.files.tables(2)
    said = site.refused_untouched(*command, "-e", "dev-ana")
    assert "is not user/postgres of sample in dev-ana" in said
    assert "it is bound to user/postgres of sample in staging" in said
    assert "nothing was touched" in said


def test_another_service_s_database_is_refused(site: Site) -> None:
    assert site.run("apply", "-e", "dev-ana").code == 0
    site.files.manifest(["payment"])
    site.files.tables(1, service="payment")
    said = site.refused_untouched("apply", "-e", "dev-ana", "-s", "payment")
    assert "it is bound to user/postgres of sample in dev-ana" in said


def test_another_platform_s_database_is_refused(site: Site) -> None:
    assert site.run("apply", "-e", "dev-ana").code == 0
    manifest = site.files.root / "seedbed.toml"
    manifest.write_text(manifest.read_text().replace('name = "sample"', 'name = "other"'))
    said = site.refused_untouched("apply", "-e", "dev-ana")
    assert "user/postgres of sample in dev-ana" in said
    assert "check the address and the platform's name in seedbed.toml" in said


def test_one_foreign_target_among_several_keeps_all_of_them_from_being_touched(
    site: Site, new_database: Callable[[], str]
) -> None:
    assert site.run("apply", "-e", "staging").code == 0
    site.files.manifest(["payment", "user"])
    site.files.tables(1, service="payment")
    good = new_database()
    site.env = {**variables(site.server, site.database, "USER_"), **variables(site.server, good, "PAYMENT_")}
    before = snapshot(site.server, good)
    site.refused_untouched("apply", "-e", "dev-ana")
    assert snapshot(site.server, good) == before


@pytest.mark.parametrize(
    "command", [["reset", "--yes"], ["seed"], ["seed", "--kind", "fixture"]], ids=" ".join
)
def test_a_target_that_nobody_knows_is_neither_emptied_nor_seeded(site: Site, command: list[str]) -> None:
    with connected(site.server, site.database) as connection:
        connection.execute("CREATE TABLE t1 (id bigint PRIMARY KEY)")
    said = site.refused_untouched(*command, "-e", "dev-ana")
    assert "is not bound to an environment" in said


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_reset_is_refused_outside_ephemeral_environments_whatever_is_said(
    site: Site, environment: str
) -> None:
    assert site.run("apply", "-e", environment, "--unreviewed").code == 0
    said = site.refused_untouched("reset", "-e", environment, "--yes")
    assert "is not an ephemeral environment" in said
    assert "there is no override" in said


def test_reset_is_refused_before_the_target_is_even_asked(site: Site) -> None:
    site.env |= {"DB_HOST": "127.0.0.1", "DB_PORT": str(free_port())}
    assert site.run("reset", "-e", "staging", "--yes").code == 3


def test_fixtures_are_refused_where_it_is_protected(site: Site) -> None:
    assert site.run("apply", "-e", "prod", "--unreviewed").code == 0
    assert "reference data only" in site.refused_untouched("seed", "-e", "prod", "--kind", "fixture")


def test_what_is_bound_to_us_is_seeded_and_emptied(site: Site) -> None:
    assert site.run("apply", "-e", "dev-ana").code == 0
    assert site.run("seed", "-e", "dev-ana").code == 0
    assert site.run("reset", "-e", "dev-ana", "--yes").code == 0
    assert snapshot(site.server, site.database) == []


# Copies


def lose_identity(site: Site) -> None:
    with connected(site.server, site.database) as connection:
        connection.execute("DELETE FROM seedbed.migrations_identity")


@pytest.mark.parametrize(
    "command", [["apply"], ["plan"], ["status"], ["revert"], ["seed"], ["reset", "--yes"]], ids=" ".join
)
def test_a_history_without_its_identity_is_refused_with_the_way_on(site: Site, command: list[str]) -> None:
    assert site.run("apply", "-e", "dev-ana").code == 0
    lose_identity(site)
    site.files.tables(2)
    said = site.refused_untouched(*command, "-e", "dev-ana")
    assert "has a history of 1 migration, and no identity" in said
    assert "seedbed repair -e dev-ana -s user --engine postgres --bind" in said


def test_a_copy_without_an_identity_is_bound_and_goes_on_where_it_stood(site: Site) -> None:
    """A backfill that ran is not run again."""
    insert = "INSERT INTO t1 (id) SELECT count(*) + 1 FROM t1;"
    site.files.migration("20260101000002_more", insert)
    assert site.run("apply", "-e", "dev-ana").code == 0
    lose_identity(site)
    ran = site.run("repair", "-e", "dev-ana", "-s", "user", "--engine", "postgres", "--bind", "--yes")
    assert ran.code == 0, ran.everything
    assert "bound to user/postgres of sample in dev-ana" in ran.everything
    assert site.run("apply", "-e", "dev-ana").code == 0
    with connected(site.server, site.database) as connection:
        assert connection.execute("SELECT count(*) FROM t1").fetchone() == (1,)
        audit = connection.execute("SELECT action, because FROM seedbed.migrations_audit").fetchall()
    assert audit == [("bind", "its identity was gone")]


def test_a_copy_is_bound_to_another_environment_where_somebody_says_what_it_was(site: Site) -> None:
    assert site.run("apply", "-e", "staging").code == 0
    bind = ("repair", "-e", "dev-ana", "--bind", "--yes")
    for wrong in ((), ("--was", "prod"), ("--was", "dev-ana")):
        ran = site.run(*bind, *wrong)
        assert ran.code == 2, ran.everything
        assert "is bound to user/postgres of sample in staging" in ran.everything
    unanswered = site.run(*(each for each in bind if each != "--yes"), "--was", "staging")
    assert unanswered.code == 3, unanswered.everything
    assert site.run("status", "-e", "staging").code == 0
    ran = site.run(*bind, "--was", "staging", "--because", "of last night")
    assert ran.code == 0, ran.everything
    assert site.run("status", "-e", "dev-ana").code == 0
    assert site.run("status", "-e", "staging").code == 3
    with connected(site.server, site.database) as connection:
        ((because,),) = connection.execute("SELECT because FROM seedbed.migrations_audit").fetchall()
    assert because == "it was bound to user/postgres of sample in staging; of last night"
    again = site.run(*bind)
    assert again.code == 0, again.everything


def test_a_database_without_a_history_is_bound_by_its_first_apply_only(site: Site) -> None:
    ran = site.run("repair", "-e", "dev-ana", "--bind", "--yes")
    assert ran.code == 3, ran.everything
    assert "has no history to bind" in ran.everything
