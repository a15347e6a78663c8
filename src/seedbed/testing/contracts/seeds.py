"""The contract of seeds that were reviewed: what is loaded is what was shown, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

from seedbed.errors import ExitCode, StalePlan
from seedbed.execution import seeding
from seedbed.model.outcome import fold
from seedbed.model.seed import Dataset, SeedFile, SeedKind
from seedbed.seeding.dataset import dataset
from seedbed.seeding.digests import held_to
from seedbed.testing.bench import Bench
from seedbed.testing.contracts.base import Contract
from seedbed.testing.contracts.unmigrated import opened

_SHOWN = "# seedbed: key=id\nid,name\n1,ana\n"
_OTHER = _SHOWN.replace("ana", "eve")


class SeedContract(Contract):
    """A seed that is another one than was reviewed."""

    def test_a_seed_that_was_changed_since_its_review_is_refused_and_nothing_is_touched(
        self, bench: Bench
    ) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        before = bench.state()
        with opened(bench) as (target, context), pytest.raises(StalePlan) as caught:
            seeding.load([target], [SeedKind.REFERENCE], lambda *_: _reviewed(_OTHER), context)
        assert caught.value.exit_code is ExitCode.REFUSED
        assert context.events == []
        assert not bench.rows("users")
        assert bench.state() == before

    def test_a_seed_that_is_changed_between_its_check_and_its_load_is_told_by_what_stayed(
        self, bench: Bench
    ) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        datasets = iter([_reviewed(_SHOWN)])
        with opened(bench) as (target, context):
            seeding.load(
                [target], [SeedKind.REFERENCE], lambda *_: next(datasets, _reviewed(_OTHER)), context
            )
        outcome = fold(context.events)
        assert outcome.exit_code in {ExitCode.REFUSED, ExitCode.PARTIAL}
        assert not (bench.rows("users") and outcome.exit_code is ExitCode.REFUSED)

    def test_a_seed_that_is_as_it_was_reviewed_is_loaded(self, bench: Bench) -> None:
        bench.apply(bench.text(bench.harness.creates("users")))
        with opened(bench) as (target, context):
            seeding.load([target], [SeedKind.REFERENCE], lambda *_: _reviewed(_SHOWN), context)
        assert fold(context.events).exit_code is ExitCode.DONE
        assert [(str(each["id"]), each["name"]) for each in bench.rows("users")] == [("1", "ana")]


def _reviewed(text: str) -> Dataset:
    """Return the dataset of one file that holds `text`, held to the one that was shown."""

    def read() -> Iterator[bytes]:
        yield text.encode()

    file = SeedFile("seeds/reference/users.csv", ".csv", len(text), read)
    held = held_to(file, sha256(_SHOWN.encode()).hexdigest())
    return dataset(SeedKind.REFERENCE, [held], platform="contract", scripts=())
