"""Groups that give nothing back, on every version of Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import seedbed
from seedbed.engines.postgres.files import scanner
from seedbed.support import possessive as module
from seedbed.support.possessive import possessive
from tests.support.source import tree

pytestmark = pytest.mark.usefixtures("trees")


_OF_A_GROUP = re.compile(r"[^(]\)(?:[*+?]|\{\d*,?\d*\})\+")


@pytest.fixture(params=[True, False], ids=["as here", "as before 3.11.5"])
def right(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(module, "_IS_RIGHT", False)


@pytest.mark.usefixtures("right")
def test_it_matches_whole_repetitions_and_gives_none_back() -> None:
    found = re.match(possessive("(?:ab?c)*"), "aca")
    assert found is not None
    assert found.end() == 2
    assert re.fullmatch(possessive("(?:ab|a)*") + "b", "ab") is None
    assert re.fullmatch(possessive(b"(?:ab)?") + b"c", b"abc") is not None


@pytest.mark.usefixtures("right")
def test_the_scanner_finds_comments_however_groups_are_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "_pattern", scanner._pattern.__wrapped__)
    sql = b"-- What is sold.\n-- migrate:up\nSELECT '--', $$ -- $$ /* a */; -- " + b"x" * 300 + b"\n"
    found = [sql[each.start : each.end] for each in scanner.scan(sql)]
    assert found == [b"-- What is sold.", b"-- migrate:up", b"/* a */", b"-- " + b"x" * 300]


def test_no_expression_repeats_a_group_possessively_by_itself() -> None:
    """Python 3.11.2 would match another text with it, without a word."""
    source = Path(seedbed.__file__).parent
    wrong = [
        f"{path.relative_to(source)}:{node.lineno}"
        for path in sorted(source.rglob("*.py"))
        if path.name != "possessive.py" and _OF_A_GROUP.search(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        if _OF_A_GROUP.search(node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
    ]
    assert wrong == [], "possessive() makes them"
