"""What the driver and the server say, in our words; and our own queries by name."""

from __future__ import annotations

import threading

import pytest
from neo4j.exceptions import AuthError, ClientError, Neo4jError, ServiceUnavailable, TransientError

from seedbed.engines.neo4j.address import Address
from seedbed.engines.neo4j.wire import client, queries
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.engines.neo4j.wire.errors import (
    ConnectionLost,
    CypherError,
    not_connected,
    server_error,
    translate_errors,
)
from seedbed.errors import AccessRefused, StepFailed, Unreachable
from seedbed.model.secret import Secret

ADDRESS = Address("bolt://127.0.0.1:9", "ana", Secret("correct horse"))


def said(code: str, message: str) -> Neo4jError:
    return Neo4jError._hydrate_neo4j(code=code, message=message)  # as the driver makes it of an answer


def test_nobody_answering_is_unreachable() -> None:
    server = BoltClient(ADDRESS)
    try:
        with pytest.raises(Unreachable, match="cannot be reached") as caught:
            server.open()
    finally:
        server.close()
    assert "NEO4J_URI" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (said("Neo.ClientError.Security.Unauthorized", "wrong"), AccessRefused, "refused the login"),
        (
            said("Neo.ClientError.Database.DatabaseNotFound", "Graph not found"),
            AccessRefused,
            "no database neo4j",
        ),
        (said("Neo.ClientError.Security.Forbidden", "no"), AccessRefused, "no access"),
        (ServiceUnavailable("Connection refused"), Unreachable, "cannot be reached"),
        (said("Neo.TransientError.General.DatabaseUnavailable", "later"), Unreachable, "cannot be reached"),
    ],
)
def test_why_no_connection_came_about_is_said(error: Exception, kind: type[Exception], words: str) -> None:
    found = not_connected(ADDRESS, error)
    assert isinstance(found, kind)
    assert words in str(found)


def test_a_server_that_wants_a_login_is_told_apart_from_one_that_refuses_it() -> None:
    assert "wants a login" in str(not_connected(Address("bolt://127.0.0.1:9"), AuthError("unsupported")))


def test_no_message_shows_the_password() -> None:
    for text in (
        str(not_connected(ADDRESS, ServiceUnavailable("cannot use 'correct horse'"))),
        str(server_error(ADDRESS, said("Neo.ClientError.Statement.SyntaxError", "near 'correct horse'"))),
    ):
        assert "horse" not in text


def test_an_error_knows_whether_it_passes() -> None:
    assert isinstance(said("Neo.TransientError.Transaction.DeadlockDetected", ""), TransientError)
    assert server_error(ADDRESS, said("Neo.TransientError.Transaction.DeadlockDetected", "")).is_transient
    assert isinstance(said("Neo.ClientError.Schema.ConstraintValidationFailed", ""), ClientError)
    assert not server_error(
        ADDRESS, said("Neo.ClientError.Schema.ConstraintValidationFailed", "")
    ).is_transient


def test_what_is_too_large_once_is_not_tried_again() -> None:
    found = server_error(ADDRESS, said("Neo.TransientError.General.MemoryPoolOutOfMemoryError", "too large"))
    assert not found.is_transient
    assert "backfill" in found.try_


def test_an_error_knows_what_it_is() -> None:
    for code in ("Neo.ClientError.Transaction.Terminated", "Neo.ClientError.Transaction.LockClientStopped"):
        assert CypherError(code, "").is_ended
    assert CypherError("Neo.ClientError.Transaction.TransactionTimedOut", "").is_timeout
    assert CypherError("Neo.ClientError.Statement.SyntaxError", "").is_before
    assert not CypherError("Neo.ClientError.Statement.ArithmeticError", "").is_before


def test_what_needs_enterprise_or_a_right_says_so() -> None:
    missing = "Node Key constraint requires Neo4j Enterprise Edition."
    assert "Enterprise" in CypherError("Neo.DatabaseError.Schema.ConstraintCreationFailed", missing).try_
    assert "grant" in CypherError("Neo.ClientError.Security.Forbidden", "not allowed").try_


def test_what_goes_wrong_is_told_with_what_was_being_done() -> None:
    with pytest.raises(StepFailed, match="reading failed: by zero"), translate_errors("reading"):
        raise CypherError("Neo.ClientError.Statement.ArithmeticError", "by zero")
    with pytest.raises(Unreachable, match="connection is gone"), translate_errors("reading"):
        raise ConnectionLost("no data")


def test_queries_are_read_by_their_names() -> None:
    source = "// head\n\n// first: does this\nMATCH (n)\n// why\nRETURN n;\n\n// second: that\nRETURN 1;\n"
    assert queries.read(source) == {"first": "MATCH (n)\nRETURN n", "second": "RETURN 1"}


def test_a_query_has_a_name_of_its_own() -> None:
    with pytest.raises(ValueError, match="twice"):
        queries.read("// a: x\nRETURN 1;\n// a: y\nRETURN 2;\n")


def test_while_the_connections_are_given_up_no_other_one_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closing:
        """A driver that takes its time to close, and would connect meanwhile."""

        def __init__(self) -> None:
            self.begun, self.done = threading.Event(), threading.Event()

        def close(self) -> None:
            self.begun.set()
            self.done.wait()

        def session(self, **_: object) -> object:
            raise AssertionError("it would wait for a server that is silent")

    driver = Closing()
    monkeypatch.setattr(client, "_driver", lambda _: driver)
    server = BoltClient(ADDRESS)
    giving_up = threading.Thread(target=server.abandon)
    giving_up.start()
    try:
        assert driver.begun.wait(60)
        with pytest.raises(ConnectionLost, match="were given up"):
            server.run_once("RETURN 1")
    finally:
        driver.done.set()
        giving_up.join()
