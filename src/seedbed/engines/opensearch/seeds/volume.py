"""Volume seeds: documents by `_bulk`, without reading existing ones: they are generated, the same at every load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seedbed.engines.kit.read_ahead import read_ahead
from seedbed.engines.kit.tally import Tally
from seedbed.engines.opensearch.seeds import bulk
from seedbed.engines.opensearch.seeds.documents import SeedPart
from seedbed.engines.opensearch.seeds.load import refresh, translate_refusals
from seedbed.engines.opensearch.seeds.parts import parts_of
from seedbed.errors import collected
from seedbed.model.seed import Dataset, Loaded, OnLoading

if TYPE_CHECKING:
    from seedbed.engines.opensearch.store.fenced_writer import FencedWriter


def bulk_load(lease: FencedWriter, dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
    """Write all documents of `dataset`; indexes, ids and the first rows of every part are checked before.

    Raises StepFailed, with file and line if a row does not fit or a document is refused, SeedFileError, LeaseLost,
    Interrupted.
    """
    parts = parts_of(lease.cluster, dataset)
    collected(part.check_first for part in parts)
    for part in parts:
        tally = Tally(part.source.path, on_loading)
        with translate_refusals(part):
            _load(lease, part, tally)
        yield tally.loaded
    refresh(lease, parts)


def _load(lease: FencedWriter, part: SeedPart, tally: Tally) -> None:
    counts = bulk.BulkCounts()

    def report(_: int = 0) -> None:
        """Update the tally from the counts."""
        known = tally.loaded
        tally.add(inserted=counts.created - known.inserted, updated=counts.updated - known.updated)

    documents = read_ahead(part.plain_documents())
    try:
        bulk.load(
            lease.cluster.client,
            part.index.name,
            documents,
            before=lease.check,
            require_alias=part.index.is_alias,
            on_progress=report,
            counts=counts,
        )
    except bulk.ItemRefused as refused:
        raise part.failed(part.line_of(refused.id), refused.what, refused.because) from None
    finally:
        documents.close()
        report()
    tally.add(inserted=counts.replaced)  # by a later one of the same id, before they were sent
