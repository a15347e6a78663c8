"""What `--json` writes: documents with a version, `{"schema": "seedbed/<command>/1", "seedbed": "<version>", ...}`.

A field may be added at any time; the number in `schema` is raised when one changes its meaning or goes away.
`schemas.py` describes every document, docs/reference/json.md shows one of each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from seedbed import __version__
from seedbed.errors import Location, SeedbedError
from seedbed.model.deployment import Change, Estimate
from seedbed.model.environment import EnvironmentPattern, Settings
from seedbed.model.event import (
    EVENT_FORMAT,
    CopyProgressed,
    DeployProgressed,
    Event,
    LeaseAwaited,
    SeedProgressed,
    TargetFailed,
    WorkProgressed,
    to_dict,
)
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Step
from seedbed.model.outcome import Outcome, TargetOutcome
from seedbed.model.plan import Action, DatabasePlan, Held, Plan
from seedbed.model.status import DatabaseStatus, MigrationStatus, Standing, Status
from seedbed.report.places import place

Document = dict[str, Any]
VERSION = 1


def plan_document(plan: Plan) -> Document:
    """Return the plan; also the format of a plan file, so it holds what `apply PLAN` needs, and no body of a step."""
    return {
        **head("plan"),
        "environment": plan.environment,
        "direction": plan.direction.value,
        "gate": plan.gate.value,
        "to": plan.to,
        "out_of_order": plan.out_of_order,
        "databases": [_database_plan(each) for each in plan.databases],
        "stages": [[str(ref) for ref in stage] for stage in plan.stages],
    }


def status_document(status: Status) -> Document:
    return {
        **head("status"),
        "environment": status.environment,
        "up_to_date": all(each.is_up_to_date for each in status.databases),
        "databases": [_database_status(each) for each in status.databases],
    }


def outcome_document(outcome: Outcome, events: Iterable[Event], command: str) -> Document:
    """Return what a command did. Of events that only say how far something is, the last of each row is kept."""
    return {
        **head(command),
        "exit_code": int(outcome.exit_code),
        "changed": outcome.changed,
        "targets": [_target(each) for each in outcome.targets],
        "event_format": EVENT_FORMAT,
        "events": [to_dict(each) for each in without_ticks(events)],
    }


def error_document(error: SeedbedError) -> Document:
    """Return an error that ended a command before there was an outcome."""
    return {
        **head("error"),
        "exit_code": int(error.exit_code),
        "kind": type(error).__name__,
        "error": error.what,
        "because": error.because,
        "try": error.try_,
        "at": _at(error.at),
    }


def doctor_document(pairs: Iterable[tuple[str, str]]) -> Document:
    return {
        **head("doctor"),
        "findings": [{"what": what, "finding": finding} for what, finding in pairs],
    }


def environments_document(kept: Sequence[str], declared: Iterable[EnvironmentPattern]) -> Document:
    """Return what `env list` shows: the sandbox, of which the databases `kept` run, and what is declared."""
    sandbox = EnvironmentPattern("sandbox", ephemeral=True)
    return {
        **head("environments"),
        "environments": [
            {
                "pattern": each.pattern,
                "ephemeral": each.ephemeral,
                "protected": each.protected,
                "account": each.account,
                "region": each.region,
                "runs": list(kept) if each is sandbox else [],
            }
            for each in (sandbox, *declared)
        ],
    }


def connections_document(environment: str, found: Mapping[str, Settings]) -> Document:
    """Return how applications connect to the databases of `environment`, by their ids."""
    return {
        **head("connections"),
        "environment": environment,
        "databases": [
            {
                "database": name,
                "variables": dict(each.variables),
                "facts": dict(each.facts),
                "secrets": list(each.secrets),
            }
            for name, each in found.items()
        ],
    }


def text(document: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    """Return `document` as JSON in UTF-8, with a line break at its end.

    ASCII where the stream has another encoding (ASCII is UTF-8, too), and for what UTF-8 cannot hold: a file's
    name that is no text.
    """
    plain = json.dumps(document, ensure_ascii=ascii_only, indent=2) + "\n"
    try:
        plain.encode()
    except UnicodeEncodeError:
        return json.dumps(document, ensure_ascii=True, indent=2) + "\n"
    return plain


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Return plain data with every text in it redacted; keys are ours and stay."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redacted(each, redact) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [redacted(each, redact) for each in value]
    return value


def without_ticks(events: Iterable[Event]) -> list[Event]:
    """Return `events`, of each run of progress in one work, part or copy, or of waiting for one lease, only the last.

    A backfill tells of every batch, and a table may have a million of them.
    """
    kept: dict[tuple[object, ...], Event] = {}
    turn: dict[str, int] = {}  # by target: counts what is no tick, and so tells runs of ticks apart
    for number, event in enumerate(events):
        if isinstance(event, WorkProgressed):
            key: tuple[object, ...] = (event.target, turn.get(event.target, 0), event.version, event.unit)
        elif isinstance(event, DeployProgressed):
            key = (event.target, turn.get(event.target, 0), event.wave, event.unit)
        elif isinstance(event, SeedProgressed):
            key = (event.target, turn.get(event.target, 0), event.dataset, event.part)
        elif isinstance(event, CopyProgressed):
            key = (event.target, turn.get(event.target, 0), event.verb, event.unit)
        elif isinstance(event, LeaseAwaited):
            key = (event.target, turn.get(event.target, 0), "lease")
        else:
            key = (number,)
            turn[event.target] = number + 1
        kept.pop(key, None)  # the last one stands where it happened
        kept[key] = event
    return list(kept.values())


def head(command: str) -> Document:
    """Return what every document begins with."""
    return {"schema": f"seedbed/{command}/{VERSION}", "seedbed": __version__}


def _database_plan(plan: DatabasePlan) -> Document:
    return {
        "database": plan.database,
        "basis": list(plan.basis),
        "actions": [_action(each) for each in plan.actions],
        "held": [_held(each) for each in plan.held],
        "changes": [change_document(each) for each in plan.changes],
        "kept": [change_document(each) for each in plan.kept],
        "unmet": [{"version": version, "needs": what} for version, what in sorted(plan.unmet.items())],
        "hazards": [
            _hazard(version, each) for version, those in sorted(plan.hazards.items()) for each in those
        ],
        "estimates": [_estimate(each) for each in plan.estimates],
    }


def change_document(change: Change) -> Document:
    """Return one change of a database's infrastructure."""
    return {
        "phase": change.phase.value,
        "what": change.what,
        "wave": change.wave,
        "refused": change.refused,
        "try": change.try_,
    }


def _hazard(version: str, hazard: Hazard) -> Document:
    return {
        "version": version,
        "code": hazard.code,
        "what": hazard.what,
        "because": hazard.because,
        "try": hazard.try_,
        "line": hazard.line,
        "refused": hazard.refused,
    }


def _estimate(estimate: Estimate) -> Document:
    return {
        "version": estimate.version,
        "quantities": [{"name": name, "value": value} for name, value in estimate.quantities.items()],
        "lines": list(estimate.lines),
    }


def _action(action: Action) -> Document:
    migration = action.migration
    return {
        "version": migration.version,
        "name": migration.name,
        "checksum": migration.checksum,
        "phase": migration.phase.value,
        "direction": action.direction.value,
        "waits_for": [str(ref) for ref in action.waits_for],
        "resumes": action.resumes,
        "steps": [_step(each) for each in migration.steps(action.direction)],
    }


def _step(step: Step) -> Document:
    backfill = step.backfill
    return {
        "summary": step.summary,
        "atomic": step.atomic,
        "backfill": {"table": backfill.table, "key": backfill.key, "batch": backfill.batch}
        if backfill
        else None,
    }


def _held(held: Held) -> Document:
    return {
        "version": held.ref.version,
        "name": held.name,
        "phase": held.phase.value,
        "because": held.because,
    }


def _database_status(status: DatabaseStatus) -> Document:
    return {
        "database": status.database,
        "address": status.address,
        "server": status.server,
        "identity": status.identity,
        "up_to_date": status.is_up_to_date,
        "counts": {each.value: status.count(each) for each in Standing},
        "migrations": [_migration_status(each) for each in status.migrations],
        "error": status.error,
        "exit_code": status.exit_code,
        "deployment": list(status.deployment),
    }


def _migration_status(status: MigrationStatus) -> Document:
    return {
        "version": status.version,
        "name": status.name,
        "standing": status.standing.value,
        "phase": status.phase,
        "applied_at": status.applied_at.isoformat() if status.applied_at else None,
        "duration_ms": status.duration_ms,
        "detail": status.detail,
    }


def _target(outcome: TargetOutcome) -> Document:
    return {
        "target": outcome.target,
        "result": outcome.result.value,
        "finished": list(outcome.finished),
        "rows_changed": outcome.rows_changed,
        "touched": outcome.touched,
        "updates": outcome.updates,
        "held": list(outcome.held),
        "because": outcome.because,
        "error": _failure(outcome.error) if outcome.error else None,
    }


def _failure(failed: TargetFailed) -> Document:
    return {
        "error": failed.error,
        "because": failed.because,
        "try": failed.try_,
        "at": _at(place(failed.at)),
        "version": failed.version,
        "exit_code": failed.exit_code,
    }


def _at(at: Location | None) -> Document | None:
    return {"path": at.path, "line": at.line, "column": at.column} if at else None
