"""What is not TOML at all: the place, the reason, and what to write instead."""

from __future__ import annotations

import pytest

from seedbed.errors import ManifestError
from seedbed.toml.text import Text

MALFORMED = {
    "[platform": "close the header",
    "name = ": "write a value",
    'name = "a"\nname = "b"': "a key stands once",
    "name = 01": "no number with a leading zero",
    'name = "x': "close the text with a quote",
    "= 3": "a header, [name]",
    "[a]\nb = {c = 1, }\n\0": "in quotes",
    "a = [1, 2": "close the list",
    "a = {b = 1": "close the table",
    "[a]\nb = 1\n[a]": "a table has one header",
    "platform": "write key = value",
    "a = 1979-13-45": "one key a line",
    f"a = {'9' * 5000}": "write it as a string",
}


@pytest.mark.parametrize(("text", "remedy"), MALFORMED.items())
def test_what_is_malformed_is_refused_with_a_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ManifestError) as caught:
        Text("seedbed.toml", text)
    assert remedy in caught.value.try_, (caught.value.because, caught.value.try_)


def test_an_error_without_a_remedy_of_its_own_says_which_schema_helps() -> None:
    assert (
        Text("seedbed.toml", "a = 1").error("a is wrong", at=("a",)).try_
        == "seedbed schema says what may stand there"
    )
