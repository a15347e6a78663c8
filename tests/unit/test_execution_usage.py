"""Which databases are looked at, and what of those whose engine tells nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any, cast

from seedbed.engines.base import Engine
from seedbed.errors import StepFailed
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.usage import ALL, looked_at
from seedbed.model.migration import Migration, Phase
from seedbed.model.platform import Database
from seedbed.model.usage import Counter, Removed, Usage

INDEX, LABEL = Removed("index", ("users", "by_name")), Removed("label", ("Old",))


class Telling:
    """A session that counts, and has something deployed that is not declared."""

    def __init__(self, *deployed: Removed) -> None:
        self.deployed = deployed

    def deployed_removals(self) -> Sequence[Removed]:
        return self.deployed

    def usage(self, removed: Sequence[Removed]) -> Usage:
        return Usage(tuple(Counter(each, 5) for each in removed))


class Broken(Telling):
    def usage(self, removed: Sequence[Removed]) -> Usage:
        raise StepFailed("the statistics are not there")


class Removing:
    """An engine whose contracts remove a label."""

    def removals(self, migration: Migration, database: Database) -> Sequence[Removed]:
        return (LABEL,)


def look(session: object, engine: object, *phases: Phase) -> tuple[dict[str, Usage], dict[str, Any]]:
    database = Database("user", "graph", PurePath("."))
    target = cast(ConnectedTarget, SimpleNamespace(id="user/graph", database=database, session=session))
    pending = [cast(Migration, SimpleNamespace(phase=each)) for each in phases]
    found, failed = looked_at([target], {"user/graph": pending}, lambda _: cast(Engine, engine))
    return found, dict(failed)


def counters(found: dict[str, Usage]) -> list[tuple[str, int, str]]:
    return [(str(each.removed), each.uses, each.blind) for each in found["user/graph"].counters]


def test_what_is_deployed_and_what_migrations_remove_is_looked_at_together() -> None:
    assert look(Telling(), Removing(), Phase.EXPAND) == ({}, {})
    found, _ = look(Telling(INDEX), Removing())
    assert counters(found) == [("index users.by_name", 5, "")]
    found, _ = look(Telling(INDEX, LABEL), Removing(), Phase.CONTRACT, Phase.CONTRACT)
    assert counters(found) == [("index users.by_name", 5, ""), ("label Old", 5, "")]


def test_what_an_engine_does_not_tell_is_unknown_and_the_rest_is_counted() -> None:
    found, _ = look(Telling(INDEX), object(), Phase.CONTRACT)
    assert counters(found) == [
        ("index users.by_name", 5, ""),
        (ALL, 0, "migrations of graph do not tell what they remove"),
    ]
    found, _ = look(object(), Removing(), Phase.CONTRACT)
    assert counters(found) == [("label Old", 0, "graph does not tell what is used")]


def test_a_look_that_fails_says_which_database_was_not_seen() -> None:
    found, failed = look(Broken(INDEX), Removing())
    assert found == {}
    assert failed["user/graph"].target == "user/graph"
