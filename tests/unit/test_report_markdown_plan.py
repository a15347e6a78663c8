"""A plan as Markdown: nothing of it is markup, nothing is overlooked, and it fits into a comment."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace

from seedbed.documents.plan import PlanDocument
from seedbed.documents.texts import by_line
from seedbed.model.deployment import Refusal, ResourceChange, StackPlan
from seedbed.model.migration import Direction, Migration, Phase, Step, StepText
from seedbed.model.plan import Action, DatabasePlan, Plan, Terms
from seedbed.model.resource import Replacement, ResourceAction
from seedbed.report.markdown_plan import LIMIT, plan_markdown
from seedbed.report.styles import Look, render
from tests.unit.golden.report import samples

MARKDOWN = MarkdownIt("commonmark").enable("table")
HOSTILE = "a`b``|<img src=x onerror=y></details>\n\n# @all [x](y) ``` ~~~ \\"


def written(plan: Plan, text: str = "SELECT 1", **more: Any) -> str:
    document = PlanDocument.of(plan, "plan", lambda *_: StepText(text, (text,), "--"))
    return render(plan_markdown(document, **more), Look())


def plan_of(*actions: Action, **more: Any) -> Plan:
    databases = dict.fromkeys(each.database for each in actions)
    return Plan(
        "prod",
        Direction.UP,
        tuple(
            DatabasePlan(name, tuple(each for each in actions if each.database == name)) for name in databases
        ),
        **more,
    )


def action(database: str, version: str, phase: Phase = Phase.EXPAND, *, down: bool = True) -> Action:
    step = Step(0, "SELECT 1", 1)
    return Action(
        database, Migration(version, "m", "m.sql", "0" * 64, phase, (step,), (step,) if down else ())
    )


def inline(markdown: str) -> list[Any]:
    return [part for each in MARKDOWN.parse(markdown) for part in each.children or ()]


def test_what_is_made_anew_and_what_is_refused_stands_before_all_tables() -> None:
    change = ResourceChange(
        "Cluster",
        "AWS::RDS::DBCluster",
        ResourceAction.MODIFY,
        Replacement.YES,
        ("Properties.DatabaseName",),
        "DatabaseName never changes",
        holds=True,
    )
    stack = StackPlan(
        "shop-prod-user", "a", "b", (change,), (Refusal("it would lose users", "it is protected"),)
    )
    lines = written(plan_of(action("user/postgres", "1"), stacks=(stack,))).splitlines()
    first_table = next(number for number, each in enumerate(lines) if each.startswith("|"))
    above = "\n".join(lines[:first_table])
    assert "⚠ made anew, and empty: `Cluster` in `shop-prod-user`" in above
    assert "✗ deploy would refuse it: `it would lose users`, because `it is protected`" in above
    row = next(each for each in lines if each.startswith("| `shop-prod-user`"))
    assert row.split(" | ")[1:] == ["modify", "`Cluster` `RDS::DBCluster`", "`DatabaseName`", "⚠ made anew |"]


def test_each_phase_says_what_it_asks_for_and_what_leads_back() -> None:
    terms = Terms("seedbed:1", (("expand", 1), ("code", 0), ("contract", 2)))
    found = written(
        plan_of(
            action("user/postgres", "1"),
            action("user/postgres", "2", Phase.MIGRATE, down=False),
            action("cart/postgres", "3", Phase.CONTRACT),
            terms=terms,
            release=12,
        )
    )
    assert "- a step of release 12 alone may carry it out\n" in found
    assert "- approvals: expand 1, contract 2\n" in found
    assert "- snapshots before the contract: `cart/postgres`\n" in found
    assert "- expand can be reverted\n" in found
    assert "- migrate cannot be reverted: `user/postgres:2: nothing reverts it`\n" in found
    gone = "cart/postgres:3: what it removes comes back from a snapshot alone"
    assert f"- contract cannot be reverted: `{gone}`\n" in found
    assert "image `seedbed:1`" in found


def test_a_plan_to_revert_asks_for_nothing() -> None:
    document = PlanDocument.of(samples.plan_down(), "revert")
    assert (document.snapshots, document.rollback) == ((), ())


@given(st.sampled_from((HOSTILE, "````\n# x", "`", "</details>")))
def test_whatever_a_script_says_stays_in_its_block(text: str) -> None:
    tokens = MARKDOWN.parse(written(plan_of(action("user/postgres", "1")), text))
    (block,) = [each for each in tokens if each.type == "fence"]
    assert text.replace("\t", "    ") in block.content
    folds = [each.content for each in tokens if each.type == "html_block"]
    assert [each.partition("\n")[0] for each in folds] == ["<details>", "</details>"]


def test_whatever_a_plan_names_is_code() -> None:
    hostile = replace(action("user/postgres", "1"), database=HOSTILE)
    kinds = {each.type for each in inline(written(plan_of(hostile)))}
    assert not kinds & {"link_open", "image"}
    html = [each.content for each in inline(written(plan_of(hostile))) if each.type == "html_inline"]
    assert set(html) <= {"<sub>", "</sub>", "<br>"}


@pytest.mark.parametrize("many", [3, 300, 3000])
@pytest.mark.parametrize("length", [10, 20_000])
def test_it_fits_into_half_of_a_comment_and_says_what_was_left_out(many: int, length: int) -> None:
    plan = plan_of(*(action(f"service{each % 40}/postgres", str(each)) for each in range(many)))
    found = written(plan, "x" * length)
    assert len(found) <= LIMIT
    assert found.count("<details>") == found.count("</details>")
    shown = found.count("| + | expand |")
    if shown < many:
        assert f"{many - shown:,} migrations".replace(",", " ") in found
    assert ("Left out, for want of room" in found) is (
        shown < many or found.count("<details>") < min(many, 40)
    )
    assert "`seedbed plan -e prod --sql`" in found or shown == many


def test_the_notices_are_shown_first_where_room_is_scarce() -> None:
    stack = StackPlan("s", "a", "b", (), (Refusal("it would lose users", "it is protected"),))
    plan = plan_of(*(action("user/postgres", str(each)) for each in range(100)), stacks=(stack,))
    found = written(plan, limit=2_000)
    assert "it would lose users" in found
    assert len(found) <= 2_000


def test_the_digest_is_that_of_the_plan_file() -> None:
    document = PlanDocument.of(samples.plan(), "plan", by_line)
    assert f"<sub>digest `{document.digest}`</sub>" in render(plan_markdown(document), Look())
