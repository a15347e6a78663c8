"""Migration files of PostgreSQL: from bytes to a `Migration`. Nothing in a file is ever run here.

SQL files have dbmate's sections. What ends a section, a statement, a string or a comment is decided by
PostgreSQL's own scanner and grammar, so quotes, dollar quotes and function bodies cannot confuse anything.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.engines.postgres import grammar, statements
from seedbed.engines.postgres.grammar import GrammarError, Parsed, Token
from seedbed.errors import Location, MigrationFileError
from seedbed.model.facts import Fact, fact_error, parse_facts, refuse_unknown
from seedbed.model.migration import Backfill, Irreversibility, Migration, MigrationFile, MigrationRef, Phase, Step

_KNOWN = {
    "phase", "after", "overtake", "lock_timeout", "statement_timeout", "reverse", "repeatable", "backfill",
    "batch", "allow",
}  # fmt: skip
_SEVERAL = {"after", "allow", "overtake"}
_MARKER = re.compile(rb"--\s*migrate:(?P<name>up|down)\b(?P<options>[^\r\n]*)")
_FACTS = re.compile(r"\s*(?:--|#)\s*seedbed:\s*(?P<facts>.*?)\s*$")
_DURATION = re.compile(r"0|[0-9]+(us|ms|s|min|h|d)")
_UNCLOSED = re.compile(r"unterminated (?P<what>.+?) at or near")
_MOST_BYTES = 63
_MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class _Facts:
    """The header of a file, understood."""

    phase: Phase
    after: tuple[MigrationRef, ...]
    overtakes: tuple[str, ...]
    irreversible: Irreversibility | None
    repeatable: bool
    backfill: Backfill | None
    settings: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Section:
    """`-- migrate:up` or `down`: bytes [start, end) of the file's text, and whether it is transactional."""

    name: str
    marker: int
    start: int
    end: int
    transaction: bool


def parse(file: MigrationFile) -> Migration:
    """Return the migration in `file`. Raises MigrationFileError, naming the line and the reason."""
    text = _text(file)
    if file.source.suffix == ".py":
        return _python(file, text)
    return _Sql(file, text).migration()


def _text(file: MigrationFile) -> str:
    data = file.source.data.removeprefix(b"\xef\xbb\xbf")
    nul = data.find(b"\0")
    if nul >= 0:
        raise _error(
            file, data.count(b"\n", 0, nul) + 1, "the file holds a NUL byte", "PostgreSQL would cut the text there"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        because = f"byte {error.start} is 0x{data[error.start]:02x}: {error.reason}"
        raise _error(file, line, "the file is not UTF-8", because, "save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _error(file: MigrationFile, line: int, what: str, because: str = "", try_: str = "") -> MigrationFileError:
    return MigrationFileError(what, because=because, try_=try_, at=Location(file.path, line))


class _Sql:
    """One SQL file being read; offsets are bytes of `data`."""

    def __init__(self, file: MigrationFile, text: str) -> None:
        self.file = file
        self.data = text.encode()

    def migration(self) -> Migration:
        tokens = self._scan()
        self._refuse_long_names(tokens)
        up, down = self._sections(tokens)
        header = [
            (self._line(each.start), match["facts"])
            for each in tokens
            if each.end <= up.marker
            and (match := _FACTS.match(self.data[each.start : each.end].decode()))
        ]
        facts = _understood(self.file, parse_facts(header, self.file.path))
        down_steps = self._steps(down, facts) if down else ()
        if down_steps and facts.irreversible:
            raise self._error(
                down.marker if down else 0,
                "reverse=none, and yet there is a down section",
                "only one of them can be true",
                "leave one of them out",
            )
        return _migration(self.file, facts, self._steps(up, facts), down_steps)

    # Text

    def _line(self, offset: int) -> int:
        return self.data.count(b"\n", 0, offset) + 1

    def _error(self, offset: int, what: str, because: str = "", try_: str = "") -> MigrationFileError:
        return _error(self.file, self._line(offset), what, because, try_)

    def _scan(self) -> list[Token]:
        try:
            return grammar.scan(self.data)
        except GrammarError as error:
            raise self._grammar_error(error, 0) from None

    def _grammar_error(self, error: GrammarError, base: int) -> MigrationFileError:
        offset = base + error.offset
        if self.data[offset : offset + 1] == b"\\":
            return self._error(
                offset,
                "this is a command of psql, not SQL",
                "lines that begin with a backslash are run by psql itself, and no server knows them",
                "leave it out; of a dump: pg_dump without \\restrict lines, or remove them",
            )
        if found := _UNCLOSED.match(str(error)):
            return self._error(
                offset, f"unclosed {found['what']}", "it begins here and never ends", "close it"
            )
        return self._error(offset, str(error), "PostgreSQL's grammar refuses it", "mend the statement")

    def _refuse_long_names(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            if token.kind in {grammar.IDENTIFIER, grammar.UNICODE_IDENTIFIER} and token.end - token.start > _MOST_BYTES:
                name = self.data[token.start : token.end].decode().strip('"').replace('""', '"')
                if len(name.encode()) > _MOST_BYTES:
                    raise self._error(
                        token.start,
                        f"{name[:40]}… is {len(name.encode())} bytes long",
                        f"PostgreSQL cuts names at {_MOST_BYTES} bytes and says nothing",
                        "shorten it",
                    )

    # Sections

    def _sections(self, tokens: Sequence[Token]) -> tuple[_Section, _Section | None]:
        marks = [
            (each, match)
            for each in tokens
            if each.kind == grammar.SQL_COMMENT
            and (each.start == 0 or self.data[each.start - 1 : each.start] == b"\n")
            and (match := _MARKER.match(self.data, each.start, each.end))
        ]
        names = [match["name"].decode() for _, match in marks]
        if not names or names[0] != "up" or names.count("up") > 1 or names.count("down") > 1:
            raise self._bad_sections(marks, names)
        self._refuse_text_before(tokens, marks[0][0].start)
        ends = [each.start for each, _ in marks[1:]] + [len(self.data)]
        found = [
            _Section(name, each.start, each.end, end, self._is_transactional(each, match["options"].decode()))
            for name, (each, match), end in zip(names, marks, ends, strict=True)
        ]
        return found[0], found[1] if len(found) > 1 else None

    def _bad_sections(self, marks: Sequence[tuple[Token, re.Match[bytes]]], names: Sequence[str]) -> MigrationFileError:
        if not names:
            return self._error(0, "there is no `-- migrate:up` line", "it says where the migration begins")
        if names[0] != "up":
            return self._error(marks[0][0].start, "`migrate:down` stands before `migrate:up`", "up comes first")
        twice = next(position for position, name in enumerate(names) if name in names[:position])
        return self._error(
            marks[twice][0].start, f"`migrate:{names[twice]}` is there twice", "a file has one of each"
        )

    def _refuse_text_before(self, tokens: Sequence[Token], start: int) -> None:
        for token in tokens:
            if token.start < start and token.kind not in {grammar.SQL_COMMENT, grammar.C_COMMENT}:
                raise self._error(
                    token.start, "there is text before `-- migrate:up`", "only comments stand there", "move it below"
                )

    def _is_transactional(self, token: Token, options: str) -> bool:
        transactional = True
        for option in options.split():
            if option not in {"transaction:false", "transaction:true"}:
                raise self._error(
                    token.start, f"there is no option {option!r}", "a section has transaction:false or nothing"
                )
            transactional = option == "transaction:true"
        return transactional

    # Steps

    def _steps(self, section: _Section, facts: _Facts) -> tuple[Step, ...]:
        sql = self.data[section.start : section.end]
        try:
            found = grammar.parse(sql, ())
        except GrammarError as error:
            raise self._grammar_error(error, section.start) from None
        for each in found:
            self._refuse(each, section, facts)
        if facts.backfill:
            return (self._backfill(section, facts, sql, found),)
        self._refuse_parameters(section)
        if not found:
            return ()
        if section.transaction:
            return (self._whole(section, facts, sql, found),)
        return tuple(
            self._single(section, facts, sql, index, each) for index, each in enumerate(found)
        )

    def _refuse(self, each: Parsed, section: _Section, facts: _Facts) -> None:
        offset = section.start + each.start
        if refusal := statements.refusal(each):
            raise self._error(offset, refusal.what, refusal.because, refusal.try_)
        if section.transaction and statements.block(each) is statements.Block.OUTSIDE:
            raise self._error(
                offset,
                f"{statements.describe(each, self.data[section.start : section.end])} cannot run inside a transaction",
                "PostgreSQL refuses it there",
                f"-- migrate:{section.name} transaction:false, which runs statement by statement",
            )

    def _whole(self, section: _Section, facts: _Facts, sql: bytes, found: Sequence[Parsed]) -> Step:
        start = found[0].start
        return Step(
            0,
            sql[start:].decode().rstrip(),
            self._line(section.start + start),
            repeatable=facts.repeatable,
            summary=statements.summary(found, sql),
            keeps_session=not statements.may_change_session(found),
        )

    def _single(self, section: _Section, facts: _Facts, sql: bytes, index: int, each: Parsed) -> Step:
        return Step(
            index,
            sql[each.start : each.end].decode().rstrip(),
            self._line(section.start + each.start),
            atomic=statements.block(each) is statements.Block.INSIDE,
            repeatable=facts.repeatable,
            summary=statements.summary([each], sql),
        )

    def _backfill(self, section: _Section, facts: _Facts, sql: bytes, found: Sequence[Parsed]) -> Step:
        if not section.transaction or len(found) != 1:
            raise self._error(
                section.marker,
                "a backfill is one statement, in batches that are transactions of their own",
                f"this section has {len(found)} statements{'' if section.transaction else ' and transaction:false'}",
                "put the rest into another migration",
            )
        (each,) = found
        used = {
            sql[token.start : token.end].decode()
            for token in grammar.scan(sql)
            if token.kind == grammar.PARAMETER
        }
        if used != {"$1", "$2"}:
            raise self._error(
                section.start + each.start,
                "a backfill's statement uses $1 and $2",
                f"they are the first and the last key of a batch; this one uses {', '.join(sorted(used)) or 'neither'}",
                "WHERE id BETWEEN $1 AND $2",
            )
        return Step(
            0,
            sql[each.start : each.end].decode().rstrip(),
            self._line(section.start + each.start),
            atomic=False,
            summary=statements.summary([each], sql),
            backfill=facts.backfill,
        )

    def _refuse_parameters(self, section: _Section) -> None:
        sql = self.data[section.start : section.end]
        if b"$" not in sql:
            return
        for token in grammar.scan(sql):
            if token.kind == grammar.PARAMETER:
                raise self._error(
                    section.start + token.start,
                    f"{sql[token.start : token.end].decode()} stands for nothing here",
                    "only a backfill has parameters",
                    "-- seedbed: backfill=table.key",
                )


# Python


def _python(file: MigrationFile, text: str) -> Migration:
    """Return the migration in a `.py` file: functions over rows; compiled, never run."""
    try:
        compile(text, file.path, "exec")
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0) or 0
        raise _error(file, line, f"this is not Python: {error}", "it is compiled before anything runs") from None
    facts = _understood(file, parse_facts(_python_header(text), file.path))
    if facts.backfill is None:
        raise _error(
            file, 1, "a .py migration changes rows, and does not say which", "", "# seedbed: backfill=table.key"
        )
    functions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    for name in ("up", "down"):
        if name in functions and len(functions[name].args.args) != 1:
            raise _error(
                file, functions[name].lineno, f"`{name}` takes one row", "it is called once for each", f"def {name}(row):"
            )
    if "up" not in functions:
        raise _error(file, 1, "there is no function `up`", "it returns what changes in a row", "def up(row):")
    docstring = ast.get_docstring(tree) or ""
    summary = statements.shortened(docstring.split("\n", 1)[0] or f"rows of {facts.backfill.table}")
    steps = {
        name: (Step(0, text, 1, atomic=False, summary=summary, backfill=facts.backfill),)
        for name in ("up", "down")
        if name in functions
    }
    if "down" in steps and facts.irreversible:
        raise _error(file, functions["down"].lineno, "reverse=none, and yet there is a function `down`")
    return _migration(file, facts, steps["up"], steps.get("down", ()))


def _python_header(text: str) -> list[tuple[int, str]]:
    """Return the facts in comment lines, wherever they stand before the first function."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(("def ", "class ", "import ", "from ")):
            break
        if line.startswith("#") and (match := _FACTS.match(line)):
            found.append((number, match["facts"]))
    return found


# Facts


def _migration(file: MigrationFile, facts: _Facts, up: tuple[Step, ...], down: tuple[Step, ...]) -> Migration:
    return Migration(
        file.version,
        file.name,
        file.path,
        file.checksum,
        facts.phase,
        up,
        down,
        facts.irreversible,
        facts.after,
        facts.overtakes,
        facts.settings,
    )


def _understood(file: MigrationFile, facts: Sequence[Fact]) -> _Facts:
    path = file.path
    refuse_unknown(facts, _KNOWN, _SEVERAL, path)
    said = {each.key: each for each in facts}
    for name in ("reverse", "repeatable", "allow"):
        if name in said and not said[name].because:
            raise fact_error(path, said[name].line, f"{name} gives no reason", f'{name}… because "…"')
    if "reverse" in said and said["reverse"].value != "none":
        raise fact_error(path, said["reverse"].line, "reverse can only be none", 'reverse=none because "…"')
    return _Facts(
        _phase(said.get("phase"), path),
        tuple(_ref(each, value, path) for each in facts if each.key == "after" for value in each.value.split(",")),
        tuple(_version(each, value, path) for each in facts if each.key == "overtake" for value in each.value.split(",")),
        Irreversibility(said["reverse"].because) if "reverse" in said else None,
        "repeatable" in said,
        _backfill_fact(said, path),
        {name: _duration(said[name], path) for name in ("lock_timeout", "statement_timeout") if name in said},
    )


def _phase(fact: Fact | None, path: str) -> Phase:
    if fact is None:
        return Phase.EXPAND
    if fact.value not in set(Phase):
        raise fact_error(path, fact.line, f"there is no phase {fact.value!r}", f"one of {', '.join(Phase)}")
    return Phase(fact.value)


def _ref(fact: Fact, value: str, path: str) -> MigrationRef:
    match = re.fullmatch(r"([a-z0-9-]+/[a-z0-9-]+):([0-9]{1,18})", value)
    if match is None:
        raise fact_error(path, fact.line, f"after={value} names no migration", "after=user/postgres:20260101120000")
    return MigrationRef(match[1], match[2])


def _version(fact: Fact, value: str, path: str) -> str:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise fact_error(path, fact.line, f"overtake={value} is no version", "overtake=20260101120000")
    return value


def _duration(fact: Fact, path: str) -> str:
    if not _DURATION.fullmatch(fact.value):
        raise fact_error(path, fact.line, f"{fact.key}={fact.value} is no duration", f"{fact.key}=5s, 500ms or 2min")
    return fact.value


def _backfill_fact(said: dict[str, Fact], path: str) -> Backfill | None:
    fact = said.get("backfill")
    if fact is None:
        if "batch" in said:
            raise fact_error(path, said["batch"].line, "batch without backfill", "backfill=table.key batch=1000")
        return None
    table, _, key = fact.value.rpartition(".")
    if not table or not key or table.count(".") > 1:
        raise fact_error(path, fact.line, f"backfill={fact.value} names no table and key", "backfill=table.key")
    rows = said["batch"].value if "batch" in said else "1000"
    if not rows.isascii() or not rows.isdigit() or not 0 < int(rows) <= _MOST_ROWS:
        raise fact_error(path, said["batch"].line, f"batch={rows} is no number of rows", f"1 to {_MOST_ROWS}")
    return Backfill(table, key, int(rows))
