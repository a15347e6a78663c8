"""Packages of extras: what is missing is named, all of it at once, with the line that installs it."""

from __future__ import annotations

import pytest

from seedbed.support.extras import MissingExtra, missing, require_extras


def test_what_can_be_imported_is_not_missing() -> None:
    require_extras({"some": ("json", "click"), "other": ()})


def test_only_what_cannot_be_imported_is_missing() -> None:
    assert missing(["json", "no_such_package"]) == ["no_such_package"]


@pytest.mark.parametrize(
    ("extras", "what", "line"),
    [
        (
            {"graphs": ("no_such_package",), "there": ("json",)},
            "no_such_package is not installed",
            'pip install "seedbed[graphs]"',
        ),
        (
            {"graphs": ("no_such_package",), "clouds": ("no_such_one", "json")},
            "no_such_one, no_such_package are not installed",
            'pip install "seedbed[clouds,graphs]"',
        ),
    ],
)
def test_all_missing_extras_are_named_with_one_line(
    extras: dict[str, tuple[str, ...]], what: str, line: str
) -> None:
    with pytest.raises(MissingExtra) as refused:
        require_extras(extras)
    assert (refused.value.what, refused.value.try_, refused.value.exit_code) == (what, line, 2)
