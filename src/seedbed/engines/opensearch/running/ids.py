"""Ids of a field, for references that cross databases: all of them, or what became of a few. Reads only.

All ids are read shard by shard, each from a point in time. Values come from the index where it has them as they are in
documents; else from the documents themselves: of a text, of what is normalized or cut, of what is not indexed.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from functools import partial
from itertools import chain, islice
from typing import Any

import msgspec

from seedbed.engines.kit.ids import Tally, held_texts, moment, takes, together
from seedbed.engines.opensearch.cluster import Cluster, translate_errors
from seedbed.engines.opensearch.rest import path as path_of
from seedbed.engines.opensearch.running.fields import ExactField, exact, ids_in, is_date, is_possible, keeps
from seedbed.engines.opensearch.running.reindex.existing import ExistingIndex, failures, look, refresh
from seedbed.engines.opensearch.running.reindex.pages import ALIVE, point_in_time
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import StepFailed
from seedbed.model.ids import Extent, Ids, same_id, spellings
from seedbed.model.platform import ALL, Where
from seedbed.model.verification import Holders, Suspect

_VALUES = 10_000  # documents in a page of which the index tells the field
_SOURCES = 2000  # in one of whose sources a part is read
_DENIED = 403
_TERMS = 1000  # ids in a search; index.max_terms_count is 65 536
_ID = "_id"  # of a document: in no mapping and no source, and unique in its index
_ASKED = "_shards,timed_out," + ",".join(f"hits.hits.{each}" for each in ("_id", "_source", "fields", "sort"))


class _Hit(msgspec.Struct):
    id: str = msgspec.field(name="_id", default="")
    source: Any = msgspec.field(name="_source", default=None)
    fields: dict[str, list[Any]] = {}
    sort: list[int] = []


class _Hits(msgspec.Struct):
    hits: list[_Hit] = []


class _Answer(msgspec.Struct):
    shards: dict[str, Any] = msgspec.field(name="_shards", default_factory=dict)
    timed_out: bool = False
    hits: _Hits = msgspec.field(default_factory=_Hits)


_decode = msgspec.json.Decoder(_Answer, float_hook=Decimal).decode
_encode = msgspec.json.Encoder().encode


def ids(cluster: Cluster, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
    """Yield the ids of a field, a block for each page. Raises StepFailed, Unreachable, Interrupted."""
    with translate_errors(cluster, f"reading the ids of {path}"):
        source = _Source(cluster, path, where)
        field = source.exact if source.exact and source.exact.name == source.field else None
        if source.is_id and source.finds_rows:
            for page in source.pages({"_source": False, "size": _VALUES}):
                yield _block([source.values(each) for each in page])
        elif field and not field.longest and source.finds_rows:
            body = {"docvalue_fields": [field.name], "_source": False, "stored_fields": "_none_"}
            for page in source.pages({**body, "size": _VALUES}):
                yield _block([map(str, each.fields.get(field.name, ())) for each in page])
        else:
            with closing(source.sources()) as pages:
                for page in pages:
                    yield _block([source.values(each) for each in page])
        source.require_same()


def extent(cluster: Cluster, path: str, where: Where = ALL) -> Extent:
    """Return how many documents are read, as far as searches see them. Raises StepFailed, Unreachable."""
    with translate_errors(cluster, f"counting the documents of {path}"):
        source = _Source(cluster, path, where)
        every = {"expand_wildcards": "all"}
        body = source.query() or None
        return Extent(
            cluster.client.call("POST", path_of(source.name, "_count"), body, params=every, idempotent=True)[
                "count"
            ]
        )


def found(cluster: Cluster, path: str, ids: Sequence[str]) -> Collection[str]:
    """Return those of `ids` that a field has now. Raises StepFailed, Unreachable, Interrupted."""
    with translate_errors(cluster, f"looking for ids in {path}"):
        source = _Source(cluster, path)
        source.refresh()
        if source.is_id:
            return {same_id(each.id) for each in source.documents(spellings(ids))}
        if source.searches(ids):
            return {same_id(str(each["key"])) for each in source.buckets(spellings(ids))}
        wanted, there = frozenset(ids), set[str]()
        for page in source.sources():
            for each in page:
                there |= wanted.intersection(map(same_id, ids_in(each.source, source.field)))
        return there


def holders(
    cluster: Cluster, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
) -> Mapping[str, Holders]:
    """Return the documents that hold ids now, by id. Raises StepFailed, Unreachable, Interrupted."""
    with translate_errors(cluster, f"looking for what holds ids in {path}"):
        source = _Source(cluster, path, where)
        texts = held_texts(suspects)
        if source.searches(texts) and source.tells(time):
            return _summed(source.buckets(texts, time=time, most=most), most)
        tally = Tally(suspects, most)
        hits = source.documents(texts, time) if source.is_id else chain.from_iterable(source.sources(time))
        for each in hits:
            since = next(map(moment, ids_in(each.source, time)), None) if time else None
            for id_ in set(map(same_id, source.values(each))):
                tally.add(id_, each.id, since)
        return tally.holders()


class _Source:
    """A field of the indexes behind a name: "index.field", the field's own name with dots."""

    def __init__(self, cluster: Cluster, path: str, where: Where = ALL) -> None:
        self.name, _, self.field = path.partition(".")
        self.is_id = self.field == _ID
        self._own = () if self.is_id else (self.field,)  # what is in sources
        self._cluster = cluster
        self._indexes = look(cluster.client, self.name)
        if not self._indexes:
            raise StepFailed(
                f"there is no index {self.name}",
                because=f"of {path}, and no alias of that name",
                try_="correct the reference in seedbed.toml: index.field",
            )
        self._mappings = mappings = [each.mappings for each in self._indexes]
        for name in (*self._own, *where.fields):
            if not any(is_possible(each, name) for each in mappings):
                raise StepFailed(
                    f"there is no field {name} in {self.name}",
                    because="its mapping has none, and is strict",
                    try_="correct the reference in seedbed.toml: index.field",
                )
        self.exact = None if self.is_id else exact(mappings, self.field)
        self._where = where
        self._filters = [_terms(exact(mappings, name), texts) for name, texts in where.equal]
        if where.since:
            self._filters.append(_recent(where) if is_date(mappings, where.time) else None)

    @property
    def finds_rows(self) -> bool:
        """Return whether the index finds the documents that are meant."""
        return None not in self._filters

    def refresh(self) -> None:
        """Let searches see what was written, where our login may do that. Raises RequestFailed."""
        for each in self._indexes:
            try:
                refresh(self._cluster.client, each.name)
            except RequestFailed as error:
                if error.status != _DENIED:  # what cannot be seen now would be taken for missing
                    raise

    def searches(self, ids: Collection[str]) -> bool:
        """Return whether the index finds all documents that have one of `ids`."""
        return self.exact is not None and self.exact.holds(ids) and self.finds_rows

    def tells(self, time: str) -> bool:
        """Return whether the index tells the least `time`: of a keyword or a number, documents do."""
        return not time or is_date(self._mappings, time)

    def require_same(self) -> None:
        """Raise StepFailed where an index was made anew while it was read: shards of two were read then."""
        now = {each.name: each.settings.get("uuid") for each in look(self._cluster.client, self.name)}
        for each in self._indexes:
            if now.get(each.name, each.settings.get("uuid")) != each.settings.get("uuid"):
                raise StepFailed(
                    f"the index {each.name} was deleted and created again while it was read",
                    try_="run the same command again",
                )

    def sources(self, *more: str) -> Generator[list[_Hit], None, None]:
        """Yield the documents that are meant, the field and `more` of their sources, by pages."""
        wanted = self._wanted(*more)
        for index in self._indexes:
            for name in (*self._own, *self._where.fields):
                if not keeps(index.mappings, name):
                    raise StepFailed(
                        f"the field {name} of {index.name} cannot be read",
                        because="documents are stored without it, and the index has its values changed or not at all",
                        try_="keep it in _source, or let the reference name a field of type keyword",
                    )
        for page in self.pages({"_source": wanted, "size": _SOURCES}):
            yield [each for each in page if self._takes(each)]

    def documents(self, ids: Iterable[str], *more: str) -> Iterator[_Hit]:
        """Yield the documents that are meant, by their own ids, `more` of their sources with them."""
        left = iter(ids)
        while some := list(islice(left, _TERMS)):
            body = {
                "query": {"ids": {"values": some}},
                "size": len(some) * len(self._indexes),
                "_source": self._wanted(*more),
            }
            raw = self._cluster.client.send(
                "POST",
                path_of(self.name, "_search"),
                _encode(body),
                params={"expand_wildcards": "all", "allow_partial_search_results": False},
                idempotent=True,
            )
            yield from (each for each in _decode(raw).hits.hits if self._takes(each))

    def values(self, hit: _Hit) -> Iterator[str]:
        """Return the ids that a document has in the field."""
        return iter((hit.id,)) if self.is_id else ids_in(hit.source, self.field)

    def _wanted(self, *more: str) -> Any:
        """Return what to ask for of sources: the field, what says whether it counts, and `more`; False for nothing."""
        names = [*self._own, *filter(None, more), *self._where.fields]
        return {"includes": names} if names else False

    def _takes(self, hit: _Hit) -> bool:
        return takes(self._where, partial(ids_in, hit.source))

    def pages(self, body: Mapping[str, Any]) -> Iterator[list[_Hit]]:
        """Yield documents by pages, as the search `body` wants them: those that the index finds. Raises StepFailed."""
        for index in self._indexes:
            for shard in range(int(index.settings.get("number_of_shards", 1))):
                with point_in_time(self._cluster.client, index.name, str(shard)) as point:
                    yield from self._shard(index, point, {**body, **self._query(index)})

    def _shard(self, index: ExistingIndex, point: str, body: Mapping[str, Any]) -> Iterator[list[_Hit]]:
        size = min(body["size"], int(index.settings.get("max_result_window", body["size"])))
        sent = {**body, "size": size, "sort": ["_doc"], "track_total_hits": False}
        while True:
            sent["pit"] = {"id": point, "keep_alive": ALIVE}
            answer = self._page(index, sent)
            if answer.timed_out or answer.shards.get("failed"):
                raise StepFailed(
                    f"{index.name} could not be read in full",
                    because="; ".join(failures(answer.shards)) or "the search timed out",
                    try_="check the health of the cluster, then run the same command again",
                )
            hits = answer.hits.hits
            if hits:
                yield hits
            if len(hits) < size:
                return
            sent["search_after"] = hits[-1].sort

    def _page(self, index: ExistingIndex, sent: Mapping[str, Any]) -> _Answer:
        try:
            raw = self._cluster.client.send(
                "POST", "/_search", _encode(sent), params={"filter_path": _ASKED}, idempotent=True
            )
        except RequestFailed as error:
            if not error.is_missing:
                raise
            raise StepFailed(
                f"the point in time at which {index.name} was read is gone",
                because=f"it expires {ALIVE} after a page, and when a node leaves: {error.because}",
                try_="run the same command again",
            ) from None
        return _decode(raw)

    def _query(self, index: ExistingIndex) -> dict[str, Any]:
        """Return the filter of the alias, where there is one, and those of the documents that are meant."""
        return self.query(*filter(None, [index.aliases.get(self.name, {}).get("filter")]))

    def query(self, *more: Any) -> dict[str, Any]:
        """Return the filters `more`, and those of the documents that are meant as far as the index finds them."""
        filters = [*more, *filter(None, self._filters)]
        return {"query": {"bool": {"filter": filters}}} if filters else {}

    def buckets(self, texts: Iterable[str], *, time: str = "", most: int = 0) -> Iterator[dict[str, Any]]:
        """Yield, for each of `texts` that documents have, how many, the ids of `most`, and the least `time`."""
        assert self.exact is not None
        field, left = self.exact.name, iter(texts)
        also: dict[str, Any] = {}
        if most:
            also["rows"] = {"top_hits": {"size": most, "_source": False}}
        if time:
            also["since"] = {"min": {"field": time}}
        while some := list(islice(left, _TERMS)):
            values = self.exact.values(some)
            if not values:
                continue
            terms = {"field": field, "include": values, "size": len(values)}
            body = {
                "size": 0,
                "query": {"bool": {"filter": [{"terms": {field: values}}, *filter(None, self._filters)]}},
                "aggs": {"ids": {"terms": terms, **({"aggs": also} if also else {})}},
            }
            answer = self._cluster.client.call(
                "POST",
                path_of(self.name, "_search"),
                body,
                params={"expand_wildcards": "all", "allow_partial_search_results": False},
                idempotent=True,
            )
            yield from answer["aggregations"]["ids"]["buckets"]


def _recent(where: Where) -> dict[str, Any]:
    """Return the filter of documents whose time is from `since` on, or that have none."""
    assert where.since is not None
    missing = {"bool": {"must_not": {"exists": {"field": where.time}}}}
    return {
        "bool": {
            "should": [
                {
                    "range": {
                        where.time: {"gte": int(where.since.timestamp() * 1000), "format": "epoch_millis"}
                    }
                },
                missing,
            ]
        }
    }


def _terms(field: ExactField | None, texts: Sequence[str]) -> dict[str, Any] | None:
    """Return the filter of documents that have one of `texts` in `field`; None where the index cannot tell them."""
    if field is None or not field.holds(texts):
        return None
    return {"terms": {field.name: field.values(texts)}}


def _summed(buckets: Iterator[dict[str, Any]], most: int) -> Mapping[str, Holders]:
    """Return what `buckets` say of each id: one that is spelled in several ways has several."""
    held: dict[str, Holders] = {}
    for each in buckets:
        id_ = same_id(str(each["key"]))
        rows = sorted(hit["_id"] for hit in each["rows"]["hits"]["hits"])
        at = each.get("since", {}).get("value")
        since = moment(at / 1000) if at is not None else None
        held[id_] = together(held.get(id_), Holders(each["doc_count"], tuple(rows), since), most)
    return held


def _block(documents: Sequence[Iterator[str]]) -> Ids:
    """Return the ids of documents; of one that has none, an empty list too, OpenSearch says that it has no field."""
    texts: list[str] = []
    empty = 0
    for each in documents:
        before = len(texts)
        texts += each
        empty += len(texts) == before
    return Ids(texts=texts, empty=empty)
