"""Retired words stay out of what people read: messages, help, documents, schemas, docstrings of the API, documentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from seedbed.cli.main import COMMANDS, cli
from seedbed.documents.schemas import DOCUMENTS, schema
from seedbed.engines import registry
from seedbed.engines.capabilities import SupportsSchemas
from seedbed.manifest.schema import json_schema
from tests.support.source import tree as parsed

pytestmark = pytest.mark.usefixtures("trees")

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "seedbed"
WIDEST = 120  # columns of a line of documentation; tables and code may be wider


class Retired(msgspec.Struct, frozen=True):
    """A word that is no longer used: what stands for it now, and other senses, in which it stays."""

    word: str
    use: str
    other: str = r"(?!)"


RETIRED = (
    Retired(r"facts?", "directive (of a file), connection setting (of a database)", r"in fact\b"),
    Retired(r"stamp(s|ed|ing)?", "bind, bound", r"time ?stamp|a time stamp"),
    Retired(r"reverse=none", 'irreversible because "…"'),
    Retired(r"ways? (up|down|back)", "up, down; irreversible"),
    Retired(r"waves?", "stack update"),
    Retired(r"mend(s|ed|ing)?", "fix"),
    Retired(r"circles?", "cycle"),
    Retired(r"(what )?(became|becomes) of", "outcome"),
    Retired(r"word of an end|without a word", "no result reported"),
    Retired(r"thrown? away|throw-away", "delete; ephemeral"),
    Retired(r"nobody|somebody|anybody", "name the system, or use the passive", r"`nobody`|\"nobody\""),
    Retired(r"brought back|bring back", "restore, revert, undo"),
    Retired(r"made-up", "test data"),
    Retired(r"signs? of life", "heartbeat"),
    Retired(r"if it is not said|if it says none", "default: x"),
    Retired(r"in words", "as text"),
    Retired(r"step in hand", "current step"),
    Retired(r"merged late|late (one|migration|version)s?", "out of order"),
    Retired(
        r"held",
        "deferred (its gate), blocked (a dependency)",
        r"leases?|locks?|locked|memory|connection|rows|holds?\b|held by",
    ),
    Retired(r"(does|do) not take", "accept, reject"),
    Retired(r"(is|are) no (JSON|Python|TOML|CSV)", "not valid JSON"),
)

# ADRs are records: their text is of their day. Documents that describe words name them.
_RECORDS = {"adr"}


def retired_in(text: str) -> Iterator[str]:
    """Yield what of `text` is retired, each with the word that is used now. A line is judged as a whole."""
    for line in text.splitlines():
        for each in RETIRED:
            found = re.search(rf"(?<![\w-])(?:{each.word})(?![\w-])", line, re.IGNORECASE)
            if found and not re.search(each.other, line, re.IGNORECASE):
                yield f"{found[0]!r}, use {each.use}: {line.strip()[:100]}"


def test_a_retired_word_is_found_and_its_other_senses_are_not() -> None:
    assert [each.split(",")[0] for each in retired_in("mend the facts\nthe lease is held\nin fact")] == [
        "'facts'",
        "'mend'",
    ]
    assert list(retired_in("1 migration held"))
    assert not list(retired_in("the lease is held by ana"))
    assert list(retired_in('reverse=none because "gone"'))
    assert list(retired_in("it has no way back"))


# ---------------------------------------------------------------------------------------------------------------------
# Documentation
# ---------------------------------------------------------------------------------------------------------------------

PAGES = [
    ROOT / "README.md",
    ROOT / "edtech" / "README.md",
    *sorted(each for each in (ROOT / "docs").rglob("*.md") if each.parent.name not in _RECORDS),
]
ALL_PAGES = [*PAGES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "adr").glob("*.md"))]


def test_a_page_has_no_retired_word() -> None:
    found = {page.relative_to(ROOT): list(retired_in(page.read_text(encoding="utf-8"))) for page in PAGES}
    assert {page: each for page, each in found.items() if each} == {}


def test_no_line_of_prose_is_too_wide() -> None:
    found = {page.relative_to(ROOT): list(too_wide(page.read_text(encoding="utf-8"))) for page in ALL_PAGES}
    assert {page: each for page, each in found.items() if each} == {}


def too_wide(text: str) -> Iterator[str]:
    """Yield the lines of prose that are wider than `WIDEST`; tables, code, comments and headings are none."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif len(line) > WIDEST and not is_code and not line.startswith(("|", "<!--", "#")):
            yield f"line {number}: {len(line)} columns"


def test_a_line_that_is_too_wide_is_found() -> None:
    wide = "word " * 25
    assert list(too_wide(f"short\n{wide}\n| {wide} |\n```\n{wide}\n```\n")) == ["line 2: 125 columns"]


# ---------------------------------------------------------------------------------------------------------------------
# Help, documents, schemas
# ---------------------------------------------------------------------------------------------------------------------


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """Yield where a text of help stands, and the text: of a command, its options, and its commands."""
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.opts[0]}", getattr(parameter, "help", None) or ""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            child = command.get_command(context, each)
            assert child is not None
            yield from helps(child, f"{name} {each}")


def test_no_help_has_a_retired_word() -> None:
    texts = [*helps(cli, "seedbed"), *((name, line) for name, (_, line) in COMMANDS.items())]
    assert len(texts) > 100
    assert [f"{name}: {each}" for name, text in texts for each in retired_in(text)] == []


def texts_of(value: Any) -> Iterator[str]:
    """Yield every key and every text in a schema."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield str(key).replace("_", " ")
            yield from texts_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)
    elif isinstance(value, str):
        yield value


def test_no_schema_has_a_retired_word() -> None:
    engines = [registry.load(name) for name in registry.names()]
    schemas: dict[str, Any] = {name: schema(name) for name in DOCUMENTS}
    schemas["manifest"] = json_schema({each.name: each.options for each in engines})
    for engine in engines:
        schemas |= engine.schemas() if isinstance(engine, SupportsSchemas) else {}
    found = [
        f"{name}: {each}"
        for name, one in schemas.items()
        for text in texts_of(one)
        for each in retired_in(text)
    ]
    assert found == []


# ---------------------------------------------------------------------------------------------------------------------
# Messages and the API
# ---------------------------------------------------------------------------------------------------------------------


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of the literals of a module that people may read: two words or more, no docstrings."""
    docs = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docs:
            continue
        if len(node.value.split()) > 1:
            yield node.lineno, node.value


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of the docstrings of a module, its public classes, functions and methods."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        is_public = not getattr(node, "name", "").startswith("_")
        if is_public and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text


MODULES = sorted(SOURCE.rglob("*.py"))
_API = (
    "errors.py",
    "model/",
    "project/",
    "engines/base.py",
    "engines/capabilities.py",
    "engines/verification.py",
    "engines/infrastructure.py",
)


def test_no_message_has_a_retired_word() -> None:
    found = [
        f"{module.relative_to(ROOT)}:{line}: {each}"
        for module in MODULES
        for line, text in literals(parsed(module))
        for each in retired_in(text)
    ]
    assert found == []


def test_no_docstring_of_the_api_has_a_retired_word() -> None:
    found = [
        f"{module.relative_to(ROOT)}:{line}: {each}"
        for module in MODULES
        if str(module.relative_to(SOURCE)).startswith(_API)
        for line, text in docstrings(parsed(module))
        for each in retired_in(text)
    ]
    assert found == []


def test_what_a_module_says_is_read(tmp_path: Path) -> None:
    tree = ast.parse('"""Mend it."""\n\n\ndef f():\n    """Facts."""\n    raise E(f"mend {x} now")\n')
    assert list(docstrings(tree)) == [(1, "Mend it."), (4, "Facts.")]
    assert [text for _, text in literals(tree)] == []
    assert list(literals(ast.parse('raise E("mend it")'))) == [(1, "mend it")]
