"""The page of what is refused has a row for every command that the command line has."""

from __future__ import annotations

from tests.support.bypass.page import PAGE, listed_commands
from tests.support.bypass.verbs import LOOKS, VERBS, commands


def test_every_command_is_tried_or_said_to_change_nothing() -> None:
    changing = {" ".join(each.path) for each in VERBS}
    assert set(commands()) == changing | LOOKS.keys(), (
        "tests/support/bypass/verbs.py says what each command does"
    )
    assert not changing & LOOKS.keys()


def test_the_page_has_a_row_for_each_of_them() -> None:
    assert listed_commands(PAGE.read_text(encoding="utf-8")) == set(commands()), "make soak-bypass writes it"
