"""The parts of a dataset with their existing indexes, before any row is read."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from seedbed.engines.opensearch.cluster import Cluster
from seedbed.engines.opensearch.rules.naming import complaint_about
from seedbed.engines.opensearch.seeds.documents import SeedIndex, SeedPart, failed
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import Location, SeedFileError, StepFailed, collected, raise_errors
from seedbed.model.seed import Dataset, RowSource, Script, is_empty
from seedbed.support.guess import did_you_mean


def parts_of(cluster: Cluster, dataset: Dataset) -> list[SeedPart]:
    """Return the parts of `dataset`. Raises all that is wrong with them: SeedFileError, StepFailed."""
    return collected(partial(_part, cluster, each) for each in dataset.parts)


def _part(cluster: Cluster, source: RowSource | Script) -> SeedPart:
    if isinstance(source, Script):
        raise SeedFileError(
            "OpenSearch does not load this kind of seed",
            because="it loads rows: .csv, .json, .py",
            at=Location(source.path),
        )
    part = SeedPart(source, _index(cluster, source), _key(source))
    _require_columns(part)
    return part


def _index(cluster: Cluster, source: RowSource) -> SeedIndex:
    """Return the existing index of the rows. Raises SeedFileError for what is no name of one, StepFailed."""
    if wrong := complaint_about(source.table, "index"):
        because = wrong.because.replace("a migration", "a seed")
        raise SeedFileError(wrong.what, because=because, try_=wrong.try_, at=Location(source.path))
    try:
        found = cluster.client.call("GET", f"/{quote(source.table, safe='')}", shape=shapes.Indexes)
    except RequestFailed as error:
        if error.status != 404:
            raise failed(source.path, 0, f"{source.table} cannot be read", error.reason) from None
        what = f"there is no index {source.table!r}"
        raise failed(source.path, 0, what, "seeds do not create indexes: migrations do") from None
    if len(found) != 1:
        what, names = f"{source.table} has {len(found)} indexes", ", ".join(sorted(found))
        raise failed(source.path, 0, what, f"it is an alias of {names}")
    ((physical, state),) = found.items()
    mappings = state.get("mappings") or {}
    return SeedIndex(
        source.table,
        physical != source.table,
        mappings.get("properties", {}),
        str(mappings.get("dynamic", "")) == "strict",
    )


def _key(source: RowSource) -> tuple[str, ...]:
    """Return the columns that form the id of a document. Raises StepFailed."""
    if source.key:
        return source.key
    for name in ("_id", "id"):
        if name in source.columns:
            return (name,)
    if is_empty(source):
        return ()
    raise StepFailed(
        f"the documents of {source.table} have no ids",
        because="no key is declared, and there is neither a column _id nor id",
        try_='declare the column of the id: `# seedbed: key=…`, or "key" in a .json',
        at=Location(source.path),
    )


def _require_columns(part: SeedPart) -> None:
    """Raise StepFailed for each column that a strict mapping lacks."""
    known = sorted(part.index.properties)
    raise_errors(
        StepFailed(
            f"{part.source.table} has no field {name}",
            because=f"its mapping is strict, and has {', '.join(known)}",
            try_=did_you_mean(name, known),
            at=Location(part.source.path, 0),
        )
        for name in part.source.columns
        if part.index.is_strict and name != "_id" and name.partition(".")[0] not in part.index.properties
    )
