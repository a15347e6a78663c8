"""The documentation says what is true: its commands run, its links lead somewhere, its lists are complete.

A page that says `tested on the sandbox`, `a database` or `an OpenSearch` in a comment is a story: a fenced block with a
title is a file that is written, a `console` block is typed line by line, in a directory of its own. What a page
shows is compared like this:

- all of standard output is there, in any order (databases work side by side); standard error only as far as shown
- durations, times and PostgreSQL's versions are alike, blanks are not counted, and `…` stands for anything on its line, or for any lines
- a command succeeds, unless its output shows that it failed: `error:`, `✗`, `○  … skipped`

`UPDATE_GOLDEN=1` writes the generated parts anew: the page of commands and the tree of errors.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from seedbed import __version__, errors
from seedbed.cli.main import ALIASES, COMMANDS, ENGINE_NOUNS, ENGINE_VERBS, cli
from seedbed.engines import registry
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.model.migration import MigrationFile, Source, checksum
from tests.support import bare
from tests.support.postgres.clusters import furnish
from tests.support.projects import Ran, clean_environment, start, variables
from tests.support.servers import Lend, Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HOW_TO = DOCS / "how-to"
README = ROOT / "README.md"
TUTORIAL = DOCS / "tutorial" / "first-platform.md"
PAGES = sorted(DOCS.rglob("*.md"))
UPDATE = os.environ.get("UPDATE_GOLDEN", "") not in {"", "0"}

PLUGIN = "seedbed.fixtures.plugin"

# Pages that are other people's, and speak of commands that are still to come.
_OF_LATER = {DOCS / "reference" / "manifest.md"}

_FENCE = re.compile(
    r'^(?P<fence>```+)(?P<language>[\w-]*)(?: title="(?P<title>[^"]+)")?[^\n]*\n(?P<body>.*?)^(?P=fence)[ ]*$',
    re.MULTILINE | re.DOTALL,
)
_STORY = re.compile(r"<!-- tested on (?P<where>the sandbox|a database|an OpenSearch)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def stories(where: str) -> list[Path]:
    found = ((page, _STORY.search(page.read_text(encoding="utf-8"))) for page in [README, *PAGES])
    return [page for page, said in found if said and said["where"] == where]


# -----------------------------------------------------------------------------------------------------------
# Pages that are carried out
# -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    body: str
    line: int


@dataclass(frozen=True)
class Typed:
    """A command as a page shows it, with what it shows below."""

    command: str
    shown: tuple[str, ...]
    line: int

    @property
    def may_fail(self) -> bool:
        return any("error:" in each or "✗" in each or " skipped" in each for each in self.shown)


def blocks(text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found["language"], found["title"] or "", found["body"], line)


def typed(block: Block) -> Iterator[Typed]:
    """Yield the commands of a `console` block; a line that begins with two blanks goes on after a backslash."""
    command, shown, began = "", list[str](), 0
    for number, line in enumerate(block.body.splitlines(), block.line + 1):
        if command.endswith("\\"):
            command += "\n" + line
        elif line.startswith("$ "):
            if command:
                yield Typed(command, tuple(shown), began)
            command, shown, began = line[2:], [], number
        else:
            shown.append(line)
    if command:
        yield Typed(command, tuple(shown), began)


_ALIKE = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?"), "<time>"),
    (re.compile(r"<?\b\d+(\.\d+)? (ms|s|min)\b"), "<duration>"),
    (re.compile(r"\bPostgreSQL \d+(\.\d+)?"), "<server>"),
    (re.compile(r"\s+"), " "),
)


def alike(text: str) -> list[str]:
    """Return the lines of `text` that are not empty, without what differs from run to run."""
    lines = text.splitlines()
    for pattern, word in _ALIKE:
        lines = [pattern.sub(word, line).strip() for line in lines]
    return [line for line in lines if line]


def fits(shown: str, real: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), real) is not None


def compare(page: Path, step: Typed, out: str, err: str) -> None:
    """Raise AssertionError where a page shows what was not said, or leaves out what was."""
    real, more = alike(out), alike(err)
    shown = alike("\n".join(step.shown))
    for line in sorted((each for each in shown if each != "…"), key=lambda each: each.count("…")):
        found = next((each for each in real if fits(line, each)), None)
        if found is not None:
            real.remove(found)
        else:
            assert any(fits(line, each) for each in more), (
                f"{name_of(page)}:{step.line}: nothing said {line!r}:\n{out}{err}"
            )
    assert not real or "…" in shown, f"{name_of(page)}:{step.line}: the page leaves out {real}"


class Reader:
    """Does what a page says, in a directory of its own."""

    def __init__(self, page: Path, home: Path, env: Mapping[str, str], besides: Sequence[str] = ()) -> None:
        """`besides`: lines that are said here, and that no reader sees."""
        self.page = page
        self.home = home
        self.besides = besides
        self.forks = page.is_relative_to(HOW_TO) or page == TUTORIAL
        programs = Path(sys.executable).parent
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.env = {**clean_environment(env), "PATH": path, "LC_ALL": "C.UTF-8"}
        for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE"):
            self.env.pop(name, None)
        if not any(each.value == PLUGIN for each in entry_points(group="pytest11")):
            self.env["PYTEST_PLUGINS"] = PLUGIN  # installed before there was one

    def read(self) -> int:
        """Return how many commands were carried out."""
        count = 0
        for block in blocks(self.page.read_text(encoding="utf-8")):
            if block.title:
                path = self.home / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.body, encoding="utf-8")
            elif block.language == "console":
                for step in typed(block):
                    self.type(step)
                    count += 1
        return count

    def leave_nothing_running(self) -> None:
        """End what a page keeps running, also where it was not read to its end."""
        for kept in self.home.rglob(".seedbed"):
            if any(kept.glob("*/daemons/*.json")):
                command = ["seedbed", "-C", str(kept.parent), "env", "down", "sandbox"]
                subprocess.run(command, env=self.env, capture_output=True, timeout=120, check=True)

    def type(self, step: Typed) -> None:
        words = alone(step.command) if self.forks else []
        done = self.fork(words) if words else self.run(step.command)
        where = f"{name_of(self.page)}:{step.line}: {step.command}"
        assert done.code == 0 or step.may_fail, f"{where}\n{done.everything}"
        said = [line for line in done.out.splitlines() if line not in self.besides]
        compare(self.page, step, "\n".join(said), done.err)

    def run(self, command: str) -> Ran:
        """Have a shell carry out a command."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.home,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def fork(self, words: Sequence[str]) -> Ran:
        """Carry out `seedbed` with these arguments, and no shell."""
        env = {name: value for name, value in self.env.items() if name != "LC_ALL"}
        with start(self.home, *words, env=env, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=120)
        return Ran(process.returncode, out, err)


def alone(command: str) -> list[str]:
    """Return the arguments of a command that is `seedbed` and nothing that only a shell understands; else none."""
    joined = command.replace("\\\n", " ")
    bare = re.sub(r"""'[^']*'|"[^"$`\\]*\"""", "", joined)
    return shlex.split(joined)[1:] if re.fullmatch(r"seedbed( [\w\s=./@:,+-]*)?", bare) else []


@pytest.mark.slow(15)
@pytest.mark.parametrize("page", sorted({*stories("the sandbox")} - {README}), ids=name_of)
def test_a_page_does_on_the_sandbox_what_it_says(page: Path, short_path: Path, cluster: Path) -> None:
    """Installing as a reader does it; the rest as forks, how-tos on a PostgreSQL that runs from command to command."""
    reader = Reader(page, short_path, {})
    with ExitStack() as serving:
        serving.callback(reader.leave_nothing_running)
        if page.is_relative_to(HOW_TO):
            furnish(short_path / ".seedbed" / "sandbox", cluster)
            serving.enter_context(embedded(short_path / ".seedbed" / "sandbox"))
        assert reader.read() > 2


@pytest.mark.slow(25)
def test_the_readme_does_on_the_platform_what_it_says(lent: Lend, short_path: Path) -> None:
    """On a Neo4j and an OpenSearch that run already: the demo starts its own."""
    leave_out = shutil.ignore_patterns(".seedbed", "__pycache__")
    shutil.copytree(ROOT / "edtech", short_path / "edtech", ignore=leave_out)
    lent(short_path / "edtech" / ".seedbed" / "sandbox", ["tutor-matching.neo4j"], ["ai.opensearch"])
    still = "still used by another command: ai.opensearch, tutor-matching.neo4j"
    reader = Reader(README, short_path, {}, [still])
    try:
        assert reader.read() > 2
    finally:
        reader.leave_nothing_running()


@pytest.mark.parametrize("page", stories("a database"), ids=name_of)
def test_a_page_does_on_a_database_what_it_says(
    page: Path, tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    env = variables(postgres_server, new_database())
    assert Reader(page, tmp_path, env).read() > 2


@pytest.mark.slow
@pytest.mark.parametrize("page", stories("an OpenSearch"), ids=name_of)
def test_a_page_does_on_an_opensearch_what_it_says(
    page: Path, short_path: Path, opensearch_settings: Settings
) -> None:
    """The page's own commands name no environment: a reader's is the sandbox, here it is one on the shared server."""
    env = {"SEEDBED_ENV": "dev-docs", "OPENSEARCH_ENDPOINT": opensearch_settings["endpoint"]}
    assert Reader(page, short_path, env).read() > 2


def test_there_is_a_tutorial_and_a_transcript_that_are_carried_out() -> None:
    assert {README, TUTORIAL} <= set(stories("the sandbox"))
    assert stories("a database")
    assert stories("an OpenSearch")


def test_a_story_that_shows_what_nobody_said_is_found_out(tmp_path: Path) -> None:
    reader = Reader(DOCS / "index.md", tmp_path, {})
    reader.type(Typed("echo took 3 ms", ("took 14 ms",), 1))
    reader.type(Typed("echo here: $PWD", ("here: …",), 1))
    with pytest.raises(AssertionError, match="nothing said"):
        reader.type(Typed("echo one", ("two",), 1))
    with pytest.raises(AssertionError, match="leaves out"):
        reader.type(Typed("echo one; echo two", ("one",), 1))
    with pytest.raises(AssertionError):
        reader.type(Typed("exit 3", (), 1))


# -----------------------------------------------------------------------------------------------------------
# Commands that are mentioned
# -----------------------------------------------------------------------------------------------------------

_MENTIONED = re.compile(
    r"""(?:^|[`$|&(;]\s*|- run: |\bexec )seedbed((?: +[^\s`|&;#()…"'|]+)+)""", re.MULTILINE
)


def mentioned(page: Path) -> Iterator[list[str]]:
    """Yield the words of every command of ours, in a fenced block or between backticks."""
    whole = page.read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", _FENCE.sub("", whole))
    text = re.sub(r"\\\n\s*", " ", "\n".join([*(each.body for each in blocks(whole)), *spans]))
    for found in _MENTIONED.finditer(text):
        line = text[text.rfind("\n", 0, found.start()) + 1 : found.end()]
        is_output = line.startswith(("  try:", "seedbed     "))
        if not is_output:
            yield found[1].split()


def options_of(command: click.Command) -> dict[str, click.Option]:
    # Not `get_params`: it would make the option --help for a context that knows no -h, and click remembers that.
    options = [each for each in command.params if isinstance(each, click.Option)]
    options.append(click.Option(["-h", "--help"], is_flag=True))
    return {name: each for each in options for name in (*each.opts, *each.secondary_opts)}


def test_every_command_on_a_page_exists_with_the_options_that_it_is_given() -> None:
    for page in sorted({README, *PAGES} - _OF_LATER):
        _require_commands(page)


def _require_commands(page: Path) -> None:
    for words in mentioned(page):
        at, arguments = options_of(cli), iter(words)
        command: click.Command = cli
        for word in arguments:
            if word.startswith("-") and word != "-":
                option = at.get(word.split("=")[0].rstrip(",.:"))
                assert option is not None, f"{name_of(page)}: seedbed {' '.join(words)}: no option {word}"
                if not option.is_flag and not option.count and "=" not in word:
                    next(arguments, None)
            elif command is cli:
                name = word.rstrip(",.:")
                found = cli.get_command(click.Context(cli), name)
                assert found is not None, f"{name_of(page)}: there is no command {name}"
                command, at = found, options_of(found)
            elif isinstance(command, click.Group):
                one = command.get_command(click.Context(command), word.rstrip(",.:"))
                assert one is not None, f"{name_of(page)}: there is no command {' '.join(words)}"
                command, at = one, options_of(one)


# -----------------------------------------------------------------------------------------------------------
# Links
# -----------------------------------------------------------------------------------------------------------

_LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)([^)\s]+)\)")


def slugs(page: Path) -> set[str]:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", each.lower()).strip()) for each in headings}


def test_every_link_leads_somewhere() -> None:
    for page in [README, *PAGES]:
        _require_links(page)


def _require_links(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name_of(page)}: {target} leads nowhere"
        if page != README:
            assert there.is_relative_to(DOCS), f"{name_of(page)}: {target} leads out of the site"
        if anchor:
            assert anchor in slugs(there), f"{name_of(page)}: {target}: no such heading"


def test_every_page_is_in_the_navigation_or_in_the_list_of_decisions() -> None:
    import tomllib

    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    listed = set(_leaves(config["project"]["nav"]))
    decisions = set((DOCS / "adr").glob("0*.md"))
    assert listed == {page.relative_to(DOCS).as_posix() for page in set(PAGES) - decisions}
    overview = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d{4})\]\((\1-.+?\.md)\)", overview, re.MULTILINE)
    assert [name for _, name in rows] == sorted(each.name for each in decisions)
    assert len({number for number, _ in rows}) == len(rows), "two decisions have one number"


def _leaves(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, list | dict):
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from _leaves(each)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "tutorial" / "first-platform" / "index.html").read_text(encoding="utf-8")
    assert "create_customers.sql</span>" in page  # a block's title is shown


def test_no_page_names_a_place_on_somebodys_machine() -> None:
    for page in {README, *PAGES} - set((DOCS / "adr").iterdir()):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"/(work|root|home|tmp|Users)/\w", text), name_of(page)


# -----------------------------------------------------------------------------------------------------------
# Lists that are complete
# -----------------------------------------------------------------------------------------------------------


def fresh(page: Path, wanted: str) -> bool:
    """Return whether `page` reads as `wanted`; where asked to, make it so."""
    if UPDATE:
        page.write_text(wanted, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == wanted, (
        f"{name_of(page)} is old; UPDATE_GOLDEN=1 writes it anew"
    )
    return True


def between(text: str, mark: str, inside: str) -> str:
    """Return `text` with what stands between the comments of `mark` replaced."""
    pattern = re.compile(rf"(<!-- {mark}: begin -->\n).*?(<!-- {mark}: end -->)", re.DOTALL)
    assert pattern.search(text)
    return pattern.sub(lambda found: f"{found[1]}{inside}{found[2]}", text)


def help_of(*arguments: str) -> str:
    runner = CliRunner()
    # click keeps the option of its first context, and another test's may have been without our settings.
    cli._help_option = None
    result = runner.invoke(cli, [*arguments, "--help"], prog_name="seedbed", terminal_width=90)
    assert result.exit_code == 0
    return "\n".join(line.rstrip() for line in result.output.rstrip().splitlines())


def all_commands() -> Iterator[str]:
    """Yield every command's name, those of a group after it."""
    for name in sorted(COMMANDS):
        yield name
        found = cli.get_command(click.Context(cli), name)
        if isinstance(found, click.Group):
            yield from (f"{name} {each}" for each in sorted(found.commands))


def commands_page() -> str:
    """Return the page of commands, made from what `--help` says."""
    parts = [
        "# Commands\n",
        "<!-- Generated from --help. tests/acceptance/test_docs.py writes it anew with UPDATE_GOLDEN=1. -->\n",
        "What each exit code means stands in [errors and exit codes](errors-and-exit-codes.md), what `--json` prints"
        " in\n[JSON documents](json.md). `-v`, `-q` and `--color` may stand before or after the command's name.\n",
        f"```text\n{help_of()}\n```\n",
    ]
    parts += [f"## {name}\n\n```text\n{help_of(*name.split())}\n```\n" for name in all_commands()]
    aliases = [*ALIASES.items()]
    aliases += [(f"{verb}:ENGINE", f"{name} --engine ENGINE") for verb, name in ENGINE_VERBS.items()]
    aliases += [(f"ENGINE:{noun}", f"{name} --engine ENGINE") for noun, name in ENGINE_NOUNS.items()]
    rows = "\n".join(f"| `{alias}` | `{name}` |" for alias, name in aliases)
    parts += [
        "## Other names\n",
        "Names that people know from other tools. `ENGINE` is any that is installed, such as `postgres`.\n",
        f"| also accepted | is |\n|---|---|\n{rows}\n",
    ]
    return "\n".join(parts)


def test_the_page_of_commands_says_what_help_says() -> None:
    assert fresh(DOCS / "reference" / "commands.md", commands_page())


def test_the_tree_of_errors_is_the_one_in_the_code() -> None:
    page = DOCS / "reference" / "errors-and-exit-codes.md"
    _, _, rest = (errors.__doc__ or "").partition("::\n\n")
    tree = textwrap.dedent(rest.split("\n\n")[0])
    assert fresh(
        page, between(page.read_text(encoding="utf-8"), "errors", f"```text\n{tree.rstrip()}\n```\n")
    )
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, errors.SeedbedError):
            assert re.search(rf"\b{each.__name__} +(130/)?\d", tree), each.__name__


def test_every_exit_code_is_on_the_page() -> None:
    text = (DOCS / "reference" / "errors-and-exit-codes.md").read_text(encoding="utf-8")
    for code in errors.ExitCode:
        assert re.search(rf"^\| {int(code)} \|", text, re.MULTILINE), code


def test_every_environment_variable_is_on_the_page() -> None:
    text = (DOCS / "reference" / "environment-variables.md").read_text(encoding="utf-8")
    wanted = {each.name for name in registry.names() for each in registry.load(name).variables}
    for path in (ROOT / "src" / "seedbed").rglob("*.py"):
        if "testing" in path.parts:
            continue  # what it sets is for tests
        code = path.read_text(encoding="utf-8")
        wanted |= set(re.findall(r"\bSEEDBED_[A-Z][A-Z_]*[A-Z]\b", code))
        wanted |= set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", code))
    assert wanted
    missing = {each for each in wanted if f"`{each}`" not in text}
    assert not missing


def test_every_setting_of_a_migration_is_on_the_page() -> None:
    data = b"-- seedbed: nonsense=1\n-- migrate:up\n"
    path = "1_settings.sql"
    with pytest.raises(errors.MigrationFileError) as refused:
        registry.load("postgres").parse(
            MigrationFile("1", "settings", Source(path, ".sql", data), checksum(data))
        )
    settings = refused.value.because.removeprefix("a file may declare ").split(", ")
    assert len(settings) > 5
    text = (DOCS / "reference" / "migration-files.md").read_text(encoding="utf-8")
    assert not {each for each in settings if f"| `{each}" not in text}


def test_every_column_of_the_history_is_on_the_page() -> None:
    from seedbed.engines.postgres.store import history

    text = (DOCS / "reference" / "history-tables.md").read_text(encoding="utf-8")
    columns = re.findall(
        r"^    (\w+) +(?:text|integer|bigint|boolean|timestamptz)", history._DEFINITION, re.MULTILINE
    )
    assert len(columns) > 20
    assert not {each for each in columns if f"| `{each}` |" not in text}


def test_every_dependency_is_on_the_page() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    wanted = [each for each in wanted if not each.startswith("seedbed[")]  # an extra that is part of another
    text = (DOCS / "reference" / "dependencies.md").read_text(encoding="utf-8")
    for requirement in wanted:
        assert f"| {re.split(r'[^a-z0-9-]', requirement)[0]} |" in text, requirement
    for extra in project["optional-dependencies"]:
        assert f"| `seedbed[{extra}]` |" in text, extra


def test_every_file_that_the_map_of_the_code_names_is_there() -> None:
    text = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    code = ROOT / "src" / "seedbed"
    for part in re.split(r"\n\n|\n(?=\|)", text):  # rows of the table, and answers
        paths = [each.replace("<name>", "*") for each in re.findall(r"`(?!src/)([\w/.<>]+(?:\.py|/))`", part)]
        places = ["", *(f"{Path(each).parent}/" for each in paths)]  # `a/b.py`, `c.py`: both in a
        for path in paths:
            assert any(any(code.glob(f"{place}{path}")) for place in places), f"{path}, in: {part}"


# -----------------------------------------------------------------------------------------------------------
# Completion
# -----------------------------------------------------------------------------------------------------------


def complete(*words: str) -> list[str]:
    """Return what a shell would offer after `words`, the last of which is being typed."""
    env = {
        **clean_environment({}),
        "COMP_WORDS": " ".join(["seedbed", *words]),
        "COMP_CWORD": str(len(words)),
        "_SEEDBED_COMPLETE": "bash_complete",
    }
    done = subprocess.run([_program()], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def _program() -> str:
    return str(Path(sys.executable).parent / "seedbed")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_for_each_shell(shell: str) -> None:
    env = {**clean_environment({}), "_SEEDBED_COMPLETE": f"{shell}_source"}
    done = subprocess.run([_program()], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "_SEEDBED_COMPLETE" in done.stdout
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=done.stdout, text=True).returncode == 0


def test_commands_options_and_choices_are_completed() -> None:
    assert complete("sta") == ["status"]
    assert complete("apply", "--thr") == ["--through"]
    assert complete("apply", "--through", "") == ["expand", "migrate", "contract"]


# -----------------------------------------------------------------------------------------------------------
# Lists and sizes
# -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.names())
def test_every_key_of_an_engine_is_on_the_page_of_the_manifest(name: str) -> None:
    text = (DOCS / "reference" / "manifest.md").read_text(encoding="utf-8")
    keys = set(registry.load(name).options.__struct_fields__)
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert not keys - named


def test_no_page_installs_by_name_what_pypi_does_not_have_and_wheels_have_this_version() -> None:
    for page in [README, *PAGES]:
        text = page.read_text(encoding="utf-8")
        found = [each for block in blocks(text) for each in block.body.splitlines() if "pip install" in each]
        by_name = [each for each in found if re.search(r"[\s\"']seedbed\[", each)]
        assert [each for each in by_name if "--no-index" not in each] == [], name_of(page)
        assert set(re.findall(r"seedbed-(\d[\w.]*)-py3", text)) <= {__version__}, name_of(page)


def test_sizes_of_what_is_installed_are_true_and_the_same_on_both_pages() -> None:
    pages = [DOCS / "tutorial" / "installation.md", DOCS / "reference" / "dependencies.md"]
    one, other = (page.read_text(encoding="utf-8") for page in pages)
    for extra in ("", "postgres", "dynamodb", "neo4j", "opensearch", "aws", "verify", "all"):
        size = f"{bare.size([extra] if extra else []) / 1_000_000:.0f}"
        row = rf"\| `{extra}`" if extra else r"\| \(none\)"
        told = re.search(rf"^{row} \|.*\| (\d+) MB\b", one, re.MULTILINE)
        again = re.search(rf"^\| `seedbed{rf'.{extra}.' if extra else ''}` \| (\d+) MB", other, re.MULTILINE)
        assert told is not None, extra
        assert again is not None, extra
        assert told[1] == again[1], extra
        assert abs(int(told[1]) - int(size)) <= 1 + int(size) // 10, (
            extra,
            size,
        )  # Pythons and systems differ


def test_sizes_of_what_is_fetched_are_those_of_the_locks() -> None:
    from seedbed.engines.dynamodb.sandbox import local as dynamodb
    from seedbed.engines.neo4j.sandbox import local as neo4j
    from seedbed.engines.opensearch.sandbox import software as opensearch

    locks = (neo4j.lock(), opensearch.lock(), dynamodb.lock())
    sizes = [f"{lock.size / 1_000_000:.0f}" for lock in locks]
    readme = README.read_text(encoding="utf-8")
    assert f"({sizes[0]} and {sizes[1]} MB)" in readme
    assert f"DynamoDB Local ({sizes[2]} MB)" in readme
    page = (DOCS / "explanation" / "sandbox.md").read_text(encoding="utf-8")
    assert all(f"{size} MB" in page for size in sizes)


def test_the_page_about_troubles_has_every_exit_code_and_every_kind_of_error() -> None:
    from seedbed.support import extras

    text = (DOCS / "how-to" / "troubleshoot.md").read_text(encoding="utf-8")
    first = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    codes = {each for cell in first for each in cell.split(", ")}
    assert {str(int(code)) for code in errors.ExitCode} <= codes

    def kinds(cls: type[errors.SeedbedError]) -> set[str]:
        return {cls.__name__}.union(*map(kinds, cls.__subclasses__()))

    ours = {name for name in kinds(errors.SeedbedError) if hasattr(errors, name)} - {"SeedbedError"}
    ours |= {extras.MissingExtra.__name__, extras.BrokenPackage.__name__}
    assert not {f"`{name}`" for name in ours} - set(first)
