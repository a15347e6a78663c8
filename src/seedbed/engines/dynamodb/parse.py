"""Migrations of DynamoDB: Python files that transform items or work on a table. Compiled and looked at, never run.

`up(item)` is a transformation: it is called for every item of a table. `up(table)` is free form: it is called once.
Both have their facts in `# seedbed:` comments before the first line of code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from seedbed.engines.dynamodb.facts import (
    Header,
    insist_on_free_form,
    insist_on_transformation,
    looks_like_facts,
    mode,
    read_header,
)
from seedbed.engines.dynamodb.returns import forgotten_return
from seedbed.errors import Location, MigrationFileError
from seedbed.model.facts import fact_lines
from seedbed.model.migration import Backfill, Migration, MigrationFile, Step

SUFFIX = ".py"
_SUMMARY = 80  # characters
_ITEM, _TABLE = "item", "table"
_FORMS = "def up(item): … is called for every item, def up(table): … once"
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class _Way(Struct, frozen=True):
    """One of the functions `up` and `down`: where it stands, what it is called with, what it says about itself."""

    line: int
    takes: str
    about: str


def parse(file: MigrationFile) -> Migration:
    """Return the migration that `file` holds; nothing in it is run. Raises MigrationFileError with its line."""
    if file.source.suffix != SUFFIX:
        raise _refused(
            file, 0, f"DynamoDB has no migrations in {file.source.suffix!r}", f"they are Python: {SUFFIX}"
        )
    text = _decoded(file)
    tree = _compiled(file, text)
    header = _header(file, text, tree)
    functions = {each.name: each for each in tree.body if isinstance(each, _Function)}
    _insist_on_once(file, tree)
    up = _way(file, functions.get("up"))
    if up is None:
        raise _refused(file, 0, "the file has no function `up`", _FORMS, "def up(item): …")
    down = _way(file, functions.get("down"))
    _insist_on_one_form(file, header, up, down, functions)
    about = up.about or (ast.get_docstring(tree) or _first_comment(text)).strip().split("\n", 1)[0]
    return Migration(
        version=file.version,
        name=file.name,
        path=file.path,
        checksum=file.checksum,
        phase=header.phase,
        up=(_step(text, header, up, "up", about),),
        down=(_step(text, header, down, "down", ""),) if down else (),
        irreversible=header.irreversible,
        after=header.after,
        overtakes=header.overtakes,
        settings=_settings(header, up),
        allows=header.allows,
    )


def _refused(
    file: MigrationFile, line: int, what: str, because: str = "", try_: str = "", column: int = 0
) -> MigrationFileError:
    return MigrationFileError(what, because=because, try_=try_, at=Location(file.path, line, column))


def _decoded(file: MigrationFile) -> str:
    """Return the file's text, line ends as its checksum has them."""
    data = file.source.data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"0x{data[error.start]:02x}"
        raise _refused(
            file, line, f"the file is not UTF-8: {byte}", error.reason, "save it as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _compiled(file: MigrationFile, text: str) -> ast.Module:
    """Return the tree of `text` after compiling it, which runs nothing."""
    try:
        tree = ast.parse(text, file.path)
        compile(text, file.path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise _refused(
            file, error.lineno or 0, f"this is no Python: {error.msg}", column=error.offset or 0
        ) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise _refused(file, 0, "this is no Python", f"{type(error).__name__}: {error}") from None
    return tree


def _header(file: MigrationFile, text: str, tree: ast.Module) -> Header:
    lines = list(enumerate(text.split("\n"), 1))
    end = _first_line_of_code(tree)
    if any(looks_like_facts(line.lstrip()) for _, line in lines[end - 1 :]):
        _insist_on_no_facts_below(file, text, end)
    return read_header(file.path, fact_lines(_comment_lines(tree, lines[: end - 1]), "#"))


def _has_docstring(tree: ast.Module) -> bool:
    return ast.get_docstring(tree, clean=False) is not None


def _first_line_of_code(tree: ast.Module) -> int:
    """Return the line of the first statement that is not the docstring; beyond any file where there is none."""
    code = tree.body[1:] if _has_docstring(tree) else tree.body
    if not code:
        return 2**31
    decorators = getattr(code[0], "decorator_list", [])
    lines: list[int] = [each.lineno for each in (code[0], *decorators)]
    return min(lines)


def _comment_lines(tree: ast.Module, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield those of `lines` that do not belong to the docstring."""
    docstring = tree.body[0] if _has_docstring(tree) else None
    for number, line in lines:
        if docstring is None or not docstring.lineno <= number <= (docstring.end_lineno or 0):
            yield number, line


def _insist_on_no_facts_below(file: MigrationFile, text: str, first: int) -> None:
    """Refuse facts from line `first` on; strings that merely look like some are none."""
    import tokenize

    lines = iter(text.splitlines(keepends=True))
    for token in tokenize.generate_tokens(lambda: next(lines, "")):
        begins_line = not token.line[: token.start[1]].strip()
        is_comment = token.type == tokenize.COMMENT and begins_line and token.start[0] >= first
        if is_comment and looks_like_facts(token.string):
            raise _refused(
                file,
                token.start[0],
                "facts have no effect here",
                "they are read in the comments before the first line of code, and nowhere else",
                "move them there",
            )


def _first_comment(text: str) -> str:
    """Return the first comment at the top that is for people."""
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        said = line.lstrip("#").strip()
        if said and not line.startswith("#!") and not said.startswith(("seedbed:", "-*-")):
            return said
    return ""


def _insist_on_once(file: MigrationFile, tree: ast.Module) -> None:
    """Refuse a second `up` or `down`, and one that is no plain function: only the last would count."""
    seen: dict[str, int] = {}
    for node in tree.body:
        for name in _names_bound(node):
            if name not in {"up", "down", "applied"}:
                continue
            if name in seen:
                raise _refused(
                    file,
                    node.lineno,
                    f"`{name}` is there twice",
                    f"line {seen[name]} has it too; only one can be meant",
                )
            seen[name] = node.lineno
            if not isinstance(node, _Function):
                raise _refused(
                    file, node.lineno, f"`{name}` is no function", "it is looked at, not run", _FORMS
                )


def _names_bound(node: ast.stmt) -> Sequence[str]:
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


def _way(file: MigrationFile, function: _Function | None) -> _Way | None:
    """Return what `function` is. Raises MigrationFileError for what cannot be called with one item or table."""
    if function is None:
        return None
    name, given = function.name, function.args
    positional = [*given.posonlyargs, *given.args]
    if isinstance(function, ast.AsyncFunctionDef):
        raise _refused(file, function.lineno, f"`{name}` is async", "it is called, and never awaited", _FORMS)
    if _is_generator(function):
        raise _refused(
            file,
            function.lineno,
            f"`{name}` is a generator",
            "a call of it would do nothing",
            "return a list",
        )
    if function.decorator_list:
        raise _refused(
            file,
            function.decorator_list[0].lineno,
            f"`{name}` is decorated",
            "what it is called with could not be seen any more without running it",
            "decorate a function that it calls",
        )
    others = given.vararg or given.kwarg or given.kwonlyargs or given.defaults
    if len(positional) != 1 or others or positional[0].arg not in {_ITEM, _TABLE}:
        raise _refused(
            file,
            function.lineno,
            f"`{name}` takes neither an `item` nor a `table`",
            "what it is comes from the name of its one parameter",
            _FORMS.replace("up", name),
        )
    about = (ast.get_docstring(function) or "").strip().split("\n", 1)[0]
    return _Way(function.lineno, positional[0].arg, about)


def _is_generator(function: ast.FunctionDef) -> bool:
    """Return whether the function itself yields; functions and lambdas inside of it may."""
    inner: list[ast.AST] = list(function.body)
    while inner:
        node = inner.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            inner += ast.iter_child_nodes(node)
    return False


def _insist_on_one_form(
    file: MigrationFile, header: Header, up: _Way, down: _Way | None, functions: Mapping[str, _Function]
) -> None:
    if down and down.takes != up.takes:
        raise _refused(
            file,
            down.line,
            f"`up` takes a {up.takes} and `down` a {down.takes}",
            "a migration is one or the other, both ways",
            "make two migrations of it",
        )
    if down and header.irreversible:
        raise _refused(
            file,
            header.line("reverse"),
            "the file says `reverse=none` and has a `down`",
            f"`def down` stands on line {down.line}",
            "remove one of the two",
        )
    if up.takes == _ITEM:
        insist_on_transformation(file.path, header)
        _insist_on_results(file, functions)
    else:
        insist_on_free_form(file.path, header)
    if applied := functions.get("applied"):
        _insist_on_probe(file, header, up, applied)


def _insist_on_results(file: MigrationFile, functions: Mapping[str, _Function]) -> None:
    """Refuse a function of items that may end without a result: that would delete the item, mostly by mistake."""
    for name in ("up", "down"):
        function = functions.get(name)
        if function is not None and (line := forgotten_return(function)):
            raise _refused(
                file,
                line,
                f"`{name}` may end without saying what becomes of the item",
                "no result would mean that the item is deleted",
                "return item, or return None where it is to be deleted",
            )


def _insist_on_probe(file: MigrationFile, header: Header, up: _Way, applied: _Function) -> None:
    way = _way(file, applied)
    assert way is not None
    if up.takes != _TABLE or header.is_transaction:
        raise _refused(
            file,
            applied.lineno,
            "nobody would ask `applied`",
            "only a free form with `transaction=false` can end without anyone knowing what became of it",
            "remove the function",
        )
    if way.takes != _TABLE:
        raise _refused(
            file, applied.lineno, "`applied` is asked about a table", "", "def applied(table) -> bool: …"
        )


def _step(text: str, header: Header, way: _Way, name: str, about: str) -> Step:
    is_transformation = way.takes == _ITEM
    what = f"every item of {header.table}" if is_transformation else header.table
    return Step(
        index=0,
        body=text,
        line=1,
        atomic=not is_transformation and header.is_transaction,
        repeatable=is_transformation or header.is_repeatable,
        summary=_shortened(way.about or about or f"{name}: {what}"),
        backfill=Backfill(header.table, "", header.batch) if is_transformation else None,
    )


def _settings(header: Header, up: _Way) -> dict[str, str]:
    found = dict(header.settings)
    if up.takes == _ITEM:
        found["mode"] = mode(header).value
    return found


def _shortened(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= _SUMMARY else line[: _SUMMARY - 1].rstrip(" ,") + "…"
