"""Index migrations: Python files that name an index and its next version, and may transform documents.

Parsing compiles and inspects a file; nothing in it is run. To run it, call `function`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from seedbed.engines.kit.findings import Findings
from seedbed.engines.kit.python_program import compiled
from seedbed.engines.kit.python_returns import forgotten_return
from seedbed.engines.kit.python_source import Function as Declared
from seedbed.engines.kit.python_source import PythonSource, only_parameter, read_source
from seedbed.engines.opensearch.rules.naming import complaint_about
from seedbed.errors import collected
from seedbed.model.directives import Directive, parse_directives
from seedbed.model.headers import Header, read_common, require_form
from seedbed.model.migration import Backfill, Direction, Migration, MigrationFile, Step
from seedbed.support.phrases import flat

SUFFIX = ".py"
BATCH, LARGEST_BATCH = 1000, 10_000  # documents in a page
BLOCK, LONGEST_BLOCK = 5.0, 600.0  # seconds that writers may wait
KINDS = ("index", "pipeline", "template")
_OWN = frozenset({*KINDS, "version", "batch", "rebuild", "block"})
_PARAMETER = "doc"

Document = dict[str, Any]
Function = Callable[[Document], Document | None]


class MigrationSubject(Struct, frozen=True):
    """What a migration changes: `kind` is one of KINDS; `version` 0: it stays at the version that it has."""

    kind: str
    name: str
    version: int = 0


def parse_program(file: MigrationFile) -> Migration:
    """Return the migration in the `.py` `file`; nothing in it is run. Raises MigrationFileError."""
    source, findings = read_source(file), Findings(file.path)
    directives = findings.attempt(lambda: parse_directives(source.directives(), file.path)) or ()
    header = findings.attempt(lambda: read_common(directives, file.path, own=_OWN))
    single = {each.key: each for each in directives if each.key in _OWN}
    subject = findings.attempt(lambda: _subject(source, single)) if directives or not findings.count else None
    functions = findings.attempt(lambda: _functions(source))
    findings.require_none()
    assert header is not None
    assert subject is not None
    assert functions is not None
    _require_consistency(source, header, single, subject, functions)
    about, text = source.about(), source.text
    goes_back = ("down" in functions or "up" not in functions) and header.irreversible is None
    batch = _number(source, single.get("batch"), LARGEST_BATCH, BATCH)
    # Without functions, indexes.toml decides whether documents are copied.
    walk = Backfill(subject.name, "_id", batch) if functions else None
    up, down = (_step(text, subject, each, walk, about) for each in Direction)
    return Migration(
        version=file.version,
        name=file.name,
        path=file.path,
        checksum=file.checksum,
        phase=header.phase,
        up=(up,),
        down=(down,) if goes_back else (),
        irreversible=header.irreversible,
        after=header.after,
        overtakes=header.overtakes,
        settings=_settings(single, subject, functions),
        allows=header.allows,
        postconditions=header.postconditions,
    )


def programs(files: Iterable[MigrationFile]) -> Iterator[Migration]:
    """Yield the migrations in those of `files` that are `.py`. Raises MigrationFileError."""
    return (parse_program(each) for each in files if each.source.suffix == SUFFIX)


def is_program(migration: Migration) -> bool:
    """Return whether `migration` was parsed here."""
    return any(each in migration.settings for each in KINDS)


def is_rebuild(migration: Migration) -> bool:
    """Return whether `migration` makes a new index of what is there, and changes nothing else."""
    settings = migration.settings
    return "rebuild" in settings and not {"version", "function"} & settings.keys()


def subject_of(migration: Migration) -> MigrationSubject:
    """Return what `migration`, which was parsed here, changes."""
    settings = migration.settings
    kind = next(each for each in KINDS if each in settings)
    return MigrationSubject(kind, settings[kind], int(settings.get("version", 0)))


def function(step: Step, path: str, direction: Direction) -> Function | None:
    """Run the text of a migration and return its `up` or `down`; None if it has none.

    Raises StepFailed if the code of the file fails.
    """
    return compiled(step.body, path).function(direction.value)


def _subject(source: PythonSource, directives: Mapping[str, Directive]) -> MigrationSubject:
    named = [each for each in KINDS if each in directives]
    if len(named) != 1:
        what = (
            "the file does not name what it changes" if not named else f"the file names {' and '.join(named)}"
        )
        line = directives[named[1]].line if named else 1
        raise source.error(
            line,
            what,
            "a migration changes one index, pipeline or template",
            "# seedbed: index=NAME version=NUMBER, as indexes.toml has them",
        )
    directive = directives[named[0]]
    require_form(bool(directive.value), directive, source.path, f"{directive.key}=name")
    if wrong := complaint_about(directive.value, directive.key):
        raise source.error(directive.line, wrong.what, wrong.because, wrong.try_)
    return MigrationSubject(
        directive.key, directive.value, _number(source, directives.get("version"), 1_000_000, 0)
    )


def _number(source: PythonSource, directive: Directive | None, most: int, default: int) -> int:
    if directive is None:
        return default
    good = directive.value.isascii() and directive.value.isdigit() and 1 <= int(directive.value) <= most
    require_form(good, directive, source.path, f"{directive.key}=1 to {directive.key}={most}")
    return int(directive.value)


def _functions(source: PythonSource) -> Mapping[str, Declared]:
    """Return `up` and `down`, as far as they exist. Raises MigrationFileError for one that cannot be called."""
    found = source.functions(("up", "down"), f"def up({_PARAMETER}): …")
    collected(partial(_require_one_document, source, node) for node in found.values())
    return found


def _require_one_document(source: PythonSource, node: Declared) -> None:
    name = node.name
    if only_parameter(node) != _PARAMETER:
        raise source.error(
            node.lineno, f"`{name}` does not accept a document", "", f"def {name}({_PARAMETER}): …"
        )
    if line := forgotten_return(node):
        raise source.error(
            line,
            f"`{name}` may end without returning a document",
            "without a result, the new index leaves the document out",
            "return doc, or return None to leave it out",
        )


def _require_consistency(
    source: PythonSource,
    header: Header,
    directives: Mapping[str, Directive],
    subject: MigrationSubject,
    functions: Mapping[str, Declared],
) -> None:
    if subject.kind != "index" and functions:
        raise source.error(
            min(each.lineno for each in functions.values()),
            f"a {subject.kind} has no documents",
            "",
            "index=…",
        )
    if not subject.version and "up" not in functions and "rebuild" not in directives:
        raise source.error(
            directives[subject.kind].line,
            f"the file does not say what it changes in {subject.kind} {subject.name}",
            "it names no version, and has no function `up`",
            f"# seedbed: {subject.kind}={subject.name} version=NUMBER, the next one in indexes.toml",
        )
    if "down" in functions and "up" not in functions:
        raise source.error(
            functions["down"].lineno, "there is a `down` and no `up`", "", "def up(doc): return doc"
        )
    if "down" in functions and header.irreversible:
        raise source.error(
            functions["down"].lineno,
            "the file is declared irreversible and has a `down` function",
            "remove one of the two",
        )
    for key in ("rebuild", "block", "batch"):
        if key in directives and subject.kind != "index":
            raise source.error(directives[key].line, f"`{key}` has no meaning for a {subject.kind}")
    if "rebuild" in directives:
        require_form(not directives["rebuild"].value, directives["rebuild"], source.path, "rebuild")
    if "block" in directives:
        require_form(
            _seconds(directives["block"].value) > 0,
            directives["block"],
            source.path,
            f"block=1s to block={LONGEST_BLOCK:g}s",
        )


def _seconds(value: str) -> float:
    """Return "5s" in seconds; 0 if invalid."""
    digits = value.removesuffix("s")
    number = float(digits) if digits.isascii() and digits.isdigit() else 0.0
    return number if number <= LONGEST_BLOCK else 0.0


def batch(migration: Migration) -> int:
    """Return the number of documents in a page of `migration`."""
    return int(migration.settings.get("batch", BATCH))


def block_seconds(migration: Migration) -> float:
    """Return how many seconds `migration` may block writes."""
    return _seconds(migration.settings.get("block", "")) or BLOCK


def _settings(
    directives: Mapping[str, Directive], subject: MigrationSubject, functions: Mapping[str, Declared]
) -> dict[str, str]:
    settings = {subject.kind: subject.name}
    if subject.version:
        settings["version"] = str(subject.version)
    if "rebuild" in directives:
        settings["rebuild"] = "true"
    if "batch" in directives:
        settings["batch"] = directives["batch"].value
    if "block" in directives:
        settings["block"] = directives["block"].value
    if functions:
        settings["function"] = ",".join(sorted(functions, reverse=True))
    return settings


def _step(
    text: str, subject: MigrationSubject, direction: Direction, walk: Backfill | None, about: str
) -> Step:
    is_up = direction is Direction.UP
    if subject.version:
        way = f"{'to' if is_up else 'from'} version {subject.version}"
    elif walk is None:
        way = "is rebuilt" if is_up else "stays as it is"
    else:
        way = "is transformed"
    summary = (about if is_up else "") or f"{direction.value}: {subject.kind} {subject.name} {way}"
    return Step(
        index=0,
        body=text,
        line=1,
        atomic=False,
        repeatable=True,
        summary=flat(summary),
        backfill=walk,
    )
