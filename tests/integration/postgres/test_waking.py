"""A server that sleeps while nobody is connected: it is waited for, told as awaited, and never called unreachable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath

import pytest
from msgspec.structs import replace

from seedbed.engines import registry
from seedbed.engines.postgres.address import Address, address
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.wire import connection
from seedbed.errors import AccessRefused, Unreachable, UsageError
from seedbed.execution.connecting import connect
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import Event, TargetAwaited, TargetConnected
from seedbed.model.platform import Database
from seedbed.model.target import Target
from tests.support.postgres.wire import waking
from tests.support.projects import ProjectFiles, Ran, run, variables

ASLEEP = 3.5  # seconds until it answers


@pytest.fixture
def place(
    postgres_server: EmbeddedServer, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> Address:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT", 2)
    settings = {**postgres_server.settings_of(new_database()), "host": "127.0.0.1", "sslmode": "disable"}
    return address(settings, None)


def test_who_sleeps_is_waited_for_and_told_as_awaited_meanwhile(
    postgres_server: EmbeddedServer, place: Address
) -> None:
    told: list[Event] = []
    with waking(postgres_server, ASLEEP) as port:
        target = Target(
            Database("user", "postgres", PurePath("nowhere")),
            Environment("dev-ana"),
            "shop",
            replace(place, port=port, pauses=10),
        )
        with connect([target], registry.load, told.append, stop=Stop()) as (connected, failed):
            assert [each.id for each in connected] == ["user/postgres"]
            assert not failed
    awaited = [each for each in told if isinstance(each, TargetAwaited)]
    assert 2 <= len(awaited) <= 4  # once a second, as far as the machine lets us
    assert isinstance(told[-1], TargetConnected)


def test_who_never_sleeps_is_unreachable_after_the_usual_time(
    postgres_server: EmbeddedServer, place: Address
) -> None:
    with waking(postgres_server, ASLEEP) as port, pytest.raises(Unreachable):
        connection.open_connection(replace(place, port=port))


def test_a_server_that_says_that_it_starts_is_asked_again(
    postgres_server: EmbeddedServer, place: Address
) -> None:
    with waking(postgres_server, 1.5, refuses=True) as port:
        with pytest.raises(Unreachable, match="starting up"):
            connection.open_connection(replace(place, port=port))
        connection.open_connection(replace(place, port=port, pauses=10)).close()


def test_a_server_that_hangs_up_while_it_wakes_is_asked_again(
    postgres_server: EmbeddedServer, place: Address
) -> None:
    with waking(postgres_server, 1.5, hangs_up=True) as port:
        with pytest.raises(Unreachable):
            connection.open_connection(replace(place, port=port))
        connection.open_connection(replace(place, port=port, pauses=10)).close()


def test_a_server_that_rejects_us_is_not_asked_again_though_it_may_sleep(
    postgres_server: EmbeddedServer, place: Address
) -> None:
    began = time.monotonic()
    with waking(postgres_server, 0) as port, pytest.raises(AccessRefused, match="does not exist"):
        connection.open_connection(replace(place, port=port, name="not_there", pauses=10))
    assert time.monotonic() - began < 5


class Platform:
    """Three services, each with a database of its own behind a door that opens late; `shop` comes after `user`."""

    def __init__(self, root: Path, server: EmbeddedServer, databases: Sequence[str]) -> None:
        self.files = ProjectFiles(root, SERVICES)
        self.files.migration("20260101000001_a", "CREATE TABLE a (id int)", "DROP TABLE a", service="user")
        for service in ("cart", "shop"):
            self.files.migration(
                "20260101000002_b",
                "CREATE TABLE b (id int)",
                "DROP TABLE b",
                service=service,
                directives="after=user/postgres:20260101000001",
            )
        self.root = root
        self.env: dict[str, str] = {}
        for service, database in zip(SERVICES, databases, strict=True):
            self.env |= variables(server, database, f"{service.upper()}_")
            self.env |= {f"{service.upper()}_DB_PAUSES": "10", f"{service.upper()}_DB_HOST": "127.0.0.1"}
            self.env[f"{service.upper()}_DB_SSLMODE"] = "disable"

    def run(self, *arguments: str, doors: Doors, **more: str) -> Ran:
        ports = zip(SERVICES, doors.ports, strict=True)
        there = {
            f"{service.upper()}_DB_PORT": str(port)
            for service, port in ports
            if f"{service.upper()}_DB_HOST" in self.env
        }
        return run(self.root, *arguments, "-e", "staging", env=self.env | there | more)


SERVICES = ("cart", "shop", "user")
NAPS = 3.0  # seconds


@pytest.fixture
def platform(tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> Platform:
    return Platform(tmp_path, postgres_server, [new_database() for _ in SERVICES])


class Doors:
    """A port for each service, behind which a server answers `after` seconds from the first connection."""

    def __init__(self, server: EmbeddedServer, closing: ExitStack, after: float) -> None:
        self.knocked: list[list[float]] = [[] for _ in SERVICES]
        self.ports = [closing.enter_context(waking(server, after, knocked=each)) for each in self.knocked]

    @property
    def apart(self) -> float:
        """Seconds between the first connections to the first and to the last of them."""
        first = [each[0] for each in self.knocked]
        return max(first) - min(first)


@contextmanager
def asleep(server: EmbeddedServer, after: float = NAPS) -> Iterator[Doors]:
    with ExitStack() as closing:
        yield Doors(server, closing, after)


def awaited(ran: Ran) -> set[str]:
    """Return the services of which a line says that their servers wake."""
    lines = [line for line in ran.err.splitlines() if "waits for its server to wake" in line]
    return {line.split("/")[0] for line in lines}


@pytest.mark.slow
def test_every_command_waits_for_all_that_sleep_at_once_and_says_for_which(
    platform: Platform, postgres_server: EmbeddedServer
) -> None:
    def typed(*arguments: str) -> tuple[Ran, float]:
        with asleep(postgres_server) as doors:
            ran = platform.run(*arguments, doors=doors)
        assert ran.err.count("cannot be reached") == 0
        return ran, doors.apart

    applied = typed("apply")
    # Each of these has doors of its own, and changes nothing. What comes after what is to be reverted sleeps too.
    others = (["plan", "--json"], ["status"], ["verify"], ["revert", "-s", "user", "--yes"])
    with ThreadPoolExecutor(len(others)) as at_once:
        *looked, (refused, _) = at_once.map(lambda each: typed(*each), others)
    for ran, apart in (applied, *looked):
        assert (ran.code, awaited(ran)) == (0, set(SERVICES)), ran.err
        assert apart < NAPS  # they wake side by side
    assert (refused.code, awaited(refused)) == (3, set(SERVICES)), refused.err
    assert "revert what came after it first" in refused.err
    platform.files.migration(
        "20260101000003_c", "SELECT 1", service="shop", directives="after=user/postgres:20260101000001"
    )
    with asleep(postgres_server) as doors:  # what a selection comes after sleeps too
        ran = platform.run("apply", "-s", "shop", doors=doors)
    assert (ran.code, awaited(ran)) == (0, {"shop", "user"}), ran.err


def test_a_secret_that_was_never_filled_stops_its_own_database_and_names_it(
    platform: Platform, postgres_server: EmbeddedServer
) -> None:
    platform.env = {name: value for name, value in platform.env.items() if not name.startswith("CART_")}
    empty = {f"CART_DB_{name}": "" for name in ("HOST", "USER", "NAME", "PASSWORD")}
    empty["ECS_CONTAINER_METADATA_URI_V4"] = "http://127.0.0.1:1"  # in a task, such variables are empty
    with asleep(postgres_server, 0) as doors:
        ran = platform.run("apply", "--json", doors=doors, **empty)
    results = {each["target"]: each["result"] for each in ran.document["targets"]}
    assert results == {"cart/postgres": "failed", "shop/postgres": "changed", "user/postgres": "changed"}
    [error] = [each["error"] for each in ran.document["targets"] if each["error"]]
    assert "cart/postgres" in error["error"]
    assert "CART_DB_HOST" in error["error"] + error["because"] + error["try"]


@pytest.mark.soak
def test_a_server_that_answers_after_40_seconds_is_applied_to(
    platform: Platform, postgres_server: EmbeddedServer
) -> None:
    with asleep(postgres_server, 40) as doors:
        ran = platform.run("apply", doors=doors)
    assert (ran.code, awaited(ran)) == (0, set(SERVICES)), ran.err
    assert doors.apart < 30


def test_how_long_it_takes_to_fall_asleep_is_a_number() -> None:
    told = {"host": "a", "user": "b", "name": "c"}
    assert address({**told, "pauses": "10"}, None).pauses == 10
    assert address({**told, "pauses": ""}, None).pauses == 0
    with pytest.raises(UsageError, match="DB_PAUSES is no number of minutes: 'soon'"):
        address({**told, "pauses": "soon"}, None)
