"""Status and plan where databases are reached by a task: told at once from what the last run left, or by a new one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.aws import clients, rights
from seedbed.aws.asking import ask
from seedbed.aws.cloud import Cloud
from seedbed.errors import SeedbedError
from seedbed.model.names import stack_tags
from seedbed.model.secret import Secret
from seedbed.remote import state
from seedbed.remote.control import Control
from tests.support.afar import PASSWORD, Afar, put_facts
from tests.support.aws_proxy import TOKEN_VARIABLE, Policies, Proxy
from tests.support.aws_proxy.policies import TOKEN
from tests.support.deployment.assemblies import assembly


def signed_by(aws: Proxy) -> set[str]:
    """Return the kinds of callers that signed the calls which went through."""
    return {call.request.headers.get(TOKEN, "") for call in aws.calls}


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
    assert signed_by(aws) == {rights.READ}
    found = afar.call("status", "--json").document["databases"][0]
    run = afar.control.runs()[0]
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
    assert signed_by(aws) == {rights.READ}
    assert afar.judge.refused[rights.READ] == set()
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


def test_with_the_right_to_look_production_is_planned_and_nothing_else_is_done(
    afar: Afar, aws: Proxy, tmp_path: Path
) -> None:
    """What the last run in the network saw stands for production here; the stack is production's."""
    cloud, control = afar.control.table.cloud, afar.control
    production = (
        f'[environments.prod]\naccount = "{cloud.account}"\nregion = "{cloud.region}"\naccess = "task"\n'
    )
    manifest = afar.files.root / "seedbed.toml"
    manifest.write_text(
        manifest.read_text().replace('[environments.prod]\naccount = "333333333333"\n', production)
    )
    afar.files.tables(1)
    with afar.waited_on():
        assert afar.call("status", "--fresh").code == 0
    left = control.bucket.get(state.key(afar.name)) or b""
    control.bucket.put(state.key("prod"), left.replace(afar.name.encode(), b"prod"))
    put_facts(
        cloud, "sample", "prod", {"control": {"table": control.table.name, "bucket": control.bucket.name}}
    )
    options = stack_of_production(cloud, tmp_path)
    names = replace(afar.names, environment="prod", ephemeral=False)
    judge = aws.add(Policies(account=cloud.account, region=cloud.region))
    judge.caller(rights.READ, names, "read-prod")
    aws.forget()
    with afar.start("plan", "-e", "prod", "--json", *options, env={TOKEN_VARIABLE: "read-prod"}) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    plan = json.loads(out)
    assert [len(each["actions"]) for each in plan["databases"]] == [1]
    assert [len(each["changes"]) for each in plan["stacks"]] == [1]
    assert signed_by(aws) == {"read-prod"}
    assert judge.refused["read-prod"] == {"cloudformation:DescribeStacks"}  # of the whole account
    assert "those that the app no longer makes" in json.dumps(plan)
    for service, operation, parameters in changes(control, cloud, names):
        with pytest.raises(SeedbedError) as refused:
            ask(
                replace(cloud, session_token=Secret("read-prod")),
                service,
                operation,
                named=lambda _code, _said: None,
                **parameters,
            )
        assert f"{service}:{operation} is not allowed" in refused.value.what


def stack_of_production(cloud: Cloud, into: Path) -> list[str]:
    """Deploy a stack, and return the options of a plan that changes it."""
    name = "sample-prod-user-postgres"
    log: dict[str, Any] = {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"LogGroupName": f"/{cloud.account}/a"},
    }
    template = {"Resources": {"Log": log}}
    tags = [{"Key": key, "Value": value} for key, value in stack_tags("sample", "prod").items()]
    text = json.dumps(template)
    clients.call(cloud, "cloudformation", "CreateStack", StackName=name, TemplateBody=text, Tags=tags)
    log["Properties"]["RetentionInDays"] = 7
    made = assembly(into / "assembly", {name: template}, account=cloud.account, region=cloud.region)
    return ["--stacks", "--assembly", str(made)]


def changes(control: Control, cloud: Cloud, names: rights.Names) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield calls that would change something, or tell a secret."""
    item = {"id": {"S": "run#1"}, "part": {"S": "ask"}}
    yield "dynamodb", "PutItem", {"TableName": control.table.name, "Item": item}
    for key in (state.key(names.environment), f"runs/{names.environment}/1/plan.json"):
        yield "s3", "PutObject", {"Bucket": control.bucket.name, "Key": key, "Body": b"{}"}
    network = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    task = names.arn("ecs", f"task-definition/{names.family}:1")
    more = {"launchType": "FARGATE", "networkConfiguration": network}
    yield "ecs", "RunTask", {"cluster": names.cluster, "taskDefinition": task, **more}
    secret = f"arn:aws:secretsmanager:{cloud.region}:{cloud.account}:secret:user"
    yield "secretsmanager", "GetSecretValue", {"SecretId": secret}


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
        first = afar.control.bucket.get(state.key(afar.name)) or b""
        assert afar.call("revert", "--yes").code == 0
    second = json.loads(afar.control.bucket.get(state.key(afar.name)) or b"{}")
    assert PASSWORD.encode() not in first
    assert (second["environment"], second["command"]) == (afar.name, "revert")
    assert [len(each["revisions"]) for each in second["databases"]] == [0]


@pytest.mark.parametrize("words", [["status"], ["plan"]])
def test_an_environment_that_was_never_deployed_is_told_so(words: list[str], afar: Afar) -> None:
    with afar.start(*words, "-e", "dev-new") as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, "dev-new was never deployed" in err) == (2, True), err
