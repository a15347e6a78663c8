"""Which files may be edited after a run has begun with them: by what ran, never by how much."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from seedbed.errors import MigrationFileError
from seedbed.model.history import Revision, RevisionState
from seedbed.model.migration import Direction, Migration, MigrationFile, Phase, Source, Step, digests
from seedbed.planning.edits import begins_with_what_ran, edited, may_be_edited

BODIES = ("CREATE TABLE a ()", "CREATE TABLE b ()", "CREATE TABLE c ()")
FILE = MigrationFile("1", "x", Source("1_x.sql", ".sql", b""), "new")


def steps(*bodies: str) -> tuple[Step, ...]:
    return tuple(Step(index, body, 1) for index, body in enumerate(bodies))


def migration(*bodies: str, down: tuple[str, ...] = ()) -> Migration:
    return Migration("1", "x", "1_x.sql", "new", Phase.EXPAND, steps(*bodies), steps(*down))


def started(done: int, *bodies: str, direction: Direction = Direction.UP) -> Revision:
    ran = digests(steps(*bodies))[done]
    state = RevisionState.STARTED
    return Revision("1", "x", "old", Phase.EXPAND, state, direction, done, ran=ran)


@pytest.mark.parametrize(
    ("now", "is_the_same"),
    [
        (BODIES, True),
        ((*BODIES[:2], "SELECT 1"), True),
        (BODIES[:2], True),
        (BODIES[:1], False),
        (("SELECT 1", *BODIES), False),
        ((BODIES[1], BODIES[0], BODIES[2]), False),
        (("CREATE TABLE a (id int)", *BODIES[1:]), False),
        (("CREATE TABLE a ()CREATE TABLE b ()", BODIES[2]), False),
    ],
)
def test_what_ran_has_to_stand_at_the_beginning(now: tuple[str, ...], is_the_same: bool) -> None:
    revision = started(2, *BODIES)
    assert begins_with_what_ran(revision, migration(*now)) is is_the_same
    assert may_be_edited(revision, FILE, lambda _: migration(*now)) is is_the_same


def test_a_revert_looks_at_its_own_steps() -> None:
    revision = started(1, "DROP TABLE b", "DROP TABLE a", direction=Direction.DOWN)
    down = ("DROP TABLE b", "DROP TABLE IF EXISTS a")
    assert begins_with_what_ran(revision, migration("SELECT 1", down=down))
    assert not begins_with_what_ran(revision, migration(*BODIES, down=down[::-1]))


def test_as_long_as_nothing_ran_nothing_is_asked() -> None:
    assert may_be_edited(started(0, *BODIES), FILE, None)


@pytest.mark.parametrize(
    "revision",
    [
        replace(started(1, *BODIES), in_step=True),
        replace(started(1, *BODIES), checkpoint="4711"),
        replace(started(1, *BODIES), state=RevisionState.APPLIED),
        started(1, *BODIES),  # and nobody can parse the file
    ],
    ids=["in a step", "in a backfill", "applied", "unparsed"],
)
def test_anything_else_is_an_edit(revision: Revision) -> None:
    assert not may_be_edited(revision, FILE, None)


def test_a_file_that_cannot_be_parsed_is_reported_as_that() -> None:
    def parse(_: MigrationFile) -> Migration:
        raise MigrationFileError("a word is missing")

    assert may_be_edited(started(1, *BODIES), FILE, parse)


def test_digests_are_of_beginnings() -> None:
    none, one, *others = digests(steps(*BODIES))
    assert (none, len(others)) == ("", 2)
    assert digests(steps(BODIES[0], "other"))[1] == one
    assert len({none, one, *others}) == 4


@pytest.mark.parametrize(
    ("revision", "because", "try_"),
    [
        (
            replace(started(1, *BODIES), in_step=True),
            "step 2 was begun as the file said then, and whether it took effect is not recorded",
            "look at the database; if the step did not take effect: seedbed repair -e ENV -s user --engine postgres 1"
            " --not-applied; otherwise undo the edit:"
            " seedbed apply -e ENV -s user --engine postgres",
        ),
        (
            started(1, *BODIES),
            "1 step of it ran, as the file said then, and it does not begin with what ran",
            "put what ran back as it was, at the beginning; change what comes after it",
        ),
        (
            replace(started(0, *BODIES), checkpoint="4711"),
            "a part of step 1 is done, as the file said then",
            "if the file is right for what is left, accept it:"
            " seedbed repair -e ENV -s user --engine postgres 1 --checksum",
        ),
        (
            replace(started(1, *BODIES), state=RevisionState.APPLIED),
            "the file's checksum is new…, the recorded one old…",
            "restore the file and write a new migration, or accept it:"
            " seedbed repair -e ENV -s user --engine postgres 1 --checksum",
        ),
    ],
    ids=["in a step", "changed above", "in a backfill", "applied"],
)
def test_how_an_edited_file_goes_on_depends_on_what_ran_of_it(
    revision: Revision, because: str, try_: str
) -> None:
    error = edited("user/postgres", revision, FILE, lambda _: migration("SELECT 1", *BODIES))
    assert (error.because, str(error.try_)) == (because, try_)
