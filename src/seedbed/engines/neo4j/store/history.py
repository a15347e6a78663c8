"""seedbed's own nodes: what they look like, and how they are read and written.

All of them have the label `migrations_history` and nothing else, and a `key` under one uniqueness constraint:

====================  ==========================================================
key                   holds
====================  ==========================================================
identity              who this target is, and the format of all this
revision:VERSION      the state of a migration
lease                 who may write (see `lease_store`)
fence                 the token that every writing transaction has to show
schema                constraints and indexes as the last run left them (see `store.last_schema`)
audit:TIME:UUID       decisions of people, never changed
verified:TIME:UUID    what `verify` found (see `store.verified`)
====================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import json

from seedbed.engines.kit import stored
from seedbed.engines.neo4j.files.names import HISTORY_CONSTRAINT, HISTORY_LABEL
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.errors import reading
from seedbed.errors import ForeignTarget, Refused
from seedbed.model.history import FORMAT, History, Identity, Revision
from seedbed.support.phrases import listed

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget
    from seedbed.engines.neo4j.schema.catalogue import Read
    from seedbed.engines.neo4j.wire.client import RunQuery


Reverses = Mapping[int, str]

_REVISION = "revision:"
_NAMED = 5  # versions that a message names
_decode_texts = json.Decoder(dict[int, str])


def read(graph: GraphTarget) -> History:
    """Return what is stored, an empty history where nothing is.

    Raises Refused for a newer format, and for a history of which only a part, or a trace, is there; CypherError.
    """
    rows = graph.read(queries.text("history"), {})
    with reading(graph.address):
        nodes: dict[str, dict[str, Any]] = {
            str(row["stored"]["key"]): {**row["stored"], "applied_at": row["applied_at"]} for row in rows
        }
    identity, schema = nodes.pop("identity", None), nodes.pop("schema", {})
    bound = stored.identity(identity, graph.target) if identity else None
    _require_whole(graph, [key.removeprefix(_REVISION) for key in nodes], schema.get("applied") or ())
    if identity is None and not nodes:
        _require_new(graph)
    revisions = [_revision(graph, each) for each in nodes.values()]
    revisions.sort(key=lambda each: each.version.rjust(20, "0"))
    return History(bound, tuple(revisions))


def _require_whole(graph: GraphTarget, versions: Sequence[str], last: Sequence[str]) -> None:
    """Refuse a history that lacks what the last run left as applied, unless a revert or a repair took it out.

    `last`: a line for each revision then, "revision:VERSION STATE STEP".
    """
    try:
        recorded = [line.split() for line in last]
        applied = [words[0].removeprefix(_REVISION) for words in recorded if words[1] == "applied"]
    except (AttributeError, IndexError, TypeError) as error:
        raise stored.altered(graph.target, "what the last run left", error) from None
    missing = sorted(set(applied) - set(versions))
    if missing:
        rows = graph.read(queries.text("removed"), {"versions": missing})
        with reading(graph.address):
            removed = {str(row["version"]) for row in rows}
        missing = [each for each in missing if each not in removed]
    if missing:
        raise _lost(
            graph,
            f"{listed(missing, _NAMED)} {'was' if len(missing) == 1 else 'were'} applied when the last run ended,"
            " and no revert or repair removed it",
            f"to go on with what is there, MATCH (s:{HISTORY_LABEL} {{key: 'schema'}}) DELETE s",
        )


def _require_new(graph: GraphTarget) -> None:
    """Refuse a database without a history that had one: its constraint is there, its nodes are not, and others are."""
    rows = graph.read(queries.text("names"), {})
    with reading(graph.address):
        names = set(rows[0]["names"])
    if HISTORY_CONSTRAINT not in names:
        return
    rows = graph.read(queries.text("traces"), {})
    with reading(graph.address):
        own, nodes = rows[0]["own"], rows[0]["nodes"]
    # Between the constraint and the first nodes, a run may have been killed: in a database that is empty, no harm done.
    if not own and (nodes or names - {HISTORY_CONSTRAINT}):
        raise _lost(
            graph,
            f"the constraint {HISTORY_CONSTRAINT} is there, and none of the nodes that it is for",
            f"where nothing was ever applied, DROP CONSTRAINT {HISTORY_CONSTRAINT}",
        )


def _lost(graph: GraphTarget, because: str, otherwise: str) -> Refused:
    return Refused(
        f"the history of {graph.target} is not whole: something deleted nodes of {HISTORY_LABEL}",
        because=because,
        try_=f"restore the database from a backup; {otherwise}",
    )


def bind(run: RunQuery, graph: GraphTarget, identity: Identity) -> None:
    """Write the identity of the target, unless it has one. Raises ForeignTarget."""
    found = _identity(run(queries.text("bind"), {"identity": _bound(identity)}).rows[0])
    if found != identity:
        raise ForeignTarget(
            f"{graph.target} is bound to {found}",
            because=f"this run is for {identity}",
            try_="check where its address points",
        )


def rebind(run: RunQuery, identity: Identity) -> None:
    """Write the identity of the target, whatever said so before."""
    run(queries.text("rebind"), {"identity": _bound(identity)})


def write(run: RunQuery, revision: Revision, reverses: Reverses | None = None) -> None:
    """Make the stored revision equal to `revision`, and what is stored for its revert to `reverses`, if given."""
    values: dict[str, Any] = {
        "version": revision.version,
        "name": revision.name,
        "checksum": revision.checksum,
        "phase": revision.phase.value,
        "state": revision.state.value,
        "direction": revision.direction.value,
        "step": revision.step,
        "in_step": revision.in_step,
        "checkpoint": revision.checkpoint,
        "overtakes": list(revision.overtakes),
        "owner": revision.owner,
        "duration_ms": revision.duration_ms,
        "snapshot": revision.snapshot or None,
        "ran": revision.ran or None,
    }
    if reverses is not None:
        values["reverses"] = json.encode(reverses).decode() if reverses else None
    at = round(revision.applied_at.timestamp() * 1000) if revision.applied_at else None
    run(queries.text("write"), {"values": values, "applied_at": at})


def reverses(read_rows: Read, version: str) -> Reverses:
    """Return, by the index of a step up, the statement that undoes it; nothing where there is no such revision."""
    rows = read_rows(queries.text("reverses"), {"version": version})
    return _decode_texts.decode(rows[0]["reverses"] or "{}") if rows else {}


def forget(run: RunQuery, version: str) -> None:
    run(queries.text("forget"), {"version": version})


def audit(run: RunQuery, actor: str, action: str, version: str, because: str) -> None:
    """Write a line of the audit."""
    run(queries.text("audit"), {"actor": actor, "action": action, "version": version, "because": because})


def _bound(identity: Identity) -> Mapping[str, Any]:
    return {
        "format": FORMAT,
        "platform": identity.platform,
        "database": identity.database,
        "environment": identity.environment,
    }


def _identity(node: Mapping[str, Any]) -> Identity:
    return Identity(node["platform"], node["database"], node["environment"])


def _revision(graph: GraphTarget, node: Mapping[str, Any]) -> Revision:
    at = node["applied_at"]
    try:
        moment = datetime.fromtimestamp(at / 1000, UTC) if at is not None else None
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise stored.altered(graph.target, str(node.get("version")), error) from None
    return stored.revision({**node, "applied_at": moment}, graph.target)
