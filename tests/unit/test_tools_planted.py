"""The list of planted faults fits the code, and its runner knows what a failure says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.planted_faults import Case, Fault, cases_of, load, problems

FAULTS = load()
FAULT = Fault("x", "toml", "", "src/a.py", "one = 1\n", "one = 2\n", ("tests/test_a.py::test_one",))


def test_a_planted_fault_follows_the_code() -> None:
    found = {f"{fault.room}: {fault.name}": list(problems(fault)) for fault in FAULTS}
    wrong = {name: each for name, each in found.items() if each}
    assert wrong == {}, "let its entry below tools/planted follow what was moved: file, find, replace, tests"


def test_there_are_twenty_with_names_of_their_own() -> None:
    assert len({each.name for each in FAULTS}) == len(FAULTS) >= 20
    assert [each.name for each in FAULTS if each.find == each.replace or not each.tests] == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, text in {"src/a.py": "one = 1\n", "tests/test_a.py": "def test_one(): ...\n"}.items():
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(text)
    return tmp_path


def test_a_text_that_moved_is_said_with_where_it_is(tree: Path) -> None:
    assert list(problems(FAULT, tree)) == []
    (tree / "src" / "a.py").rename(tree / "src" / "b.py")
    assert list(problems(FAULT, tree)) == ["its text stands 0 times in src/a.py; it stands in src/b.py"]


def test_what_would_be_no_python_is_said(tree: Path) -> None:
    (wrong,) = problems(FAULT._replace(replace="one =\n"), tree)
    assert wrong.startswith("with it, src/a.py is not valid Python: ")


def test_a_test_that_is_gone_is_said(tree: Path) -> None:
    (tree / "tests" / "test_a.py").write_text("def test_two(): ...\n")
    assert list(problems(FAULT, tree)) == ["tests/test_a.py::test_one: there is no test_one in it"]


def test_only_a_failure_that_speaks_of_behaviour_counts(tmp_path: Path) -> None:
    messages = {
        "asserts": "assert 1 == 2",
        "raises": "Failed: DID NOT RAISE LeaseLost",
        "refuses": "seedbed.errors.Refused: no&#10;because",
        "gone": "AttributeError: no such name",
    }
    cases = "".join(
        f'<testcase classname="t" name="{name}"><failure message="{message}"/></testcase>'
        for name, message in messages.items()
    )
    fixture = '<testcase classname="t" name="fixture"><error message="AssertionError"/></testcase>'
    report = tmp_path / "report.xml"
    report.write_text(f'<testsuite>{cases}{fixture}<testcase classname="t" name="fine"/></testsuite>')
    assert list(cases_of(report)) == [
        Case("t.asserts", "failed", "assert 1 == 2"),
        Case("t.raises", "failed", "Failed: DID NOT RAISE LeaseLost"),
        Case("t.refuses", "failed", "seedbed.errors.Refused: no"),
        Case("t.gone", "broken", "AttributeError: no such name"),
        Case("t.fixture", "broken", "AssertionError"),
        Case("t.fine", "passed"),
    ]
