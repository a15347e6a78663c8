"""Status and plan where databases are reached by a task: told at once from what the last run left, or by a new one."""

from __future__ import annotations

import json
import re

import pytest

from seedbed.remote import state
from tests.support.afar import PASSWORD, Afar
from tests.support.aws_proxy import Proxy

# What the role of a pull request may call, and whoever it is.
READS = {"GetCallerIdentity", "GetParametersByPath", "GetObject"}


def looked(afar: Afar, *words: str, fresh: bool = False) -> str:
    """Return what a look prints, without the lines that say how old it is, and that a task sees no stacks."""
    ran = afar.call(*words, *(["--fresh"] if fresh else []))
    assert ran.code == 0, ran.everything
    assert fresh != ran.out.startswith("as of ")
    unseen = re.search(r"stacks were not looked at: a task has no CDK app; [^\n]*\n\n", ran.out)
    assert bool(unseen) == (fresh and "plan" in words)
    return ran.out.replace(unseen[0] if unseen else "", "") if fresh else ran.out.partition("--fresh\n\n")[2]


def test_a_look_is_answered_at_once_from_what_the_last_run_left(afar: Afar, aws: Proxy) -> None:
    afar.files.tables(2)
    nothing = afar.call("status")
    assert (nothing.code, f"seedbed status -e {afar.name} --fresh" in nothing.err) == (4, True), nothing.err
    with afar.waited_on():
        assert afar.call("apply").code == 0
        pages = [looked(afar, *words, fresh=True) for words in (["status"], ["plan"])]
    aws.forget()  # no worker waits, so that a run would never end
    assert [looked(afar, *words) for words in (["status"], ["plan"])] == pages
    assert {call.operation for call in aws.calls} <= READS
    found = afar.call("status", "--json").document["databases"][0]
    run = afar.control.runs(afar.name)[0]
    assert found["seen"]["run"] == run.id
    assert 0 <= found["seen"]["age_seconds"] < 600
    assert re.match(rf"as of (just now|\d+ seconds? ago), run {run.id}\n", afar.call("status").out)


def test_a_pull_request_is_planned_without_a_task_and_its_plan_is_bound(afar: Afar, aws: Proxy) -> None:
    afar.files.tables(1)
    with afar.waited_on():
        assert afar.call("apply").code == 0
    afar.files.migration("20260301000000_more", "CREATE TABLE more (id int);", "DROP TABLE more;")
    aws.forget()
    plan = afar.call("plan", "--json", "--out", "plan.json")
    assert {call.operation for call in aws.calls} <= READS
    database = plan.document["databases"][0]
    assert [each["version"] for each in database["actions"]] == ["20260301000000"]
    assert database["unknown"] != []
    assert "not known without asking it" in afar.call("plan").out
    sampled = afar.call("plan", "--sample", "10")
    assert (sampled.code, "--fresh --sample 10" in sampled.err) == (2, True), sampled.err
    with afar.waited_on():
        assert afar.call("apply", "plan.json").code == 0
        afar.files.migration("20260302000000_last", "CREATE TABLE last (id int);", "DROP TABLE last;")
        stale = afar.call("apply", "plan.json")
    assert stale.code == 3, stale.everything


def test_what_failed_or_was_never_meant_to_change_anything_is_left_too(afar: Afar) -> None:
    afar.files.tables(1)
    afar.files.migration("20260302000000_bad", "CREATE TABLE more (id int); SELECT 1/0;", "SELECT 1;")
    with afar.waited_on():
        assert afar.call("apply").code == 5
        assert "1 applied, 1 pending" in looked(afar, "status")
        assert afar.here("reset", "--yes").code == 0  # past the task
        assert "1 applied, 1 pending" in looked(afar, "status")
        looked(afar, "status", fresh=True)
        assert "2 pending" in looked(afar, "status")
        assert "2 pending" in afar.here("status").out


def test_no_secret_is_in_the_document_and_each_run_has_it_written_anew(afar: Afar) -> None:
    afar.files.tables(1)
    with afar.waited_on():
        assert afar.call("apply").code == 0
        first = afar.control.bucket.get(state.KEY) or b""
        assert afar.call("revert", "--yes").code == 0
    second = json.loads(afar.control.bucket.get(state.KEY) or b"{}")
    assert PASSWORD.encode() not in first
    assert (second["environment"], second["command"]) == (afar.name, "revert")
    assert [len(each["revisions"]) for each in second["databases"]] == [0]


@pytest.mark.parametrize("words", [["status"], ["plan"]])
def test_an_environment_that_was_never_deployed_is_told_so(words: list[str], afar: Afar) -> None:
    with afar.start(*words, "-e", "dev-new") as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, "dev-new was never deployed" in err) == (2, True), err
