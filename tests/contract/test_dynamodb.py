"""DynamoDB keeps the contract: on ministack, and what rests on the server's own answers on DynamoDB Local too.

How a run in trouble, an expired lease, losses and verify end is decided by seedbed and by the door in between: one
server is enough that stores what it is told, and ministack takes a third of the processor.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.register_assert_rewrite("seedbed.testing")

from seedbed.aws import clients, identity  # noqa: E402
from seedbed.aws.cloud import Cloud  # noqa: E402
from seedbed.engines.dynamodb.sandbox.world import World  # noqa: E402
from seedbed.engines.dynamodb.wire import client  # noqa: E402
from seedbed.engines.dynamodb.wire.client import READS, Client  # noqa: E402
from seedbed.engines.dynamodb.wire.values import from_item, to_item  # noqa: E402
from seedbed.model.secret import Secret  # noqa: E402
from seedbed.testing import (  # noqa: E402
    Bench,
    BulkLoadContract,
    EngineContract,
    ExpiryContract,
    IdsContract,
    LossContract,
    QueryContract,
    ResetContract,
    SilenceContract,
    TroubleContract,
    UnlockContract,
    UsageContract,
    VerifiedContract,
)
from tests.support.aws_proxy import Proxy, proxy  # noqa: E402
from tests.support.dynamodb.accounts import Accounts  # noqa: E402
from tests.support.dynamodb.metrics import CloudWatch  # noqa: E402
from tests.support.servers import new_account  # noqa: E402
from tests.support.wire.passage import answered, body_of, field_of, has_hung_up, head_of, said  # noqa: E402
from tests.support.wire.silent import SilentLine, over_tcp, silent_line  # noqa: E402

REGION = "eu-central-1"
KNOCK = "knock"  # in a write's body: this one waits while the door is closed
TABLES = """
[tables.things]
key = { partition = "name" }
attributes = { name = "S" }

[tables.users]
key = { partition = "id" }
attributes = { id = "N", name = "S", visits = "N" }
"""
KEYS = {"things": {"name": "S"}, "users": {"id": "N"}, "migrations_history": {"pk": "S", "sk": "S"}}


class Trouble:
    """What becomes of writes beyond the first `after`: "denied", "expired", or "lost" once it is carried out.

    Signs of life of the lease go through: a lease that is lost too would hide what is to be seen.
    """

    def __init__(self, kind: str, after: int) -> None:
        self._kind = kind
        self._after = after
        self._lock = threading.Lock()

    def meets(self, operation: str, body: bytes) -> str:
        """Return what a request meets: its kind of trouble, "" where it goes through."""
        is_heartbeat = operation == "UpdateItem" and b'"sk":{"S":"lease"}' in body
        if is_heartbeat or operation in READS:
            return ""
        with self._lock:
            self._after -= 1
            return "" if self._after >= 0 else self._kind


_REFUSALS = {
    "denied": ("AccessDeniedException", "User: ana is not authorized to perform: dynamodb"),
    "expired": ("ExpiredTokenException", "The security token included in the request is expired"),
}


class Door(ThreadingTCPServer):
    """A proxy before the server that keeps requests which knock, while their account's door is closed.

    A request whose sender has died goes on its way all the same when the door opens: a packet knows no owner.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, endpoint: str, *, has_sts: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.behind = urlsplit(endpoint)
        self.has_sts = has_sts
        self.closed: set[str] = set()
        self.inside: dict[str, int] = {}
        self.changed = threading.Condition()
        self.trouble: dict[str, Trouble] = {}  # by account

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def connected(self) -> socket.socket:
        return socket.create_connection((self.behind.hostname, self.behind.port), timeout=60)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients are killed here."""


class _Passage(StreamRequestHandler):
    """One connection, with one of its own to the server. What is said goes through as it is."""

    server: Door
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with ExitStack() as lines:
            behind: socket.socket | None = None
            while head := head_of(self.rfile):
                body = body_of(head, self.rfile)
                account = _between(field_of(head, b"authorization"), "Credential=", "/")
                if b"Action=GetCallerIdentity" in body and not self.server.has_sts:
                    self.wfile.write(said("200 OK", "text/xml", _identity(account)))
                    continue
                if KNOCK.encode() in body:
                    self._wait(account)
                operation = field_of(head, b"x-amz-target").rpartition(".")[2]
                trouble = self.server.trouble.get(account)
                met = trouble.meets(operation, body) if trouble else ""
                if met in _REFUSALS:
                    code, message = _REFUSALS[met]
                    told = json.dumps({"__type": f"com.amazon.coral.service#{code}", "message": message})
                    self.wfile.write(said("400 Bad Request", "application/x-amz-json-1.0", told.encode()))
                    continue
                if behind is None or has_hung_up(behind):
                    behind = lines.enter_context(self.server.connected())
                behind.sendall(head + body)
                answer = answered(behind)
                if met:
                    return
                self.wfile.write(answer)

    def _wait(self, account: str) -> None:
        door, is_inside = self.server, False
        with door.changed:
            while account in door.closed:
                is_alive = not has_hung_up(self.connection)
                if is_alive is not is_inside:
                    is_inside = is_alive
                    door.inside[account] = door.inside.get(account, 0) + (1 if is_alive else -1)
                    door.changed.notify_all()
                door.changed.wait(0.02)
            if is_inside:
                door.inside[account] -= 1


def _between(text: str, left: str, right: str) -> str:
    return text.partition(left)[2].partition(right)[0]


def _identity(account: str) -> bytes:
    return (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Arn>arn:aws:iam::{account}:root</Arn><UserId>{account}</UserId><Account>{account}</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    ).encode()


class Inside:
    """A closed door."""

    def __init__(self, door: Door, account: str) -> None:
        self._door = door
        self._account = account

    def wait_until_inside(self, timeout: float) -> bool:
        with self._door.changed:
            return self._door.changed.wait_for(lambda: self._door.inside.get(self._account, 0) > 0, timeout)


class DynamoHarness:
    """An account of its own for every database, with the tables that CDK would have made."""

    entry_point = "seedbed.engines.dynamodb:engine"
    suffix = ".py"
    comment = "#"
    options: Mapping[str, Any] = {"lease_seconds": 4}
    leaves_work = False  # nothing of a killed runner goes on: what it sent last is fenced off

    def __init__(self, door: Door, empty_account: Callable[[], str]) -> None:
        self._endpoint = door.behind.geturl()
        self._door = door
        self._empty_account = empty_account

    def settings(self) -> Mapping[str, str]:
        settings = self._settings(self._empty_account())
        for table in KEYS:
            self._create(settings, table)
        return settings

    def _create(self, settings: Mapping[str, str], table: str) -> None:
        key = KEYS[table]
        kinds = [
            {"AttributeName": name, "KeyType": kind}
            for name, kind in zip(key, ("HASH", "RANGE"), strict=False)
        ]
        types = [{"AttributeName": name, "AttributeType": kind} for name, kind in key.items()]
        declared = {"KeySchema": kinds, "AttributeDefinitions": types, "BillingMode": "PAY_PER_REQUEST"}
        self._call(settings, "CreateTable", table, declared)

    def _settings(self, account: str) -> dict[str, str]:
        return {
            "region": REGION,
            "account": account,
            "endpoint": self._door.endpoint,
            "access_key": account,
            "secret_key": "sandbox",
        }

    def nowhere(self) -> Mapping[str, str]:
        return {**self._settings("999999999999"), "endpoint": "http://127.0.0.1:9"}

    def creates(self, thing: str) -> str:
        return _program(
            "things", up=f'table.put({{"name": "{thing}"}})', down=f'table.delete({{"name": "{thing}"}})'
        )

    def adds(self, table: str) -> str:
        put = 'table.put({"id": random.getrandbits(60), "name": "one more"})'
        return _program(table, up=f"import random\n\n    {put}")

    def removes(self, table: str) -> str:
        return f"# seedbed: table={table}\n\n\ndef up(item):\n    return item\n\n\ndef down(item):\n    return None\n"

    def fails(self, thing: str) -> str:
        refused = 'table.put({"name": "nobody"}, condition="attribute_exists(nothing)")'
        return _program("things", up=f'table.put({{"name": "{thing}"}})\n    {refused}')

    def fails_down(self, thing: str) -> str:
        refused = 'table.put({"name": "nobody"}, condition="attribute_exists(nothing)")'
        down = f'table.delete({{"name": "{thing}"}})\n    {refused}'
        return _program("things", up=f'table.put({{"name": "{thing}"}})', down=down)

    def waits(self, thing: str) -> str:
        return _program("things", up=_knocking(thing))

    def probeable(self, thing: str, on: str) -> str:
        key = f'{{"name": "{thing}"}}'
        down = f'table.delete({key}, condition="door = :door", values={{":door": "{KNOCK}"}})'
        program = _program("things", "transaction=false", up=_knocking(thing), down=down)
        return f"{program}\n\ndef applied(table):\n    return table.get({key}) is not None\n"

    def unprovable(self, thing: str) -> str:
        return _program("things", "transaction=false", up=_knocking(thing))

    def repeatable(self, table: str) -> str:
        directives = 'transaction=false repeatable because "it writes the same item"'
        return _program(table, directives, up=f'table.put({{"id": 1, "name": "again", "door": "{KNOCK}"}})')

    def backfill(self, table: str, batch: int) -> str:
        settings = f"# seedbed: table={table} batch={batch} segments=1\n\n\n"
        return f'{settings}def up(item):\n    item["visits"] = item.get("visits", 0) + 1\n    return item\n'

    def finds(self, table: str, name: str) -> str:
        return f"SELECT * FROM {table} WHERE name = '{name}'"

    def counts(self, table: str) -> str:
        return f'select id from "{table}"'

    def misspells(self, table: str) -> str:
        return f"SELECT * FROM {table} WHERE"

    def writes(self, table: str) -> Sequence[str]:
        return [
            f"INSERT INTO {table} VALUE {{'id': 9, 'name': 'written'}}",
            f"UPDATE {table} SET name = 'written' WHERE id = 1",
            f"DELETE FROM {table} WHERE id = 1",
        ]

    def _call(
        self, settings: Mapping[str, str], operation: str, table: str, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Ask the server itself, not through the door."""
        cloud = Cloud(
            REGION, settings["account"], self._endpoint, "", settings["access_key"], Secret("sandbox")
        )
        with Client(cloud) as outside:
            return outside.call(operation, {"TableName": f"contract-{table}-sandbox", **request})

    def _scan(self, settings: Mapping[str, str], table: str) -> list[dict[str, Any]]:
        return [
            from_item(item) for item in self._call(settings, "Scan", table, {"ConsistentRead": True})["Items"]
        ]

    def made(self, settings: Mapping[str, str]) -> Collection[str]:
        return [item["name"] for item in self._scan(settings, "things")]

    def rows(self, settings: Mapping[str, str], table: str) -> Sequence[Mapping[str, Any]]:
        return [{"visits": 0, **item} for item in self._scan(settings, table)]

    def audit(self, settings: Mapping[str, str]) -> Sequence[str]:
        items = [item for item in self._scan(settings, "migrations_history") if item["pk"] == "audit"]
        return [json.dumps(item) for item in sorted(items, key=lambda item: str(item["sk"]))]

    @contextmanager
    def hold(self, settings: Mapping[str, str]) -> Iterator[Inside]:
        door, account = self._door, settings["access_key"]
        with door.changed:
            door.closed.add(account)
        try:
            yield Inside(door, account)
        finally:
            with door.changed:
                door.closed.discard(account)
                door.changed.notify_all()

    @contextmanager
    def line(self, settings: Mapping[str, str]) -> Iterator[SilentLine]:
        with silent_line(over_tcp(self._door.server_address[1])) as line:
            line.settings = {**settings, "endpoint": f"http://127.0.0.1:{line.port}"}
            yield line

    def break_lease(self, settings: Mapping[str, str]) -> None:
        change = {
            "Key": to_item({"pk": "lease", "sk": "lease"}),
            "UpdateExpression": "SET #token = #token + :one REMOVE holder",
            "ExpressionAttributeNames": {"#token": "token"},
            "ExpressionAttributeValues": to_item({":one": 1}),
        }
        self._call(settings, "UpdateItem", "migrations_history", change)

    troubles = ("denied", "expired", "lost")

    @contextmanager
    def trouble(self, settings: Mapping[str, str], kind: str, after: int) -> Iterator[None]:
        self._door.trouble[settings["access_key"]] = Trouble(kind, after)
        try:
            yield
        finally:
            del self._door.trouble[settings["access_key"]]

    @contextmanager
    def reader(self, settings: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        with self.trouble(settings, "denied", 0):
            yield settings

    def lose_identity(self, settings: Mapping[str, str]) -> None:
        key = {"Key": to_item({"pk": "history", "sk": "identity"})}
        self._call(settings, "DeleteItem", "migrations_history", key)

    def age_lease(self, settings: Mapping[str, str]) -> None:
        change = {
            "Key": to_item({"pk": "lease", "sk": "lease"}),
            "UpdateExpression": "SET seconds = :zero",
            "ExpressionAttributeValues": to_item({":zero": 0}),
        }
        self._call(settings, "UpdateItem", "migrations_history", change)

    def age_history(self, settings: Mapping[str, str]) -> None:
        change = {
            "Key": to_item({"pk": "history", "sk": "identity"}),
            "UpdateExpression": "SET #format = #format + :one",
            "ExpressionAttributeNames": {"#format": "format"},
            "ExpressionAttributeValues": to_item({":one": 1}),
        }
        self._call(settings, "UpdateItem", "migrations_history", change)


def _knocking(thing: str) -> str:
    return f'table.put({{"name": "{thing}", "door": "{KNOCK}"}})'


def _program(table: str, settings: str = "", *, up: str, down: str = "") -> str:
    functions = [f"def up(table):\n    {up}\n", f"def down(table):\n    {down}\n" if down else ""]
    header = f"# seedbed: table={table} {settings}".rstrip()
    return "\n\n".join([header, *filter(None, functions)])


@contextmanager
def _served(door: Door) -> Iterator[Door]:
    with door:
        threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True).start()
        yield door
        door.shutdown()


@pytest.fixture(scope="session")
def before_ministack(ministack_server: World) -> Iterator[Door]:
    with _served(Door(ministack_server.endpoint, has_sts=True)) as door:
        yield door


@pytest.fixture(scope="session")
def before_local(dynamodb_local_server: World) -> Iterator[Door]:
    with _served(Door(dynamodb_local_server.endpoint, has_sts=False)) as door:
        yield door


@pytest.fixture(autouse=True)
def declared(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put tables.toml where the contract's database has its directory; runners start where we are."""
    home = tmp_path_factory.mktemp("project")
    (home / "contract").mkdir()
    (home / "contract" / "tables.toml").write_text(TABLES)
    monkeypatch.chdir(home)


@pytest.fixture(autouse=True)
def _brief_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for a write that is under way when a run is interrupted: behind a closed door it never ends."""
    monkeypatch.setattr(client, "GRACE", 0.5)


class CountedHarness(DynamoHarness):
    """An account whose reads CloudWatch tells, and where an index is deployed that tables.toml does not declare."""

    def __init__(self, door: Door, empty_account: Callable[[], str], aws: Proxy) -> None:
        super().__init__(door, empty_account)
        self._aws = aws
        self._metrics = CloudWatch(aws)

    def _settings(self, account: str) -> dict[str, str]:
        return {**super()._settings(account), "endpoint": self._aws.endpoint}

    def settings(self) -> Mapping[str, str]:
        settings = super().settings()
        self._add_index(settings)
        return settings

    def _add_index(self, settings: Mapping[str, str]) -> None:
        index = {
            "IndexName": "by_name",
            "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
        types = [
            {"AttributeName": "id", "AttributeType": "N"},
            {"AttributeName": "name", "AttributeType": "S"},
        ]
        changes = {"AttributeDefinitions": types, "GlobalSecondaryIndexUpdates": [{"Create": index}]}
        self._call(settings, "UpdateTable", "users", changes)

    def prepares(self, table: str) -> Sequence[str]:
        return ()

    def drops(self, table: str) -> str:
        return ""

    def drops_uncounted(self, table: str) -> str:
        return self.removes(table)

    def _read(self, settings: Mapping[str, str], operation: str, **asked: Any) -> None:
        endpoint, key = self._aws.endpoint, settings["access_key"]
        cloud = Cloud(REGION, access_key=key, secret_key=Secret("sandbox"), endpoint=endpoint)
        with Client(cloud) as application:
            application.call(operation, asked)

    def uses(self, settings: Mapping[str, str], table: str) -> None:
        self._metrics.later(300)  # into a period of its own
        self._read(
            settings,
            "Query",
            TableName=f"contract-{table}-sandbox",
            IndexName="by_name",
            KeyConditionExpression="#name = :name",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues={":name": {"S": "ana"}},
        )
        self._metrics.later(300)

    def settles(self, settings: Mapping[str, str]) -> None:
        """Let what is told reach this moment: by a read of seedbed itself, as each look has one."""
        self._metrics.later(600)
        key = {"pk": {"S": "history"}, "sk": {"S": "identity"}}
        self._read(settings, "GetItem", TableName="contract-migrations_history-sandbox", Key=key)
        self._metrics.later(300)

    def begins_anew(self, settings: Mapping[str, str], table: str) -> None:
        self._call(settings, "DeleteTable", table, {})
        self._create(settings, table)
        self._add_index(settings)


class OnMinistack:
    @pytest.fixture
    def harness(self, before_ministack: Door) -> DynamoHarness:
        return DynamoHarness(before_ministack, new_account)


class OnLocal:
    @pytest.fixture
    def harness(self, before_local: Door, dynamodb_local_accounts: Accounts) -> Iterator[DynamoHarness]:
        with ExitStack() as borrowed:
            accounts = dynamodb_local_accounts
            yield DynamoHarness(before_local, lambda: borrowed.enter_context(accounts.borrowed()).account)


class TestMinistack(OnMinistack, EngineContract): ...


class TestLocal(OnLocal, EngineContract):
    @pytest.mark.soak  # four seconds that a lease lasts, on the other server anyway
    def test_the_lease_of_a_killed_runner_comes_free(self, bench: Bench) -> None:
        super().test_the_lease_of_a_killed_runner_comes_free(bench)


class Hasty:
    @pytest.fixture(autouse=True)
    def _hasty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let what gets no answer be tried again at once."""
        monkeypatch.setattr(client, "CAP", 0.05)


class TestMinistackInTrouble(OnMinistack, Hasty, TroubleContract): ...


class TestLocalFallsSilent(OnLocal, Hasty, SilenceContract):
    def hurry(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(identity, "ATTEMPTS", 1)  # who we are is asked first
        patch.setattr(clients, "READ_TIMEOUT", 0.2)
        patch.setattr(client, "READ_TIMEOUT", 0.2)
        patch.setattr(client, "PATIENCE", 0.5)


class TestMinistackLeasesExpire(OnMinistack, ExpiryContract): ...


class TestMinistackResets(OnMinistack, ResetContract): ...


class TestLocalResets(OnLocal, ResetContract): ...


class TestMinistackUnlocks(OnMinistack, UnlockContract): ...


class TestMinistackCountsLosses(OnMinistack, LossContract): ...


class TestMinistackLoadsInBulk(OnMinistack, BulkLoadContract): ...


class TestLocalLoadsInBulk(OnLocal, BulkLoadContract): ...


class TestMinistackReadsIds(OnMinistack, IdsContract): ...


class TestMinistackAnswersQueries(OnMinistack, QueryContract): ...


class TestLocalAnswersQueries(OnLocal, QueryContract): ...


class TestMinistackTellsWhatIsUsed(UsageContract):
    @pytest.fixture
    def harness(self, before_ministack: Door) -> Iterator[CountedHarness]:
        with proxy(before_ministack.endpoint) as aws:
            yield CountedHarness(before_ministack, new_account, aws)


class TestMinistackKeepsWhatVerifyFinds(OnMinistack, VerifiedContract): ...


# What seedbed decides is the same on both servers: `make test` asks one of them, `make soak` the stricter one, too.


@pytest.mark.soak
class TestLocalInTrouble(OnLocal, Hasty, TroubleContract): ...


@pytest.mark.soak
class TestLocalLeasesExpire(OnLocal, ExpiryContract): ...


@pytest.mark.soak
class TestLocalUnlocks(OnLocal, UnlockContract): ...


@pytest.mark.soak
class TestLocalCountsLosses(OnLocal, LossContract): ...


@pytest.mark.soak
class TestLocalReadsIds(OnLocal, IdsContract): ...


@pytest.mark.soak
class TestLocalKeepsWhatVerifyFinds(OnLocal, VerifiedContract): ...
