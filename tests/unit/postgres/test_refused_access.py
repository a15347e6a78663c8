"""What is definite about a connection that does not come about, and what may pass."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.address import address
from seedbed.engines.postgres.options import Options
from seedbed.engines.postgres.wire.connection import _unreachable
from seedbed.errors import AccessRefused, ExitCode, Unreachable

WHERE = address({"host": "db-1", "user": "app", "name": "shop"}, Options())


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('FATAL:  password authentication failed for user "app"', "check DB_USER and DB_PASSWORD"),
        ("fe_sendauth: no password supplied", "check DB_USER and DB_PASSWORD"),
        ('FATAL:  database "shop" does not exist', "check DB_NAME"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "pg_hba.conf"),
        ("SSL error: certificate verify failed", "DB_SSLROOTCERT"),
    ],
)
def test_what_stays_as_it_is_is_refused_and_not_to_be_tried_again(message: str, words: str) -> None:
    error = _unreachable(WHERE, message)
    assert isinstance(error, AccessRefused)
    assert error.exit_code is ExitCode.REFUSED
    assert words in str(error)


@pytest.mark.parametrize(
    "message", ["connection refused", "timeout expired", "FATAL:  the database system is starting up"]
)
def test_what_may_pass_is_unreachable(message: str) -> None:
    error = _unreachable(WHERE, message)
    assert isinstance(error, Unreachable)
    assert error.exit_code is ExitCode.UNAVAILABLE
