"""The line to a database: encrypted off this machine, and with a CA bundle to the server that it names only."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import trustme

from seedbed.engines.postgres.address import Address, address
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.wire import authorities
from seedbed.engines.postgres.wire.connection import open_connection, open_plain
from seedbed.engines.postgres.wire.libpq import PlainConnection
from seedbed.errors import AccessRefused
from tests.support.postgres.wire import (
    ELSEWHERE,
    HERE,
    connected,
    forwarding,
    run_as_task,
    tcp_server,
    wait_until,
)
from tests.support.projects import ProjectFiles, Ran, run, variables

DECLARED = '[environments.staging.targets."user/postgres"]\n'


class Authority:
    """A CA of the test's own: its bundle as a file, and server contexts with certificates that it issued."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.bundle = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.bundle)

    def certifies(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def site(files: ProjectFiles) -> ProjectFiles:
    files.tables(1)
    return files


def over(server: EmbeddedServer, database: str, port: int, **more: str) -> dict[str, str]:
    """Return the variables of an ECS task: DB_* and nothing else."""
    place = {"DB_HOST": "localhost", "DB_PORT": str(port)}
    return {**variables(server, database), **place, **more}


def is_touched(server: EmbeddedServer, database: str) -> bool:
    with connected(server, database) as connection:
        row = connection.execute("SELECT to_regclass('public.t1'), to_regnamespace('seedbed')").fetchone()
    return row != (None, None)


def refused(ran: Ran, *words: str) -> None:
    assert ran.code == 3, ran.everything
    for word in words:
        assert word in ran.everything


@pytest.mark.parametrize("host", ["localhost", HERE])
def test_an_ecs_task_with_only_db_variables_goes_over_tls_and_knows_the_server(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, authority: Authority, host: str
) -> None:
    with forwarding(postgres_server, authority.certifies("localhost", HERE)) as port:
        env = over(postgres_server, database, port, DB_HOST=host, DB_SSLROOTCERT=str(authority.bundle))
        ran = run_as_task(site.root, "apply", "-e", "staging", env=env)
    assert ran.code == 0, ran.everything
    assert is_touched(postgres_server, database)


def test_a_certificate_of_another_authority_is_refused(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path)
    with forwarding(postgres_server, authority.certifies("localhost")) as port:
        env = over(postgres_server, database, port, DB_SSLROOTCERT=str(other.bundle))
        ran = run_as_task(site.root, "apply", "-e", "staging", env=env)
    refused(ran, "does not prove who it is", "certificate verify failed", "DB_SSLROOTCERT")
    assert not is_touched(postgres_server, database)


def test_a_certificate_of_another_host_is_refused(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, authority: Authority
) -> None:
    with forwarding(postgres_server, authority.certifies("db.example.com")) as port:
        env = over(postgres_server, database, port, DB_SSLROOTCERT=str(authority.bundle))
        ran = run_as_task(site.root, "apply", "-e", "staging", env=env)
    refused(ran, "does not prove who it is", "db.example.com")
    assert not is_touched(postgres_server, database)


def test_a_weaker_mode_beside_a_bundle_does_not_weaken(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, authority: Authority
) -> None:
    with forwarding(postgres_server, authority.certifies("db.example.com")) as port:
        env = over(
            postgres_server, database, port, DB_SSLROOTCERT=str(authority.bundle), DB_SSLMODE="require"
        )
        refused(run_as_task(site.root, "apply", "-e", "staging", env=env), "does not prove who it is")


def test_a_bundle_that_is_not_there_is_named(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, authority: Authority
) -> None:
    with forwarding(postgres_server, authority.certifies("localhost")) as port:
        env = over(postgres_server, database, port, DB_SSLROOTCERT="/nowhere/ca.pem")
        refused(run_as_task(site.root, "apply", "-e", "staging", env=env), "CA bundle", "/nowhere/ca.pem")


def test_a_server_without_tls_is_refused_where_a_bundle_is_named(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, authority: Authority
) -> None:
    with forwarding(postgres_server) as port:
        env = over(postgres_server, database, port, DB_SSLROOTCERT=str(authority.bundle))
        refused(run_as_task(site.root, "apply", "-e", "staging", env=env), "offers no TLS")
    assert not is_touched(postgres_server, database)


def test_off_this_machine_a_server_without_tls_is_refused(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles
) -> None:
    with forwarding(postgres_server) as port:
        env = over(postgres_server, database, port, DB_HOST=ELSEWHERE)
        refused(run_as_task(site.root, "apply", "-e", "staging", env=env), "offers no TLS")
        weak = run_as_task(site.root, "apply", "-e", "staging", env={**env, "DB_SSLMODE": "prefer"})
    assert weak.code == 2
    assert "in the clear" in weak.err
    assert not is_touched(postgres_server, database)


def test_off_this_machine_tls_without_a_bundle_takes_any_certificate(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, authority: Authority
) -> None:
    with forwarding(postgres_server, authority.certifies("db.example.com")) as port:
        env = over(postgres_server, database, port, DB_HOST=ELSEWHERE)
        ran = run_as_task(site.root, "apply", "-e", "staging", env=env)
    assert ran.code == 0, ran.everything


def service_file(folder: Path, server: EmbeddedServer, database: str, **more: str) -> dict[str, str]:
    settings = {**server.dsn(database), **more}
    path = folder / "services.conf"
    path.write_text("[orders]\n" + "".join(f"{key}={value}\n" for key, value in settings.items()))
    return {"PGSERVICEFILE": str(path)}


def test_a_service_file_cannot_switch_tls_off_for_another_machine(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles
) -> None:
    site.manifest(["user"], f'{DECLARED}service = "orders"\n')
    with forwarding(postgres_server) as port:
        place = {"host": ELSEWHERE, "port": str(port), "sslmode": "disable"}
        env = service_file(site.root, postgres_server, database, **place)
        refused(run(site.root, "apply", "-e", "staging", env=env), "offers no TLS")


def test_what_a_service_file_verifies_is_verified(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, authority: Authority
) -> None:
    site.manifest(["user"], f'{DECLARED}service = "orders"\n')
    strict = {"host": "localhost", "sslmode": "verify-full", "sslrootcert": str(authority.bundle)}
    with forwarding(postgres_server, authority.certifies("db.example.com")) as port:
        env = service_file(site.root, postgres_server, database, **strict, port=str(port))
        refused(run(site.root, "apply", "-e", "staging", env=env), "does not prove who it is")


def test_what_libpq_s_variables_verify_is_verified(
    postgres_server: EmbeddedServer, database: str, site: ProjectFiles, authority: Authority
) -> None:
    site.manifest(["user"], f'{DECLARED}libpq = "true"\n')
    with forwarding(postgres_server, authority.certifies("db.example.com")) as port:
        env = {
            "PGHOST": "localhost",
            "PGPORT": str(port),
            "PGUSER": postgres_server.user,
            "PGDATABASE": database,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(authority.bundle),
        }
        refused(run(site.root, "apply", "-e", "staging", env=env), "does not prove who it is")


RDS = "user.cluster-abc.eu-central-1.rds.amazonaws.com"


@pytest.fixture
def of_rds(
    postgres_server: EmbeddedServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Address]:
    """Return the address of a database behind a port of this machine, under a name that RDS would give."""

    def made(port: int, **more: str) -> Address:
        place = {"host": RDS, "hostaddr": HERE, "port": str(port), **more}
        for name, value in service_file(tmp_path, postgres_server, database, **place).items():
            monkeypatch.setenv(name, value)
        return address({"service": "orders"}, None)

    return made


@pytest.mark.parametrize("opened", [open_plain, open_connection])
def test_a_server_of_rds_is_verified_against_amazon_s_authorities_though_nothing_asks_for_it(
    postgres_server: EmbeddedServer,
    of_rds: Callable[..., Address],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: Callable[[Address], psycopg.Connection | PlainConnection],
) -> None:
    monkeypatch.setattr(authorities, "IN_IMAGE", authority.bundle)
    with forwarding(postgres_server, authority.certifies(RDS)) as port:
        opened(of_rds(port)).close()
    with forwarding(postgres_server, authority.certifies("other.eu-central-1.rds.amazonaws.com")) as port:
        with pytest.raises(AccessRefused, match="does not prove who it is") as refusal:
            opened(of_rds(port))
        assert RDS in refusal.value.because
        opened(of_rds(port, sslmode="require")).close()  # who asks for less gets less
    (tmp_path / "other").mkdir()
    monkeypatch.setattr(authorities, "IN_IMAGE", Authority(tmp_path / "other").bundle)
    with (
        forwarding(postgres_server, authority.certifies(RDS)) as port,
        pytest.raises(AccessRefused, match="does not prove who it is"),
    ):
        opened(of_rds(port))


@pytest.fixture(scope="module")
def real(authority: Authority) -> Iterator[tuple[EmbeddedServer, bool]]:
    """A server with TCP of its own, and whether its build has TLS (that of the extra `[sandbox]` has not)."""
    with tcp_server() as server:
        issued = authority.ca.issue_cert("localhost", HERE)
        chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        for name, content in {"server.key": issued.private_key_pem.bytes(), "server.crt": chain}.items():
            place(server, name, content)
        yield server, switch_tls_on(server)


def place(server: EmbeddedServer, name: str, content: bytes) -> None:
    """Write a file that belongs to the server's user, and that nobody else may read."""
    path = server.data_directory / name
    path.touch(0o600)
    path.write_bytes(content)
    owner = server.data_directory.stat()
    os.chown(path, owner.st_uid, owner.st_gid)


def switch_tls_on(server: EmbeddedServer) -> bool:
    """Return whether the server has TLS now."""
    with connected(server, "postgres") as connection:
        try:
            connection.execute("ALTER SYSTEM SET ssl = on")
        except psycopg.errors.InvalidParameterValue:  # "SSL is not supported by this build"
            return False
        connection.execute("SELECT pg_reload_conf()")
        wait_until(lambda: connection.execute("SHOW ssl").fetchone() == ("on",), "TLS is on")
    return True


def test_the_server_s_own_tls_is_used_where_its_build_has_it_and_missed_where_not(
    real: tuple[EmbeddedServer, bool], site: ProjectFiles, authority: Authority
) -> None:
    server, has_tls = real
    server.ensure_database("own_tls")
    env = over(server, "own_tls", server.port, DB_SSLROOTCERT=str(authority.bundle))
    site.migration(
        "20260101000009_line",
        "CREATE TABLE line AS SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();",
    )
    ran = run_as_task(site.root, "apply", "-e", "staging", env=env)
    if not has_tls:
        refused(ran, "offers no TLS")
        return
    assert ran.code == 0, ran.everything
    with connected(server, "own_tls") as connection:
        assert connection.execute("SELECT ssl FROM line").fetchone() == (True,)


def test_the_server_s_own_tls_is_refused_with_the_wrong_authority(
    real: tuple[EmbeddedServer, bool], site: ProjectFiles, tmp_path: Path
) -> None:
    server, has_tls = real
    server.ensure_database("own_tls")
    env = over(server, "own_tls", server.port, DB_SSLROOTCERT=str(Authority(tmp_path).bundle))
    ran = run_as_task(site.root, "apply", "-e", "staging", env=env)
    refused(ran, "does not prove who it is" if has_tls else "offers no TLS")
