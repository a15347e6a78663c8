"""What a server keeps of a password."""

from __future__ import annotations

from base64 import b64decode

import pytest

from seedbed.engines.postgres.logins import scram


def test_it_is_what_the_standard_s_example_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7677, 3: the proof and the signature of that exchange are right for these two keys."""
    monkeypatch.setattr("os.urandom", lambda count: b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")[:count])
    assert scram.scram("pencil", None) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
        "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


def test_each_has_a_salt_of_its_own_and_the_rounds_that_the_server_wants() -> None:
    first, second = (scram.scram("pencil", "5000") for _ in range(2))
    assert first.startswith("SCRAM-SHA-256$5000:")
    assert first != second
