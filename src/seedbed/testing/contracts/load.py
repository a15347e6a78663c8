"""The contracts of seeds."""

from __future__ import annotations

import pytest

from seedbed.engines.capabilities import SupportsBulkLoad
from seedbed.errors import LeaseLost, SeveralErrors, StepFailed
from seedbed.model.seed import Dataset, Loaded, Loading, Rows, SeedKind
from seedbed.testing.bench import Bench, dataset, rows
from seedbed.testing.contracts.base import Contract


class LoadContract(Contract):
    """Seeds as rows."""

    def test_loading_counts_what_it_did(self, bench: Bench) -> None:
        self._table(bench)
        part = rows("users", (1, "ana"), (2, "ben"))
        assert self._load(bench, part) == [(part.path, 2, 0, 0)]
        changed = rows("users", (1, "ana"), (2, "benjamin"), (3, "eve"))
        assert self._load(bench, changed) == [(part.path, 1, 1, 1)]
        assert self._names(bench) == {1: "ana", 2: "benjamin", 3: "eve"}

    def test_more_rows_than_one_batch_are_all_loaded_and_all_counted(self, bench: Bench) -> None:
        self._table(bench)
        count = 1_300
        part = rows("users", *((number, f"user {number}") for number in range(1, count + 1)))
        assert self._load(bench, part) == [(part.path, count, 0, 0)]
        assert len(bench.rows("users")) == count
        changed = rows("users", *((number, f"user {number % 1_299}") for number in range(1, count + 2)))
        assert self._load(bench, changed) == [(part.path, 1, 2, count - 2)]
        names = self._names(bench)
        assert (names[count - 1], names[count], names[count + 1]) == ("user 0", "user 1", "user 2")

    def test_how_far_a_load_is_is_told_and_what_stays_of_it_is_never_more(self, bench: Bench) -> None:
        self._table(bench)
        parts = [
            rows("users", *((number, "x") for number in range(begin, begin + 700))) for begin in (1, 701)
        ]
        told: list[Loading] = []
        with bench.lease() as (_, lease):
            loaded = list(lease.load(dataset(*parts), told.append))
        assert all(each.part == parts[0].path for each in told)
        assert all(0 <= each.changed <= each.done <= 700 for each in told)
        assert sum(each.inserted for each in loaded) == 1_400

    def test_loading_again_changes_nothing(self, bench: Bench) -> None:
        self._table(bench)
        part = rows("users", (1, "ana"), (2, "ben"))
        self._load(bench, part)
        before = sorted(map(str, bench.rows("users")))
        assert self._load(bench, part) == [(part.path, 0, 0, 2)]
        assert sorted(map(str, bench.rows("users"))) == before

    def test_loading_leaves_columns_that_it_does_not_name(self, bench: Bench) -> None:
        self._table(bench)
        self._load(bench, rows("users", (1, "ana")))
        bench.apply(bench.text(bench.harness.backfill("users", 10)))
        assert self._load(bench, rows("users", (1, "anna"))) == [("seeds/users.csv", 0, 1, 0)]
        assert [each["visits"] for each in bench.rows("users")] == [1]

    def test_loading_nothing_is_nothing(self, bench: Bench) -> None:
        self._table(bench)
        assert self._load(bench, rows("users")) == [("seeds/users.csv", 0, 0, 0)]
        with bench.lease() as (_, lease):
            assert list(lease.load(dataset())) == []

    def test_rows_that_the_server_refuses_say_which_file(self, bench: Bench) -> None:
        with pytest.raises(StepFailed) as caught:
            self._load(bench, rows("no_such_table", (1, "ana")))
        assert "seeds/no_such_table.csv" in str(caught.value)

    def test_a_lost_lease_loads_nothing(self, bench: Bench) -> None:
        self._table(bench)
        with bench.lease() as (_, lease):
            bench.break_lease()
            with pytest.raises(LeaseLost):
                list(lease.load(dataset(rows("users", (1, "ana")))))
        assert not bench.rows("users")

    def _table(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))

    def _names(self, bench: Bench) -> dict[object, object]:
        return {each["id"]: each["name"] for each in bench.rows("users")}

    def _load(self, bench: Bench, *parts: Rows) -> list[tuple[str, int, int, int]]:
        with bench.lease() as (_, lease):
            loaded = list(lease.load(dataset(*parts)))
        return [(each.part, each.inserted, each.updated, each.unchanged) for each in loaded]


class BulkLoadContract(Contract):
    """For engines that are `SupportsBulkLoad`."""

    def test_volume_of_more_than_one_batch_is_all_there_and_may_be_loaded_again(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        part = rows("users", *((number, f"user {number}") for number in range(1, 1_301)))
        for _ in range(2):
            (done,) = self._load(bench, part)
            assert (done.part, done.inserted + done.updated + done.unchanged) == (part.path, 1_300)
            names = {each["id"]: each["name"] for each in bench.rows("users")}
            assert names == {number: f"user {number}" for number in range(1, 1_301)}

    def test_a_part_of_a_volume_is_told_once_it_stays_although_the_next_one_fails(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        good, bad = rows("users", (1, "ana"), (2, "ben")), rows("no_such_table", (1, "ana"))
        done: list[Loaded] = []
        told: list[Loading] = []
        with bench.lease() as (_, lease):
            assert isinstance(lease, SupportsBulkLoad)
            with pytest.raises(StepFailed) as caught:
                done.extend(
                    lease.bulk_load(volume(good, bad), told.append)
                )  # it keeps what comes before the failure
        assert "seeds/no_such_table.csv" in str(caught.value)
        stays = {each.part for each in told if each.changed} | {each.part for each in done}
        assert bool(bench.rows("users")) == (good.path in stays)
        assert bad.path not in stays

    def test_what_can_be_known_of_a_volume_is_told_at_once_and_before_anything_is_written(
        self, bench: Bench
    ) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        bad = [rows(name, (1, "ana")) for name in ("no_such_table", "nor_this_one")]
        with bench.lease() as (_, lease):
            assert isinstance(lease, SupportsBulkLoad)
            with pytest.raises(SeveralErrors) as caught:
                list(lease.bulk_load(volume(rows("users", (1, "ana")), *bad)))
            assert not lease.is_touched
        assert [each.at and each.at.path for each in caught.value.errors] == [each.path for each in bad]
        assert not bench.rows("users")

    def test_a_volume_whose_load_was_killed_can_be_loaded_again_and_is_whole_then(self, bench: Bench) -> None:
        text, count = bench.text(bench.harness.creates("users")), 1_500
        with bench.runner(text, rows=count, stop_at="load_progressed") as runner:
            runner.wait_until_stopped()
            bench.kill(runner)
        assert len(bench.rows("users")) <= count
        part = rows("users", *((number, f"user {number}") for number in range(1, count + 1)))
        (done,) = self._load(bench, part)
        assert done.inserted + done.updated + done.unchanged == count
        assert {each["id"]: each["name"] for each in bench.rows("users")} == {
            number: f"user {number}" for number in range(1, count + 1)
        }

    def test_volume_without_rows_is_nothing(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        assert self._load(bench, rows("users")) == [Loaded("seeds/users.csv")]

    def _load(self, bench: Bench, *parts: Rows) -> list[Loaded]:
        with bench.lease() as (_, lease):
            assert isinstance(lease, SupportsBulkLoad)
            return list(lease.bulk_load(volume(*parts)))


def volume(*parts: Rows) -> Dataset:
    return Dataset(SeedKind.VOLUME, parts)
