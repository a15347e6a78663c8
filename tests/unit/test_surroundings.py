"""Programs that could learn where they run, and what they make with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.project.surroundings import learned_by, reaches

EDTECH = Path(__file__).parents[2] / "edtech" / "services"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "from hashlib import sha256\nimport json, datetime as dt\n\ndef up(row):\n    return {'n': json.dumps(row)}",
        "from collections.abc import Iterator\nfrom uuid import UUID\nrows = lambda: [{'id': UUID(int=1)}]",
    ],
)
def test_what_computes_makes_the_same_everywhere(source: str) -> None:
    assert reaches(source) == ""


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import os\nname = os.environ['SEEDBED_ENV']", "os"),
        ("from os import environ", "os"),
        ("import importlib.metadata", "importlib.metadata"),
        ("def up(row):\n    import socket", "socket"),
        ("from helpers import names", "helpers"),
        ("from . import names", "."),
        ("text = open('/proc/self/environ').read()", "open"),
        ("os = __import__('os')", "__import__"),
        ("import io\ntext = io.open('x')", "open"),
        ("from io import open as o", "io.open"),
        ("from json import *", "json.*"),
        ("import re\nre._casefix.__builtins__", "__builtins__"),
        ("eval('1')", "eval"),
    ],
)
def test_what_could_learn_where_it_runs_is_told_by_its_name(source: str, name: str) -> None:
    assert reaches(source) == name


def test_the_first_program_of_a_database_is_named_also_one_that_nobody_can_read(tmp_path: Path) -> None:
    assert learned_by(tmp_path) is None
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "b.py").write_text("import os", encoding="utf-8")
    assert learned_by(tmp_path) == (tmp_path / "seeds" / "b.py", "os")
    (tmp_path / "a.py").write_text("def", encoding="utf-8")
    assert learned_by(tmp_path) == (tmp_path / "a.py", "what cannot be read")


@pytest.mark.parametrize("service", ["user", "payment", "reviews"])
def test_the_programs_of_the_example_learn_nothing(service: str) -> None:
    assert learned_by(EDTECH / service / "postgres") is None
