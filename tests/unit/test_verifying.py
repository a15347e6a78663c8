"""Which ids are orphans, delayed or vanished, while others write: beside an oracle that knows all that happened."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from errno import ENOSPC
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.base import Session
from seedbed.errors import ExitCode, Interrupted, Refused, SeedbedError, StepFailed, Unreachable
from seedbed.execution import verifying
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext, this_process
from seedbed.execution.stopping import Stop
from seedbed.execution.units import UnitBudget
from seedbed.integrity import children, digests, parents, suspects
from seedbed.model.event import Event, IdsAwaited, IdsRead
from seedbed.model.history import History
from seedbed.model.ids import Extent, Ids
from seedbed.model.platform import ALL, Database, DatabaseId, Field, Reference, Where
from seedbed.model.verification import FieldReading, Holders, Reading, ReferenceResult, Suspect, Verdict

ORDERS, USERS = DatabaseId("shop/memory"), DatabaseId("user/memory")
FROM, TO = Field(ORDERS, "orders.user_id"), Field(USERS, "users.id")
REFERENCE = Reference(FROM, TO, grace=0)


class World:
    """Two tables: orders, by their key the user of each, and users. `before[n]` is done before the nth look at them."""

    def __init__(self, orders: Mapping[str, str], users: Collection[str]) -> None:
        self.orders, self.users = dict(orders), set(users)
        self.before: dict[int, Callable[[], None]] = {}
        self.looks = 0

    def look(self) -> None:
        self.looks += 1
        self.before.get(self.looks, lambda: None)()


class Table:
    """A session on one of them."""

    def __init__(
        self,
        world: World,
        *,
        packed: bool = False,
        fails: Exception | None = None,
        rows: int | None = None,
        units: float = 0.0,
        extent: Extent | None = None,
    ) -> None:
        self.world, self.packed, self.fails, self.units = world, packed, fails, units
        self.known = extent or Extent(rows)
        self.reads = 0  # under way
        self.spent: Callable[[float], None] = lambda _: None

    def on_units(self, spent: Callable[[float], None]) -> None:
        self.spent = spent

    def interrupt(self) -> None:
        raise AssertionError("nobody interrupts it")

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        self.world.look()
        if self.fails:
            raise self.fails
        self.reads += 1
        try:
            if path == TO.path:
                yield from self._blocks([("", each) for each in sorted(self.world.users)])
            else:
                yield from self._blocks(sorted(self._meant(where).items()))
        finally:
            self.reads -= 1

    def _meant(self, where: Where) -> Mapping[str, str]:
        """Return the orders of `where`: the kind of an order is the first character of its key."""
        return {
            key: each
            for key, each in self.world.orders.items()
            if all(key[0] in kinds for _, kinds in where.equal) and (not where.since or key[0] == "n")
        }

    def _blocks(self, rows: Sequence[tuple[str, str]]) -> Iterator[Ids]:
        for first in range(0, len(rows), 3):
            self.spent(self.units)
            here = rows[first : first + 3]
            those = [(row, id_) for row, id_ in here if id_]
            without = len(here) - len(those)
            if self.packed:
                yield Ids(uuids=b"".join(UUID(id_).bytes for _, id_ in those), empty=without)
            else:
                keys = [row for row, _ in those] if all(row for row, _ in those) else []
                yield Ids(texts=[id_ for _, id_ in those], rows=keys, empty=without)

    def extent(self, path: str, where: Where = ALL) -> Extent:
        if self.fails:
            raise self.fails
        return self.known

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        assert path == TO.path
        self.world.look()
        return self.world.users & set(ids)

    def holders(
        self, path: str, those: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        assert path != TO.path
        self.world.look()
        rows: dict[str, list[str]] = {}
        for row, id_ in sorted(self._meant(where).items()):
            rows.setdefault(id_, []).append(row)
        return {
            each.id: Holders(len(rows[each.id]), tuple(rows[each.id][:most]))
            for each in those
            if each.id in rows
        }


class FoundOfAll(Struct):
    results: Sequence[ReferenceResult]
    events: Sequence[Event]


class Found(Struct):
    result: ReferenceResult
    events: Sequence[Event]


def verified(world: World, *, reference: Reference = REFERENCE, **tables: Any) -> Found:
    """Verify the one reference of `world`."""
    found = verified_all(world, [reference], **tables)
    return Found(found.results[0], found.events)


def verified_all(
    world: World,
    references: Sequence[Reference],
    *,
    most_units: float = 0.0,
    since: datetime | None = None,
    **tables: Any,
) -> FoundOfAll:
    """Verify several references of `world`."""
    sessions = {ORDERS: tables.pop("orders", Table(world)), USERS: tables.pop("users", Table(world))}
    targets, failed, context = connected(sessions)
    budget = UnitBudget(most_units, targets)
    found = verifying.verify(references, targets, failed, context, budget, since)
    return FoundOfAll(found, context.events)


def connected(
    sessions: Mapping[DatabaseId, Any],
) -> tuple[Sequence[ConnectedTarget], Mapping[str, SeedbedError], RunContext]:
    """Return those of `sessions` that are none but an error as targets, the others as errors, and a context."""
    failed = {name: each for name, each in sessions.items() if isinstance(each, Exception)}
    targets = [
        ConnectedTarget(cast(Any, _Target(name)), cast(Session, each), History(None, ()), ExitStack())
        for name, each in sessions.items()
        if name not in failed
    ]
    context = RunContext(this_process(), wait=0, listener=lambda _: None, stop=Stop())
    return targets, cast(Any, failed), context


class _Target(Struct):
    id: str

    @property
    def database(self) -> Database:
        return Database(self.id.partition("/")[0], "memory", PurePath())


def uuid(number: int) -> str:
    return str(UUID(int=number))


USER = st.integers(0, 12).map(uuid)
ORDER = st.integers(0, 30).map(str)


@given(
    orders=st.dictionaries(ORDER, USER, max_size=25),
    users=st.sets(USER),
    arriving=st.sets(USER),
    going=st.sets(ORDER),
    packed=st.booleans(),
)
def test_what_is_found_is_what_an_oracle_knows(
    orders: dict[str, str], users: set[str], arriving: set[str], going: set[str], packed: bool
) -> None:
    world = World(orders, users)

    def meanwhile() -> None:  # after both have been read, before anything is looked up again
        world.users |= arriving
        world.orders = {row: id_ for row, id_ in world.orders.items() if row not in going}

    world.before[3] = meanwhile
    found = verified(world, orders=Table(world, packed=packed), users=Table(world, packed=packed)).result
    missing = set(orders.values()) - users
    late = missing - arriving
    held = {id_ for row, id_ in orders.items() if row not in going} & late
    assert (found.ids, found.parents) == (len(orders), len(users))
    assert (found.delayed, found.vanished) == (len(missing & arriving), len(late - held))
    assert [each.id for each in found.samples] == sorted(held)[:20]
    for each in found.samples:
        rows = sorted(row for row, id_ in orders.items() if id_ == each.id and row not in going)
        assert each.holders == Holders(len(rows), tuple(rows[:3]))
    assert found.verdict is (Verdict.BROKEN if held else Verdict.OK)


def test_a_parent_written_before_its_child_is_never_missed() -> None:
    world = World({"1": "ana"}, {"ana"})

    def both() -> None:  # between the two readings
        world.users.add("ben")
        world.orders["2"] = "ben"

    world.before[2] = both
    found = verified(world)
    assert found.result.verdict is Verdict.OK
    assert world.looks == 2
    assert [each for each in found.events if isinstance(each, IdsRead)] == [
        IdsRead(ORDERS, FROM.path, 1, 1, is_all=True),
        IdsRead(USERS, TO.path, 2, 2, is_all=True),
    ]


@pytest.mark.parametrize(
    "same", ["7D444840-9dc0-11d1-b245-5ffdce74fad2", "7d444840-9dc0-11d1-b245-5ffdce74fad2"]
)
def test_a_uuid_is_the_same_id_however_it_is_written(same: str) -> None:
    world = World({"1": same, "2": "no uuid"}, {"7d444840-9dc0-11d1-b245-5ffdce74fad2", "no uuid"})
    assert verified(world).result.verdict is Verdict.OK
    assert verified(World({"1": same}, {same.lower()}), users=Table(world, packed=False)).result.orphans == 0


def test_many_parents_are_looked_up_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parents, "_FIRST", 16)
    monkeypatch.setattr(verifying, "MEMORY", 16 * 8 * 2)
    monkeypatch.setattr(verifying, "_IN_MEMORY", 100)
    users = {uuid(number * 7919) for number in range(200)}
    orders = {str(number): uuid(number * 7919) for number in range(205)}
    found = verified(World(orders, users)).result
    assert [each.id for each in found.samples] == [uuid(number * 7919) for number in range(200, 205)]
    assert (found.parents, found.orphans, found.delayed) == (200, 5, 0)


def test_a_reference_that_is_broken_altogether_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "MOST", 5)
    world = World({f"{number:03}": f"nobody{number:03}" for number in range(100)}, {"ana"})
    found = verified(world).result
    assert found.is_systemic
    assert found.verdict is Verdict.BROKEN
    assert 5 < found.orphans < 12
    assert found.samples[0].holders == Holders(1, ("000",))
    assert world.looks == 2  # none of them was looked up again


def test_a_reference_is_broken_altogether_where_no_keys_of_rows_are_told_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suspects, "MOST", 5)
    world = World({f"{number:03}": uuid(number) for number in range(100)}, set())
    found = verified(world, orders=Table(world, packed=True)).result
    assert (found.verdict, found.is_systemic) == (Verdict.BROKEN, True)
    assert found.samples[0].holders == Holders(1)


@pytest.mark.parametrize(
    ("reference", "verdict"),
    [
        (REFERENCE, Verdict.BROKEN),
        (Reference(FROM, TO, optional=True, grace=0), Verdict.OK),
        (Reference(FROM, TO, grace=0, tolerated=0.5), Verdict.TOLERATED),
        (Reference(FROM, TO, grace=0, tolerated=0.4), Verdict.BROKEN),
    ],
)
def test_a_row_without_an_id_is_a_finding_unless_it_may_have_none(
    reference: Reference, verdict: Verdict
) -> None:
    found = verified(World({"1": "ana", "2": ""}, {"ana"}), reference=reference).result
    assert (found.verdict, found.empty, found.orphans) == (verdict, 1, 0)


def test_a_field_refers_to_several_each_by_its_own_rows() -> None:
    world = World({"u1": "ana", "u2": "math", "c1": "math", "c2": "ana", "d1": "nobody"}, {"ana", "ben"})
    users, rest = (
        Reference(Field(ORDERS, FROM.path, Where((("kind", kinds),))), TO, grace=0)
        for kinds in (("u",), ("c", "d"))
    )
    first, second = verified_all(world, [users, rest]).results
    assert (first.ids, first.orphans, [each.id for each in first.samples]) == (2, 1, ["math"])
    assert (second.ids, second.orphans, [each.id for each in second.samples]) == (3, 2, ["math", "nobody"])
    assert first.samples[0].holders == Holders(1, ("u2",))
    assert second.samples[0].holders == Holders(1, ("c1",))


def test_of_new_rows_a_few_ids_are_looked_for_and_no_parent_is_read() -> None:
    world = World({"a1": "ana", "n1": "ben", "n2": "cid"}, {"ana", "ben"})
    reference = Reference(FROM, TO, grace=0, time="at")
    whole = Reference(Field(ORDERS, "orders.other"), TO, grace=0)
    since = datetime(2026, 11, 3, tzinfo=UTC)
    (found,) = verified_all(world, [reference], since=since).results
    assert (found.reference, found.since, found.is_full) == (reference, since, False)
    assert (found.ids, found.parents, found.orphans, found.verdict) == (2, 0, 1, Verdict.BROKEN)
    assert [(each.id, each.holders.rows) for each in found.samples] == [("cid", ("n2",))]
    assert verifying._since(replace(reference, grace=60), since).from_.where.since == since - timedelta(
        minutes=2
    )
    both = verified_all(world, [reference, whole], since=since).results
    assert [(each.ids, each.is_full) for each in both] == [(2, False), (3, True)]


SINCE = datetime(2026, 11, 3, tzinfo=UTC)


@pytest.mark.parametrize("finds_few", [True, False])
def test_of_new_rows_that_is_expected_which_is_read(finds_few: bool) -> None:
    extent = Extent(500, 70.0, finds_few=finds_few)
    world = World({"a1": "ana", "n1": "ben"}, {"ana"})
    tables = {ORDERS: Table(world, extent=Extent(9, 3.0)), USERS: Table(world, extent=extent)}
    new, other = Reference(FROM, TO, grace=0, time="at"), Reference(Field(ORDERS, "orders.other"), TO)

    def expected(*references: Reference) -> Reading:
        return Reading("dev", verifying.reading(references, *connected(tables), SINCE))

    ends = expected(new)
    assert [each.is_looked_for for each in ends.fields] == [False, finds_few]
    assert ends.units == (3 if finds_few else 73)
    assert expected(new, other).units == 3 + 3 + 70  # what is read whole for one is so for all
    assert not any(each.is_looked_for for each in expected(new, other).fields)
    found = verified_all(world, [new], since=SINCE, orders=tables[ORDERS], users=tables[USERS]).results[0]
    assert (found.parents, found.orphans) == (0 if finds_few else 1, 1)


def test_a_field_that_refers_and_is_referred_to_is_expected_to_be_read_twice() -> None:
    world = World({"1": "ana"}, {"ana"})
    tables = {ORDERS: Table(world, extent=Extent(9, 3.0)), USERS: Table(world)}
    further = Reference(Field(USERS, "users.boss"), FROM, grace=0)
    found = verifying.reading([REFERENCE, further], *connected(tables))
    assert found[0] == FieldReading(FROM, Extent(18, 6.0))
    assert [each.field.path for each in found] == [FROM.path, "users.boss", TO.path]
    new = replace(
        further, time="at"
    )  # who has few ids that are new is looked for, beside the one full reading
    assert verifying.reading([REFERENCE, new], *connected(tables), SINCE)[0] == FieldReading(
        FROM, Extent(9, 3.0)
    )


def test_what_new_rows_refer_to_is_not_read_where_too_few_units_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verifying, "_FEW", 2)
    world = World({f"n{number}": "ana" for number in range(6)}, {"ana"})
    reference = Reference(FROM, TO, grace=0, time="at")

    def of(most: float) -> ReferenceResult:
        orders, users = Table(world, units=10.0), Table(world, extent=Extent(1, 40.0))
        (found,) = verified_all(
            world, [reference], most_units=most, since=SINCE, orders=orders, users=users
        ).results
        return found

    assert of(60).verdict is Verdict.OK
    refused = of(59)
    assert (refused.verdict, world.looks) == (Verdict.UNVERIFIED, 3)  # the second time, nobody looks at users
    assert isinstance(refused.error, Refused)
    assert refused.error.what == "the rest takes about 40 read units, more than there are left"
    assert refused.error.because == "20 of the 59 that it may take are spent"


def test_of_a_field_that_refers_to_several_tables_the_rows_that_are_read_are_told() -> None:
    world = World({"a1": "ana", "b1": "ben"}, {"ana"})
    ends = [Field(ORDERS, FROM.path, Where((("kind", (kind,)),))) for kind in "ab"]
    events = verified_all(world, [Reference(each, TO, grace=0.01) for each in ends]).events
    read = [each.path for each in events if isinstance(each, IdsRead) and each.target == ORDERS]
    assert read == [f"{FROM.path}[kind=a]", f"{FROM.path}[kind=b]"]
    assert [each.path for each in events if isinstance(each, IdsAwaited)] == read[1:]


def test_of_about_how_many_ids_have_been_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "_TOLD", 3)
    world = World({str(number): "ana" for number in range(8)}, {"ana"})
    for rows, about in ((7, 7), (None, 0), (4, 0)):  # an estimate that turns out too low is none
        found = verified(world, orders=Table(world, rows=rows))
        told = [(each.done, each.total, each.is_all) for each in found.events if isinstance(each, IdsRead)]
        assert told[:3] == [(3, about or rows or 0, False), (6, about, False), (8, 8, True)]


def test_reading_ends_where_its_units_are_spent() -> None:
    world = World({str(number): "ana" for number in range(9)}, {"ana"})
    others = Reference(Field(ORDERS, "orders.other"), TO, grace=0)

    def units(most: float) -> list[SeedbedError | None]:
        tables: dict[str, Any] = {"orders": Table(world, units=5.0), "users": Table(world)}
        found = verified_all(world, [REFERENCE, others], most_units=most, **tables)
        return [each.error for each in found.results]

    assert units(30) == [None, None]
    for first, second in (units(20), units(14)):
        assert isinstance(second, Refused)
        assert second.what == "reading ended, its read units are spent"
        assert first is None or isinstance(first, Refused)
    assert "took 15 read units, and may take 14" in str(units(14)[0])


def test_what_is_expected_to_take_more_units_than_it_may_is_refused() -> None:
    fields = tuple(FieldReading(each, Extent(10, units)) for each, units in ((FROM, 3.0), (TO, 7.0)))
    UnitBudget(10).require_enough(Reading("dev", fields))
    UnitBudget(0).require_enough(Reading("dev", fields))
    with pytest.raises(Refused, match=r"about 10 read units, more than 9") as refused:
        UnitBudget(9).require_enough(Reading("dev", fields))
    assert refused.value.because == "user/memory:users.id alone takes 7 read units; nothing was read"


class Clock:
    """A clock that goes on while somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_what_is_missing_is_looked_up_again_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(verifying, "time", clock)
    world = World({"1": "ana", "2": "ben"}, {"ana"})
    looked: list[float] = []
    world.before = {look: lambda: looked.append(clock.now) for look in (1, 2, 3)}
    found = verified(world, reference=Reference(FROM, TO, grace=7.25))
    (awaited,) = [each for each in found.events if isinstance(each, IdsAwaited)]
    assert awaited == IdsAwaited(ORDERS, FROM.path, 1, 7.25)
    assert looked == [100, 100, pytest.approx(107.25)]
    assert found.result.orphans == 1


@pytest.mark.parametrize("side", ["orders", "users"])
@pytest.mark.parametrize("connects", [True, False])
def test_what_cannot_be_read_is_unverified(side: str, connects: bool) -> None:
    world = World({"1": "ana"}, {"ben"})
    error = StepFailed("there is no column") if connects else Unreachable("nobody answers")
    tables: dict[str, Any] = {side: Table(world, fails=error) if connects else error}
    found = verified(world, **tables).result
    assert found.verdict is Verdict.UNVERIFIED
    assert found.error is error
    assert found.orphans == 0


def test_what_is_tolerated_is_a_share_of_rows_however_few_ids_they_have() -> None:
    world = World({"1": "ana", "2": "nobody", "3": "nobody", "4": "ana"}, {"ana"})
    reference = Reference(FROM, TO, grace=0, tolerated=0.25)
    assert verified(world, reference=reference).result.verdict is Verdict.BROKEN
    del world.orders["3"]
    world.orders["5"] = "ana"
    assert verified(world, reference=reference).result.verdict is Verdict.TOLERATED


def test_a_full_disk_leaves_unverified_what_did_not_fit_and_the_session_free_for_the_next_field(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full(children.Children):
        def add(self, ids: Ids) -> None:
            if ids.rows[0] < "5":
                raise OSError(ENOSPC, "No space left on device")
            super().add(ids)

    monkeypatch.setattr(verifying, "Children", Full)
    world = World({f"{number}": "ana" for number in range(9)}, {"ana"})
    table = Table(world)
    some, others = (Field(ORDERS, FROM.path, Where((("kind", (kind,)),))) for kind in "17")
    found = verified_all(world, [Reference(some, TO), Reference(others, TO)], orders=table).results
    assert [each.verdict for each in found] == [Verdict.UNVERIFIED, Verdict.OK]
    error = found[0].error
    assert error is not None
    assert error.exit_code is ExitCode.UNAVAILABLE
    assert "No space left on device" in error.because
    assert "TMPDIR" in error.try_
    assert table.reads == 0


def test_a_read_that_others_canceled_is_unverified_and_no_end_of_the_run() -> None:
    world = World({"1": "ana"}, {"ana"})
    found = verified(
        world, users=Table(world, fails=Interrupted("was canceled", because="an operator"))
    ).result
    assert found.verdict is Verdict.UNVERIFIED
    assert isinstance(found.error, StepFailed)
    assert found.error.because == "an operator"


def test_of_a_reference_that_is_broken_altogether_only_what_is_shown_stays_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suspects, "MOST", 50)
    with closing(children.Children(1 << 20)) as kept, closing(parents.Parents(0)) as known:
        kept.add(Ids(texts=[f"{number:03}" for number in range(100)]))
        (some,) = suspects.suspects({REFERENCE: kept}, known).values()
    assert (some.count, sorted(some.rows)) == (51, [f"{number:03}" for number in range(20)])


def test_ids_cannot_be_chosen_so_that_one_passes_for_another() -> None:
    # Both highest bits flipped: equal under any odd factors, if each half is multiplied once.
    one, other = (UUID(int=(7 << 64 | 9) ^ mask) for mask in (0, 0x80_0000000000000080))
    nil = Ids(texts=["", str(UUID(int=0))])
    assert len(set(digests.digests(nil).tolist())) == 2
    assert len(set(digests.digests(Ids(uuids=one.bytes + other.bytes)).tolist())) == 2
    assert runpy.run_path(str(digests.__file__))["_FIRST"] != digests._FIRST  # each process has its own
