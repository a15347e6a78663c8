"""The hazards of OpenSearch: OS1xx is what a request shows, OS3xx what indexes.toml, other files and the cluster show.

A code is never given to anything else.
"""

from __future__ import annotations

from seedbed.model.hazard import HazardRule

FULL = 0.85  # of a disk, after which OpenSearch allocates no new shard to it

REMOVES_INDEX = HazardRule(
    "OS101",
    "removes an index",
    why="its documents are gone, and no revert restores them",
    instead="take a snapshot first, and remove it in the contract phase",
    refused=True,
)
DELETES_DOCUMENTS = HazardRule(
    "OS102",
    "deletes documents by a query (`_delete_by_query`)",
    why="no revert restores them",
    instead="take a snapshot first, and delete them in the contract phase",
    refused=True,
)
CLOSES_INDEX = HazardRule(
    "OS103",
    "closes an index",
    why="reads and writes fail until it is open again",
    instead="declare the index in indexes.toml: what needs a closed index goes into its next version",
    refused=True,
)
STOPS_AT_CONFLICTS = HazardRule(
    "OS104",
    "walks over an index (`_update_by_query`, `_delete_by_query`, a `_reindex` that compares versions or creates "
    'documents) without `"conflicts": "proceed"`',
    why="it stops, half done, at the first document that another writer changes, or writes, meanwhile",
    instead='"conflicts": "proceed", and a migration that may run again',
)
CHANGES_BY_PATTERN = HazardRule(
    "OS105",
    "changes indexes by a pattern (`logs-*`)",
    why="which ones it changes depends on the environment, and others' indexes may be among them",
    instead="use one request for each index, or for their alias",
    refused=True,
)
BLOCKS_INDEX = HazardRule(
    "OS106",
    "blocks an index (`_block`, `blocks.write`)",
    why="writes, or reads, of applications fail until the block is removed",
    instead="declare the index in indexes.toml: seedbed blocks writes for the last seconds of a copy only",
    refused=True,
)
TEMPLATE_FOR_ANY = HazardRule(
    "OS107",
    "has a template whose pattern begins with `*`",
    why="it changes every new index that it matches, others' indexes too",
    instead="begin the pattern with the names of your indexes: `logs-*`",
    refused=True,
)
DOWN_LEAVES = HazardRule(
    "OS108",
    "has a down section that leaves an index which its up section creates",
    why="after a revert, the next apply fails, because the index exists",
    instead="remove it in the down section",
)

FILLS_NEW_INDEX = HazardRule(
    "OS301",
    "fills a new index with all documents",
    why="it takes as long as indexing everything once and needs room for both, and writers wait for some seconds at the"
    " end",
    instead="change what can be changed in place, or run it when there is little traffic",
)
REMOVES_FIELD = HazardRule(
    "OS302",
    "removes a field from every document",
    why="a revert creates the field again, empty",
    instead="keep the field until nothing reads it",
    refused=True,
)
OLD_DOCUMENTS_LACK = HazardRule(
    "OS303",
    "makes a change in place that existing documents do not get",
    why="they are found as if nothing had changed, until they are indexed again",
    instead="add `rebuild` to its directives, for a new index that is filled with all documents; once it is applied, a"
    " migration of its own says so: # seedbed: index=NAME rebuild",
)
REVERT_NEEDS_NEW_INDEX = HazardRule(
    "OS305",
    "changes an index in place, where a revert needs a new index",
    why="a revert takes as long as indexing everything once",
    instead="plan for that time before you apply it",
)
COPIES = HazardRule(
    "OS310",
    "copies all documents of an index",
    why="as much again is written",
    instead="run it when there is little traffic",
)
NO_ROOM = HazardRule(
    "OS311",
    "copies an index for which there is no room",
    why=f"OpenSearch allocates no shard to a disk that is {FULL:.0%} full",
    instead="make room first",
    refused=True,
)
SANDBOX_LACKS = HazardRule(
    "OS312",
    "creates vectors that the sandbox cannot have",
    why="its OpenSearch has no native libraries: the request would end the server, which could never start again",
    instead='method = {name = "hnsw", engine = "lucene"}, or try it in an environment with a domain of its own',
    refused=True,
)
NAMES_OTHERS = HazardRule(
    "OS313",
    "names an index that another service declares, or its migrations create, and that is none of this service's",
    why="the other service changes and removes it without a look at this migration",
    instead="ask the service that owns the data, or keep a copy that its events bring up to date",
    refused=True,
)
REACHES_BEYOND = HazardRule(
    "OS314",
    "reaches beyond what its environment has on a domain that it shares",
    why="other environments' indexes lie on the same domain, and what a request names cannot be kept apart from them",
    instead='say it with plain names, or give the environment a domain of its own: own = ["opensearch"]',
    in_base=True,
    final=True,  # what leaves is judged once more, by what translates it
)

RULES = (
    REMOVES_INDEX,
    DELETES_DOCUMENTS,
    CLOSES_INDEX,
    STOPS_AT_CONFLICTS,
    CHANGES_BY_PATTERN,
    BLOCKS_INDEX,
    TEMPLATE_FOR_ANY,
    DOWN_LEAVES,
    FILLS_NEW_INDEX,
    REMOVES_FIELD,
    OLD_DOCUMENTS_LACK,
    REVERT_NEEDS_NEW_INDEX,
    COPIES,
    NO_ROOM,
    SANDBOX_LACKS,
    NAMES_OTHERS,
    REACHES_BEYOND,
)
