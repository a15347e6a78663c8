"""Releases on a real PostgreSQL: users have a name, and get a display name by expand, migrate and contract."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.release import StepName
from tests.support.forked import DOOR
from tests.support.postgres.wire import connected, wait_until
from tests.support.projects import ProjectFiles
from tests.support.released import ENV, RELEASE, Users, write_users

HOOKED = """
[release]
approvals = {expand = 0, contract = 0}
soak = "1h"
[release.code]
run = ["./deploy.sh", "up"]
back = ["./deploy.sh", "down"]
[[expectations]]
name = "every user has a display name"
database = "user/postgres"
query = "SELECT id FROM users WHERE display IS NULL"
"""
DEPLOY = """#!/bin/sh
echo "$1 $SEEDBED_RELEASE $SEEDBED_ENVIRONMENT $SEEDBED_COMMIT $SEEDBED_IMAGE_API" >> "$TOLD"
[ -f "$TOLD.slow" ] && sleep 30
[ ! -f "$TOLD.broken" ]
"""


@pytest.mark.slow
def test_a_release_waits_at_each_gate_and_comes_to_its_end(site: Users) -> None:
    digest = site.release.digest[:12]
    again = site.open()
    assert again.code == 0, again.everything
    assert "is open already" in again.everything
    assert site.store.numbers() == [1]

    # What belongs to no step that is being taken changes nothing.
    plan = site.plan_file(StepName.EXPAND)
    assert site.run("plan", "-e", ENV, "--out", "own.json").code == 0
    for words, said in (
        (("apply", "-e", ENV), "prod is protected"),
        (("apply", "-e", ENV, "own.json"), "prod changes by releases, and the plan is of none"),
        (("apply", "-e", ENV, plan), "only while its step is being taken"),
    ):
        refused = site.run(*words)
        assert (refused.code, said in refused.err) == (3, True), refused.everything
    assert site.columns == []

    expanded = site.next("--through", "expand")
    assert expanded.code == 0, expanded.everything
    assert site.columns == ["display", "id", "name"]
    waits = site.next()
    assert (waits.code, "it is not said yet that the new code is everywhere" in waits.err) == (6, True)
    assert site.next("--ok-if-closed").code == 0
    assert site.run("release", "check", "-e", ENV).code == 6
    for wrong, code in ((digest[:11], 2), ("0" * 12, 3)):
        assert site.run("release", "approve", "-e", ENV, "--step", "code", "--digest", wrong).code == code
    stated = site.run("release", "approve", "-e", ENV, "--step", "code", "--digest", digest)
    assert stated.code == 0, stated.everything

    own = site.run("release", "approve", "-e", ENV, "--step", "contract", "--digest", digest)
    assert (own.code, "and does not approve it" in own.err) == (3, True), own.everything
    waits = site.next()
    assert (waits.code, "0 of 1 approval" in waits.err) == (6, True), waits.everything
    assert site.states() | {"contract": "waiting", "close": "waiting"} == site.states()
    assert site.columns == ["display", "id", "name"]

    site.approve(StepName.CONTRACT)
    waits = site.next()
    assert (waits.code, "--step contract" in waits.err and "--reason" in waits.err) == (6, True), (
        waits.everything
    )
    site.approve(StepName.CONTRACT, reason="no reader since May")
    done = site.next()
    assert done.code == 0, done.everything
    assert site.columns == ["display", "id"]
    assert site.release.state == "closed"
    assert site.next().code == 0  # there is nothing to do
    kinds = {one.kind for each in site.release.steps for one in each.evidence}
    assert kinds >= {"apply", "code", "snapshot", "reader"}


def test_what_was_killed_goes_on_behind_its_last_command_and_two_do_not_take_one_step(
    site: Users, tmp_path: Path
) -> None:
    room = tmp_path / "temporary"
    room.mkdir()
    cold = {name: value for name, value in site.env.items() if name != DOOR}
    site.env = {**cold, "TMPDIR": str(room)}
    with connected(
        site.server, site.database
    ) as connection:  # a table of this name keeps the first apply waiting
        connection.execute("CREATE SCHEMA IF NOT EXISTS beside")
        running = site.start("release", "next", "-e", ENV, "--through", "expand")
        try:
            wait_until(lambda: site.release.step(StepName.EXPAND).state == "running", "the step is taken")
            second = site.next()
            assert (second.code, "is being taken" in second.err) == (4, True), second.everything
        finally:
            running.send_signal(signal.SIGKILL)
            running.communicate()
    (left,) = room.glob("seedbed-bundle-*")
    site.age()
    on = site.next("--through", "expand")
    assert on.code == 0, on.everything
    assert not left.exists()
    assert site.columns == ["display", "id", "name"]
    assert site.states()["expand"] == "done"


def test_a_bundle_that_was_changed_is_refused_before_anything_happens(site: Users) -> None:
    data = bytearray(site.bundle.read_bytes())
    data[len(data) // 2] ^= 1
    (site.root / "other.tar").write_bytes(data)
    other = site.run("release", "open", "-e", ENV, "other.tar")
    assert other.code == 3, other.everything
    digest = site.run("release", "open", "-e", ENV, str(site.bundle), "--digest", "0" * 64)
    assert (digest.code, "is not the one that is asked for" in digest.err) == (3, True), digest.everything
    write_users(ProjectFiles(site.root), RELEASE.replace("0s", "1h"))
    site.build()
    another = site.open()
    assert (another.code, "release 1 is open, and its step is expand" in another.err) == (6, True), (
        another.everything
    )
    assert site.store.numbers() == [1]
    kept = site.store.directory / "blobs" / site.release.bundle
    kept.write_bytes(data)
    refused = site.next()
    assert (refused.code, "was changed" in refused.err) == (3, True), refused.everything
    assert site.columns == []


@pytest.mark.slow
def test_a_release_is_taken_back_before_its_contract(site: Users) -> None:
    site.approve(StepName.CODE)
    assert site.next("--through", "migrate").code == 0
    assert site.columns == ["display", "id", "name"]
    back = site.run("release", "back", "-e", ENV)
    assert back.code == 0, back.everything
    assert site.columns == []
    assert site.release.state == "returned"
    assert site.run("release", "back", "-e", ENV, "1").code == 3


@pytest.mark.slow
def test_new_code_is_brought_by_a_program_and_soaks(
    tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str], warm: str
) -> None:
    write_users(ProjectFiles(tmp_path), HOOKED)
    (tmp_path / "deploy.sh").write_text(DEPLOY)
    site = Users(tmp_path, postgres_server, new_database())
    told = tmp_path / "told"
    site.env = {**site.env, "TOLD": str(told), DOOR: warm}
    site.build(images={"api": f"sha256:{'a' * 64}"})
    assert site.open().code == 0

    (tmp_path / "told.slow").touch()
    running = site.start("release", "next", "-e", ENV)
    wait_until(told.exists, "the program is called")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert (running.returncode, "stopped" in said) == (130, True), said
    assert site.release.step(StepName.CODE).because == "stopped by Ctrl-C"
    (tmp_path / "told.slow").unlink()

    (tmp_path / "told.broken").touch()
    broken = site.next()
    assert (broken.code, "ended with exit code 1" in broken.err) == (7, True), broken.everything
    assert (site.states()["code"], site.columns) == ("failed", ["display", "id", "name"])
    assert "; or go back: seedbed release back -e prod 1; or end it as it is: " in broken.err
    (tmp_path / "told.broken").unlink()

    assert site.next("--through", "migrate").code == 0
    line = f"up 1 prod {'c' * 40} sha256:{'a' * 64}"
    assert told.read_text().splitlines() == [line, line, line]
    with connected(site.server, site.database) as connection:
        connection.execute("INSERT INTO users VALUES (8, 'Ben')")
        found = site.next()
        assert (found.code, site.states()["verify"]) == (6, "failed"), found.everything
        connection.execute("UPDATE users SET display = name")
    soaks = site.next()
    assert (soaks.code, "soaks until" in soaks.err) == (6, True), soaks.everything
    assert (site.states()["verify"], site.states()["soak"]) == ("done", "waiting")

    back = site.run("release", "back", "-e", ENV, "--keep-migrations")
    assert back.code == 0, back.everything
    assert told.read_text().splitlines()[3:] == [line.replace("up", "down")]
    assert (site.release.state, site.columns) == ("returned", ["display", "id", "name"])


def test_after_its_contract_a_release_is_not_taken_back(site: Users) -> None:
    site.approve(StepName.CODE)
    site.approve(StepName.CONTRACT, reason="no reader since May")
    assert site.next("--through", "contract").code == 0
    refused = site.run("release", "back", "-e", ENV)
    assert (refused.code, "from a snapshot alone" in refused.err) == (3, True), refused.everything
    assert (
        "lost: what was written since" in refused.err
        or "has no snapshot" in refused.err
        or ("its operator may have" in refused.err)
    ), refused.everything
    assert site.columns == ["display", "id"]
    assert site.run("release", "abandon", "-e", ENV, "--because", "enough").code == 0
    assert site.release.state == "abandoned"
    for words in (
        (),
        ("1",),
    ):  # somebody who has to go back asks once it has ended, with its number or without
        ended = site.run("release", "back", "-e", ENV, *words)
        assert (ended.code, "from a snapshot alone" in ended.err) == (3, True), ended.everything


@pytest.mark.slow(25)
def test_a_hotfix_ends_what_waits_for_its_contract_and_asks_all_anew(site: Users) -> None:
    site.approve(StepName.CODE)
    assert site.next().code == 6
    (site.root / "services/user/postgres/migrations/20260101000005_more.sql").write_text(
        "-- seedbed: overtake=20260101000004\n-- migrate:up\nALTER TABLE users ADD more text;\n"
    )
    site.build(commit="d" * 40)
    opening = [site.start("release", "open", "-e", ENV, str(site.bundle)) for _ in range(2)]
    said = [each.communicate()[1] for each in opening]
    assert [each.returncode for each in opening] == [0, 0], said
    former = site.store.load(1)
    assert former is not None
    assert (site.store.numbers(), former.state, site.release.supersedes) == ([1, 2], "superseded", 1)
    expanded = site.next()
    assert (expanded.code, "it is not said yet" in expanded.err) == (6, True), expanded.everything
    assert site.columns == ["display", "id", "more", "name"]
