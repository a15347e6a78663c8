"""The page of the Python API is made from docstrings, and nothing public is without one."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.support import api_page
from tests.unit.golden.report.files import UPDATE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python-api.md"


def test_the_page_is_the_generated_one() -> None:
    wanted = api_page.page()
    if UPDATE:
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted, "UPDATE_GOLDEN=1 writes it anew"


def test_everything_public_says_what_it_is() -> None:
    assert api_page.undocumented() == []


def test_what_the_module_exports_is_on_the_page() -> None:
    from seedbed import project

    assert set(project.__all__) - {"DEFAULT_WAIT"} == set(api_page.PUBLIC["seedbed.project"])


def test_the_page_of_constructs_has_a_line_for_each_name_that_they_export() -> None:
    module = (
        PAGE.parents[2] / "src" / "seedbed" / "cdk" / "__init__.py"
    )  # not imported: the CDK starts a Node
    (names,) = [
        ast.literal_eval(each.value)
        for each in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__all__"
    ]
    text = (PAGE.parent / "cdk-constructs.md").read_text(encoding="utf-8")
    assert [each for each in names if f"\n| `{each}`" not in text and f"\n| `{each}(" not in text] == []
