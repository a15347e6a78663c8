"""The hazards of Neo4j: NEO1xx is what the file alone shows, NEO2xx what the server shows.

A code is never given to anything else.
"""

from __future__ import annotations

from seedbed.model.hazard import HazardRule

LOOKED_THROUGH = 200_000  # nodes or relationships among which duplicates are looked for
ROWS, EAGER_ROWS, STATEMENTS = 100_000, 10_000, 500  # from which on a plan, or a file, is too large

NEEDS_ENTERPRISE = HazardRule(
    "NEO101",
    "needs Neo4j Enterprise",
    why="a server of the Community edition refuses the whole run before it begins",
    instead="use a uniqueness constraint, which every edition has",
)
NOT_REPEATABLE = HazardRule(
    "NEO102",
    "uses `CALL { … } IN TRANSACTIONS` without `repeatable`",
    why="after a crash it is unknown how far it came, and what it had committed is done again",
    instead='select only what is left and declare `repeatable because "…"`, or use backfill=Label.key',
    refused=True,
)
IGNORES_ERRORS = HazardRule(
    "NEO103",
    "uses `ON ERROR CONTINUE` or `ON ERROR BREAK`",
    why="batches that failed are not an error, so the history says applied, whatever is missing",
    instead="leave it out, because by default (ON ERROR FAIL) a batch that fails ends the statement",
    refused=True,
)
OWN_TRANSACTIONS = HazardRule(
    "NEO104",
    "calls a procedure that opens transactions of its own: `apoc.periodic.…`, `apoc.cypher.…`, `apoc.schema.…`",
    why="its changes stay when the step fails, and are made again when the step runs again",
    instead="use a backfill, or CALL { … } IN TRANSACTIONS that is repeatable",
    refused=True,
)
DROPS_EARLY = HazardRule(
    "NEO105",
    "drops a constraint or an index before the phase `contract`",
    why="running code may rely on it: its look-ups become scans, and its MERGE creates duplicates",
    instead="drop it in a migration with phase=contract",
    refused=True,
)
REMOVES_EARLY = HazardRule(
    "NEO106",
    "uses `DELETE` or `REMOVE` in the phase `expand`",
    why="running code still reads the data, and no revert restores what no down section writes",
    instead="remove it in a migration with phase=contract, after the code that used it",
    refused=True,
)
LOADS_CSV = HazardRule(
    "NEO107",
    "uses `LOAD CSV`",
    why="the file is outside of the migration: each environment gets what it contains at that time",
    instead="make it a seed",
)
DOWN_LEAVES = HazardRule(
    "NEO108",
    "has a down section that leaves a constraint or an index which its up section creates",
    why="after a revert, the next apply fails, because it exists already",
    instead="drop it in the down section, or leave that out: the undo of schema statements is derived",
)

REJECTED = HazardRule(
    "NEO200",
    "has a statement that the server rejects",
    why="it does not compile there",
    instead="correct the statement, or upgrade the server",
    refused=True,
    fails=True,
)
SCANS_EVERYTHING = HazardRule(
    "NEO201",
    "goes over every node or relationship of the database",
    why="no label or type says which ones are meant, so it slows down with everything that is added; a change meets"
    " seedbed's own nodes, too, and what a `MERGE` without a label creates, no constraint and no index covers",
    instead="give the pattern a label or a type",
    refused_if="it changes or creates nodes",
)
CARTESIAN_PRODUCT = HazardRule(
    "NEO202",
    "has a cartesian product, neither side of which is looked up by something unique",
    why="two patterns have nothing in common, and each row of one is paired with each row of the other",
    instead="connect the patterns, or look one of them up by a property with a uniqueness constraint",
)
LARGE_TRANSACTION = HazardRule(
    "NEO203",
    f"changes more than {ROWS:,} rows in one transaction".replace(",", " "),
    why="all of them are locked and held in memory until it commits; out of memory, everything is rolled back",
    instead="use a backfill (// seedbed: backfill=Label.key), which commits batches with their checkpoint",
)
SCANS_FOR_EACH_ROW = HazardRule(
    "NEO204",
    "scans all nodes of a label for each row",
    why="no index leads to the node that is meant, so rows times nodes are read; and two MERGE at the same time create"
    " two nodes",
    instead="create a uniqueness constraint or an index on the property, in a statement before it",
)
EAGER = HazardRule(
    "NEO205",
    f"reads more than {EAGER_ROWS:,} rows before it changes the first (`Eager`)".replace(",", " "),
    why="what it changes might be what it still reads, so all rows are held in memory",
    instead="read and change different things, or split it into two statements",
)
DEPRECATED = HazardRule(
    "NEO206",
    "uses what the server calls deprecated",
    why="a later version of the server will reject it, and this file will run there, too",
    instead="write it the new way",
)
BACKFILL_WITHOUT_INDEX = HazardRule(
    "NEO207",
    "has a backfill along a key without an index",
    why="each batch would sort all that is left, so the run refuses it before it begins",
    instead="create a range index or a uniqueness constraint on the key, in an earlier migration",
    refused=True,
    fails=True,
)
NAME_TAKEN = HazardRule(
    "NEO208",
    "uses `IF NOT EXISTS` with a name that belongs to something else",
    why="IF NOT EXISTS looks for the name only, so nothing is created and no error is raised",
    instead="choose another name, or drop what has it first",
    refused=True,
)
EXISTS_ALREADY = HazardRule(
    "NEO209",
    "creates what exists already",
    why="the statement fails, unless it is the one that created it and this run resumes after a crash",
    instead="drop it first, or use IF NOT EXISTS where it is the same",
)
SERVER_IS_COMMUNITY = HazardRule(
    "NEO210",
    "needs Neo4j Enterprise, and this server is Community",
    why="only Enterprise has it; the run is refused before it begins",
    instead="use a uniqueness constraint, or an Enterprise server",
    refused=True,
    fails=True,
)
DUPLICATES = HazardRule(
    "NEO211",
    "creates a uniqueness constraint where values are duplicated"
    f" (looked for among at most {LOOKED_THROUGH:,} nodes or relationships)".replace(",", " "),
    why="the statement fails, unless an earlier migration removes the duplicates",
    instead="remove the duplicates in an earlier migration",
    fails=True,
)
SCHEMA_DRIFT = HazardRule(
    "NEO212",
    "comes after constraints or indexes were created or dropped outside of seedbed",
    why="the schema is no longer what the last run left",
    instead="restore it, or write a migration that makes the same of every environment",
)
TOO_MANY_STATEMENTS = HazardRule(
    "NEO213",
    f"has more than {STATEMENTS} statements",
    why="seedbed asks the server about each statement, and only about the first of so many",
    instead="make it a seed, or one statement with UNWIND",
)
CREATES_NOTHING = HazardRule(
    "NEO214",
    "uses `IF NOT EXISTS` where the same exists under another name",
    why="nothing is created: what comes later and uses the name does not find it",
    instead="use the name that exists, or drop what has it first",
)

RULES = (
    NEEDS_ENTERPRISE,
    NOT_REPEATABLE,
    IGNORES_ERRORS,
    OWN_TRANSACTIONS,
    DROPS_EARLY,
    REMOVES_EARLY,
    LOADS_CSV,
    DOWN_LEAVES,
    REJECTED,
    SCANS_EVERYTHING,
    CARTESIAN_PRODUCT,
    LARGE_TRANSACTION,
    SCANS_FOR_EACH_ROW,
    EAGER,
    DEPRECATED,
    BACKFILL_WITHOUT_INDEX,
    NAME_TAKEN,
    EXISTS_ALREADY,
    SERVER_IS_COMMUNITY,
    DUPLICATES,
    SCHEMA_DRIFT,
    TOO_MANY_STATEMENTS,
    CREATES_NOTHING,
)
