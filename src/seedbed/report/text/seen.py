"""How old a page is that was made without asking the databases."""

from __future__ import annotations

from collections.abc import Iterable

from seedbed.documents.seen import SeenEntry
from seedbed.errors import Hint, call, hint_text
from seedbed.report.styles import Line, Lines, Style, line
from seedbed.support.phrases import ago, listed


def seen_text(seen: Iterable[tuple[str, SeenEntry | None]], command: str, environment: str) -> Lines:
    """Return how old what is told of databases is, by their ids, the oldest first; nothing where all were asked."""
    runs: dict[tuple[str, float], list[str]] = {}
    changed: dict[float, list[str]] = {}
    for database, each in seen:
        if each:
            runs.setdefault((each.run, each.age_seconds), []).append(database)
        if each and each.changed_at:
            changed.setdefault(each.changed_seconds, []).append(database)
    if not runs:
        return []
    ordered = sorted(runs.items(), key=lambda each: -each[0][1])
    lines: list[Line] = []
    for (run, age), databases in ordered:
        who = f"run {run}" if run else "a deployment"
        whose = f": {listed(databases)}" if len(ordered) > 1 else ""
        when = ago(age) if age >= 0 else "a time that is still to come: some clock is wrong"
        lines.append(line((f"as of {when}, {who}{whose}", Style.WARN)))
    for age, databases in sorted(changed.items(), reverse=True):
        what = f"changed since by a deployment, {ago(age)}: {listed(databases)}"
        lines.append(line((what, Style.WARN)))
    return [
        *lines,
        line((f"to ask the databases: {hint_text(_FRESH[command], environment, '')}", Style.DIM)),
        line(),
    ]


_FRESH = {
    "plan": Hint(call("plan", "--fresh", about_all=True)),
    "status": Hint(call("status", "--fresh", about_all=True)),
}
