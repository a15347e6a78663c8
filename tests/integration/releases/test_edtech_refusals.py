"""What no release of edtech does in production, each time with all that there is compared before and after."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from seedbed.model.release import READER, SNAPSHOT, StepName
from seedbed.releases.records import encoded
from tests.support.aws_proxy import on
from tests.support.edtech_release.files import API, CHECKS, FROZEN, PROD, RELEASES, write_manifest
from tests.support.edtech_release.holding import assert_same, by_alias, held
from tests.support.edtech_release.site import REASON, Brought, Checkout, Site
from tests.support.edtech_release.untouched import LOOKED, Untouched

pytestmark = [pytest.mark.soak, pytest.mark.slow(300)]


def test_what_is_forbidden_and_what_has_to_wait_touches_nothing(platform: Checkout, brought: Brought) -> None:
    accounts = {name: world.account for name, world in platform.worlds.items()}
    write_manifest(platform.new, accounts, RELEASES.format(more=FROZEN) + CHECKS)
    platform.commit("new", "Change nothing for a hundred years")
    platform.build(into="frozen")
    write_manifest(platform.new, accounts, RELEASES.format(more="") + CHECKS)
    platform.commit("new", "Change something all the same")
    sha256 = platform.build()
    with brought(PROD) as site:
        there = Untouched(site)
        of_bundles(site, there, sha256)
        in_a_freeze(site, there)
        site.open()
        there.look()
        of_approvals(site, there)
        two_at_once(site)
        of_code_and_soak(site, there)
        of_contracts(site, there)
        of_going_back(site, there)


def of_bundles(site: Site, there: Untouched, sha256: str) -> None:
    """A bundle with one byte changed is none, and another one is not the one that is asked for."""
    data = bytearray(site.checkout.bundle().read_bytes())
    data[len(data) // 2] ^= 1
    site.checkout.bundle("changed").write_bytes(data)
    site.open("changed", code=3)
    there.still()
    assert "is not the one that is asked for" in site.open("frozen", "--digest", sha256, code=3).err
    there.still()


def in_a_freeze(site: Site, there: Untouched) -> None:
    site.open("frozen")
    site.approve(StepName.EXPAND)
    there.look()
    refused = site.release_("next", code=6)
    assert "freeze: nothing is changed for more than a year" in refused.err
    there.still()
    site.release_("abandon", "--because", "it is frozen")


def of_approvals(site: Site, there: Untouched) -> None:
    """None is missing, the opener's does not count, and whoever releases writes none, wherever he may write."""
    assert "0 of 1 approval" in site.release_("next", code=6).err
    there.still()
    assert "does not approve it" in site.approve(StepName.EXPAND, who="ana again", code=3).err
    there.still()

    release, control = site.release, site.parameters("control")
    key = f"approvals/{site.name}/{release.number:04d}/expand"
    made = encoded(site.an_approval(StepName.EXPAND, "AROAAPPROVE:ben"))
    objects, items = site.client("s3", "ana"), site.client("dynamodb", "ana")
    for user_id in ("AROAAPPROVE:ben", "AROARELEASE:ana"):
        refused(objects.put_object, Bucket=control["bucket"], Key=f"{key}/{user_id}", Body=made)
    item = {"part": {"S": f"{release.number:04d}#expand"}, "record": {"S": made.decode()}}
    for id_ in (f"approval#{site.name}", f"approvals#{site.name}"):
        refused(items.put_item, TableName=control["table"], Item={"id": {"S": id_}, **item})
    there.still()
    # Beside the record he may write, and nothing asks for an approval there.
    items.put_item(TableName=control["table"], Item={"id": {"S": f"release#{site.name}"}, **item})
    there.look()
    assert "0 of 1 approval" in site.release_("next", code=6).err
    there.still()
    # Past all rights: it is the opener's all the same.
    site.shop.ask("s3", "PutObject", Bucket=control["bucket"], Key=f"{key}/AROARELEASE:ana", Body=made)
    there.look()
    assert "who opened a release does not approve it" in site.release_("next", code=3).err
    there.still()
    site.shop.ask("s3", "DeleteObject", Bucket=control["bucket"], Key=f"{key}/AROARELEASE:ana")
    site.approve(StepName.EXPAND)

    where = {"Bucket": control["bucket"], "Key": f"releases/{site.name}/{release.bundle}"}
    data = site.shop.ask("s3", "GetObject", **where)["Body"].read()
    site.shop.ask("s3", "PutObject", **where, Body=data[:-1] + bytes([data[-1] ^ 1]))
    there.look()
    assert "was changed" in site.release_("next", code=3).err
    there.still()
    site.shop.ask("s3", "PutObject", **where, Body=data)


def refused(call: Any, **asked: Any) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        call(**asked)


def two_at_once(site: Site) -> None:
    """While one takes a step, another is refused, and a third waits until that is over."""
    words = ("release", "next", "-e", site.name, "--through", "expand")
    with site.aws.hold(on("RunTask"), times=1) as hold:
        first = site.start(*words)
        hold.wait_until_inside()
        assert "is being taken" in site.run(*words, who="eva", code=4).err
        waiting = site.start(*words, "--wait", who="eva")
        said: list[str] = []
        assert waiting.stderr is not None
        for line in waiting.stderr:
            said.append(line)
            if "is being taken" in line:
                break
        assert "is being taken" in said[-1], said
    for each in (first, waiting):
        told = each.communicate(timeout=300)
        assert each.returncode == 0, told
    assert site.states()["expand"] == "done"
    assert list(site.release.step(StepName.EXPAND).commands) == ["deploy", "apply", "seed"]


def of_code_and_soak(site: Site, there: Untouched) -> None:
    record = f"item release#{site.name} "
    site.apps.run(API["new"], but="worker")
    there.look()
    waits = site.release_("next", code=6)
    assert "worker has 1 task of other images" in waits.err
    there.still(record, "object releases/")
    site.apps.run(API["new"])
    site.release_("next", "--through", StepName.VERIFY)
    there.look()
    assert "soaks until" in site.release_("next", code=6).err
    there.still()
    site.pass_(3600)
    site.release_("next", "--through", StepName.SNAPSHOT)


def of_contracts(site: Site, there: Untouched) -> None:
    """No contract without its approval, behind a verify that is stale, or while old code runs."""
    there.look()
    assert "approvals: 0 of 1 approval" in site.release_("next", code=6).err
    there.still(*LOOKED)

    site.migrated_later(60)
    there.look()
    stale = site.release_("next", code=3)
    assert "verify: it was verified" in stale.err
    there.still(*LOOKED)
    site.migrated_later(-60)

    site.approve(StepName.CONTRACT, reason=REASON)
    site.apps.tasks["worker"] = [API["former"]]
    there.look()
    old = site.release_("next", code=6)
    assert "worker has 1 task with other images" in old.err
    there.still(*LOOKED)
    site.apps.tasks["worker"] = [API["new"]]
    site.release_("next", "--through", StepName.CONTRACT)
    assert READER in {each.kind for each in site.release.step(StepName.CONTRACT).evidence}


def of_going_back(site: Site, there: Untouched) -> None:
    """After the contract it says what a restore costs, by database."""
    there.look()
    said = site.release_("back", code=3).err
    there.still()
    assert "cannot be taken back: its contract has begun" in said
    for each in site.release.step(StepName.SNAPSHOT).evidence:
        assert each.text in said or each.kind != SNAPSHOT, (each.text, said)
    for words in (
        "lost: what was written since",
        "seedbed snapshot restore -e prod -s ai --engine opensearch --release 2",
        "seedbed snapshot restore -e prod -s courses --engine dynamodb --release 2",
        "no drill was made",
        "seedbed has none, and its operator may have",
    ):
        assert words in said, said
    assert site.state == "open"


def test_before_its_contract_a_release_is_taken_back_whole(platform: Checkout, brought: Brought) -> None:
    platform.build("former")
    platform.build()
    with brought(PROD) as site:
        site.open("former")
        site.approve(StepName.EXPAND)
        site.release_("next", "--through", StepName.VERIFY)
        site.pass_(3600)
        site.release_("next")
        assert site.state == "closed"
        before = held(site)

        site.open()
        site.approve(StepName.EXPAND)
        site.release_("next", "--through", StepName.EXPAND)
        site.apps.run(API["new"])
        assert "soaks until" in site.release_("next", code=6).err
        early = site.release_("back", "--stacks", "--yes", code=6)
        assert "bring it there; then: seedbed release back -e prod" in early.err
        site.apps.run(API["former"])
        site.release_("back", "--stacks", "--yes")
        assert site.state == "returned"
        assert_same(by_alias(held(site)), by_alias(before))
        site.run("status", "-e", site.name, "--exit-code", "--fresh", root=platform.former)
        site.run("verify", "-e", site.name, root=platform.former)
        site.assert_none_was_refused()
