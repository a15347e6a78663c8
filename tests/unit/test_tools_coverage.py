"""What `python -m tools.coverage_by_room` counts, and when it complains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.coverage_by_room import (
    Baseline,
    Before,
    Room,
    baseline,
    baseline_text,
    losses,
    room_of,
    rooms,
    table,
)


def summary(statements: int, covered: int, branches: int = 0, taken: int = 0) -> dict[str, Any]:
    counts = {
        "num_statements": statements,
        "covered_lines": covered,
        "num_branches": branches,
        "covered_branches": taken,
        "percent_covered": 50.0,
    }
    return {"summary": counts}


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("toml/lines.py", "toml"),
        ("cli/commands/apply.py", "cli"),
        ("engines/base.py", "engines"),
        ("engines/neo4j/rows/keys.py", "engines/neo4j"),
        ("errors.py", "errors"),
        ("__main__.py", "seedbed"),
    ],
)
def test_a_room_is_the_first_part_and_an_engine_is_one(path: str, room: str) -> None:
    assert room_of(path) == room


def test_files_of_a_room_are_added_up() -> None:
    files = {"/a/src/seedbed/toml/a.py": summary(10, 9, 4, 2), "src/seedbed/toml/b.py": summary(10, 10)}
    found = rooms({"files": files})
    assert found == {"toml": Room(20, 4, 19, 2)}
    assert (found["toml"].percent, found["toml"].branch_percent) == (87.5, 50.0)
    assert Room(0, 0, 0, 0).percent == 100.0


def test_a_room_that_lost_more_than_a_point_is_named() -> None:
    before = Baseline("abc", {"toml": Before(90.0, 80.0), "aws": Before(50.0, 50.0)}, {})
    found = {"toml": Room(80, 20, 73, 15), "aws": Room(90, 10, 45, 5), "new": Room(10, 0, 0, 0)}
    assert list(losses(found, before)) == [
        "toml: 88.0 % of statements and branches, 90.0 % on abc",
        "toml: 75.0 % of branches, 80.0 % on abc",
    ]


def test_a_room_that_moved_is_measured_by_the_least_of_its_origins() -> None:
    known = {"toml": Before(90.0, 80.0), "model": Before(99.0, 99.0)}
    moved = Baseline("abc", known, {"support": ["toml", "model"], "model": ["model"]})
    assert moved.of("support") == Before(90.0, 80.0)
    assert list(losses({"support": Room(90, 10, 82, 8), "model": Room(1, 0, 1, 0)}, moved)) == []


def test_a_room_that_is_gone_without_a_word_is_named() -> None:
    (words,) = losses({}, Baseline("abc", {"toml": Before(90.0, 80.0)}, {}))
    assert words.startswith("toml is gone")


def test_without_a_baseline_a_check_fails() -> None:
    (words,) = losses({"toml": Room(1, 0, 1, 0)}, Baseline("abc", {}, {}))
    assert "has no rooms yet" in words


def test_a_baseline_comes_back_with_the_rooms_that_moved(tmp_path: Path) -> None:
    path = tmp_path / "baseline.toml"
    path.write_text(baseline_text("abc", {"engines/neo4j": Room(80, 20, 73, 15)}, {"support": ["toml"]}))
    assert baseline(path) == Baseline("abc", {"engines/neo4j": Before(88.0, 75.0)}, {"support": ["toml"]})


def test_the_baseline_of_the_repository_is_one() -> None:
    assert baseline().commit


def test_the_table_says_what_changed() -> None:
    lines = list(table({"toml": Room(80, 20, 73, 15)}, Baseline("abc", {"toml": Before(90.0, 75.0)}, {})))
    assert lines[1].split() == ["toml", "80", "20", "88.0", "%", "-2.0", "75.0", "%", "+0.0"]
    assert lines[-1].split() == ["all", "80", "20", "88.0", "%", "75.0", "%"]
