"""The contract of sessions that read ids for references."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from seedbed.engines.verification import SupportsIds, SupportsUnits
from seedbed.errors import StepFailed
from seedbed.integrity.digests import id_text, read
from seedbed.integrity.suspects import Suspects
from seedbed.model.ids import same_id
from seedbed.model.platform import Where
from seedbed.model.verification import Suspect
from seedbed.testing.bench import Bench, dataset, rows
from seedbed.testing.contracts.base import Contract

_NAMES = [f"name{number}" for number in range(10)]
_UUID = "7D444840-9DC0-11D1-B245-5FFDCE74FAD2"
# What programs and attackers write into a field that holds ids.
_ODD = [
    _UUID,
    "7d444840-9DC0-11d1-b245-5ffdce74fad3",
    "00000000-0000-0000-0000-000000000000",
    "line\nbreak\ttab\r",
    "\x1b[31mred\x1b[0m",
    "a|b, 'c' \"d\" \\ `e` $f {g} %s",
    "1'; DROP TABLE users; --",
    "😀",
    "e\u0301",  # two code points
    "\u00e9",  # one
    "007",
    "1e20",
    "9223372036854775807",
    " ",
    "x" * 2000,
]
_NOWHERE = ["a\x00b", "9" * 5000, "1e400", "-0", "", "x" * 1_000_000, "\U0010ffff", "nobody"]


class IdsContract(Contract):
    """For engines whose session has `SupportsIds`. The ids are names of users: whatever holds a text may hold ids."""

    @contextmanager
    def _session(self, bench: Bench, *names: str) -> Iterator[SupportsIds]:
        bench.apply(bench.text(bench.harness.creates("users")))
        with bench.lease() as (_, lease):
            list(lease.load(dataset(rows("users", *enumerate(names, 1)))))
        with bench.connect() as session:
            assert isinstance(session, SupportsIds)
            yield session

    def test_every_id_is_read_once_for_each_row_that_has_it(self, bench: Bench) -> None:
        with self._session(bench, *_NAMES, *_NAMES[:3], _UUID) as session:
            blocks = list(session.ids("users.name"))
        texts = [id_text(each, position) for each in blocks for position in range(each.count)]
        assert sorted(texts) == sorted([*_NAMES, *_NAMES[:3], _UUID.lower()])
        assert not any(each.empty for each in blocks)

    def test_about_how_much_there_is_to_read_is_known_before(self, bench: Bench) -> None:
        with self._session(bench, *_NAMES) as session:
            extent = session.extent("users.name")
            assert extent.rows in {None, 0, len(_NAMES)}  # some count now and then
            if isinstance(session, SupportsUnits):
                spent: list[float] = []
                session.on_units(spent.append)
                list(session.ids("users.name"))
                assert sum(spent) > 0
                assert extent.units > 0
            with pytest.raises(StepFailed, match="nothing_here"):
                session.extent("nothing_here.name")

    def test_of_many_ids_those_are_found_that_are_there(self, bench: Bench) -> None:
        with self._session(bench, *_NAMES) as session:
            wanted = ["name3", "nobody", "name3 ", _UUID.lower(), "name9"]
            assert set(session.found("users.name", wanted)) == {"name3", "name9"}
            assert not session.found("users.name", [])

    def test_whatever_an_id_is_made_of_it_is_found_again_with_the_row_that_holds_it(
        self, bench: Bench
    ) -> None:
        with self._session(bench, *_ODD) as session:
            suspects = Suspects()
            for block in session.ids("users.name"):
                for position in range(block.count):
                    suspects.add(*read(block, position))
            every = [same_id(each) for each in _ODD]
            assert sorted(suspects.rows) == sorted(every)
            held = session.holders("users.name", suspects.all(), time="", most=1)
            assert {id_: each.count for id_, each in held.items() if id_ in every} == dict.fromkeys(every, 1)
            # In capitals or not: a mixture is found by who has read it.
            assert set(session.found("users.name", every)) >= {*every} - {same_id(_ODD[1])}

    def test_ids_that_cannot_be_there_are_not_found_and_nothing_fails(self, bench: Bench) -> None:
        with self._session(bench, "ana") as session:
            for path in ("users.name", "users.id"):
                assert not session.found(path, _NOWHERE)
                assert not session.holders(path, [Suspect(each) for each in _NOWHERE], time="", most=1)

    def test_rows_that_hold_an_id_are_counted_and_some_named(self, bench: Bench) -> None:
        with self._session(bench, "ana", "ben", "ana", "ana") as session:
            blocks = list(session.ids("users.name"))
            suspects = Suspects()
            for each in blocks:
                for position in range(each.count):
                    suspects.add(*read(each, position))
            held = session.holders("users.name", [*suspects.all(), Suspect("nobody")], time="", most=2)
        assert {id_: each.count for id_, each in held.items()} == {"ana": 3, "ben": 1}
        assert [len(held[id_].rows) for id_ in ("ana", "ben")] == [2, 1]

    def test_of_a_reference_with_a_condition_only_the_rows_are_read_that_it_says(self, bench: Bench) -> None:
        where = Where((("name", ("ana", "100%")),))
        with self._session(bench, "ana", "ben", "100%", "ana") as session:
            blocks = list(session.ids("users.name", where))
            both = [Suspect("ana"), Suspect("ben")]
            held = session.holders("users.name", both, time="", most=2, where=where)
            none = list(session.ids("users.name", Where((("name", ("nobody",)), ("id", ("1",))))))
        read = [id_text(each, position) for each in blocks for position in range(each.count)]
        assert sorted(read) == ["100%", "ana", "ana"]
        assert {id_: each.count for id_, each in held.items()} == {"ana": 2}
        assert not any(each.count or each.empty for each in none)

    def test_of_rows_that_tell_a_time_those_are_read_that_are_new(self, bench: Bench) -> None:
        where = Where(time="name", since=datetime(2026, 11, 3, 12, tzinfo=UTC))
        old, then, new = "2026-11-03T11:59:59+00:00", "2026-11-03T14:00:00+02:00", "2026-11-04T00:00:00+00:00"
        with self._session(bench, old, then, new) as session:
            blocks = list(session.ids("users.name", where))
        assert sorted(id_text(each, at) for each in blocks for at in range(each.count)) == [then, new]

    def test_a_table_that_is_not_there_is_refused_by_name(self, bench: Bench) -> None:
        with self._session(bench, "ana") as session, pytest.raises(StepFailed, match="nothing_here"):
            list(session.ids("nothing_here.name"))
