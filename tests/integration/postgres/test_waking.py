"""A server that sleeps while nobody is connected: it is waited for, told as awaited, and never called unreachable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

import pytest
from msgspec.structs import replace

from seedbed.engines import registry
from seedbed.engines.postgres.address import Address, address
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.wire import connection
from seedbed.errors import Unreachable, UsageError
from seedbed.execution.connecting import connect
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import Event, TargetAwaited, TargetConnected
from seedbed.model.platform import Database
from seedbed.model.target import Target
from tests.support.postgres.wire import waking

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


def test_how_long_it_takes_to_fall_asleep_is_a_number() -> None:
    told = {"host": "a", "user": "b", "name": "c"}
    assert address({**told, "pauses": "10"}, None).pauses == 10
    assert address({**told, "pauses": ""}, None).pauses == 0
    with pytest.raises(UsageError, match="DB_PAUSES is no number of minutes: 'soon'"):
        address({**told, "pauses": "soon"}, None)
