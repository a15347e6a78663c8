"""The page of the Python API is made from docstrings, and nothing public is without one."""

from __future__ import annotations

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
