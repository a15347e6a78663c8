"""What a server refuses in the middle of a load, a reset or a step is told with what is wrong and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.running import free
from seedbed.engines.dynamodb.running.reset import reset
from seedbed.engines.dynamodb.running.transform.metered_table import MeteredTable
from seedbed.engines.dynamodb.seeds import load
from seedbed.engines.dynamodb.wire.capacity import CapacityBudget
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.engines.kit.lease import LeaseRecord
from seedbed.errors import LeaseLost, Refused, SeedbedError, StepFailed
from seedbed.model.history import Owner
from seedbed.model.migration import Direction
from seedbed.model.seed import Dataset, Loaded, Rows, SeedKind
from seedbed.wire.retrying import Policy
from tests.support.dynamodb.scripted import Request, Scripted, answer, in_turn, refusal, scripted
from tests.support.dynamodb.tables import migration

NOTES = "courses-notes-dev-test"
TABLES = '[tables.notes]\nkey = { partition = "id" }\nattributes = { id = "S", text = "S" }\n'
MISSING = refusal("ResourceNotFoundException")
REFUSED = refusal("ValidationException", "not so")


def canceled(*codes: str) -> bytes:
    reasons = [{"Code": each} for each in codes]
    return refusal("TransactionCanceledException", "canceled", CancellationReasons=reasons)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "tables.toml").write_text(TABLES)
    return tmp_path


def loaded(server: Scripted, directory: Path, count: int = 2) -> list[Loaded]:
    rows = tuple((f"n{number}", "text") for number in range(count))
    part = Rows("seeds/notes.json", "notes", ("id", "text"), rows, lines=tuple(range(1, count + 1)))
    with server.lease(directory) as lease:
        return list(load.load(lease, Dataset(SeedKind.FIXTURE, (part,)), lambda loaded: None))


def note(number: int, text: str = "text") -> dict[str, Any]:
    return {"id": {"S": f"n{number}"}, "text": {"S": text}}


# loading


def test_stored_items_that_were_not_given_at_once_are_asked_for_until_they_are(directory: Path) -> None:
    keys = [{"id": note(number)["id"]} for number in range(2)]
    left = {NOTES: {"Keys": keys[1:], "ConsistentRead": True}}
    answers = [
        answer({"Responses": {}, "UnprocessedKeys": {NOTES: {"Keys": keys}}}),
        answer({"Responses": {NOTES: [note(0)]}, "UnprocessedKeys": left}),
        answer({"Responses": {NOTES: [note(1)]}}),
    ]
    with scripted(in_turn(BatchGetItem=answers)) as server:
        (found,) = loaded(server, directory)
        asked = [each["RequestItems"][NOTES]["Keys"] for each in server.asked("BatchGetItem")]
    assert (found.inserted, found.updated, found.unchanged) == (0, 0, 2)
    assert asked == [keys, keys, keys[1:]]


@pytest.mark.parametrize(
    ("said", "because", "line"),
    [
        (REFUSED, "not so; it is one of the rows from line 1 to 2", 0),
        (canceled("None", "ValidationError", "None"), "canceled", 2),
    ],
    ids=["of one of them", "of the second"],
)
def test_a_refused_transaction_names_the_rows_that_it_may_be_about(
    directory: Path, said: bytes, because: str, line: int
) -> None:
    script = in_turn(BatchGetItem=[answer({"Responses": {}})], TransactWriteItems=[said])
    with scripted(script) as server, pytest.raises(StepFailed) as caught:
        loaded(server, directory)
    assert because in caught.value.because
    assert caught.value.at is not None
    assert (caught.value.at.path, caught.value.at.line or 0) == ("seeds/notes.json", line)


def test_rows_that_others_change_all_the_time_are_told_with_how_often_it_was_tried(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "_CONTENTION", Policy(attempts=3, base=0.0))
    script = in_turn(
        BatchGetItem=[answer({"Responses": {}})],
        TransactWriteItems=[canceled("ConditionalCheckFailed", "None", "None")],
    )
    with scripted(script) as server:
        with pytest.raises(StepFailed, match="items of notes change all the time") as caught:
            loaded(server, directory)
        assert len(server.asked("TransactWriteItems")) == 3
    assert "after 3 attempts" in caught.value.because


def test_what_is_refused_while_rows_are_looked_up_is_told_of_the_seed(directory: Path) -> None:
    with (
        scripted(in_turn(BatchGetItem=[REFUSED])) as server,
        pytest.raises(StepFailed, match="the seed failed: ") as caught,
    ):
        loaded(server, directory)
    assert (caught.value.because, caught.value.at and caught.value.at.path) == ("not so", "seeds/notes.json")
    with (
        scripted(in_turn(BatchGetItem=[MISSING], DescribeTable=[MISSING])) as server,
        pytest.raises(Refused, match="courses/dynamodb is not deployed"),
    ):
        loaded(server, directory)


# resetting


def test_a_reset_counts_all_pages_and_ends_where_it_is_refused(directory: Path) -> None:
    first, second = {"id": {"S": "a"}}, {"id": {"S": "b"}}
    pages = [answer({"Items": [first], "LastEvaluatedKey": first}), answer({"Items": [second]})]
    script = in_turn(Scan=pages, Query=[answer({"Items": []})], TransactWriteItems=[answer({})])
    with scripted(script) as server, server.lease(directory) as lease:
        assert reset(lease) == "2 items (notes: 2) and the history"
        (sent,) = server.asked("TransactWriteItems")
        assert [each["Delete"]["Key"] for each in sent["TransactItems"][:-1]] == [first, second]
        assert "ConditionCheck" in sent["TransactItems"][-1]
    with (
        scripted(in_turn(Scan=[MISSING], Query=[answer({"Items": []})])) as server,
        server.lease(directory) as lease,
    ):
        assert reset(lease) == "the history; the tables were empty"
    with scripted(in_turn(Scan=[REFUSED])) as server, server.lease(directory) as lease:
        with pytest.raises(ServiceError, match="ValidationException"):
            reset(lease)
        assert server.asked("TransactWriteItems") == []


# migrations

FREE = """# seedbed: table=notes
def up(table):
    table.put({"id": "a"})
    table.put({"id": "b"})
"""


def run_and_refuse(said: bytes, described: bytes, directory: Path) -> SeedbedError:
    """Return what a person reads when the transaction of FREE is answered with `said`."""
    made = migration(FREE)
    script = in_turn(TransactWriteItems=[said], DescribeTable=[described])
    with scripted(script) as server, server.lease(directory) as lease:
        collected = free.CollectedWrites()
        free.run(lease, made, Direction.UP, made.up[0], collected)
        with pytest.raises(ServiceError) as caught:
            lease.commit([each.action for each in collected.writes])
        return free.refused(made, lease, collected.writes, caught.value)


@pytest.mark.parametrize(
    ("said", "what", "because", "line"),
    [
        (
            canceled("None", "ConditionalCheckFailed", "None"),
            "refused to put",
            "its condition does not hold",
            4,
        ),
        (canceled("ValidationError", "None", "None"), "refused to put", "ValidationError: canceled", 3),
        (REFUSED, "ValidationException", "not so", 0),
    ],
    ids=["condition", "first", "whole"],
)
def test_a_refused_step_names_the_write_that_it_was_about(
    directory: Path, said: bytes, what: str, because: str, line: int
) -> None:
    error = run_and_refuse(said, MISSING, directory)
    assert what in error.what
    assert error.because == because
    assert error.at is not None
    assert (error.at.line or 0) == line


def test_a_refused_step_names_the_table_that_is_missing(directory: Path) -> None:
    error = run_and_refuse(MISSING, MISSING, directory)
    assert isinstance(error, Refused)
    assert NOTES in error.because
    there = answer({"Table": {"TableName": NOTES, "TableStatus": "ACTIVE"}})
    error = run_and_refuse(MISSING, there, directory)  # it is the history's that is
    assert "courses-migrations_history-dev-test" in error.because


# the lease


def test_a_refusal_of_the_lease_is_no_lost_lease_and_a_condition_is() -> None:
    seen = LeaseRecord(token=1, holder="1", who="ana")
    answers = [REFUSED, refusal("ConditionalCheckFailedException"), answer({})]
    with scripted(in_turn(UpdateItem=answers)) as server, server.lease() as lease:
        with pytest.raises(ServiceError, match="ValidationException"):
            lease.store.take(seen, Owner("2", "ben"))
        assert lease.store.take(seen, Owner("2", "ben")) is False
        assert lease.store.take(seen, Owner("2", "ben")) is True
    answers = [REFUSED, canceled("ConditionalCheckFailed", "None"), answer({})]
    with scripted(in_turn(TransactWriteItems=answers)) as server, server.lease() as lease:
        with pytest.raises(ServiceError, match="ValidationException"):
            lease.store.end(seen, "ben")
        assert lease.store.end(seen, "ben") is False
        assert lease.store.end(seen, "ben") is True


def test_a_lease_that_cannot_be_read_is_told_and_one_that_is_not_deployed_is_refused() -> None:
    script = in_turn(GetItem=[REFUSED, MISSING], DescribeTable=[MISSING])
    with scripted(script) as server, server.lease() as lease:
        with pytest.raises(ServiceError, match="ValidationException"):
            lease.store.read()
        with pytest.raises(Refused, match="is not deployed"):
            lease.store.read()


def test_a_sign_of_life_does_not_wait_for_a_transaction_that_hangs() -> None:
    with scripted(in_turn(UpdateItem=[answer({})])) as server, server.lease() as lease:
        lease.store.seconds = 0.08
        with lease.store.lock:
            assert lease.store.renew(lease.held) is True
            assert lease.store.lock.locked()  # it is still the transaction's


def test_a_write_that_the_token_stopped_is_a_lost_lease() -> None:
    script = in_turn(TransactWriteItems=[canceled("None", "ConditionalCheckFailed")])
    with scripted(script) as server, server.lease() as lease, pytest.raises(LeaseLost):
        lease.commit([{"Delete": {"TableName": NOTES, "Key": {"id": {"S": "a"}}}}])


# capacity


@pytest.mark.parametrize(
    ("code", "taken"), [("ConditionalCheckFailedException", 3.0), ("ValidationException", 0.0)]
)
def test_a_write_that_is_refused_has_taken_units_only_where_it_was_compared(code: str, taken: float) -> None:
    settled: list[tuple[float, float]] = []

    class Budget(CapacityBudget):
        def settle(self, estimate: float, actual: float) -> None:
            settled.append((estimate, actual))

    def script(request: Request) -> bytes:
        return refusal(code)

    with scripted(script) as server, server.client() as client:
        table = MeteredTable(client, NOTES, reads=Budget(0.0), writes=Budget(0.0), check=lambda: None)
        with pytest.raises(ServiceError):
            table.write({"Delete": {"TableName": NOTES, "Key": {"id": {"S": "a"}}}}, 3.0)
        with pytest.raises(ServiceError):
            table.spend(3.0, lambda: client.call("PutItem", {"TableName": NOTES, "Item": note(1)}))
    assert settled == [(3.0, taken)] * 2
