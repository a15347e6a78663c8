"""Parse migrations of OpenSearch: requests in `.http` files, index versions in `.py` files. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.engines.kit.findings import Findings
from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.files.requests import (
    HttpSection,
    RequestFileError,
    RequestText,
    blocks,
    request,
    sections,
)
from seedbed.engines.opensearch.rules import kinds, refusals
from seedbed.engines.opensearch.rules.kinds import FENCED, RequestKind, kind_of
from seedbed.engines.opensearch.rules.request_hazards import hazards
from seedbed.errors import Location, MigrationFileError
from seedbed.model.directives import Directive, directive_lines, parse_directives
from seedbed.model.headers import Header, read_common, require_form
from seedbed.model.migration import Migration, MigrationFile, Step
from seedbed.support.phrases import one_line

_OWN = frozenset({"repeatable"})


def parse(file: MigrationFile) -> Migration:
    """Return the migration in `file`. Raises MigrationFileError with its line."""
    if file.source.suffix == ".py":
        from seedbed.engines.opensearch.files.programs import parse_program

        return parse_program(file)
    if file.source.suffix != ".http":
        raise MigrationFileError(
            f"OpenSearch has no migrations in {file.source.suffix!r}",
            because="they are requests (.http) or functions of documents (.py)",
            at=Location(file.path),
        )
    findings = Findings(file.path)
    return findings.all_of(lambda: _parsed(file, findings))


def _parsed(file: MigrationFile, findings: Findings) -> Migration:
    lines = file.text().split("\n")
    try:
        found = {each.name: each for each in sections(lines)}
    except RequestFileError as error:
        raise _located(findings, error) from None
    read = findings.attempt(lambda: _header(file, lines, found["up"].line))
    header, directives = read or (Header(), ())
    is_repeatable = any(each.key == "repeatable" for each in directives)
    up = list(_requests(found["up"], findings))
    down = list(_requests(found["down"], findings)) if "down" in found else []
    if not up and not findings.count:
        findings.note(
            findings.error(found["up"].line, "there is nothing to do", "`# migrate:up` holds no request")
        )
    if down and header.irreversible:
        wrong = findings.error(
            found["down"].line,
            "the file is declared irreversible and has a down section",
            "`# migrate:down` holds requests",
            "remove one of the two",
        )
        findings.note(wrong)
    findings.require_none()
    return Migration(
        version=file.version,
        name=file.name,
        path=file.path,
        checksum=file.checksum,
        phase=header.phase,
        up=_steps(up, is_repeatable=is_repeatable),
        down=_steps(down, is_repeatable=is_repeatable),
        irreversible=header.irreversible,
        after=header.after,
        overtakes=header.overtakes,
        hazards=tuple(hazards([each for _, each in up], [each for _, each in down])),
        allows=header.allows,
        postconditions=header.postconditions,
        down_line=found["down"].line if "down" in found and not down else 0,
    )


def _located(findings: Findings, error: RequestFileError) -> MigrationFileError:
    return findings.error(error.line, error.what, error.because, error.try_, error.column)


def _header(file: MigrationFile, lines: Sequence[str], up: int) -> tuple[Header, tuple[Directive, ...]]:
    marked = list(directive_lines(enumerate(lines, 1), "#"))
    if late := [number for number, _ in marked if number > up]:
        raise MigrationFileError(
            "directives have no effect here",
            because="they are read above `# migrate:up`",
            try_="move them there",
            at=Location(file.path, late[0]),
        )
    directives = parse_directives(marked, file.path)
    header = read_common(directives, file.path, own=_OWN)
    for directive in directives:
        if directive.key == "repeatable":
            require_form(not directive.value, directive, file.path, 'repeatable because "…"')
    return header, directives


def _requests(section: HttpSection, findings: Findings) -> Iterator[tuple[RequestText, Request]]:
    """Yield the requests of `section`; notes those that are none, or have no place in a migration."""
    for block in blocks(section):
        try:
            found = request(block.text, block.line, block.title)
            refusals.require_permitted(found)
        except RequestFileError as error:
            findings.note(_located(findings, error))
            continue
        yield block, found


def _steps(found: Sequence[tuple[RequestText, Request]], *, is_repeatable: bool) -> tuple[Step, ...]:
    return tuple(
        _step(index, block, each, is_repeatable=is_repeatable) for index, (block, each) in enumerate(found)
    )


def _step(index: int, block: RequestText, found: Request, *, is_repeatable: bool) -> Step:
    kind: RequestKind = kind_of(found)
    return Step(
        index,
        block.text,
        block.line,
        atomic=kind in FENCED,
        repeatable=kinds.is_repeatable(found) or (is_repeatable and kind not in FENCED),
        summary=one_line(found.title or str(found)),
    )
