"""What is made, kept and dropped on a shared server, killed at each of the messages that it sends."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.support.postgres.killed import killed_at
from tests.support.postgres.shared import Base, Part, base_server

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def rds() -> Iterator[Base]:
    with base_server() as server:
        base = Base(server, "rds")
        filled(base, "dev-first")
        base.keep(base.part("dev-first"), "first")
        yield base


def filled(base: Base, environment: str) -> Part:
    part = base.part(environment)
    base.make(part)
    part.settle()
    part.can("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    return part


def is_bound(part: Part) -> bool:
    """Return whether all that it has is its own: history, data, the application's rights."""
    found = part.can("SELECT environment FROM seedbed.migrations_identity")
    return found == [(part.environment,)] and part.can("SELECT id FROM t", which="app_user") == [(1,)]


def made(rds: Base, number: int, *, sent: bool) -> bool:
    """Kill `make` of a copy at its message `number`, and go on with it; False where it has fewer."""
    before = rds.everything()
    part = rds.part(f"dev-m{next(_numbers)}")
    was_killed = killed_at(number, lambda: rds.make(part, "first"), sent=sent)
    # In this order: what was sent before the kill may still be carried out, and is told the later the more.
    is_there = any(part.name in "".join(each) for each in rds.everything())
    with rds.reached() as shared:
        assert part.share in shared.listed() or not is_there
    rds.make(part, "first")
    assert is_bound(part), number
    assert rds.make(part) == ""
    rds.drop(part)
    assert rds.everything() == before, number
    return was_killed


def made_and_dropped(rds: Base, number: int, *, sent: bool) -> bool:
    """Kill `make` at its message `number`, and drop what is there: nothing is left."""
    before = rds.everything()
    part = rds.part(f"dev-n{next(_numbers)}")
    was_killed = killed_at(number, lambda: rds.make(part, "first"), sent=sent)
    rds.drop(part)
    assert rds.everything() == before, number
    return was_killed


def dropped(rds: Base, number: int, *, sent: bool) -> bool:
    """Kill `drop` at its message `number`: it goes on, or what it began is made anew."""
    before = rds.everything()
    part, other = (rds.part(f"dev-d{next(_numbers)}") for _ in range(2))
    for each in (part, other):
        rds.make(each, "first")
    was_killed = killed_at(number, lambda: rds.drop(part), sent=sent)
    killed_at(number, lambda: rds.drop(other), sent=sent)
    rds.drop(part)
    rds.make(other, "first")
    assert is_bound(other), number
    rds.drop(other)
    assert rds.everything() == before, number
    return was_killed


def kept(rds: Base, number: int, *, sent: bool) -> bool:
    """Kill `keep` at its message `number`: it goes on, and where it does not, what it left goes with its database."""
    before = rds.everything()
    part, other = (rds.part(f"dev-k{next(_numbers)}") for _ in range(2))
    for each in (part, other):
        rds.make(each, "first")
    was_killed = killed_at(number, lambda: rds.keep(part, "killed"), sent=sent)
    assert is_bound(part), number
    assert rds.keep(part, "killed"), number
    copy = rds.part(f"dev-k{next(_numbers)}")
    rds.make(copy, "killed")
    assert is_bound(copy), number
    killed_at(number, lambda: rds.keep(other, "left"), sent=sent)
    for each in (part, other, copy):
        rds.drop(each)
    with rds.reached() as shared:
        for name in {"killed", "left"} & set(shared.templates()):
            shared.drop_template(name)
    assert rds.everything() == before, number
    return was_killed


WORKS = {"make": made, "make and drop": made_and_dropped, "drop": dropped, "keep": kept}


@pytest.mark.parametrize(("work", "number"), [("make", 6), ("keep", 7)])
def test_what_was_killed_goes_on(rds: Base, work: str, number: int) -> None:
    assert WORKS[work](rds, number, sent=True)


@pytest.mark.soak
@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("work", WORKS)
def test_what_is_killed_anywhere_goes_on(rds: Base, work: str, sent: bool) -> None:
    kill: Callable[..., bool] = WORKS[work]
    assert sum(1 for _ in itertools.takewhile(lambda n: kill(rds, n, sent=sent), itertools.count(1))) > 5
