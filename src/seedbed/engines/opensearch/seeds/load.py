"""Loading a dataset: rows become documents, what is there and equal is left alone.

Every row is checked before the first is written. Then some hundreds at a time are read, compared and written, each on
condition that its document still is as it was read. There are no transactions: what failed goes on when it is run
again. What a row does not name stays as it is in its document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import Struct

from seedbed.engines.kit.tally import Tally
from seedbed.engines.opensearch.seeds import bulk
from seedbed.engines.opensearch.seeds.documents import Index, Part, SeedDocument
from seedbed.engines.opensearch.seeds.parts import parts_of
from seedbed.engines.opensearch.seeds.values import decode, encode, is_same
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.model.seed import Dataset, Loaded, OnLoading

if TYPE_CHECKING:
    from seedbed.engines.opensearch.store.fenced_writer import FencedWriter

_ATTEMPTS = 5


class _Stored(Struct, frozen=True):
    source: Mapping[str, Any]
    seq: tuple[int, int]


def load(lease: FencedWriter, dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
    """Load all parts of `dataset`. Every row is checked before the first is written.

    Raises StepFailed with file and line, SeedFileError, LeaseLost, Interrupted.
    """
    parts = parts_of(lease.cluster, dataset)
    for part in parts:
        part.check()
    for part in parts:
        tally = Tally(part.source.path, on_loading)
        with refusals(part):
            for documents in part.chunks():
                _load(lease, part, documents, tally)
        yield tally.loaded
    refresh(lease, parts)


@contextmanager
def refusals(part: Part) -> Iterator[None]:
    """Tell what OpenSearch refuses inside as a failure of `part`."""
    try:
        yield
    except RequestFailed as error:
        raise part.failed(0, f"the seed failed: {error.type or error.what}", error.reason) from None


def refresh(lease: FencedWriter, parts: Sequence[Part]) -> None:
    """Make what was loaded visible to searches, wherever refreshes are rare or switched off."""
    if parts:
        names = dict.fromkeys(part.index.name for part in parts)
        joined = ",".join(quote(name, safe="") for name in names)
        lease.cluster.client.call("POST", f"/{joined}/_refresh")


def _load(lease: FencedWriter, part: Part, documents: Sequence[SeedDocument], tally: Tally) -> None:
    """Make the index hold `documents`."""
    left = {document.id: document for document in documents}
    for attempt in range(_ATTEMPTS):
        lease.confirm()
        stored = _stored(lease, part, list(left))
        conflicts: list[str] = []
        writer = bulk.Writer(
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
        left = {id_: left[id_] for id_ in conflicts}  # somebody wrote in between: look again
        if not left:
            return
        lease.cluster.client.sleep(0.05 * attempt)
    raise part.failed(
        next(iter(left.values())).line,
        f"documents of {part.index.name} change all the time",
        f"{_ATTEMPTS} times another process had changed the rows that were to be loaded",
    )


def _write(writer: bulk.Writer, index: Index, document: SeedDocument, stored: _Stored | None) -> bool:
    """Let `writer` make the index hold `document`; return False where it does already."""
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


def _stored(lease: FencedWriter, part: Part, ids: Sequence[str]) -> dict[str, _Stored]:
    """Return what is stored under `ids`, as of now: it need not be visible to searches yet."""
    path = f"/{quote(part.index.name, safe='')}/_mget"
    answer = decode(lease.cluster.client.send("POST", path, encode({"ids": ids}), idempotent=True))
    found: dict[str, _Stored] = {}
    for each in answer["docs"]:
        if error := each.get("error"):
            reason = str(error.get("reason") or error.get("type"))
            raise part.failed(0, f"{part.index.name} cannot be read", reason)
        if each.get("found"):
            found[each["_id"]] = _Stored(each["_source"], (each["_seq_no"], each["_primary_term"]))
    return found
