"""A migration's file -> a migration. Pure: nothing in a file is run, and no server is asked.

SQL files have dbmate's sections (`-- migrate:up [transaction:false]`, `-- migrate:down`) and seedbed's facts
in the comments above them. A section is one atomic step; with `transaction:false` each statement is a step.
A section's mark counts only where PostgreSQL's own scanner sees a comment at the start of a line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field

from seedbed.engines.postgres.grammar import COMMENTS, GrammarError, Parsed, Token, TokenKind, scan
from seedbed.engines.postgres.grammar import parse as parse_sql
from seedbed.engines.postgres.statements import (
    Block,
    block,
    describe,
    may_change_session,
    refusal,
    shortened,
    summary,
)
from seedbed.errors import Location, MigrationFileError
from seedbed.model.facts import Fact, fact_lines, parse_facts, unknown_fact
from seedbed.model.migration import (
    Backfill,
    Irreversibility,
    Migration,
    MigrationFile,
    MigrationRef,
    Phase,
    Step,
)

LONGEST_NAME = 63  # bytes; the server cuts what is longer

_BATCH, _LARGEST_BATCH = 1000, 100_000  # rows
_TIMEOUTS = ("lock_timeout", "statement_timeout")
_FACTS = frozenset(
    {"after", "allow", "backfill", "batch", "overtake", "phase", "repeatable", "reverse", *_TIMEOUTS}
)
_DURATION = re.compile(r"(\d{1,18})(us|ms|s|min|h|d)|0", re.ASCII)
_MICROSECONDS = {"us": 1, "ms": 1000, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
_LONGEST_TIMEOUT = (2**31 - 1) * 1000  # microseconds
_PHASES = frozenset(each.value for each in Phase)
_CODE = re.compile(r"[A-Z]+[0-9]+")
_NAME = re.compile(r'[^\s."]+')

_MARK = re.compile(r"--\s*migrate:(up|down)(?:\s+(.*))?")
_NEARLY_A_MARK = re.compile(r"--+\s*migrate\s*:\s*(?:up|down)\b|--\s*migrate:\w", re.IGNORECASE)
_LOOKS_LIKE_UP = re.compile(rb"^--\s*migrate:up\b", re.MULTILINE)
_LOOKS_LIKE_FACTS = re.compile(r"(?:--|#)\s*seedbed:")
_LOOKS_LIKE_META = re.compile(rb"^[ \t]*(\\)[a-zA-Z!?]", re.MULTILINE)
_LOOKS_LIKE_PARAMETER = re.compile(rb"\$\d")
_LOOKS_LONG = re.compile(rb'[\w$\x80-\xff]{64}|"(?:[^"]|""){64}')
_UNICODE_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6})|(\\))")
_UNCLOSED = (
    ("unterminated quoted identifier", "quoted name"),
    ("unterminated /* comment", "comment"),
    ("unterminated dollar-quoted string", "dollar-quoted string"),
    ("unterminated", "string"),
)


def parse(file: MigrationFile) -> Migration:
    """Return the migration that `file` holds. Raises MigrationFileError."""
    text = _Text(file.path, _decoded(file))
    up, down, header = _python(text) if file.source.suffix == ".py" else _sql(text)
    if header.irreversible and down:
        raise text.error(
            header.reverse_line,
            "the file says that there is no way back, and holds one",
            "`reverse=none` stands next to something that reverts",
            "keep one of them",
        )
    return Migration(
        version=file.version,
        name=file.name,
        path=file.path,
        checksum=file.checksum,
        phase=header.phase,
        up=up,
        down=down,
        irreversible=header.irreversible,
        after=header.after,
        overtakes=header.overtakes,
        settings=header.settings,
    )


# ---------------------------------------------------------------------------------------------------------
# Text
# ---------------------------------------------------------------------------------------------------------


class _Text:
    """A file's text with LF line ends, as bytes too, and what is said about places in it."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.data = text.encode()

    def line(self, offset: int) -> int:
        """Return the line of byte `offset`."""
        return self.data.count(b"\n", 0, offset) + 1

    def column(self, offset: int) -> int:
        """Return the column of byte `offset`, in characters."""
        return len(self.data[self.data.rfind(b"\n", 0, offset) + 1 : offset].decode(errors="replace")) + 1

    def begins_line(self, offset: int) -> bool:
        """Return whether nothing but blanks stands before byte `offset` on its line."""
        return not self.data[self.data.rfind(b"\n", 0, offset) + 1 : offset].strip()

    def error(
        self, line: int, what: str, because: str = "", try_: str = "", column: int = 0
    ) -> MigrationFileError:
        return MigrationFileError(what, because=because, try_=try_, at=Location(self.path, line, column))


def _decoded(file: MigrationFile) -> str:
    """Return the file's text, line ends normalised as its checksum has them."""
    data = file.source.data
    head = data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        offset = error.start + len(data) - len(head)
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise MigrationFileError(
            f"the file is not UTF-8: byte {offset} is 0x{data[offset]:02x}",
            because="it begins like UTF-16" if utf16 else error.reason,
            try_="save it as UTF-8",
            at=Location(file.path, _lines(data[:offset])),
        ) from None
    if "\0" in text:
        raise MigrationFileError(
            "the file has a NUL byte",
            because="PostgreSQL would silently cut the text there",
            at=Location(file.path, _lines(head[: head.index(b"\0")])),
        )
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _lines(data: bytes) -> int:
    """Return the number of the line that follows `data`."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1


# ---------------------------------------------------------------------------------------------------------
# SQL: tokens
# ---------------------------------------------------------------------------------------------------------


def _scan(text: _Text) -> list[Token]:
    """Return the comments and parameters of `text`; refuses what no statement of PostgreSQL could hold."""
    kinds = set(COMMENTS)
    if b"\\" in text.data:
        kinds.add(TokenKind.BACKSLASH)
    if _LOOKS_LIKE_PARAMETER.search(text.data):
        kinds.add(TokenKind.PARAMETER)
    if _LOOKS_LONG.search(text.data):
        kinds |= {TokenKind.IDENTIFIER, TokenKind.UNICODE_IDENTIFIER}
    try:
        tokens = list(scan(text.data, kinds))
    except GrammarError as error:
        raise _unscannable(text, error) from None
    for token in tokens:
        if token.kind is TokenKind.BACKSLASH:
            raise _meta_command(text, token.start)
        if token.kind in {TokenKind.IDENTIFIER, TokenKind.UNICODE_IDENTIFIER}:
            _insist_on_short_name(text, token)
    return [each for each in tokens if each.kind in COMMENTS or each.kind is TokenKind.PARAMETER]


def _unscannable(text: _Text, error: GrammarError) -> MigrationFileError:
    """Return the error for text that is not even a row of tokens; psql's commands have quotes of their own."""
    offset = error.offset
    for match in _LOOKS_LIKE_META.finditer(text.data, 0, offset):
        if _is_scannable(text.data[: match.start(1)]):
            return _meta_command(text, match.start(1))
    for message, what in _UNCLOSED:
        if error.message.startswith(message):
            return text.error(
                text.line(offset),
                f"unclosed {what}",
                "it begins here, and the file ends inside of it",
                "close it; a quote inside of a string is doubled: 'it''s'"
                if what == "string"
                else "close it",
                column=text.column(offset),
            )
    return _syntax_error(text, error, 0)


def _is_scannable(sql: bytes) -> bool:
    try:
        scan(sql)
    except GrammarError:
        return False
    return True


def _meta_command(text: _Text, offset: int) -> MigrationFileError:
    line = text.data[offset:].split(b"\n", 1)[0].decode()
    is_dump = line.startswith((r"\restrict", r"\unrestrict"))
    return text.error(
        text.line(offset),
        f"{shortened(line)} is no SQL",
        "what begins with a backslash is for psql, and no server understands it",
        "delete the line: pg_dump put it there for psql alone"
        if is_dump
        else "say it in SQL, or leave it out",
    )


def _insist_on_short_name(text: _Text, token: Token) -> None:
    if token.end - token.start <= LONGEST_NAME:
        return
    name = text.data[token.start : token.end].decode()
    if token.kind is TokenKind.UNICODE_IDENTIFIER:
        name = _UNICODE_ESCAPE.sub(_unescaped, name[3:-1].replace('""', '"'))
    elif name.startswith('"'):
        name = name[1:-1].replace('""', '"')
    length = len(name.encode(errors="replace"))
    if length > LONGEST_NAME:
        raise text.error(
            text.line(token.start),
            f"{shortened(name)} is longer than a name may be: {length} bytes",
            f"PostgreSQL would silently cut it to {LONGEST_NAME} bytes",
            "a shorter name",
        )


def _unescaped(match: re.Match[str]) -> str:
    number = int(match[1] or match[2] or "5c", 16)
    return chr(number) if number < 0x110000 else "?"


# ---------------------------------------------------------------------------------------------------------
# SQL: sections
# ---------------------------------------------------------------------------------------------------------


class _Section(Struct, frozen=True):
    """`-- migrate:<name>` on `line`; its text is the bytes from `start` up to `end`."""

    name: str
    line: int
    start: int
    end: int
    is_transaction: bool


class _Mark(Struct, frozen=True):
    token: Token
    line: int
    name: str
    options: str


def _sql(text: _Text) -> tuple[tuple[Step, ...], tuple[Step, ...], _Header]:
    """Return the steps up, the steps down and the header."""
    tokens = _scan(text)
    comments = [each for each in tokens if each.kind is not TokenKind.PARAMETER]
    marks = _marks(text, comments)
    _insist_on_up_and_down(text, marks)
    first = marks[0].token.start
    _insist_on_nothing_before(text, comments, first)
    header = _header(text, _fact_lines(text, comments, first))
    sections = [_section(text, mark, end) for mark, end in zip(marks, _ends(text, marks), strict=True)]
    steps = {each.name: _steps(text, each, tokens, header) for each in sections}
    return steps["up"], steps.get("down", ()), header


def _marks(text: _Text, comments: Iterable[Token]) -> list[_Mark]:
    marks: list[_Mark] = []
    for token in comments:
        if token.kind is not TokenKind.LINE_COMMENT:
            continue
        comment = text.data[token.start : token.end]
        if b"migrate" not in comment.lower() or not text.begins_line(token.start):
            continue
        said, line = comment.decode().rstrip(), text.line(token.start)
        found = _MARK.fullmatch(said)
        if found and (token.start == 0 or text.data[token.start - 1] == ord("\n")):
            marks.append(_Mark(token, line, found[1], found[2] or ""))
        elif found or _NEARLY_A_MARK.match(said):
            raise text.error(
                line,
                f"{shortened(said)} is nearly the mark of a section",
                "it has to stand at the start of its line and be written exactly",
                "-- migrate:up or -- migrate:down",
            )
    return marks


def _ends(text: _Text, marks: Sequence[_Mark]) -> list[int]:
    return [*(each.token.start for each in marks[1:]), len(text.data)]


def _insist_on_up_and_down(text: _Text, marks: Sequence[_Mark]) -> None:
    names = [each.name for each in marks]
    for index, mark in enumerate(marks):
        if mark.name in names[:index]:
            before = marks[names.index(mark.name)]
            raise text.error(
                mark.line,
                f"there are two sections `-- migrate:{mark.name}`",
                f"the first one begins on line {before.line}",
                "one file is one migration",
            )
    if "up" not in names:
        raise _without_up(text)
    if names[0] != "up":
        raise text.error(
            marks[0].line, "`-- migrate:down` comes before `-- migrate:up`", "", "put `-- migrate:up` first"
        )


def _without_up(text: _Text) -> MigrationFileError:
    hidden = _LOOKS_LIKE_UP.search(text.data)
    if hidden is None:
        return text.error(
            0, "the file has no `-- migrate:up`", "", "begin with that line, and the statements after it"
        )
    return text.error(
        text.line(hidden.start()),
        "the file has no `-- migrate:up` that counts",
        "this one stands inside a string or a comment",
    )


def _insist_on_nothing_before(text: _Text, comments: Iterable[Token], end: int) -> None:
    """Refuse anything but comments before the first section: it would belong to none."""
    position = 0
    for token in (*(each for each in comments if each.end <= end), Token(TokenKind.LINE_COMMENT, end, end)):
        gap = text.data[position : token.start]
        if gap.strip():
            offset = position + len(gap) - len(gap.lstrip())
            raise text.error(
                text.line(offset),
                "something stands before `-- migrate:up`",
                "only comments may: nobody would run it",
                "put it into a section",
            )
        position = token.end


def _fact_lines(text: _Text, comments: Iterable[Token], end: int) -> Iterator[tuple[int, str]]:
    """Yield the lines of facts above the first section at `end`; refuses any that stand below."""
    for token in comments:
        said = text.data[token.start : token.end]
        if b"seedbed:" not in said or token.kind is not TokenKind.LINE_COMMENT:
            continue
        if token.start < end:
            yield from fact_lines([(text.line(token.start), said.decode())], "--")
        elif _LOOKS_LIKE_FACTS.match(said.decode()) and text.begins_line(token.start):
            raise _misplaced_facts(text, text.line(token.start), "above `-- migrate:up`")


def _misplaced_facts(text: _Text, line: int, where: str) -> MigrationFileError:
    return text.error(
        line, "facts have no effect here", f"they are read {where}, and nowhere else", "move them there"
    )


def _section(text: _Text, mark: _Mark, end: int) -> _Section:
    transaction = "true"
    for option in mark.options.split():
        key, _, value = option.partition(":")
        if key != "transaction" or value not in {"true", "false"}:
            raise text.error(
                mark.line,
                f"a section has no option {option!r}",
                "it may say `transaction:true` or `transaction:false`",
            )
        transaction = value
    return _Section(mark.name, mark.line, mark.token.end, end, transaction == "true")


# ---------------------------------------------------------------------------------------------------------
# SQL: steps
# ---------------------------------------------------------------------------------------------------------


def _steps(text: _Text, section: _Section, tokens: Sequence[Token], header: _Header) -> tuple[Step, ...]:
    statements = _statements(text, section, tokens)
    _insist_on_place(text, section, statements)
    parameters = [
        each
        for each in tokens
        if each.kind is TokenKind.PARAMETER and section.start <= each.start < section.end
    ]
    if header.backfill:
        return _backfill_steps(text, section, statements, parameters, header.backfill)
    _insist_on_no_parameters(text, section, statements, parameters)
    sql = text.data[section.start : section.end]
    if section.is_transaction:
        return (_whole(text, section, sql, statements),) if statements else ()
    return tuple(_single(text, section, sql, index, each, header) for index, each in enumerate(statements))


def _statements(text: _Text, section: _Section, tokens: Iterable[Token]) -> tuple[Parsed, ...]:
    start = section.start
    comments = [
        Token(each.kind, each.start - start, each.end - start)
        for each in tokens
        if each.kind is not TokenKind.PARAMETER and start <= each.start < section.end
    ]
    try:
        return parse_sql(text.data[start : section.end], comments)
    except GrammarError as error:
        raise _syntax_error(text, error, start, section) from None


def _syntax_error(
    text: _Text, error: GrammarError, start: int, section: _Section | None = None
) -> MigrationFileError:
    """Return the error for what the grammar refuses in the text that begins at byte `start`."""
    because = "PostgreSQL's own grammar refuses it"
    if not error.is_placed:
        return text.error(section.line if section else 0, shortened(error.message), because)
    # what ends too early ends after its last word, not on the line of the next section
    offset = min(start + error.offset, len(text.data[: section.end if section else None].rstrip()))
    return text.error(text.line(offset), shortened(error.message), because, column=text.column(offset))


def _line(text: _Text, section: _Section, statement: Parsed) -> int:
    return text.line(section.start + statement.start)


def _insist_on_place(text: _Text, section: _Section, statements: Iterable[Parsed]) -> None:
    """Refuse statements that have no place in a migration, or none in a transaction."""
    for each in statements:
        refused = refusal(each)
        if refused:
            raise text.error(_line(text, section, each), refused.what, refused.because, refused.try_)
        if section.is_transaction and block(each) is Block.OUTSIDE:
            sql = text.data[section.start : section.end]
            raise text.error(
                _line(text, section, each),
                f"{describe(each, sql)} cannot run inside a transaction block",
                "PostgreSQL refuses it there, and this section is one transaction",
                f"-- migrate:{section.name} transaction:false",
            )


def _insist_on_no_parameters(
    text: _Text, section: _Section, statements: Sequence[Parsed], parameters: Iterable[Token]
) -> None:
    """Refuse $1 where nobody gives it a value; functions and PREPARE have parameters of their own."""
    own = [each for each in statements if each.kind in {"CreateFunctionStmt", "PrepareStmt"}]
    for token in parameters:
        offset = token.start - section.start
        if not any(each.start <= offset < each.end for each in own):
            raise text.error(
                text.line(token.start),
                f"{text.data[token.start : token.end].decode()} has no value",
                "only the statement of a backfill is given some: the first and the last key of its batch",
                "-- seedbed: backfill=table.key",
            )


def _whole(text: _Text, section: _Section, sql: bytes, statements: Sequence[Parsed]) -> Step:
    """Return a section as one step: from its first statement to its last, without what surrounds them."""
    first, last = statements[0], statements[-1]
    return Step(
        index=0,
        body=sql[first.start : last.end].decode(),
        line=_line(text, section, first),
        summary=summary(statements, sql),
        keeps_session=not may_change_session(statements),
    )


def _single(
    text: _Text, section: _Section, sql: bytes, index: int, statement: Parsed, header: _Header
) -> Step:
    atomic = block(statement) is Block.INSIDE
    return Step(
        index=index,
        body=sql[statement.start : statement.end].decode(),
        line=_line(text, section, statement),
        atomic=atomic,
        repeatable=header.is_repeatable and not atomic,
        summary=summary([statement], sql),
        keeps_session=not may_change_session([statement]),
    )


_WALKERS = {"UpdateStmt", "InsertStmt", "DeleteStmt", "MergeStmt"}


def _backfill_steps(
    text: _Text,
    section: _Section,
    statements: Sequence[Parsed],
    parameters: Iterable[Token],
    backfill: Backfill,
) -> tuple[Step, ...]:
    """Return the one step of a backfill's section; an empty way back is none."""
    example = f"UPDATE {backfill.table} SET … WHERE {backfill.key} BETWEEN $1 AND $2"
    if section.name == "down" and not statements:
        return ()
    if not section.is_transaction:
        raise text.error(
            section.line, "a backfill is never `transaction:false`", "each of its batches is a transaction"
        )
    if len(statements) != 1 or not _walks(statements[0]):
        line = _line(text, section, statements[-1]) if statements else section.line
        raise text.error(
            line,
            "a backfill is one statement that changes rows",
            f"it is run once for each batch of {backfill.table}",
            f"{example}; anything else goes into a migration of its own",
        )
    used = {text.data[each.start : each.end].decode() for each in parameters}
    if used != {"$1", "$2"}:
        raise text.error(
            _line(text, section, statements[0]),
            "a backfill's statement uses $1 and $2, and no other parameter",
            "they are the first and the last key of its batch; this one uses "
            + (", ".join(sorted(used)) or "none at all"),
            example,
        )
    only, sql = statements[0], text.data[section.start : section.end]
    step = Step(
        index=0,
        body=sql[only.start : only.end].decode(),
        line=_line(text, section, only),
        atomic=False,
        summary=shortened(f"{describe(only, sql)} in batches of {backfill.batch} along {backfill.key}"),
        backfill=backfill,
    )
    return (step,)


def _walks(statement: Parsed) -> bool:
    if statement.kind in _WALKERS:
        return True
    return statement.kind == "SelectStmt" and "withClause" in statement.node()


# ---------------------------------------------------------------------------------------------------------
# Python
# ---------------------------------------------------------------------------------------------------------


def _python(text: _Text) -> tuple[tuple[Step, ...], tuple[Step, ...], _Header]:
    """Return the steps up and down and the header of a migration that converts rows with Python."""
    tree = _compiled(text)
    end = _first_line_of_code(tree)
    lines = list(enumerate(text.text.split("\n"), 1))
    header = _header(text, fact_lines(_comment_lines(tree, lines[: end - 1]), "#"))
    if any(_LOOKS_LIKE_FACTS.match(line.lstrip()) for _, line in lines[end - 1 :]):
        _insist_on_no_facts_below(text, end)
    if header.backfill is None:
        raise text.error(
            1,
            "a migration in Python changes rows, and this one does not say which",
            "it is called for each row of a table, batch by batch",
            "# seedbed: backfill=table.key",
        )
    functions = {
        each.name: each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    up, down = functions.get("up"), functions.get("down")
    if up is None:
        raise text.error(0, "the file has no function `up`", "", "def up(row): return {'column': …}")
    about = ast.get_docstring(tree) or _first_comment(lines)
    up_step = _function_step(text, up, header.backfill, about)
    down_step = (_function_step(text, down, header.backfill, ""),) if down else ()
    return (up_step,), down_step, header


def _compiled(text: _Text) -> ast.Module:
    """Return the tree of `text` after compiling it, which runs nothing."""
    try:
        tree = ast.parse(text.text, text.path)
        compile(text.text, text.path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise text.error(
            error.lineno or 0, f"this is no Python: {error.msg}", column=error.offset or 0
        ) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise text.error(0, "this is no Python", f"{type(error).__name__}: {error}") from None
    return tree


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


def _insist_on_no_facts_below(text: _Text, first: int) -> None:
    """Refuse facts from line `first` on; strings that merely look like some are none."""
    import tokenize

    lines = iter(text.text.splitlines(keepends=True))
    for token in tokenize.generate_tokens(lambda: next(lines, "")):
        begins_line = not token.line[: token.start[1]].strip()
        is_comment = token.type == tokenize.COMMENT and begins_line and token.start[0] >= first
        if is_comment and _LOOKS_LIKE_FACTS.match(token.string):
            raise _misplaced_facts(text, token.start[0], "in the comments before the first line of code")


def _first_comment(lines: Sequence[tuple[int, str]]) -> str:
    """Return the first comment at the top that is for people."""
    for _, line in lines:
        if not line.startswith("#"):
            break
        said = line.lstrip("#").strip()
        if said and not line.startswith("#!") and not said.startswith(("seedbed:", "-*-")):
            return said
    return ""


def _function_step(
    text: _Text, function: ast.FunctionDef | ast.AsyncFunctionDef, backfill: Backfill, about: str
) -> Step:
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    others = given.vararg or given.kwarg or given.kwonlyargs
    if isinstance(function, ast.AsyncFunctionDef) or len(positional) != 1 or others:
        raise text.error(
            function.lineno,
            f"`{function.name}` is not a function of one row",
            "it is called with a dict of the row's columns, and returns those that change",
            f"def {function.name}(row): return {{'column': …}}",
        )
    said = ast.get_docstring(function) or about or f"{function.name}: every row of {backfill.table}"
    return Step(
        index=0,
        body=text.text,
        line=1,
        atomic=False,
        summary=shortened(said.strip().split("\n", 1)[0]),
        backfill=backfill,
    )


# ---------------------------------------------------------------------------------------------------------
# Facts
# ---------------------------------------------------------------------------------------------------------


class _Header(Struct, frozen=True):
    """What the facts of a file say, checked."""

    phase: Phase = Phase.EXPAND
    after: tuple[MigrationRef, ...] = ()
    overtakes: tuple[str, ...] = ()
    irreversible: Irreversibility | None = None
    reverse_line: int = 0
    is_repeatable: bool = False
    backfill: Backfill | None = None
    settings: dict[str, str] = field(default_factory=dict)


_NO_FACTS = _Header()


def _header(text: _Text, lines: Iterable[tuple[int, str]]) -> _Header:
    facts = parse_facts(lines, text.path)
    if not facts:
        return _NO_FACTS
    for fact in facts:
        if fact.key not in _FACTS:
            raise unknown_fact(fact, _FACTS, text.path)
        _insist_on_shape(text, fact)
    single = {each.key: each for each in facts}
    reverse = single.get("reverse")
    return _Header(
        phase=Phase(single["phase"].value) if "phase" in single else Phase.EXPAND,
        after=tuple(_ref(text, each) for each in facts if each.key == "after"),
        overtakes=_unique(each.value for each in facts if each.key == "overtake"),
        irreversible=Irreversibility(reverse.because) if reverse else None,
        reverse_line=reverse.line if reverse else 0,
        is_repeatable="repeatable" in single,
        backfill=_backfill(text, single.get("backfill"), single.get("batch")),
        settings={name: single[name].value for name in _TIMEOUTS if name in single},
    )


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _insist_on_shape(text: _Text, fact: Fact) -> None:
    """Refuse a fact whose value is not of its kind, or whose reason is missing."""
    match fact.key:
        case "repeatable":
            _insist(text, fact, not fact.value, 'repeatable because "…"')
        case "reverse":
            _insist(text, fact, fact.value == "none", 'reverse=none because "…"')
        case "allow":
            _insist(text, fact, _CODE.fullmatch(fact.value) is not None, 'allow=PG204 because "…"')
        case "phase":
            _insist(text, fact, fact.value in _PHASES, f"phase={'|'.join(Phase)}")
        case "lock_timeout" | "statement_timeout":
            _insist_on_duration(text, fact)
        case _:
            _insist(text, fact, bool(fact.value), f"{fact.key}=…")
    if fact.key in {"repeatable", "reverse", "allow"} and not fact.because:
        raise text.error(
            fact.line, f"`{fact}` gives no reason", "whoever reads it later wants one", f'{fact} because "…"'
        )


def _insist(text: _Text, fact: Fact, condition: bool, form: str) -> None:
    if not condition:
        raise text.error(fact.line, f"`{fact}` is not understood", f"it reads {form}")


def _insist_on_duration(text: _Text, fact: Fact) -> None:
    found = _DURATION.fullmatch(fact.value)
    _insist(
        text,
        fact,
        found is not None,
        f"{fact.key}=5s; the units are {', '.join(_MICROSECONDS)}; 0 is for ever",
    )
    assert found is not None  # for mypy
    length = int(found[1]) * _MICROSECONDS[found[2]] if found[1] else 0
    if 0 < length < 1000:
        raise text.error(
            fact.line,
            f"`{fact}` would be no limit at all",
            "PostgreSQL counts milliseconds, and 0 means for ever",
            f"{fact.key}=1ms",
        )
    if length > _LONGEST_TIMEOUT:
        raise text.error(fact.line, f"`{fact}` is more than PostgreSQL can count", "24 days are the most")


def _ref(text: _Text, fact: Fact) -> MigrationRef:
    database, _, version = fact.value.rpartition(":")
    _insist(text, fact, bool(version) and "/" in database.strip("/"), "after=service/engine:version")
    return MigrationRef(database, version)


def _backfill(text: _Text, fact: Fact | None, batch: Fact | None) -> Backfill | None:
    if fact is None:
        if batch is not None:
            raise text.error(
                batch.line,
                f"`{batch}` belongs to no backfill",
                "",
                "-- seedbed: backfill=table.key batch=1000",
            )
        return None
    parts = fact.value.split(".")
    form = "backfill=table.key or backfill=schema.table.key, as they are stored and without quotes"
    _insist(text, fact, len(parts) in {2, 3} and all(_NAME.fullmatch(each) for each in parts), form)
    for name in parts:
        if len(name.encode()) > LONGEST_NAME:
            raise text.error(
                fact.line,
                f"{shortened(name)} is longer than a name may be",
                f"it may have {LONGEST_NAME} bytes",
            )
    rows = _BATCH
    if batch is not None:
        digits = batch.value if re.fullmatch(r"[0-9]{1,6}", batch.value) else "0"
        _insist(text, batch, 1 <= int(digits) <= _LARGEST_BATCH, f"batch=1 to batch={_LARGEST_BATCH}")
        rows = int(digits)
    table, _, key = fact.value.rpartition(".")
    return Backfill(table, key, rows)
