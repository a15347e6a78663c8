"""What cannot be reverted, and what the plan says of it: of a file with sections, and of a program."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.documents.plan import PlanDocument
from seedbed.errors import Irreversible
from seedbed.model.history import History, Revision
from seedbed.model.migration import Direction, Migration, MigrationFile, Phase, Source, Step
from seedbed.model.plan import Action, DatabasePlan, Plan
from seedbed.planning.plans import DatabaseState, Policy, plan_down
from seedbed.report.text.plan import plan_text

PROGRAM, SECTIONS = ".py", ".sql"


def migration(suffix: str, **more: Any) -> Migration:
    return Migration("1", "m", f"migrations/1_m{suffix}", "c", Phase.EXPAND, (Step(0, "x", 1),), **more)


@pytest.mark.parametrize(
    ("found", "because", "shown"),
    [
        (migration(SECTIONS), "its file has no down section", "its down section is missing or empty"),
        (
            migration(SECTIONS, down_line=3),
            "its down section on line 3 is empty",
            "its down section is missing or empty",
        ),
        (migration(PROGRAM), "its file has no function `down`", "it has no function `down`"),
    ],
)
def test_what_is_missing_to_revert_is_called_by_its_name(found: Migration, because: str, shown: str) -> None:
    plan = Plan("dev-ana", Direction.UP, (DatabasePlan("a/b", (Action("a/b", found),)),))
    document = PlanDocument.of(plan, "plan")
    text = "\n".join(str(each) for each in plan_text(document))
    assert f"irreversible: {shown}" in text

    suffix = PROGRAM if found.path.endswith(PROGRAM) else SECTIONS
    file = MigrationFile("1", "m", Source(found.path, suffix, b""), "c")
    history = History(None, (Revision("1", "m", "c", Phase.EXPAND),))
    state = DatabaseState("a/b", (file,), history)
    with pytest.raises(Irreversible) as caught:
        plan_down(state, Policy("dev-ana"), lambda _, __: found)
    assert caught.value.because == because
