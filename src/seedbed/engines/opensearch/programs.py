"""Index migrations: Python files that say what moves to which version, and how documents change on the way.

Compiled and looked at while parsed, never run; whoever carries one out asks for its functions.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.errors import Location, MigrationFileError, SeedbedError, StepFailed
from seedbed.model.facts import Fact, fact_lines, parse_facts
from seedbed.model.headers import Header, insist, read_common
from seedbed.model.migration import Backfill, Direction, Migration, MigrationFile, Step

SUFFIX = ".py"
BATCH, LARGEST_BATCH = 1000, 10_000  # documents in a page
BLOCK, LONGEST_BLOCK = 5.0, 600.0  # seconds that writers may wait
KINDS = ("index", "pipeline", "template")
_OWN = frozenset({*KINDS, "version", "batch", "rebuild", "block"})
_SUMMARY = 80  # characters
_PARAMETER = "doc"

Document = dict[str, Any]
Function = Callable[[Document], Document | None]


class Subject(Struct, frozen=True):
    """What a migration moves: `kind` is one of KINDS; `version` 0: it stays the one that is live."""

    kind: str
    name: str
    version: int = 0


def parse_program(file: MigrationFile) -> Migration:
    """Return the migration that the `.py` `file` holds; nothing in it is run. Raises MigrationFileError."""
    text = _decoded(file)
    tree = _compiled(file, text)
    facts = parse_facts(_fact_lines(text, tree), file.path)
    header = read_common(facts, file.path, own=_OWN)
    single = {each.key: each for each in facts if each.key in _OWN}
    subject = _subject(file, single)
    functions = _functions(file, tree)
    _insist_on_sense(file, header, single, subject, functions)
    about = (ast.get_docstring(tree) or _first_comment(text)).strip().split("\n", 1)[0]
    goes_back = ("down" in functions or "up" not in functions) and header.irreversible is None
    batch = _number(file, single.get("batch"), LARGEST_BATCH, BATCH)
    # Whether an index without functions is walked over is not for the file to say.
    walk = Backfill(subject.name, "_id", batch) if functions else None
    return Migration(
        version=file.version,
        name=file.name,
        path=file.path,
        checksum=file.checksum,
        phase=header.phase,
        up=(_step(text, subject, Direction.UP, walk, about),),
        down=(_step(text, subject, Direction.DOWN, walk, ""),) if goes_back else (),
        irreversible=header.irreversible,
        after=header.after,
        overtakes=header.overtakes,
        settings=_settings(single, subject, functions),
        allows=header.allows,
    )


def is_program(migration: Migration) -> bool:
    """Return whether `migration` was parsed here."""
    return any(each in migration.settings for each in KINDS)


def subject(migration: Migration) -> Subject:
    """Return what `migration`, which was parsed here, moves."""
    settings = migration.settings
    kind = next(each for each in KINDS if each in settings)
    return Subject(kind, settings[kind], int(settings.get("version", 0)))


def function(step: Step, path: str, direction: Direction) -> Function | None:
    """Run the text of a migration and return its `up` or `down`; None where it has none.

    Raises StepFailed where the file's own code fails.
    """
    # What a traceback shows of a file is looked up by its name, and the working directory may be another one.
    linecache.cache[path] = (len(step.body), None, step.body.splitlines(keepends=True), path)
    namespace: dict[str, Any] = {"__name__": "migration", "__file__": path}
    try:
        exec(compile(step.body, path, "exec", dont_inherit=True), namespace)  # noqa: S102  what a .py migration is for
    except (Exception, SystemExit) as wrong:
        raise failure(wrong, path) from wrong
    found = namespace.get(direction.value)
    return found if callable(found) else None


def failure(error: BaseException, path: str, document: str = "") -> StepFailed:
    """Return `error`, raised while code of the file `path` ran, as the error that a person reads."""
    at = Location(path, _line(error, path))
    if isinstance(error, SeedbedError):
        return StepFailed(error.what, because=error.because, try_=error.try_, at=error.at or at)
    where = f" on the document {document!r}" if document else ""
    return StepFailed(
        f"the migration's own code failed{where}: {type(error).__name__}",
        because=str(error),
        try_="mend it and run the same command again",
        at=at,
    )


def _line(error: BaseException, path: str) -> int:
    """Return the innermost line of the file `path` that `error` passed through."""
    line, traceback = 0, error.__traceback__
    while traceback:
        if traceback.tb_frame.f_code.co_filename == path:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _refused(
    file: MigrationFile, line: int, what: str, because: str = "", try_: str = "", column: int = 0
) -> MigrationFileError:
    return MigrationFileError(what, because=because, try_=try_, at=Location(file.path, line, column))


def _decoded(file: MigrationFile) -> str:
    data = file.source.data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(file, line, "the file is not UTF-8", error.reason, "save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


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


def _fact_lines(text: str, tree: ast.Module) -> list[tuple[int, str]]:
    """Return the facts in comments before the first line of code; the docstring is no comment."""
    docstring = tree.body[0] if ast.get_docstring(tree, clean=False) is not None else None
    code = tree.body[1:] if docstring else tree.body
    end = min((each.lineno for each in code), default=2**31)
    lines = (
        (number, line)
        for number, line in enumerate(text.split("\n"), 1)
        if number < end
        and (docstring is None or not docstring.lineno <= number <= (docstring.end_lineno or 0))
    )
    return list(fact_lines(lines, "#"))


def _first_comment(text: str) -> str:
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        said = line.lstrip("#").strip()
        if said and not line.startswith("#!") and not said.startswith(("seedbed:", "-*-")):
            return said
    return ""


def _subject(file: MigrationFile, facts: Mapping[str, Fact]) -> Subject:
    named = [each for each in KINDS if each in facts]
    if len(named) != 1:
        what = "the file does not say what it moves" if not named else f"the file moves {' and '.join(named)}"
        line = facts[named[1]].line if named else 1
        raise _refused(
            file, line, what, "it is one index, pipeline or template", "# seedbed: index=lessons version=2"
        )
    fact = facts[named[0]]
    insist(bool(fact.value), fact, file.path, f"{fact.key}=name")
    return Subject(fact.key, fact.value, _number(file, facts.get("version"), 1_000_000, 0))


def _number(file: MigrationFile, fact: Fact | None, most: int, default: int) -> int:
    if fact is None:
        return default
    good = fact.value.isascii() and fact.value.isdigit() and 1 <= int(fact.value) <= most
    insist(good, fact, file.path, f"{fact.key}=1 to {fact.key}={most}")
    return int(fact.value)


def _functions(file: MigrationFile, tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Return `up` and `down` as far as they are there. Raises MigrationFileError for what cannot be called."""
    found: dict[str, ast.FunctionDef] = {}
    for node in tree.body:
        for name in _bound(node):
            if name not in {"up", "down"}:
                continue
            if name in found:
                raise _refused(file, node.lineno, f"`{name}` is there twice", "only one can be meant")
            if not isinstance(node, ast.FunctionDef):
                raise _refused(
                    file,
                    node.lineno,
                    f"`{name}` is no plain function",
                    "it is looked at, not run",
                    "def up(doc): …",
                )
            _insist_on_form(file, node)
            found[name] = node
    return found


def _bound(node: ast.stmt) -> Sequence[str]:
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


def _insist_on_form(file: MigrationFile, node: ast.FunctionDef) -> None:
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    others = given.vararg or given.kwarg or given.kwonlyargs or given.defaults
    if len(positional) != 1 or others or positional[0].arg != _PARAMETER or node.decorator_list:
        raise _refused(
            file,
            node.lineno,
            f"`{node.name}` does not take a document",
            "",
            f"def {node.name}({_PARAMETER}): …",
        )
    own = list(_own(node.body))
    if any(isinstance(each, ast.Yield | ast.YieldFrom) for each in own):
        raise _refused(file, node.lineno, f"`{node.name}` is a generator", "a call of it would do nothing")
    returns = [each for each in own if isinstance(each, ast.Return)]
    silent = next((each.lineno for each in returns if each.value is None), 0)
    if silent or not returns:
        raise _refused(
            file,
            silent or node.lineno,
            f"`{node.name}` may end without saying what becomes of the document",
            "no result would mean that the new index does not get it",
            "return doc, or return None where it is to be left out",
        )


def _own(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes in `body`, but not those of functions and classes inside of it."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _own(list(ast.iter_child_nodes(node)))


def _insist_on_sense(
    file: MigrationFile,
    header: Header,
    facts: Mapping[str, Fact],
    moved: Subject,
    functions: Mapping[str, ast.FunctionDef],
) -> None:
    if moved.kind != "index" and functions:
        raise _refused(
            file,
            min(each.lineno for each in functions.values()),
            f"a {moved.kind} has no documents",
            "",
            "index=…",
        )
    if not moved.version and "up" not in functions:
        raise _refused(
            file,
            facts[moved.kind].line,
            f"the file does not say which version of {moved.name} is to be",
            "without a version, documents are transformed, and there is no `up`",
            f"# seedbed: {moved.kind}={moved.name} version=2",
        )
    if "down" in functions and "up" not in functions:
        raise _refused(
            file, functions["down"].lineno, "there is a `down` and no `up`", "", "def up(doc): return doc"
        )
    if "down" in functions and header.irreversible:
        raise _refused(
            file,
            functions["down"].lineno,
            "the file says `reverse=none` and has a `down`",
            "remove one of the two",
        )
    for key in ("rebuild", "block", "batch"):
        if key in facts and moved.kind != "index":
            raise _refused(file, facts[key].line, f"`{key}` has no meaning for a {moved.kind}")
    if "rebuild" in facts:
        insist(not facts["rebuild"].value, facts["rebuild"], file.path, "rebuild")
    if "block" in facts:
        insist(
            _seconds(facts["block"].value) > 0,
            facts["block"],
            file.path,
            f"block=1s to block={LONGEST_BLOCK:g}s",
        )


def _seconds(value: str) -> float:
    """Return "5s" in seconds; 0 for what is none."""
    digits = value.removesuffix("s")
    number = float(digits) if digits.isascii() and digits.isdigit() else 0.0
    return number if number <= LONGEST_BLOCK else 0.0


def batch(migration: Migration) -> int:
    """Return how many documents of `migration` go into a page."""
    return int(migration.settings.get("batch", BATCH))


def block_seconds(migration: Migration) -> float:
    """Return for how long `migration` may make writers wait."""
    return _seconds(migration.settings.get("block", "")) or BLOCK


def _settings(
    facts: Mapping[str, Fact], moved: Subject, functions: Mapping[str, ast.FunctionDef]
) -> dict[str, str]:
    settings = {moved.kind: moved.name}
    if moved.version:
        settings["version"] = str(moved.version)
    if "rebuild" in facts:
        settings["rebuild"] = "true"
    if "batch" in facts:
        settings["batch"] = facts["batch"].value
    if "block" in facts:
        settings["block"] = facts["block"].value
    if functions:
        settings["function"] = ",".join(sorted(functions, reverse=True))
    return settings


def _step(text: str, moved: Subject, direction: Direction, walk: Backfill | None, about: str) -> Step:
    to = f" to version {moved.version}" if moved.version else ""
    words = about or f"{direction.value}: {moved.kind} {moved.name}{to}"
    line = " ".join(words.split())
    return Step(
        index=0,
        body=text,
        line=1,
        atomic=False,
        repeatable=True,
        summary=line if len(line) <= _SUMMARY else line[: _SUMMARY - 1].rstrip(" ,") + "…",
        backfill=walk,
    )
