"""The hazards of OpenSearch: OS1xx is what a request shows, OS3xx what indexes.toml and the cluster show.

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
    'walks over an index (`_update_by_query`, `_reindex`) without `"conflicts": "proceed"`',
    why="it stops, half done, at the first document that another writer changes meanwhile",
    instead='"conflicts": "proceed", and a migration that may run again',
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
    instead="# seedbed: rebuild, for a new index that is filled with all documents",
)
UNDECLARED = HazardRule(
    "OS304",
    "names a version that indexes.toml does not declare",
    why="the migration cannot run",
    instead="declare the version in indexes.toml",
    refused=True,
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

RULES = (
    REMOVES_INDEX,
    DELETES_DOCUMENTS,
    CLOSES_INDEX,
    STOPS_AT_CONFLICTS,
    FILLS_NEW_INDEX,
    REMOVES_FIELD,
    OLD_DOCUMENTS_LACK,
    UNDECLARED,
    REVERT_NEEDS_NEW_INDEX,
    COPIES,
    NO_ROOM,
)
