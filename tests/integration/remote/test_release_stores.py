"""What keeps releases: what every store promises, with several processes at once, and killed ones."""

from __future__ import annotations

import hashlib
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import Denied
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.store.records import SCHEMA, PostgresRecords
from seedbed.engines.postgres.wire.connection import open_connection
from seedbed.engines.records import Record
from seedbed.errors import Refused, Unreachable
from seedbed.model.release import Evidence, Step, StepName
from seedbed.model.secret import Secret
from seedbed.releases.database_store import DatabaseStore
from seedbed.releases.directory_store import DirectoryStore
from seedbed.releases.records import encoded, opening
from seedbed.releases.store import ReleaseStore
from seedbed.releases.table_store import TableStore
from tests.integration.remote.conftest import BUCKET, TABLE
from tests.support.aws_proxy import Policies, Proxy
from tests.support.releases import approval, following, release, started

WRITERS = 8
DOCS = Path(__file__).parents[3] / "docs"
KINDS = ("table", "directory", "database")


@pytest.fixture
def environment() -> str:
    return f"dev-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, environment: str, tmp_path: Path) -> Iterator[ReleaseStore]:
    """A store of its own for each test, of every kind that there is."""
    if request.param == "directory":
        yield DirectoryStore(tmp_path / "releases", environment)
        return
    if request.param == "database":
        server: EmbeddedServer = request.getfixturevalue("postgres_server")
        address = address_of(server, request.getfixturevalue("new_database")())
        yield DatabaseStore(PostgresRecords(address, environment), environment, "user/postgres")
        return
    request.getfixturevalue("aws")
    cloud: Cloud = request.getfixturevalue("cloud")
    yield TableStore(Table(cloud, TABLE), Bucket(cloud, BUCKET), environment)


# As docs/how-to/give-rights.md has them.
GRANTS = tuple(
    line.rstrip(";")
    for line in (DOCS / "how-to" / "give-rights.md")
    .read_text()
    .partition("```sql\n")[2]
    .partition("```")[0]
    .splitlines()
)


class Logins(NamedTuple):
    """The login that releases, which owns the tables, and one that approves, at `address`."""

    owner: DatabaseStore
    approver: DatabaseStore
    address: Address


def spoil(store: ReleaseStore, sha256: str, data: bytes) -> None:
    """Change what is kept behind the store's back; without any `data` take it away."""
    if isinstance(store, DirectoryStore):
        path = store.directory / "blobs" / sha256
        path.write_bytes(data) if data else path.unlink()
        return
    if isinstance(store, DatabaseStore):
        store._records.put(sha256, data)
        return
    assert isinstance(store, TableStore)
    store.bucket.put(f"releases/{store.environment}/{sha256}", data)


def test_what_was_written_is_what_is_read(store: ReleaseStore, environment: str) -> None:
    assert store.numbers() == []
    assert store.load(1) is None
    step = Step(name=StepName.EXPAND, state="failed", evidence=(Evidence("apply", "good", "ä \u2028", 1.5),))
    for number in (1, 2, 12345):
        made = release(environment, number, images={"api": "sha256:1"})
        made = replace(made, steps=(step, *made.steps[1:]))
        assert store.create(made)
        assert store.load(number) == made
    assert store.numbers() == [1, 2, 12345]


def test_a_number_is_taken_once_and_a_revision_is_written_once(store: ReleaseStore, environment: str) -> None:
    first = release(environment)
    assert store.create(first)
    assert not store.create(replace(first, commit="other"))
    assert store.replace(following(first))
    assert not store.replace(following(first))
    assert not store.replace(replace(first, revision=5))
    assert not store.replace(release(environment, 2, revision=1))
    assert store.load(1) == following(first)
    assert store.load(2) is None


def together(store: ReleaseStore, *words: str) -> dict[int, str]:
    """Return what processes said, by their pids, that were all let go at once."""
    writers = [started(store, *words) for _ in range(WRITERS)]
    for each in writers:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in writers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    return {each.pid: each.communicate(timeout=60)[0].strip() for each in writers}


def test_of_many_processes_that_want_one_number_one_gets_it(store: ReleaseStore, environment: str) -> None:
    said = together(store, "create", "1")
    assert sorted(said.values()) == ["False"] * (WRITERS - 1) + ["True"]
    now = store.load(1)
    assert now is not None
    assert said[int(now.commit)] == "True"
    assert now.digest in {each.digest for each in store.openings(1)}


def test_of_many_processes_that_write_at_once_none_writes_over_another(
    store: ReleaseStore, environment: str
) -> None:
    assert store.create(release(environment))
    said = together(store, "count", "1", "20")
    now = store.load(1)
    assert now is not None
    assert now.revision == sum(map(int, said.values())) > 0


@pytest.mark.parametrize(
    "round_", [pytest.param(each, marks=[pytest.mark.soak] * (each > 0)) for each in range(10)]
)
def test_a_writer_that_is_killed_at_any_moment_leaves_whole_records(
    store: ReleaseStore, environment: str, round_: int
) -> None:
    assert store.create(release(environment))
    writer = started(store, "write", "1")
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    writer.stdin.write("go\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == "1\n"
    time.sleep(random.Random(round_).uniform(0, 0.1))
    writer.kill()
    rest, _ = writer.communicate(timeout=60)
    last = int((rest.split() or ["1"])[-1])
    now = store.load(1)
    assert now is not None
    assert now.revision in (last, last + 1)
    assert now == release(environment, revision=now.revision)
    for revision in range(1, now.revision + 1):
        text = str(revision).encode() * 1000
        assert store.get(hashlib.sha256(text).hexdigest()) == text
    assert store.replace(following(now))


def test_bytes_are_kept_under_their_digest_and_found_by_it(store: ReleaseStore) -> None:
    for data in (b"", b"plan", os.urandom(3 << 20)):
        sha256 = store.put(data)
        assert sha256 == hashlib.sha256(data).hexdigest()
        assert store.put(data) == sha256
        assert store.get(sha256) == data
    with pytest.raises(Refused, match="is gone"):
        store.get("0" * 64)


def test_bytes_that_somebody_changed_are_refused_and_put_right_by_whoever_has_them(
    store: ReleaseStore,
) -> None:
    sha256 = store.put(b"plan")
    spoil(store, sha256, b"plot")
    with pytest.raises(Refused, match="was changed"):
        store.get(sha256)
    assert store.put(b"plan") == sha256
    assert store.get(sha256) == b"plan"


def test_an_approval_is_its_writers_and_the_last_one_of_his_counts(store: ReleaseStore) -> None:
    began = store.now()
    assert store.approvals(1) == []
    store.approve(approval(digest="1" * 64))
    store.approve(approval(digest="2" * 64, reason="nobody reads it", evidence="https://ci/1"))
    store.approve(approval(step=StepName.CONTRACT))
    store.approve(approval(2))
    contract, expand = store.approvals(1)
    me = store.caller()
    assert (contract.step, expand.step) == (StepName.CONTRACT, StepName.EXPAND)
    assert (expand.digest, expand.reason, expand.evidence) == ("2" * 64, "nobody reads it", "https://ci/1")
    assert expand.by.user_id == contract.by.user_id == me.user_id
    assert "github:ana" in expand.by.note
    assert began - 2 <= expand.at <= store.now() + 2
    assert [each.number for each in store.approvals(2)] == [2]


def test_who_opens_a_release_leaves_that_under_his_own_name(store: ReleaseStore, environment: str) -> None:
    made = release(environment)
    assert store.openings(1) == []
    assert store.create(made)
    assert not store.create(replace(made, commit="other"))
    (left,) = store.openings(1)
    assert (left.by.user_id, left.digest) == (store.caller().user_id, made.digest)
    assert abs(left.at - store.now()) < 60
    assert store.openings(2) == []
    assert store.approvals(1) == []


def test_of_two_bundles_that_one_user_opens_at_once_one_is_opened_and_stays_so(
    store: ReleaseStore, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = release(environment), release(environment, bundle="a" * 64)
    with monkeypatch.context() as at_once:
        at_once.setattr(store, "load", lambda number: None)  # each looked before the other one wrote
        assert store.create(first)
        assert not store.create(other)
    assert store.load(1) == first
    left = {each.digest: each.by.user_id for each in store.openings(1)}
    assert left.get(first.digest) == store.caller().user_id


def test_what_is_no_record_of_a_release_is_refused(store: ReleaseStore, environment: str) -> None:
    assert store.create(release(environment, 2))
    if isinstance(store, DirectoryStore):
        records = store.directory / "records"
        (records / "0001.json").write_bytes((records / "0002.json").read_bytes())
        (records / "0003.json").write_bytes(b"{}")
    elif isinstance(store, DatabaseStore):
        there = store._records.load(2)
        assert there is not None
        store._records.write(1, there)
        store._records.write(3, Record(0, "", b"{}"))
    else:
        assert isinstance(store, TableStore)
        item = store.table.get(f"release#{environment}", "0002")
        assert item is not None
        store.table.put({**item, "part": "0001"})
        store.table.put({**item, "part": "0003", "record": "{}"})
    with pytest.raises(Refused, match="not its own"):
        store.load(1)
    with pytest.raises(Refused, match="cannot be read"):
        store.load(3)


@pytest.mark.parametrize("operation", ["PutItem", "PutObject"])
def test_a_write_whose_answer_was_lost_is_made_once(
    aws: Proxy, cloud: Cloud, environment: str, operation: str
) -> None:
    store = TableStore(Table(cloud, TABLE), Bucket(cloud, BUCKET), environment)
    with aws.drop(operation, when="answered", times=1):
        assert store.create(release(environment))
        store.put(b"plan")
    with aws.drop(operation, when="answered", times=1):
        assert store.replace(following(release(environment)))
        store.approve(approval())
    assert not store.create(release(environment))
    assert not store.replace(following(release(environment)))
    assert store.get(hashlib.sha256(b"plan").hexdigest()) == b"plan"
    assert len(store.approvals(1)) == 1


def test_the_time_is_that_of_aws(
    aws: Proxy, cloud: Cloud, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = time.time()
    monkeypatch.setattr("time.time", lambda: right + 7200)
    store = TableStore(Table(cloud, TABLE), Bucket(cloud, BUCKET), environment)
    assert abs(store.now() - right) < 60


@pytest.fixture
def judge(aws: Proxy, cloud: Cloud, environment: str) -> Policies:
    """Callers and the task, each known to STS by a name of his own."""
    place = ("sample", environment, "aws", cloud.account, cloud.region, TABLE, BUCKET)
    judge = aws.add(Policies(account=cloud.account, region=cloud.region))
    for kind in (*rights.KINDS, rights.WORK):
        judge.caller(kind, rights.Names(*place), user_id=f"AROA{kind.upper()}:{kind}")
    return judge


def as_(kind: str, cloud: Cloud, environment: str) -> TableStore:
    """Return the store as a kind of caller reaches it."""
    own = replace(cloud, session_token=Secret(kind))
    return TableStore(Table(own, TABLE), Bucket(own, BUCKET), environment)


def test_who_releases_writes_records_and_bytes_and_who_approves_approves_in_his_own_name(
    judge: Policies, cloud: Cloud, environment: str
) -> None:
    opener, approver = (as_(each, cloud, environment) for each in ("release", "approve"))
    sha256 = opener.put(b"plan")
    assert opener.create(release(environment, opened_by=opener.caller()))
    assert opener.replace(following(release(environment, opened_by=opener.caller())))
    approver.approve(approval())
    for kind in (*rights.KINDS, rights.WORK):
        store = as_(kind, cloud, environment)
        assert store.numbers() == [1]
        found = store.load(1)
        assert found is not None
        assert found.opened_by.user_id == "AROARELEASE:release"
        assert store.get(sha256) == b"plan"
        assert [each.by.user_id for each in store.approvals(1)] == ["AROAAPPROVE:approve"]
        if kind != "approve":
            with pytest.raises(Denied):
                store.approve(approval())
        if kind != "release":
            with pytest.raises(Denied):
                store.replace(following(found))
            with pytest.raises(Denied):
                store.create(release(environment, 2))
            with pytest.raises(Denied):
                store.put(b"another plan")
        assert [each.by.user_id for each in store.openings(1)] == ["AROARELEASE:release"]
        own = f"{found.digest}/AROA{kind.upper()}:{kind}"
        for key in (f"0001/{own}", f"0001/{found.digest}/AROAOTHER:ben", "0001/AROAOTHER:ben/x"):
            if kind != "release" or not key.endswith(":release"):
                with pytest.raises(Denied):
                    store.bucket.put(f"openings/{environment}/{key}", b"{}")


@pytest.mark.parametrize(
    ("kind", "user"),
    [("release", "AROAAPPROVE:approve"), ("approve", "AROAAPPROVE:ben"), ("work", "AROAWORK:work")],
)
def test_nobody_writes_an_approval_in_the_name_of_somebody_else(
    judge: Policies, cloud: Cloud, environment: str, kind: str, user: str
) -> None:
    store = as_(kind, cloud, environment)
    with pytest.raises(Denied):
        store.bucket.put(f"approvals/{environment}/0001/contract/{user}", encoded(approval()))
    assert as_("read", cloud, environment).approvals(1) == []


def test_an_opening_is_of_whom_and_of_what_its_name_says(
    judge: Policies, cloud: Cloud, environment: str
) -> None:
    store, made = as_("release", cloud, environment), release(environment)
    me, left = store.caller().user_id, encoded(opening(made, store.caller()))
    for path in (f"{made.digest}/AROAOTHER:ben/{me}", f"AROAOTHER:ben/{me}", me):
        store.bucket.put(f"openings/{environment}/0001/{path}", left)  # the policy lets it be
    assert store.openings(1) == []


def test_one_approver_is_not_two_by_a_longer_path(judge: Policies, cloud: Cloud, environment: str) -> None:
    store = as_("approve", cloud, environment)
    forged = f"approvals/{environment}/0001/expand/AROAOTHER:ben/{store.caller().user_id}"
    store.bucket.put(forged, encoded(approval()))  # the policy lets it be: its key ends as it has to
    other = replace(approval(step=StepName.CONTRACT))
    store.bucket.put(f"approvals/{environment}/0001/expand/{store.caller().user_id}", encoded(other))
    store.bucket.put(f"approvals/{environment}/0001/code/{store.caller().user_id}", b"x" * 70_000)
    assert store.approvals(1) == []


def test_in_a_directory_an_approval_is_that_of_the_files_owner(environment: str, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path, environment)
    store.approve(approval())
    (home,) = (tmp_path / "approvals" / "0001").iterdir()
    own = home / store.caller().user_id
    (home / "uid-4711").write_bytes(own.read_bytes())  # in somebody else's name
    (home / "uid-4712").symlink_to(own)
    assert [each.by.user_id for each in store.approvals(1)] == [store.caller().user_id]
    own.chmod(0o666)  # anybody may have written that
    assert store.approvals(1) == []
    own.chmod(0o644)
    own.write_bytes(b"x" * 70_000)
    assert store.approvals(1) == []


def address_of(server: EmbeddedServer, database: str, user: str = "") -> Address:
    dsn = server.dsn(database)
    return Address(dsn["host"], int(dsn["port"]), user or dsn["user"], database)


@pytest.fixture
def logins(
    postgres_server: EmbeddedServer, new_database: Callable[[], str], environment: str
) -> Iterator[Logins]:
    """A store in a database, and that of a login with the rights that the page about rights gives to approvers."""
    address = address_of(postgres_server, new_database())
    store = DatabaseStore(PostgresRecords(address, environment), environment, "user/postgres")
    assert store.create(release(environment))
    name = f"ana_{uuid.uuid4().hex[:8]}"
    with open_connection(address) as connection:
        for each in (f"CREATE ROLE {name} LOGIN", *(line.replace("ana", name) for line in GRANTS)):
            connection.execute(each.encode())
        own = replace(address, user=name)
        yield Logins(store, DatabaseStore(PostgresRecords(own, environment), environment, ""), own)
        connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


def test_a_login_that_approves_does_that_in_its_own_name_and_writes_nothing_else(
    logins: Logins, environment: str
) -> None:
    logins.approver.approve(approval())
    (found,) = logins.owner.approvals(1)
    assert found.by.user_id == logins.address.user
    assert logins.approver.load(1) == logins.owner.load(1)
    assert abs(found.at - logins.owner.now()) < 60
    for refused in (
        lambda: logins.approver.create(release(environment, 2)),
        lambda: logins.approver.replace(following(release(environment))),
        lambda: logins.approver.put(b"plan"),
    ):
        with pytest.raises(Refused, match="may not do that"):
            refused()
    forged = f"INSERT INTO {SCHEMA}.approvals (environment, number, step, login, approval) VALUES ('', 1, '', 'ben', '')"
    with open_connection(logins.address) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(forged.encode())


def test_a_write_whose_connection_broke_after_it_is_made_once(
    logins: Logins, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, broken = PostgresRecords.write, list[int]()

    def lost(self: PostgresRecords, number: int, record: Record) -> bool:
        made = write(self, number, record)
        if not broken:
            broken.append(number)
            raise Unreachable("no connection to the server")
        return made

    monkeypatch.setattr(PostgresRecords, "write", lost)
    assert logins.owner.create(release(environment, 2))
    broken.clear()
    assert logins.owner.replace(following(release(environment, 2)))
    broken.clear()
    assert not logins.owner.replace(following(release(environment, 2)))


def test_a_server_that_is_away_is_unreachable(environment: str) -> None:
    away = Address("127.0.0.1", 9, "ana", "none")
    with pytest.raises(Unreachable):
        PostgresRecords(away, environment).load(1)


def test_drafts_of_those_who_were_killed_go_and_others_stay(environment: str, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path, environment)
    store.put(b"1")
    old, new = tmp_path / "drafts" / "old", tmp_path / "drafts" / "new"
    for each in (old, new):
        each.touch()
    os.utime(old, (1, 1))
    store.put(b"2")
    assert [each.name for each in (tmp_path / "drafts").iterdir()] == ["new"]
