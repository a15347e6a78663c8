"""What is said about an extension that a server does not have."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.rules.extensions import advice


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ('extension "pgcrypto" is not available', "pgcrypto"),
        (
            'could not open extension control file "/usr/share/postgresql/14/extension/uuid-ossp.control": '
            "No such file or directory",
            "uuid-ossp",
        ),
        ('extension "postgis" is not available', "postgis"),
    ],
)
def test_an_extension_that_is_missing_is_named_with_what_to_do(message: str, name: str) -> None:
    said = advice(message)
    assert f"install {name} on the server" in said
    assert "SEEDBED_PG_BIN=DIRECTORY" in said
    assert ("gen_random_uuid()" in said) == (name != "postgis")
    assert ("postgresql-15" in said) == (name != "postgis")  # Debian's package of the server has no postgis


def test_another_error_about_an_extension_is_no_missing_one() -> None:
    assert advice('extension "pgcrypto" already exists') == ""
