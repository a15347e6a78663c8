"""What `python -m tools.repeats` counts."""

from __future__ import annotations

from pathlib import Path

from tools.repeats import logical_lines, repeated, stretches

SIX = "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\nf = 6\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_six_equal_lines_in_two_files_are_one_run(tmp_path: Path) -> None:
    files = [write(tmp_path, "one.py", SIX), write(tmp_path, "two.py", "x = 0\n" + SIX)]
    assert len(repeated(files)) == 1


def test_eight_equal_lines_are_three_runs_and_one_stretch(tmp_path: Path) -> None:
    eight = SIX + "g = 7\nh = 8\n"
    found = repeated([write(tmp_path, "one.py", eight), write(tmp_path, "two.py", eight)])
    assert len(found) == 3
    assert [(length, [place.number for place in places]) for length, places in stretches(found)] == [
        (8, [1, 1])
    ]


def test_lines_with_other_names_are_not_equal(tmp_path: Path) -> None:
    files = [write(tmp_path, "one.py", SIX), write(tmp_path, "two.py", SIX.replace("f =", "g ="))]
    assert repeated(files) == {}


def test_comments_docstrings_imports_and_layout_do_not_count() -> None:
    plain = [line.text for line in logical_lines("def f(a):\n    return [a, 1]\n")]
    dressed = 'import os\ndef f(a):  # why\n    """Return."""\n\n    return [\n        a, 1]\n'
    assert [line.text for line in logical_lines(dressed)] == plain
