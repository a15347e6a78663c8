from __future__ import annotations

import pytest

from seedbed.errors import SeedFileError
from seedbed.support.texts import decoded, text_of

_MARK = b"\xef\xbb\xbf"


def test_an_editors_habits_do_not_change_the_text() -> None:
    assert text_of(_MARK + b"a\r\nb\rc\n", "f", SeedFileError) == "a\nb\nc\n"


def test_where_line_ends_are_data_they_stay() -> None:
    assert decoded(_MARK + b"a\r\nb", "f", SeedFileError) == "a\r\nb"


@pytest.mark.parametrize(
    ("data", "what", "line"),
    [
        (b"a\n\xff", "byte 2 is 0xff", 2),
        (_MARK + b"a\rb\r\n\xff", "byte 8 is 0xff", 3),
    ],
)
def test_what_is_not_utf_8_is_refused_with_its_place(data: bytes, what: str, line: int) -> None:
    with pytest.raises(SeedFileError) as caught:
        text_of(data, "f", SeedFileError)
    assert caught.value.what == f"the file is not UTF-8: {what}"
    assert caught.value.at is not None
    assert (caught.value.at.path, caught.value.at.line) == ("f", line)


def test_utf_16_is_recognised() -> None:
    with pytest.raises(SeedFileError) as caught:
        text_of("a".encode("utf-16"), "f", SeedFileError)
    assert caught.value.because == "it begins like UTF-16"
