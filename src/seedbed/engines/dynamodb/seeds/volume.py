"""Volume: items by BatchWriteItem, without a look at what is there: it is made, and made again the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seedbed.engines.dynamodb.seeds import bulk
from seedbed.engines.dynamodb.seeds.items import SeedPart, parts_of
from seedbed.engines.dynamodb.seeds.load import refusals
from seedbed.engines.dynamodb.wire.capacity import CapacityBudget
from seedbed.engines.kit.tally import Tally
from seedbed.errors import collected
from seedbed.model.seed import Dataset, Loaded, OnLoading

if TYPE_CHECKING:
    from seedbed.engines.dynamodb.store.fenced_writer import FencedWriter


def bulk_load(lease: FencedWriter, dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
    """Write all items of `dataset`; each counts as inserted, because existing items are not read.

    Tables, keys and the first rows of every part are checked before the first item is written.

    Raises StepFailed, with file and line where a row does not fit, SeedFileError, LeaseLost, Interrupted.
    """
    parts = parts_of(lease.database, dataset)
    collected(part.check_first for part in parts)
    for part in parts:
        tally = Tally(part.source.path, on_loading)
        with refusals(lease.database, part):
            _load(lease, part, tally)
        yield tally.loaded


def _load(lease: FencedWriter, part: SeedPart, tally: Tally) -> None:
    database = lease.database
    bulk.load(
        database.client,
        database.physical(part.table.name),
        part.plain_items(),
        key=part.key_names,
        workers=database.address.segments,
        budget=CapacityBudget(database.address.write_units, sleep=database.client.sleep),
        on_progress=lambda taken: tally.add(inserted=taken),
        before=lease.check,
    )
