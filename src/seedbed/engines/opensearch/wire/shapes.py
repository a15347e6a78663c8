"""What OpenSearch answers, as far as seedbed reads it: what has another shape came from somebody else, a proxy perhaps.

A shape is checked, and the answer read as it came. What is left out here is not looked at.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

Object = dict[str, Any]
Objects = dict[str, dict[str, Any]]  # by their names


class Shards(Struct):
    failed: int
    total: int
    successful: int
    failures: list[Object] = []


class _Hit(Struct):
    source: Object = field(name="_source")
    id: str = field(name="_id", default="")
    sort: list[Any] = []


class _Hits(Struct):
    hits: list[_Hit]


class Search(Struct):
    shards: Shards = field(name="_shards")
    timed_out: bool
    hits: _Hits


class _TaskSource(Struct):
    headers: Object | None = None


class _TaskResult(Struct):
    task: _TaskSource


class _TaskHit(Struct):
    source: _TaskResult = field(name="_source")
    id: str = field(name="_id")


class _TaskHits(Struct):
    hits: list[_TaskHit]


class TaskSearch(Struct):
    hits: _TaskHits


class StoredState(Struct):
    source: Object = field(name="_source")
    seq_no: int = field(name="_seq_no")
    primary_term: int = field(name="_primary_term")


class Written(Struct):
    seq_no: int = field(name="_seq_no")
    primary_term: int = field(name="_primary_term")


class _ItemError(Struct):
    type: str
    reason: str | None = None


class _Item(Struct):
    status: int
    id: str = field(name="_id", default="")
    error: _ItemError | None = None


class Bulk(Struct):
    items: list[Annotated[dict[str, _Item], Meta(min_length=1, max_length=1)]]


class _Document(Struct):
    id: str = field(name="_id")
    found: bool = False
    source: Object = field(name="_source", default_factory=dict)
    seq_no: int = field(name="_seq_no", default=-1)
    primary_term: int = field(name="_primary_term", default=0)
    error: Object | None = None


class Documents(Struct):
    docs: list[_Document]


class Count(Struct):
    count: int


class _Index(Struct):
    aliases: Objects | None = None
    settings: Object | None = None
    mappings: Object | None = None


Indexes = dict[str, _Index]


class _Aliases(Struct):
    aliases: Objects


Aliases = dict[str, _Aliases]


class Refreshed(Struct):
    shards: Shards = field(name="_shards")


class Acknowledged(Struct):
    acknowledged: bool = False
    shards_acknowledged: bool = False


class PointInTime(Struct):
    pit_id: str


class StartedTask(Struct):
    task: str


class _TaskCounts(Struct):
    total: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    noops: int = 0
    version_conflicts: int = 0


class _TaskStatus(Struct):
    status: _TaskCounts | None = None


class Task(Struct):
    completed: bool
    task: _TaskStatus
    response: Object | None = None


class _RunningTask(Struct):
    headers: Object = {}


class Tasks(Struct):
    tasks: dict[str, _RunningTask] | None = None


class _Routing(Struct):
    primary: bool


class _SeqNos(Struct):
    max_seq_no: int
    global_checkpoint: int


class _Copy(Struct):
    routing: _Routing
    seq_no: _SeqNos | None = None


class _ShardsOfIndex(Struct):
    shards: dict[str, list[_Copy]]


class Statistics(Struct):
    indices: dict[str, _ShardsOfIndex]
    shards: Shards = field(name="_shards")


class _UsedCopy(Struct):
    search: Object = {}
    get: Object = {}
    indexing: Object = {}


class _UsedIndex(Struct):
    shards: dict[str, list[_UsedCopy]]


class UsedShards(Struct):
    indices: dict[str, _UsedIndex]
    shards: Shards = field(name="_shards")


class _Recovery(Struct):
    id: int
    start_time_in_millis: int
    target: Object = {}


class _Recovered(Struct):
    shards: list[_Recovery]


Recoveries = dict[str, _Recovered]


class _Stored(Struct):
    size_in_bytes: int = 0


class _Total(Struct):
    store: _Stored | None = None


class _All(Struct):
    total: _Total


class StoredSize(Struct):
    all: _All = field(name="_all")


class Health(Struct):
    status: str


class _Space(Struct):
    total_in_bytes: int
    available_in_bytes: int


class _Disks(Struct):
    total: _Space


class _Node(Struct):
    roles: list[str] = []
    fs: _Disks | None = None


class Nodes(Struct):
    nodes: dict[str, _Node]


class _Bucket(Struct):
    key: str
    doc_count: int


class _Buckets(Struct, frozen=True):
    buckets: list[_Bucket] = []


class _Each(Struct, frozen=True):
    each: _Buckets = _Buckets()


class PerIndex(Struct):
    aggregations: _Each = _Each()


class _Range(Struct):
    start: float = field(name="from")
    to: float
    doc_count: int


class _Ranges(Struct):
    buckets: list[_Range]


class _Left(Struct):
    left: _Ranges


class LeftInRanges(Struct):
    shards: Shards = field(name="_shards")
    aggregations: _Left


class _Named(Struct):
    name: str


class Streams(Struct):
    data_streams: list[_Named] = []


class _Metadata(Struct, frozen=True):
    stored_scripts: Objects = {}


class Scripts(Struct):
    metadata: _Metadata = _Metadata()


class _Template(Struct):
    name: str
    index_template: Object = {}
    component_template: Object = {}


class Templates(Struct):
    index_templates: list[_Template] = []
    component_templates: list[_Template] = []
