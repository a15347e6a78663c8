"""Deployments by the real CDK CLI to the sandbox's AWS: updates, resuming, refusals."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_proxy import Call, Proxy, Rule, mutating, on, proxy
from tests.support.aws_proxy.http import Response
from tests.support.deployment.releases import PLAIN, STACK, Shop, helpers
from tests.support.forked import Forked
from tests.support.projects import clean_environment, command

pytestmark = pytest.mark.slow

ONE_BY_ONE = ["by_slug", "by_teacher"]
UPDATE = on("ExecuteChangeSet")


@pytest.fixture
def shop(tmp_path: Path, ministack_account: World, assemblies: Path) -> Shop:
    """The platform in an account that is prepared for the CDK."""
    made = Shop(tmp_path, ministack_account, assemblies)
    made.prepare()
    return made


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


@pytest.fixture
def watched(shop: Shop, aws: Proxy) -> Shop:
    """The same, with a proxy on the way to AWS."""
    return replace(shop, endpoint=aws.endpoint)


def _status(status: str) -> Callable[[Call, Response], Response]:
    """Return what makes a stack that is done look as if it were in `status`."""

    def change(_: Call, answer: Response) -> Response:
        pattern = rb"<StackStatus>\w+_COMPLETE</StackStatus>"
        return answer.with_body(re.sub(pattern, f"<StackStatus>{status}</StackStatus>".encode(), answer.body))

    return change


# What it does


@pytest.mark.parametrize("releases", [["two"], ["one", "two"]])
def test_a_release_that_a_test_begins_with_is_what_deploying_it_leaves(
    watched: Shop, aws: Proxy, releases: list[str]
) -> None:
    for each in releases:
        watched.has(each)
    aws.forget()
    again = watched.deploy("two")
    assert (again.code, again.out) == (
        0,
        "✓  courses/dynamodb  nothing to do\n\nnothing to deploy: every stack is up to date\n",
    )
    assert [each.operation for each in aws.of(mutating)] == []


def test_a_dry_run_shows_the_updates_and_makes_none(watched: Shop, aws: Proxy) -> None:
    watched.has("one")
    aws.forget()
    shown = watched.deploy("two", "--dry-run")
    assert shown.code == 0
    assert "update 1  courses: add index by_slug     expand" in shown.out
    assert "update 2  courses: add index by_teacher  expand" in shown.out
    assert "2 updates of 1 stack" in shown.out
    document = watched.deploy("two", "--dry-run", "--json").document
    assert (document["schema"], document["command"]) == ("seedbed/deployment/1", "deploy")
    waits = [each["waits_for"] for each in document["stacks"][0]["updates"]]
    assert waits == [["courses.by_slug"], ["courses.by_teacher"]]
    assert aws.of(mutating) == []


def test_a_stack_of_that_name_that_is_another_environments_is_left_alone(watched: Shop, aws: Proxy) -> None:
    watched.has("one")
    name, somebody = STACK.format(environment="dev-ana"), [{"Key": "environment", "Value": "dev"}]
    watched.ask("cloudformation", "UpdateStack", StackName=name, UsePreviousTemplate=True, Tags=somebody)
    aws.forget()
    refused = watched.deploy("two")
    assert (refused.code, f"stack {name} belongs to another" in refused.err) == (3, True), refused.everything
    assert "its tags say environment dev, and this deployment is of shop in dev-ana" in refused.err
    assert watched.run("destroy", "-e", "dev-ana", "--yes").code == 0
    assert watched.tables() != []
    assert aws.of(mutating) == []


def test_what_is_removed_goes_at_contract_only(shop: Shop) -> None:
    shop.has("two")
    assert shop.deploy("half", "--through", "expand").code == 0
    assert shop.indexes() == ONE_BY_ONE
    assert shop.deploy("half").code == 0
    assert shop.indexes() == ["by_slug"]


def test_the_app_is_synthesised_where_nobody_did_before_and_an_account_prepared_where_it_may_be(
    tmp_path: Path, ministack_account: World, assemblies: Path
) -> None:
    shop = Shop(tmp_path, ministack_account, assemblies)
    shop.release("one")
    done = shop.run("cdk:deploy", "-e", "dev-ana", "-s", "courses", "--bootstrap", "-v")
    assert done.code == 0, done.everything
    assert "preparing aws://" in done.err
    assert shop.status() == "CREATE_COMPLETE"
    assert sorted(shop.tables()) == ["courses-courses-dev-ana", "courses-migrations_history-dev-ana"]
    assert "not-to-be-shown" not in done.everything


@pytest.mark.parametrize(
    ("release", "indexes"), [("half", ["by_slug"]), pytest.param("two", ONE_BY_ONE, marks=pytest.mark.soak)]
)
def test_two_deployments_at_once_do_each_others_work(watched: Shop, release: str, indexes: list[str]) -> None:
    watched.has("one")
    arguments = ["deploy", "-e", "dev-ana", *watched.release(release)]
    running = [watched.start(*arguments), watched.start(*arguments)]
    said = [each.communicate(timeout=300)[0] for each in running]
    assert [each.returncode for each in running] == [0, 0], said
    assert watched.indexes() == indexes


# Resuming


def test_killed_before_an_update_is_made_it_makes_it_when_it_runs_again(watched: Shop, aws: Proxy) -> None:
    _kill_and_run_again(watched, aws, "asked", nth=1, release="half")


@pytest.mark.soak
@pytest.mark.parametrize("nth", [1, 2])
def test_killed_during_an_update_it_goes_on_when_it_runs_again(watched: Shop, aws: Proxy, nth: int) -> None:
    _kill_and_run_again(watched, aws, "answered", nth=nth)


def _kill_and_run_again(shop: Shop, aws: Proxy, when: str, *, nth: int, release: str = "two") -> None:
    shop.has("one")
    aws.forget()
    seen = [0]

    def is_nth(call: Call) -> bool:
        if not UPDATE(call):
            return False
        seen[0] += 1
        return seen[0] == nth

    held = aws.hold(is_nth, when=when)  # type: ignore[arg-type]
    running = shop.start("deploy", "-e", "dev-ana", *shop.release(release))
    held.wait_until_inside()
    running.kill()
    running.communicate()
    _until(lambda: not helpers(shop))  # the CLI went with it
    held.abandon() if when == "asked" else held.release()
    name = STACK.format(environment="dev-ana")
    left = shop.ask("cloudformation", "ListChangeSets", StackName=name)["Summaries"]
    assert any(each["ExecutionStatus"] == "AVAILABLE" for each in left) is (when == "asked")

    again = shop.deploy(release)
    assert again.code == 0, again.everything
    assert shop.indexes() == (ONE_BY_ONE if release == "two" else ["by_slug"])
    assert shop.status() == "UPDATE_COMPLETE"
    left = shop.ask("cloudformation", "ListChangeSets", StackName=name)["Summaries"]
    assert [each for each in left if each["ExecutionStatus"] == "AVAILABLE"] == []


@pytest.mark.soak
def test_killed_between_two_updates_it_makes_the_second_when_it_runs_again(watched: Shop, aws: Proxy) -> None:
    watched.has("one")
    held = aws.hold(lambda call: call.operation == "DescribeTable" and watched.indexes() == ["by_slug"])
    running = watched.start("deploy", "-e", "dev-ana", *watched.release("two"))
    held.wait_until_inside()
    running.kill()
    running.communicate()
    held.release()
    aws.forget()
    again = watched.deploy("two")
    assert again.code == 0, again.everything
    assert "1 update deployed" in again.out
    assert watched.indexes() == ONE_BY_ONE


def test_sigterm_ends_the_cli_as_well_and_the_next_run_goes_on(watched: Shop, aws: Proxy) -> None:
    watched.has("one")
    held = aws.hold(on("CreateChangeSet"))
    running = watched.start("deploy", "-e", "dev-ana", *watched.release("half"))
    held.wait_until_inside()
    assert helpers(watched)
    running.send_signal(signal.SIGTERM)
    said = running.communicate(timeout=60)[0]
    assert running.returncode == 143, said
    assert not helpers(watched)
    held.abandon()
    assert watched.deploy("half").code == 0
    assert watched.indexes() == ["by_slug"]


def test_an_update_that_is_under_way_is_followed_to_its_end(watched: Shop, aws: Proxy) -> None:
    watched.has("one")
    rule = aws.rewrite("DescribeStacks", _status("UPDATE_IN_PROGRESS"), times=2)
    done = watched.deploy("half")
    assert done.code == 0, done.everything
    assert rule.hits == 2
    assert "UPDATE_IN_PROGRESS: it is being updated; waiting for it to end" in done.err
    assert watched.indexes() == ["by_slug"]


def test_an_update_that_does_not_end_is_given_up_with_nothing_touched(watched: Shop, aws: Proxy) -> None:
    watched.has("one")
    aws.rewrite("DescribeStacks", _status("UPDATE_IN_PROGRESS"))
    aws.forget()
    done = watched.deploy("two", "--wait", "1")
    assert done.code == 4
    assert "is still UPDATE_IN_PROGRESS after 1 s" in done.err
    assert aws.of(mutating) == []


def test_an_update_that_fails_says_what_stays_and_the_next_run_goes_on(watched: Shop, aws: Proxy) -> None:
    watched.has("one")
    seen = [0]

    def is_second(call: Call) -> bool:
        seen[0] += call.operation == "CreateChangeSet"
        return call.operation == "CreateChangeSet" and seen[0] >= 2

    with aws.refuse(is_second, "ValidationError", "Subscriber limit exceeded: too many indexes"):
        failed = watched.deploy("two")
    assert failed.code == 5
    assert "update 2 of 2" in failed.everything
    assert "Subscriber limit exceeded" in failed.everything
    assert watched.indexes() == ["by_slug"]
    done = watched.deploy("two")
    assert (done.code, watched.indexes()) == (0, ONE_BY_ONE)


def test_credentials_that_expire_during_an_update_are_told_and_the_next_run_goes_on(
    watched: Shop, aws: Proxy
) -> None:
    watched.has("one")
    expired: list[Rule] = []

    def expire(_: Call, answer: Response) -> Response:
        expired.append(aws.expire())
        return answer

    aws.rewrite(UPDATE, expire, times=1)
    failed = watched.deploy("half")
    # Something was sent, and nobody can look what became of it: not 4, which says that nothing was touched.
    assert failed.code == 5, failed.everything
    assert f"the credentials for eu-central-1 of account {watched.world.account}" in failed.everything
    assert "have expired" in failed.everything
    assert "get a new key and session token" in failed.everything or "aws sso login" in failed.everything
    expired[0].remove()
    done = watched.deploy("half")
    assert (done.code, watched.indexes()) == (0, ["by_slug"]), done.everything


# Refusing


@pytest.mark.parametrize(
    ("status", "way"),
    [
        ("UPDATE_ROLLBACK_FAILED", "cdk rollback"),
        ("ROLLBACK_FAILED", "aws cloudformation delete-stack"),
        ("DELETE_FAILED", "--retain-resources"),
        ("UPDATE_FAILED", "cdk rollback"),
    ],
)
def test_a_stack_that_is_stuck_is_named_with_the_way_out(
    watched: Shop, aws: Proxy, status: str, way: str
) -> None:
    watched.has("one")
    aws.rewrite("DescribeStacks", _status(status))
    aws.forget()
    refused = watched.deploy("two")
    assert refused.code == 3
    assert f"is {status}" in refused.err
    assert way in refused.err
    assert aws.of(mutating) == []


def test_another_key_is_refused_with_the_way_round_before_anything_is_touched(
    watched: Shop, aws: Proxy
) -> None:
    watched.has("one")
    aws.forget()
    refused = watched.deploy("other_key")
    assert refused.code == 3
    assert "try:" in refused.err
    planned = watched.run("plan", "-e", "dev-ana", *watched.release("other_key"))
    assert (planned.code, "change the key from" in planned.everything) == (3, True), planned.everything
    assert aws.of(mutating) == []


def test_another_account_is_refused_before_anything_is_touched(watched: Shop, aws: Proxy) -> None:
    options = watched.release("one")
    refused = watched.run("deploy", "-e", "dev-ana", *options, env={"AWS_ACCESS_KEY_ID": "123123123123"})
    assert refused.code == 3
    assert f"belong to account 123123123123, not to {watched.world.account}" in refused.err
    assert [each.operation for each in aws.calls] == ["GetCallerIdentity"]


def test_another_region_is_refused_before_anything_is_asked(watched: Shop, aws: Proxy) -> None:
    options = watched.release("one")
    refused = watched.run("deploy", "-e", "dev-ana", *options, env={"AWS_REGION": "us-east-1"})
    assert refused.code == 3
    assert "us-east-1" in refused.err
    assert aws.calls == ()


def test_prod_without_its_flags_is_refused_before_anything_is_asked(watched: Shop, aws: Proxy) -> None:
    refused = watched.deploy("one", environment="prod")
    assert refused.code == 3
    assert "prod is protected: deploy requires a reviewed plan" in refused.err
    assert "prod plan.json" in refused.err
    assert aws.calls == ()


def test_an_account_that_is_not_prepared_is_refused_with_the_command_that_prepares_it(
    tmp_path: Path, ministack_account: World, assemblies: Path, aws: Proxy
) -> None:
    shop = Shop(tmp_path, ministack_account, assemblies, aws.endpoint)
    refused = shop.deploy("one", environment="staging")
    assert refused.code == 3
    assert f"cdk bootstrap aws://{shop.world.account}/eu-central-1, once, by an administrator" in refused.err
    assert aws.of(mutating) == []
    hinted = shop.deploy("one")
    assert hinted.code == 3
    assert "or say --bootstrap" in hinted.err
    assert aws.of(mutating) == []


def test_who_we_are_has_to_be_known(watched: Shop, aws: Proxy) -> None:
    aws.unreachable("sts")
    refused = watched.deploy("one")
    assert refused.code == 4, refused.everything
    assert "does not answer" in refused.err
    assert aws.of(mutating) == []


def test_an_assembly_of_another_account_is_refused(shop: Shop) -> None:
    (path,) = shop.release("one")[1:]
    manifest = Path(path) / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f"aws://{shop.world.account}", "aws://555555555555"))
    refused = shop.run("deploy", "-e", "dev-ana", "--assembly", path)
    assert refused.code == 3
    assert "is made for account 555555555555" in refused.err


def test_removing_is_asked_about_where_it_could_be_missed(shop: Shop) -> None:
    shop.has("two", environment="staging")
    refused = shop.deploy("one", environment="staging")
    assert refused.code == 3
    assert (
        "deploy would remove: courses: remove index by_slug; courses: remove index by_teacher" in refused.err
    )
    assert shop.indexes("staging") == ONE_BY_ONE
    assert shop.deploy("half", "--yes", environment="staging").code == 0
    assert shop.indexes("staging") == ["by_slug"]


# Plans


def test_a_plan_shows_what_is_to_be_deployed_and_status_says_that_it_is_pending(shop: Shop) -> None:
    shop.has("one")
    shop.release("two")
    planned = shop.run("plan", "-e", "dev-ana")
    assert planned.code == 0, planned.everything
    assert "deploy  courses: add index by_slug     expand" in planned.out
    assert "2 changes to deploy: seedbed deploy -e dev-ana" in planned.out
    assert shop.run("plan", "-e", "dev-ana", "--exit-code").code == 6
    status = shop.run("status", "-e", "dev-ana", "--exit-code")
    assert status.code == 6
    assert "deployment pending" in status.out
    shop.has("two")
    assert shop.run("status", "-e", "dev-ana", "--exit-code").code == 0


def test_at_expand_what_would_be_removed_is_deferred(shop: Shop) -> None:
    shop.has("two")
    shop.release("one")
    planned = shop.run("plan", "-e", "dev-ana", "--through", "expand", "--json").document
    database = planned["databases"][0]
    assert database["changes"] == []
    assert [each["what"] for each in database["deferred_changes"]] == [
        "courses: remove index by_slug",
        "courses: remove index by_teacher",
    ]


def test_prod_is_deployed_from_the_plan_that_was_reviewed_and_from_no_other(shop: Shop) -> None:
    options = shop.release("one", "prod")
    plan = str(shop.root / "plan.json")
    assert shop.run("plan", "-e", "prod", "--out", plan, *options).code == 0
    done = shop.run("deploy", "-e", "prod", plan, *options)
    assert done.code == 0, done.everything
    tables = shop.root / "services" / "courses" / "dynamodb" / "tables.toml"
    more = PLAIN.replace("[tables.courses]", "[tables.other]").replace("[tables.courses.", "[tables.other.")
    tables.write_text(PLAIN + more)
    stale = shop.run("deploy", "-e", "prod", plan, *options)
    assert stale.code == 3
    assert "the plan no longer fits courses/dynamodb" in stale.err
    assert "other: add the table" in stale.err


def test_a_plan_that_is_half_deployed_still_fits(shop: Shop) -> None:
    shop.has("one")
    options = shop.release("two")
    plan = shop.root / "plan.json"
    assert shop.run("plan", "-e", "dev-ana", "--out", str(plan), *options).code == 0
    document = json.loads(plan.read_text())
    assert len(document["databases"][0]["changes"]) == 2
    shop.has("half")
    done = shop.run("deploy", "-e", "dev-ana", str(plan), *shop.release("two"))
    assert (done.code, "1 update deployed" in done.out) == (0, True), done.everything
    assert shop.indexes() == ONE_BY_ONE
    assert shop.run("apply", "-e", "dev-ana", str(plan)).code == 0


def test_what_needs_an_index_that_is_not_deployed_is_refused_before_anything_is_touched(
    watched: Shop, aws: Proxy
) -> None:
    watched.has("one")
    watched.release("two")  # is declared, and not deployed
    migration = (
        "# seedbed: phase=migrate table=courses needs=courses.by_slug\n"
        '# seedbed: repeatable because "it writes the same again"\n'
        "def up(item):\n    return item\n\n\ndef down(item):\n    return item\n"
    )
    path = watched.root / "services" / "courses" / "dynamodb" / "migrations" / "20260101000000_fill.py"
    path.write_text(migration)
    aws.forget()
    refused = watched.run("apply", "-e", "dev-ana")
    assert refused.code == 3, refused.everything
    assert "20260101000000_fill: index courses.by_slug is missing" in refused.err
    assert "seedbed deploy -e dev-ana" in refused.err
    assert aws.of(mutating) == []
    assert "cannot run yet: index courses.by_slug is missing" in watched.run("plan", "-e", "dev-ana").out
    watched.has("two")
    assert watched.run("apply", "-e", "dev-ana").code == 0


# Destroying


def test_an_ephemeral_environment_is_destroyed_and_then_there_is_nothing_to_destroy(shop: Shop) -> None:
    shop.has("one")
    refused = shop.run("destroy", "-e", "dev-ana")
    assert refused.code == 3
    assert f"destroy would delete {STACK.format(environment='dev-ana')}" in refused.err
    assert shop.tables() != []
    done = shop.run("destroy", "-e", "dev-ana", "--yes")
    assert done.code == 0, done.everything
    assert shop.tables() == []
    again = shop.run("destroy", "-e", "dev-ana", "--yes")
    assert (again.code, "nothing to do" in again.out) == (0, True)


def test_at_a_terminal_the_name_of_the_environment_has_to_be_typed(shop: Shop) -> None:
    shop.has("one")
    assert _typed(shop, "dev-bob\n", "destroy", "-e", "dev-ana") == 130
    assert shop.tables() != []
    assert _typed(shop, "dev-ana\n", "destroy", "-e", "dev-ana") == 0
    assert shop.tables() == []


def _typed(shop: Shop, text: str, *arguments: str) -> int:
    """Run a command at a terminal, type `text` when it asks, and return its exit code."""
    ours, theirs = pty.openpty()
    environ = clean_environment({**shop.environ, "TERM": "xterm"})
    running = Forked(
        command(*arguments), cwd=shop.root, env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the terminal is gone with its last program
        while data := os.read(ours, 4096):
            shown += data
            if b"to go on:" in shown and text:
                os.write(ours, text.encode())
                text = ""
    os.close(ours)
    assert b"Type dev-ana to go on" in shown
    return running.wait(120)


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_what_is_not_ephemeral_is_never_destroyed(watched: Shop, aws: Proxy, environment: str) -> None:
    watched.release("one", environment)
    refused = watched.run("destroy", "-e", environment, "--yes")
    assert refused.code == 3
    assert "there is no override" in refused.err
    assert aws.calls == ()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
