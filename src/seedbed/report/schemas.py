"""JSON Schemas (draft 2020-12) of everything that `documents.py` writes.

They name what has to be there and say nothing against more: a reader that ignores unknown fields outlives us.
"""

from __future__ import annotations

from typing import Any

from seedbed.errors import ExitCode
from seedbed.model import event as events
from seedbed.model.migration import Direction, Phase
from seedbed.model.outcome import Result
from seedbed.model.status import Standing
from seedbed.report.documents import VERSION

Schema = dict[str, Any]

OUTCOMES = ("apply", "revert", "seed", "reset", "repair", "baseline", "deploy", "destroy", "dump", "restore")
COMMANDS = ("plan", "deployment", "status", *OUTCOMES, "environments", "connections", "doctor", "error")

_STRING: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_BOOLEAN: Schema = {"type": "boolean"}


def schema(command: str) -> Schema:
    """Return the schema of the document that `command` writes (`error` for any that failed early).

    Raises ValueError for a command that writes none.
    """
    if command not in COMMANDS:
        raise ValueError(f"{command} writes no document; those that do are {', '.join(COMMANDS)}")
    known = {
        "plan": _plan,
        "deployment": _deployment,
        "status": _status,
        "environments": _environments,
        "connections": _connections,
        "doctor": _doctor,
        "error": _error,
    }
    head: Schema = {"schema": {"const": f"seedbed/{command}/{VERSION}"}, "seedbed": _STRING}
    body = known[command]() if command in known else _outcome()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"seedbed {command}",
        **_object(head | body),
    }


def _object(properties: Schema) -> Schema:
    """Return the schema of an object that has all of `properties`."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_of(values: Any) -> Schema:
    return {"enum": [each.value for each in values]}


def _or_null(known: Schema) -> Schema:
    return {"anyOf": [known, {"type": "null"}]}


def _plan() -> Schema:
    return {
        "environment": _STRING,
        "direction": _one_of(Direction),
        "gate": _one_of(Phase),
        "to": _or_null(_STRING),
        "out_of_order": _BOOLEAN,
        "databases": _list(_database_plan()),
        "stages": _list(_list(_STRING)),
    }


def _database_plan() -> Schema:
    backfill = _object({"table": _STRING, "key": _STRING, "batch": _INTEGER})
    step = _object({"summary": _STRING, "atomic": _BOOLEAN, "backfill": _or_null(backfill)})
    action = _object(
        {
            "version": _STRING,
            "name": _STRING,
            "checksum": _STRING,
            "phase": _one_of(Phase),
            "direction": _one_of(Direction),
            "waits_for": _list(_STRING),
            "resumes": _BOOLEAN,
            "steps": _list(step),
        }
    )
    held = _object({"version": _STRING, "name": _STRING, "phase": _one_of(Phase), "because": _STRING})
    unmet = _object({"version": _STRING, "needs": _STRING})
    hazard = _object(
        {
            "version": _STRING,
            "code": _STRING,
            "what": _STRING,
            "because": _STRING,
            "try": _STRING,
            "line": _INTEGER,
            "refused": _BOOLEAN,
        }
    )
    quantity = _object({"name": _STRING, "value": _NUMBER})
    estimate = _object({"version": _STRING, "quantities": _list(quantity), "lines": _list(_STRING)})
    return _object(
        {
            "database": _STRING,
            "basis": _list(_STRING),
            "actions": _list(action),
            "held": _list(held),
            "changes": _list(_change()),
            "kept": _list(_change()),
            "unmet": _list(unmet),
            "hazards": _list(hazard),
            "estimates": _list(estimate),
        }
    )


def _change() -> Schema:
    return _object(
        {
            "phase": _one_of(Phase),
            "what": _STRING,
            "wave": _INTEGER,
            "refused": _STRING,
            "try": _STRING,
        }
    )


def _deployment() -> Schema:
    update = _object({"changes": _list(_change()), "waits_for": _list(_STRING)})
    stack = _object(
        {
            "target": _STRING,
            "stack": _STRING,
            "updates": _list(update),
            "collisions": _list(_STRING),
            "notes": _list(_STRING),
        }
    )
    return {
        "environment": _STRING,
        "gate": _one_of(Phase),
        "bootstrap": _list(_STRING),
        "stacks": _list(stack),
    }


def _status() -> Schema:
    migration = _object(
        {
            "version": _STRING,
            "name": _STRING,
            "standing": _one_of(Standing),
            "phase": {"enum": ["", *(each.value for each in Phase)]},
            "applied_at": _or_null({"type": "string", "format": "date-time"}),
            "duration_ms": _INTEGER,
            "detail": _STRING,
        }
    )
    database = _object(
        {
            "database": _STRING,
            "address": _STRING,
            "server": _STRING,
            "identity": _STRING,
            "up_to_date": _BOOLEAN,
            "counts": _object({each.value: _INTEGER for each in Standing}),
            "migrations": _list(migration),
            "error": _STRING,
            "exit_code": _one_of(ExitCode),
            "deployment": _list(_STRING),
        }
    )
    return {"environment": _STRING, "up_to_date": _BOOLEAN, "databases": _list(database)}


def _outcome() -> Schema:
    failure = _object(_failure() | {"version": _STRING, "exit_code": _one_of(ExitCode)})
    target = _object(
        {
            "target": _STRING,
            "result": _one_of(Result),
            "finished": _list(_STRING),
            "rows_changed": _INTEGER,
            "touched": _BOOLEAN,
            "updates": _INTEGER,
            "held": _list(_STRING),
            "because": _STRING,
            "error": _or_null(failure),
        }
    )
    return {
        "exit_code": _one_of(ExitCode),
        "changed": _BOOLEAN,
        "targets": _list(target),
        "event_format": {"const": events.EVENT_FORMAT},
        "events": _list({"anyOf": [_event(each) for each in events.KINDS]}),
    }


_FIELDS: dict[str, Schema] = {
    "str": _STRING,
    "int": _INTEGER,
    "float": _NUMBER,
    "bool": _BOOLEAN,
    "tuple[str, ...]": _list(_STRING),
}


def _event(kind: type[events.Event]) -> Schema:
    properties = {
        name.rstrip("_"): _FIELDS[str(kind.__annotations__.get(name, events.Event.__annotations__.get(name)))]
        for name in kind.__struct_fields__
    }
    return _object({"event": {"const": kind.kind}} | properties)


def _failure() -> Schema:
    at = _object({"path": _STRING, "line": _INTEGER, "column": _INTEGER})
    return {"error": _STRING, "because": _STRING, "try": _STRING, "at": _or_null(at)}


def _error() -> Schema:
    return {"exit_code": _one_of(ExitCode), "kind": _STRING, **_failure()}


def _doctor() -> Schema:
    return {"findings": _list(_object({"what": _STRING, "finding": _STRING}))}


def _environments() -> Schema:
    environment = _object(
        {
            "pattern": _STRING,
            "ephemeral": _BOOLEAN,
            "protected": _BOOLEAN,
            "account": _STRING,
            "region": _STRING,
            "runs": _list(_STRING),
        }
    )
    return {"environments": _list(environment)}


def _connections() -> Schema:
    named: Schema = {"type": "object", "additionalProperties": _STRING}
    database = _object({"database": _STRING, "variables": named, "facts": named, "secrets": _list(_STRING)})
    return {"environment": _STRING, "databases": _list(database)}
