"""Credentials: those that no header can carry are refused, and none is shown."""

from __future__ import annotations

import pytest

from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import NoCredentials
from seedbed.aws.keys import Chain
from seedbed.model.secret import Secret
from seedbed.wire.signing import Keys


@pytest.mark.parametrize("broken", ["AKID\r\nX-Evil: 1", "AKID ", "käse"])
def test_keys_that_no_header_can_carry_are_refused_and_not_shown(broken: str) -> None:
    for setting in ("access_key", "session_token"):
        given = {"access_key": "AKID", "secret_key": Secret("s"), setting: broken}
        token = given.get("session_token")
        cloud = Cloud("eu-central-1", **{**given, "session_token": Secret(str(token)) if token else None})  # type: ignore[arg-type]
        with pytest.raises(NoCredentials, match="are broken") as raised:
            Chain(cloud)
        assert broken not in str(raised.value)


def test_keys_do_not_show_their_secret() -> None:
    assert "hush" not in repr(Keys("AKID", "hush", "hush-too"))
