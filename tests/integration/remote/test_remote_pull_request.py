"""The page about pull requests, carried out with the rights that it names; and plans that are large."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.afar import Afar
from tests.support.aws_proxy import TOKEN_VARIABLE
from tests.support.deployment.assemblies import assembly

ROOT = Path(__file__).parents[3]


def _role(afar: Afar) -> dict[str, Any]:
    """Return the policy of the page about pull requests, for the environment of a test."""
    page = (ROOT / "docs/how-to/plan-a-pull-request.md").read_text()
    (policy,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    account = afar.control.bucket.cloud.account
    names = {
        "edtech/prod": f"sample/{afar.name}",
        "333333333333": account,
        "state/prod/": f"state/{afar.name}/",
        "BUCKET": afar.control.bucket.name,
    }
    for old, new in names.items():
        assert old in policy
        policy = policy.replace(old, new)
    found: dict[str, Any] = json.loads(policy)
    return found


@pytest.mark.slow
def test_a_job_with_the_rights_of_the_page_plans_and_may_do_nothing_else(afar: Afar) -> None:
    anybody = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}  # as AWS has it
    account, judge = afar.control.bucket.cloud.account, afar.judge
    judge.enrol("job", [*_role(afar)["Statement"], anybody])
    job = {TOKEN_VARIABLE: "job"}
    nothing = afar.call("plan", env=job)
    assert (nothing.code, f"seedbed status -e {afar.name} --fresh" in nothing.err) == (4, True), nothing.err
    afar.files.tables(1)
    with afar.waited_on():
        assert afar.call("status", "--fresh").code == 0
    planned = afar.call("plan", "--sql", "--exit-code", env=job)
    assert (planned.code, "CREATE TABLE t1" in planned.out) == (6, True), planned.everything
    found = afar.call("plan", "--json", "--out", "plan.json", env=job).document["databases"][0]
    assert {"run", "at", "age_seconds"} <= found["seen"].keys()
    assert len(found["unknown"]) >= 1
    assert judge.refused["job"] == set()
    assert judge.performed["job"] == {
        "sts:GetCallerIdentity",
        "ssm:GetParametersByPath",
        "s3:GetObject",
        "s3:ListBucket",  # while there was no document
    }
    made = assembly(
        afar.files.root.parent / "made",
        {f"sample-{afar.name}-user-postgres": {"Resources": {}}},
        account=account,
    )
    refused = afar.call("plan", "--assembly", str(made), env=job)
    assert (refused.code, "cloudformation:DescribeStacks is not allowed" in refused.err) == (3, True), (
        refused.err
    )
    for words in (("status", "--fresh"), ("apply", "plan.json"), ("runs", "list")):
        refused = afar.call(*words, env=job)
        assert (refused.code, "is not allowed" in refused.err) == (3, True), refused.everything
    assert not {each for each in judge.refused["job"] if each.startswith(("secretsmanager", "sts"))}


@pytest.mark.slow
def test_a_plan_of_two_megabytes_comes_back_from_a_task_and_is_applied_by_one(afar: Afar) -> None:
    values = ",\n".join(f"({number}, '{'x' * 200}')" for number in range(9000))
    up = f"CREATE TABLE big (id int, note text); INSERT INTO big VALUES {values};"
    afar.files.migration("20260301000000_big", up, "DROP TABLE big;")
    with afar.waited_on():
        assert afar.call("plan", "--fresh", "--out", "fresh.json").code == 0
        assert afar.call("plan", "--out", "plan.json").code == 0
        fresh, plan = (
            json.loads((afar.files.root / name).read_text()) for name in ("fresh.json", "plan.json")
        )
        assert (afar.files.root / "plan.json").stat().st_size > 2_000_000
        assert fresh["databases"][0]["actions"] == plan["databases"][0]["actions"]
        applied = afar.call("apply", "plan.json")
    assert (applied.code, "1 migration" in applied.everything) == (0, True), applied.everything[-2000:]
    assert "1 applied" in afar.call("status").out
