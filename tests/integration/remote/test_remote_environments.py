"""The records of environments: what is written at once, twice, or by a caller of another environment."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import Denied
from seedbed.aws.items import Table
from seedbed.errors import UsageError
from seedbed.model.lifetime import EnvironmentRecord
from seedbed.model.secret import Secret
from seedbed.remote.environments import Environments, Use
from seedbed.support.phrases import moment
from tests.integration.remote.conftest import BUCKET, TABLE
from tests.support.afar import Afar
from tests.support.aws_proxy import Policies, Proxy
from tests.support.projects import Ran

ANA = Use("arn:aws:sts::111111111111:assumed-role/Developer/ana", "apply", "c0ffee", "main")
BEN = replace(ANA, by=ANA.by.replace("ana", "ben"), command="seed")


@pytest.fixture
def name() -> str:
    return f"dev-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def records(aws: Proxy, cloud: Cloud) -> Environments:
    return Environments(Table(cloud, TABLE))


def used(records: Environments, name: str) -> EnvironmentRecord:
    found = records.touch(name, ANA)
    assert found is not None
    return found


def aged(
    records: Environments, record: EnvironmentRecord, seconds: float, **more: float
) -> EnvironmentRecord:
    """Have a record be so old."""
    values: dict[str, Any] = {"used": record.used - seconds, **more}
    records.table.update(
        f"environment#{record.name}",
        "about",
        "SET " + ", ".join(f"#{each} = :{each}" for each in values),
        **values,
    )
    found = records.about(record.name)
    assert found is not None
    return found


def test_a_use_is_written_down_once_in_ten_minutes(records: Environments, name: str, aws: Proxy) -> None:
    first = used(records, name)
    assert (first.owner, first.by, first.command, first.branch) == (ANA.by, ANA.by, "apply", "main")
    assert first.used == first.created == pytest.approx(records.now(), abs=5)
    aws.forget()
    assert records.touch(name, BEN) is None
    assert {each.operation for each in aws.calls} == {"GetItem"}
    aged(records, first, 601)
    again = records.touch(name, BEN)
    assert again is not None
    assert (again.owner, again.by, again.created) == (ANA.by, BEN.by, first.created)
    assert records.about(name) == again == records.listed()[name]


def test_another_commit_and_a_ttl_are_written_at_once(records: Environments, name: str) -> None:
    used(records, name)
    other = records.touch(name, replace(ANA, commit="decaf"))
    assert other is not None
    assert other.commit == "decaf"
    own = records.touch(name, replace(ANA, commit="decaf"), ttl=3600.0)
    assert own is not None
    assert own.ttl == 3600.0
    later = records.touch(name, ANA)
    assert later is not None
    assert later.ttl == 3600.0  # it stays, whoever uses it next


def test_uses_at_once_leave_one_record_of_one_owner(records: Environments, name: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: records.touch(name, replace(ANA, by=f"arn/{n}", commit=str(n))), range(8)))
    found = records.about(name)
    assert found is not None
    assert found.owner.startswith("arn/")
    assert name in records.listed()


def test_a_mark_goes_with_a_use_an_extension_and_a_wish_to_keep(records: Environments, name: str) -> None:
    record = used(records, name)
    ways: list[Callable[[], EnvironmentRecord | None]] = [
        lambda: records.touch(name, ANA),  # although it was used within ten minutes
        lambda: records.extend(name, 60.0),
        lambda: records.keep(name, keep=True),
        lambda: records.keep(name, keep=False),
    ]
    for again in ways:
        seen = records.about(name)
        assert seen is not None
        assert (records.mark(seen) is None) == seen.keep
        found = again()
        assert found is not None
        assert (found.marked, found.created) == (0, record.created)


def test_what_was_used_since_it_was_read_is_neither_marked_nor_taken(
    records: Environments, name: str
) -> None:
    seen = used(records, name)
    marked = records.mark(seen)
    assert marked is not None
    records.extend(name, 60.0)
    assert records.mark(seen) is None
    assert records.take(marked, "one") is None
    extended = records.about(name)
    assert extended is not None
    marked = records.mark(extended)
    assert marked is not None
    assert records.take(replace(marked, marked=marked.marked + 1), "one") is None


def test_of_two_that_collect_one_does_and_its_second_try_is_the_first(
    records: Environments, name: str
) -> None:
    marked = records.mark(used(records, name))
    assert marked is not None
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: records.take(marked, f"token-{n}"), range(8)))
    winners = [each for each in taken if each is not None]
    assert len(winners) == 1
    one = winners[0]
    assert records.take(marked, one.taker) is not None
    assert records.is_taken(name, one.taker)
    assert not records.remove(name, token="another")
    aged(records, one, 0, taken=one.taken - 7201)  # it was killed
    assert records.take(marked, "later") is not None
    assert not records.is_taken(name, one.taker)
    assert records.remove(name, token="later")
    assert records.about(name) is None
    assert name not in records.listed()
    assert records.remove(name, token="later")  # the second try of what was not answered


def test_who_uses_what_is_being_collected_takes_it_back(records: Environments, name: str) -> None:
    marked = records.mark(used(records, name))
    assert marked is not None
    assert records.take(marked, "gc") is not None
    assert records.touch(name, BEN) is not None
    assert not records.is_taken(name, "gc")
    assert not records.remove(name, token="gc")
    assert records.about(name) is not None


def test_what_could_not_be_collected_stays_marked_for_the_next(records: Environments, name: str) -> None:
    marked = records.mark(used(records, name))
    assert marked is not None
    assert records.take(marked, "one") is not None
    records.give_back(name, "one")
    assert records.take(marked, "two") is not None


def test_what_has_no_record_is_counted_from_now(records: Environments, name: str) -> None:
    with pytest.raises(UsageError, match=f"no record of {name}"):
        records.extend(name, 60.0)
    counted = records.count(name)
    assert counted.used == pytest.approx(records.now(), abs=5)
    assert records.count(name, mark=True) == counted  # somebody was faster
    assert records.listed()[name] == counted


def test_a_record_of_another_version_is_kept(records: Environments, name: str) -> None:
    used(records, name)
    records.table.update(f"environment#{name}", "about", "SET #used = :used", used="yesterday")
    found = records.about(name)
    assert found is not None
    assert found.keep


@pytest.mark.parametrize("kind", [rights.RUN, rights.DEPLOY, rights.READ])
def test_a_caller_writes_of_the_own_environment_and_reads_the_list(
    records: Environments, aws: Proxy, cloud: Cloud, name: str, kind: str
) -> None:
    other = f"{name}-b"
    used(records, other)
    judge = aws.add(Policies(account=cloud.account, region=cloud.region))
    where = ("aws", cloud.account, cloud.region, TABLE, BUCKET)
    judge.caller(kind, rights.Names("shop", name, *where, ephemeral=True, base="shared-dev"), "caller")
    calling = Environments(Table(replace(cloud, session_token=Secret("caller")), TABLE))
    if kind == rights.READ:
        used(records, name)
        with pytest.raises(Denied):
            calling.touch(name, ANA)
        judge.refused["caller"].clear()
    else:
        assert calling.touch(name, ANA) is not None
        assert calling.touch(name, replace(ANA, commit="decaf")) is not None
    assert {name, other} <= calling.listed().keys()
    assert judge.refused["caller"] == set()
    for forbidden in (
        lambda: calling.about(other),
        lambda: calling.touch(other, ANA),
        lambda: calling.keep(other, keep=True),
        lambda: calling.extend(other, 60.0),
        lambda: calling.remove(other),
    ):
        with pytest.raises(Denied):
            forbidden()
    if kind == rights.DEPLOY:
        assert calling.remove(name)


def noted(afar: Afar) -> EnvironmentRecord:
    found = Environments(afar.control.table).about(afar.name)
    assert found is not None
    return found


def env(afar: Afar, *words: str) -> Ran:
    with afar.start("env", *words) as process:
        out, err = process.communicate(timeout=60)
    return Ran(process.returncode, out, err)


def has_ttl(afar: Afar) -> None:
    manifest = afar.files.root / "seedbed.toml"
    manifest.write_text(manifest.read_text().replace('access = "task"\n', 'access = "task"\nttl = "3d"\n', 1))


@pytest.mark.slow
def test_a_command_that_reaches_the_databases_is_written_down_and_a_look_at_what_was_left_is_not(
    afar: Afar, aws: Proxy
) -> None:
    afar.files.tables(1)
    with afar.waited_on():
        assert afar.call("apply").code == 0
    record = noted(afar)
    assert (record.command, record.by) == ("apply", record.owner)
    aged(Environments(afar.control.table), record, 86_400)
    assert afar.call("status").code == 0
    assert noted(afar).used == record.used - 86_400
    assert afar.here("status").code == 0
    assert noted(afar).command == "status"
    assert not any(afar.judge.refused.values())
    aged(Environments(afar.control.table), record, 86_400)
    unwritten = f"that {afar.name} is used could not be written down"
    with aws.refuse("GetItem", "AccessDeniedException", "no", times=None):
        ran = afar.here("status", "-v")
    assert (ran.code, ran.err.count(unwritten)) == (0, 1), ran.everything
    with aws.refuse("GetItem", "AccessDeniedException", "no", times=None):
        assert unwritten not in afar.here("status").err  # nothing there is deleted for not being used


@pytest.mark.slow
def test_whoever_uses_what_is_marked_is_told_when_it_goes_and_what_keeps_it(afar: Afar, aws: Proxy) -> None:
    has_ttl(afar)
    records, name = Environments(afar.control.table), afar.name
    afar.files.tables(1)
    with afar.waited_on():
        assert afar.call("apply").code == 0
    marked = records.mark(aged(records, noted(afar), 10 * 86_400))
    assert marked is not None
    when = moment(datetime.fromtimestamp(marked.goes, UTC))
    looked = afar.call("status")  # by what the last run left, which is no use
    told = f"{name} will be deleted from {when} on, with all data; if it is used until then it stays: seedbed env touch"
    assert (looked.code, looked.err.count(told)) == (0, 1), looked.everything
    assert noted(afar).marked == marked.marked
    used = afar.here("status", "--json")
    told = f"{name} was to be deleted from {when} on; now that it is used it stays until "
    assert (used.code, used.err.count(told), f"env extend {name} --ttl 7d" in used.err) == (0, 1, True), used
    assert noted(afar).marked == 0
    assert told not in afar.here("status").err
    assert not any(afar.judge.refused.values())
    # What is not used is deleted there, so that a use that is not written down has to be known.
    with aws.refuse("GetItem", "AccessDeniedException", "no", times=None):
        missed = afar.here("status", "-q")
    unwritten = f"that {name} is used could not be written down"
    assert (missed.code, missed.err.count(unwritten)) == (0, 1), missed.everything
    assert f"unless this is done: seedbed env touch {name}" in missed.err


@pytest.mark.slow
def test_an_end_is_put_off_and_kept_off_by_name(afar: Afar) -> None:
    none = env(afar, "extend", afar.name, "--ttl", "7d")
    assert (none.code, f"there is no record of {afar.name}" in none.err) == (2, True), none.everything
    has_ttl(afar)
    assert "and longer if it is used" in env(afar, "touch", afar.name).out
    assert env(afar, "touch", afar.name, "--ttl", "8h").code == 0
    assert noted(afar).ttl == 8 * 3600
    extended = env(afar, "extend", afar.name, "--ttl", "7d", "--json").document["record"]
    assert extended["expires"] > extended["used"]
    kept = env(afar, "keep", afar.name)
    assert kept.out.startswith(f"{afar.name} is kept")
    assert noted(afar).keep
    assert env(afar, "keep", afar.name, "--end").code == 0
    assert not noted(afar).keep
    assert not any(afar.judge.refused.values())
    for words in (("touch", "sandbox"), ("touch", "prod"), ("extend", afar.name, "--ttl", "0d")):
        assert env(afar, *words).code == 2, words


@pytest.mark.slow
def test_a_service_by_itself_comes_up_only_where_the_task_is_that_fills_it(afar: Afar, aws: Proxy) -> None:
    service = next(each.parent.name for each in (afar.files.root / "services").glob("*/postgres"))
    ran = env(afar, "up", "dev-none", "-s", service, "--yes")
    assert (ran.code, "the task of dev-none is not deployed yet" in ran.err) == (2, True), ran.everything
    assert "once without --service: seedbed env up dev-none" in ran.err
