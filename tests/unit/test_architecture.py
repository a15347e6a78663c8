"""The core knows no engine: no name, no import and no literal of one outside `engines`, `cdk` and entry points."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path

import pytest

from tests.support.source import tree

pytestmark = pytest.mark.usefixtures("trees")

ROOT = Path(__file__).parents[2] / "src" / "seedbed"
FREE_ROOMS = {"engines", "cdk"}
# The room that all cloud engines share knows the cloud's own library, and its services, one of which keeps the records
# of runs: no engine.
ALLOWED = {"aws": {"botocore", "dynamodb"}}

SHARED = "kit"  # what engines share; it knows none of them
# Engines that there are, engines that are to come, and the drivers of both.
NAMES = ({each.parent.name for each in (ROOT / "engines").glob("*/__init__.py")} - {SHARED}) | {
    "boto3",
    "botocore",
    "cypher",
    "dynamo",
    "dynamodb",
    "memory",
    "neo4j",
    "opensearch",
    "opensearchpy",
    "postgast",
    "postgres",
    "postgresql",
    "psycopg",
}
# Words of everyday English: only where they can be nothing but the name of an engine.
EVERYDAY = {"memory"}
REFERENCE = ROOT / "testing" / "reference"  # an engine itself

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_ID = re.compile(
    r"(?:^|/|engines\.)([a-z0-9]+)(?=[:.]|$)"
)  # "user/postgres:users.id", "seedbed.engines.postgres"


@cache
def engine_in_identifier(name: str) -> str:
    """Return the engine that an identifier or a dotted import names, in any of its words; empty if none."""
    words = {word.lower() for word in _WORD.findall(name)} | {
        each.lower() for each in re.split(r"[._]", name)
    }
    return next(iter(words & (NAMES - EVERYDAY)), "")


def engine_in_import(module: str) -> str:
    """Return the engine that an import reaches for; empty if none."""
    parts = module.split(".")
    if parts[:2] == ["seedbed", "engines"] and len(parts) > 2 and parts[2] in NAMES:
        return parts[2]
    if parts[:3] == ["seedbed", "testing", "reference"]:
        return parts[2]
    return engine_in_identifier(module)


def engine_in_text(text: str) -> str:
    """Return the engine that a literal names as a word; an everyday word counts where it is the whole name."""
    words = set(re.split(r"[^a-z0-9]+", text.lower()))
    if found := words & (NAMES - EVERYDAY):
        return next(iter(found))
    ids = set(_ID.findall(text.strip())) if re.fullmatch(r"[\w./:-]+", text.strip()) else set()
    return next(iter(ids & EVERYDAY), "")


def docstrings(tree: ast.AST) -> set[int]:
    """Return the ids of the nodes that are docstrings, those of attributes too."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def identifiers(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node itself introduces or uses."""
    for field in ("id", "attr", "arg", "name", "asname", "rest"):
        value = getattr(node, field, None)
        if isinstance(value, str):
            yield value
    if isinstance(node, ast.MatchClass):
        yield from node.kwd_attrs
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the dotted names that an import statement reaches."""
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module or ''}.{each.name}" for each in node.names)


def findings(source: ast.Module, allowed: Set[str] = frozenset()) -> list[str]:
    """Return `line: what it says` for every engine that `source` names, but for what is `allowed` there."""
    silent = docstrings(source)
    found = []
    for node in ast.walk(source):
        line = getattr(node, "lineno", 0)
        found += [f"{line}: import of {each}" for each in imported(node) if engine_in_import(each)]
        if not isinstance(node, ast.alias) or node.asname:
            found += [f"{line}: name {each}" for each in identifiers(node) if engine_in_identifier(each)]
        if isinstance(node, ast.Constant) and id(node) not in silent and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            found += [f"{line}: literal {text!r}"] if engine_in_text(text) else []
    return [each for each in found if not any(word in each.lower() for word in allowed)]


def core_files() -> list[Path]:
    files = ROOT.rglob("*.py")
    core = [each for each in files if each.relative_to(ROOT).parts[0] not in FREE_ROOMS]
    core = [each for each in core if REFERENCE not in each.parents]
    return sorted([*core, *(ROOT / "engines" / SHARED).rglob("*.py")])


def test_the_core_names_no_engine() -> None:
    found = {}
    for path in core_files():
        room = path.relative_to(ROOT).parts[0]
        found[path.relative_to(ROOT)] = findings(tree(path), ALLOWED.get(room, set()))
    assert len(found) > 100
    assert {path: each for path, each in found.items() if each} == {}


def test_the_shared_modules_of_engines_name_none_either() -> None:
    for path in (ROOT / "engines").glob("*.py"):
        module = tree(path)
        assert not [each for node in ast.walk(module) for each in imported(node) if engine_in_import(each)]
        comparisons = [node for node in ast.walk(module) if isinstance(node, ast.Compare | ast.match_case)]
        assert not [each for node in comparisons for each in findings(ast.parse(ast.unparse(node)))]


@pytest.mark.parametrize(
    "source",
    [
        "import psycopg",
        "from psycopg import sql",
        "from seedbed.engines import memory",
        "from seedbed.engines.postgres.files.parse import parse",
        "import seedbed.engines.memory as reference",
        "from seedbed.testing import reference",
        "import seedbed.testing.reference.engine",
        "def x():\n    import botocore.session",
        "if engine.name == 'postgres': pass",
        "if engine.name == 'memory': pass",
        "x = 'user/memory:users.id'",
        "x = 'seedbed.engines.memory:engine'",
        "x = f'{name} needs PostgreSQL 14'",
        "postgres_url = 1",
        "class Neo4jSession: ...",
        "def f(dynamodb=None): ...",
        "x.opensearch",
        "f(postgres=1)",
        "x = {'neo4j': 1}",
        "x = b'dynamodb'",
        "match x:\n    case 'postgres': pass",
    ],
)
def test_the_check_finds(source: str) -> None:
    assert findings(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        '"""How PostgreSQL does it."""',
        'def f():\n    """Like postgres."""',
        "x = 'kept in memory until the end'",
        "memory_limit = 1",
        "x = 'postgresqueness'",
        "# postgres\nx = 1",
        "from seedbed.engines import base, registry",
    ],
)
def test_the_check_leaves_alone(source: str) -> None:
    assert not findings(ast.parse(source))
