"""Load a dataset: rows become documents; existing, equal documents are not written.

Every row is checked before the first is written. Then some hundreds at a time are read, compared and written, each on
the condition that its document has not changed since. There are no transactions: after a failure, run it again. Fields
that a row does not name keep their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import Struct, convert

from seedbed.engines.kit.tally import Tally
from seedbed.engines.opensearch.seeds import bulk
from seedbed.engines.opensearch.seeds.documents import SeedDocument, SeedIndex, SeedPart
from seedbed.engines.opensearch.seeds.parts import parts_of
from seedbed.engines.opensearch.seeds.values import decode, encode, is_same
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import collected
from seedbed.model.seed import Dataset, Loaded, OnLoading
from seedbed.support.typed import ready
from seedbed.wire.retrying import Policy, retrying

if TYPE_CHECKING:
    from seedbed.engines.opensearch.store.fenced_writer import FencedWriter

_POLICY = Policy(attempts=5, base=0.05, cap=1.0)


class _ExistingDocument(Struct, frozen=True):
    source: Mapping[str, Any]
    seq: tuple[int, int]


def load(lease: FencedWriter, dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
    """Load all parts of `dataset`. Every row is checked before the first is written.

    Raises StepFailed with file and line, SeedFileError, LeaseLost, Interrupted.
    """
    parts = parts_of(lease.cluster, dataset)
    collected(part.check for part in parts)
    for part in parts:
        tally = Tally(part.source.path, on_loading)
        with translate_refusals(part):
            for documents in part.chunks():
                _load(lease, part, documents, tally)
        yield tally.loaded
    refresh(lease, parts)


@contextmanager
def translate_refusals(part: SeedPart) -> Iterator[None]:
    """Turn a RequestFailed inside the context into a failure of `part`."""
    try:
        yield
    except RequestFailed as error:
        raise part.failed(0, f"the seed failed: {error.type or error.what}", error.reason) from None


def refresh(lease: FencedWriter, parts: Sequence[SeedPart]) -> None:
    """Make loaded documents visible to searches, also if refreshes are rare or disabled."""
    if parts:
        names = dict.fromkeys(part.index.name for part in parts)
        joined = ",".join(quote(name, safe="") for name in names)
        lease.cluster.client.call("POST", f"/{joined}/_refresh")


def _load(lease: FencedWriter, part: SeedPart, documents: Sequence[SeedDocument], tally: Tally) -> None:
    """Make the index hold `documents`."""
    left = {document.id: document for document in documents}
    for attempt in retrying(_POLICY, sleep=lease.cluster.client.sleep):
        lease.confirm()
        stored = _stored(lease, part, list(left))
        conflicts: list[str] = []
        writer = bulk.BulkWriter(
            lease.cluster.client,
            part.index.name,
            before=lease.check,
            require_alias=part.index.is_alias,
            on_conflict=conflicts.append,
        )
        written = 0
        try:
            for document in left.values():
                written += _write(writer, part.index, document, stored.get(document.id))
            writer.flush()
        except bulk.ItemRefused as refused:
            raise part.failed(left[refused.id].line, refused.what, refused.because) from None
        finally:
            tally.add(inserted=writer.counts.created, updated=writer.counts.updated)
        tally.add(unchanged=len(left) - written)
        left = {id_: left[id_] for id_ in conflicts}  # changed meanwhile: read again
        if not left:
            return
        attempt.failed(
            part.failed(
                next(iter(left.values())).line,
                f"documents of {part.index.name} change all the time",
                f"another process changed them meanwhile, {_POLICY.attempts} times",
            )
        )


def _write(
    writer: bulk.BulkWriter, index: SeedIndex, document: SeedDocument, stored: _ExistingDocument | None
) -> bool:
    """Write `document` through `writer`; return False if the index holds it already."""
    fields = document.fields
    if stored is None:
        writer.create(document.id, {name: value for name, value in fields.items() if value is not None})
        return True
    if all(
        is_same(stored.source.get(name), value, index.properties.get(name, {}))
        for name, value in fields.items()
    ):
        return False
    merged = {**stored.source, **fields}
    whole = {name: value for name, value in merged.items() if name not in fields or value is not None}
    writer.index(document.id, whole, if_seq=stored.seq)
    return True


def _stored(lease: FencedWriter, part: SeedPart, ids: Sequence[str]) -> dict[str, _ExistingDocument]:
    """Return the documents under `ids` as they are now, visible to searches or not."""
    path = f"/{quote(part.index.name, safe='')}/_mget"
    client = lease.cluster.client
    raw = client.send("POST", path, encode({"ids": ids}), idempotent=True)
    with client.reading("POST", path, idempotent=True):
        answer = decode(raw)
        convert(answer, ready(shapes.Documents))
    found: dict[str, _ExistingDocument] = {}
    for each in answer["docs"]:
        if error := each.get("error"):
            reason = str(error.get("reason") or error.get("type"))
            raise part.failed(0, f"{part.index.name} cannot be read", reason)
        if each.get("found"):
            seq = each.get("_seq_no", -1), each.get("_primary_term", 0)
            found[each["_id"]] = _ExistingDocument(each.get("_source", {}), seq)
    return found
