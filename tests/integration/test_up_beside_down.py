"""Who brings up an environment in a base and who deletes it, at the same time: one of the two, and nothing half."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.integration.test_up_in_base import assert_gone, assert_up, ran
from tests.support.aws_proxy import Call, Proxy, on
from tests.support.deployment.inside import Authority, Servers, inside
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import Shop
from tests.support.fargate import Fargate
from tests.support.servers import Settings

pytestmark = [pytest.mark.soak, pytest.mark.slow(200)]

ANA = "dev-ana"
UP, DOWN = (("env", each, ANA, "--yes") for each in ("up", "down"))


# In the order in which they come.
UPS = {
    "looks at stacks": on("DescribeStacks"),
    "makes change sets": on("CreateChangeSet"),
    "makes stacks": on("ExecuteChangeSet"),
    "has databases made": on("TransactWriteItems", containing="share make"),
    "has them filled": on("RunTask"),
}
DOWNS = {
    "deletes stacks": on("DeleteStack"),
    "has databases dropped": on("TransactWriteItems", containing="share drop"),
}


@pytest.fixture
def server(
    in_base: Shop,
    tasks: Fargate,
    authority: Authority,
    asking: EmbeddedServer,
    neo4j_settings: Settings,
    opensearch_settings: Settings,
) -> Iterator[EmbeddedServer]:
    """The PostgreSQL of the base; all servers are there."""
    with inside(in_base.world, tasks, authority, Servers(asking, neo4j_settings, opensearch_settings)):
        yield asking


@contextmanager
def held(
    in_base: Shop, aws: Proxy, words: tuple[str, ...], at: Callable[[Call], bool]
) -> Iterator[subprocess.Popen[str]]:
    """Yield a command that is at work, and waits for an answer of AWS's until the end of this context."""
    with aws.hold(at, when="answered", times=1) as holding:
        running = in_base.start(*words)
        try:
            holding.wait_until_inside()
            yield running
        except BaseException:
            running.kill()
            print(running.communicate()[0])
            raise


def test_whoever_begins_while_the_other_is_at_work_is_told_who_that_is_and_changes_nothing(
    in_base: Shop, aws: Proxy, server: EmbeddedServer
) -> None:
    alone = leftovers(in_base.world)
    for words, phases, other, said in (
        (UP, UPS, DOWN, "dev-ana is brought up: env up of"),
        (DOWN, DOWNS, UP, "dev-ana is deleted: env down of"),
    ):
        for name, at in phases.items():
            with held(in_base, aws, words, at) as running:
                before = leftovers(in_base.world)
                assert said in ran(in_base, *other, code=4), name
                if words is UP:  # it goes on making stacks
                    now = leftovers(in_base.world)
                    assert all({*names} <= {*now[kind]} for kind, names in before.items()), name
            told, _ = running.communicate(timeout=120)
            assert running.returncode == 0, (name, told)
            if words is UP:
                assert_up(server, ANA)
                if name != [*UPS][-1]:  # up again from nothing
                    ran(in_base, *DOWN)
            else:
                assert_gone(in_base, server, ANA)
                assert leftovers(in_base.world) == alone, name
                if name != [*DOWNS][-1]:
                    ran(in_base, *UP)


def test_what_one_of_them_left_when_it_was_killed_the_other_one_undoes(
    in_base: Shop, aws: Proxy, tasks: Fargate, server: EmbeddedServer
) -> None:
    alone = leftovers(in_base.world)
    for name, at in UPS.items():
        with held(in_base, aws, UP, at) as running:
            running.send_signal(signal.SIGKILL)
            running.communicate()
        done = in_base.run(*DOWN)
        if done.code == 4:  # its task goes on without it
            assert f"a run writes to {ANA}: apply of" in done.err, (name, done.everything)
            for each in tasks.tasks:
                each.wait("STOPPED", 120)
            ran(in_base, *DOWN)
        else:
            assert done.code == 0, (name, done.everything)
        assert_gone(in_base, server, ANA)
        assert leftovers(in_base.world) == alone, name
    for name, at in DOWNS.items():
        ran(in_base, *UP)
        with held(in_base, aws, DOWN, at) as running:
            running.send_signal(signal.SIGKILL)
            running.communicate()
        ran(in_base, *UP)
        assert_up(server, ANA)
        ran(in_base, "status", "-e", ANA, "--fresh", "--exit-code")
        ran(in_base, *DOWN)
        assert leftovers(in_base.world) == alone, name


def test_one_environment_comes_up_while_another_one_of_the_base_goes(
    in_base: Shop, server: EmbeddedServer
) -> None:
    alone = leftovers(in_base.world)
    ben = ("env", "up", "dev-ben", "--yes", "--without", "neo4j")  # there is one graph
    ran(in_base, *UP)
    with ThreadPoolExecutor(2) as pool:
        for each in (pool.submit(ran, in_base, *words) for words in (DOWN, ben)):
            each.result()
    assert_gone(in_base, server, ANA)
    assert_up(server, "dev-ben")
    with ThreadPoolExecutor(2) as pool:
        for each in (
            pool.submit(ran, in_base, *words) for words in (UP, ("env", "down", "dev-ben", "--yes"))
        ):
            each.result()
    assert_gone(in_base, server, "dev-ben")
    assert_up(server, ANA)
    ran(in_base, *DOWN)
    assert leftovers(in_base.world) == alone


def test_who_stood_still_while_the_other_one_was_at_work_stops_and_leaves_nothing(
    in_base: Shop, aws: Proxy, server: EmbeddedServer
) -> None:
    alone = leftovers(in_base.world)
    with aws.hold(
        UPS["has databases made"], when="asked", times=1
    ) as holding:  # what it asked for arrives when it is too late
        running = in_base.start(*UP)
        holding.wait_until_inside()
        running.send_signal(signal.SIGSTOP)
        ran(in_base, *DOWN)
        assert_gone(in_base, server, ANA)
    running.send_signal(signal.SIGCONT)
    told, _ = running.communicate(timeout=120)
    assert running.returncode in {5, 143}, told
    ran(in_base, *DOWN)
    assert leftovers(in_base.world) == alone, told
