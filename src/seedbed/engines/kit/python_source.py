"""Migrations that are Python files: what their comments and functions say. Compiled and looked at, never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from msgspec import Struct

from seedbed.errors import Location, MigrationFileError, collected
from seedbed.model.directives import directive_lines
from seedbed.model.migration import Migration, MigrationFile

NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef
_LOOKS_LIKE_DIRECTIVES = re.compile(r"\s*#\s*seedbed:")
_NO_CODE = 2**31


class PythonSource(Struct, frozen=True):
    """A file's text and its tree."""

    path: str
    text: str
    tree: ast.Module

    def error(
        self, line: int, what: str, because: str = "", try_: str = "", column: int = 0
    ) -> MigrationFileError:
        return MigrationFileError(what, because=because, try_=try_, at=Location(self.path, line, column))

    def directives(self) -> Sequence[tuple[int, str]]:
        """Return (line, text) of the directives in the comments before the first line of code.

        Raises MigrationFileError for directives below it: nobody would read them.
        """
        lines = list(enumerate(self.text.split("\n"), 1))
        end, inside = self._first_line_of_code(), self._docstring_lines()
        if any(_LOOKS_LIKE_DIRECTIVES.match(line) for _, line in lines[end - 1 :]):
            self._require_no_directives_below(end)
        return list(directive_lines((each for each in lines[: end - 1] if each[0] not in inside), "#"))

    def about(self) -> str:
        """Return the first line of the docstring, or else the first comment at the top that is for people."""
        return (ast.get_docstring(self.tree) or self._first_comment()).strip().split("\n", 1)[0]

    def functions(self, names: Collection[str], form: str) -> dict[str, Function]:
        """Return those of the functions `names` that are there; `form` is how one reads.

        Raises a MigrationFileError for each name that stands for two things, or for no plain function.
        """
        nodes = [(name, node) for node in self.tree.body for name in _bound(node) if name in names]
        first = dict(reversed(nodes))
        functions = collected(partial(self._function, name, node, first[name], form) for name, node in nodes)
        return {each.name: each for each in functions}

    def _function(self, name: str, node: ast.stmt, first: ast.stmt, form: str) -> Function:
        if node is not first:
            because = f"line {first.lineno} has it too; only one is allowed"
            raise self.error(node.lineno, f"`{name}` is there twice", because)
        if not isinstance(node, Function):
            raise self.error(node.lineno, f"`{name}` is not a function", "it is looked at, not run", form)
        self._require_plain(node, form)
        return node

    def _require_plain(self, function: Function, form: str) -> None:
        name, line = function.name, function.lineno
        if isinstance(function, ast.AsyncFunctionDef):
            raise self.error(line, f"`{name}` is async", "it is called, and never awaited", form)
        if any(isinstance(each, ast.Yield | ast.YieldFrom) for each in own_nodes(function.body)):
            raise self.error(
                line, f"`{name}` is a generator", "a call of it would do nothing", "return a list"
            )
        if function.decorator_list:
            raise self.error(
                function.decorator_list[0].lineno,
                f"`{name}` is decorated",
                "what it is called with could not be seen any more without running it",
                "decorate a function that it calls",
            )

    def _docstring_lines(self) -> range:
        if ast.get_docstring(self.tree, clean=False) is None:
            return range(0)
        node = self.tree.body[0]
        return range(node.lineno, (node.end_lineno or node.lineno) + 1)

    def _first_line_of_code(self) -> int:
        """Return the line of the first statement that is not the docstring; beyond any file where there is none."""
        code = self.tree.body[1:] if self._docstring_lines() else self.tree.body
        if not code:
            return _NO_CODE
        decorators = getattr(code[0], "decorator_list", [])
        lines: list[int] = [each.lineno for each in (code[0], *decorators)]
        return min(lines)

    def _require_no_directives_below(self, first: int) -> None:
        """Refuse directives from line `first` on; strings that merely look like some are none."""
        import tokenize

        lines = iter(self.text.splitlines(keepends=True))
        for token in tokenize.generate_tokens(lambda: next(lines, "")):
            begins_line = not token.line[: token.start[1]].strip()
            is_comment = token.type == tokenize.COMMENT and begins_line and token.start[0] >= first
            if is_comment and _LOOKS_LIKE_DIRECTIVES.match(token.string):
                raise self.error(
                    token.start[0],
                    "directives have no effect here",
                    "they are read in the comments before the first line of code, and nowhere else",
                    "move them there",
                )

    def _first_comment(self) -> str:
        for line in self.text.split("\n"):
            if not line.startswith("#"):
                break
            said = line.lstrip("#").strip()
            if said and not line.startswith("#!") and not said.startswith(("seedbed:", "-*-")):
                return said
        return ""


def read_source(file: MigrationFile) -> PythonSource:
    """Return the source that `file` holds. Raises MigrationFileError where it is not valid Python."""
    return source_of(file.path, file.text())


def source_of(path: str, text: str) -> PythonSource:
    """Return the source that `text` is, after compiling it, which runs nothing. Raises MigrationFileError."""
    try:
        tree = ast.parse(text, path)
        compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        at = Location(path, error.lineno or 0, error.offset or 0)
        raise MigrationFileError(f"not valid Python: {error.msg}", at=at) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        because = f"{type(error).__name__}: {error}"
        raise MigrationFileError("not valid Python", because=because, at=Location(path)) from None
    return PythonSource(path, text, tree)


def only_parameter(function: Function) -> str:
    """Return the name of the one parameter that `function` takes; "" where it takes none, more, or others."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    others = given.vararg or given.kwarg or given.kwonlyargs or given.defaults
    return positional[0].arg if len(positional) == 1 and not others else ""


def own_nodes(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes in `body`, but not those of functions and classes inside of it."""
    for node in body:
        yield node
        if not isinstance(node, NESTED):
            yield from own_nodes(list(ast.iter_child_nodes(node)))


def _bound(node: ast.stmt) -> Sequence[str]:
    """Return the names that a statement of a module binds."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [each.id for each in targets if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [each.asname or each.name for each in names]
    return []


def place_of(migration: Migration, key: str, value: str = "") -> Location:
    """Return where the directive `key` stands in the file of `migration`, as far as it begins with `value`."""
    wanted = re.compile(rf"\b{key}={re.escape(value)}")
    lines = migration.up[0].body.splitlines()
    found = (
        number
        for number, line in enumerate(lines, 1)
        if _LOOKS_LIKE_DIRECTIVES.match(line) and wanted.search(line)
    )
    return Location(migration.path, next(found, 0))
