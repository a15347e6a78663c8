"""seedbed.toml -> Platform: what is accepted, and how what is not is explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedbed.errors import ExitCode, Location, ManifestError, UsageError
from seedbed.manifest.load import find, load
from seedbed.manifest.sections import (
    AppSection,
    EnvironmentSection,
    GraphSection,
    PlatformSection,
    ReferenceSection,
    TaskSection,
)
from seedbed.model.environment import EnvironmentPattern
from seedbed.model.platform import DatabaseId, Field, Platform, Reference, Where


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    column: str
    order: Literal["up", "down"] = "up"


class Postgres(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: str = ""
    schemas: tuple[str, ...] = ("public",)
    indexes: dict[str, list[Index]] = {}
    pool: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    label: Annotated[str, msgspec.Meta(pattern=r"^x\d+$")] = "x1"

    def __post_init__(self) -> None:
        if self.pool == 7:
            raise ValueError("seven workers never agree")


class Dynamodb(msgspec.Struct, frozen=True):  # lenient: the manifest is strict all the same
    tables: str = "tables.toml"


OPTIONS: dict[str, type[Any]] = {"dynamodb": Dynamodb, "neo4j": Dynamodb, "postgres": Postgres}
MANIFEST = """\
[platform]
name = "edtech"

[services.user.postgres]
models = "services.user.models:Base"

[services.courses.dynamodb]
[services.tutor-matching.neo4j]

[[references]]
from = "courses/dynamodb:courses.teacher_id"
to   = "user/postgres:users.id"

[environments."dev-*"]
account = "111111111111"
region = "eu-central-1"
ephemeral = true

[environments.prod]
account = "333333333333"
protected = true
access = "task"

[environments.prod.targets."user/postgres"]
host = "db.internal"
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes MANIFEST, with `old` replaced by `new`, and returns where."""

    def write(old: str = "", new: str = "") -> Path:
        assert old in MANIFEST
        path = tmp_path / "seedbed.toml"
        path.write_text(MANIFEST.replace(old, new, 1) if old else MANIFEST + new)
        return path

    return write


def _load(path: Path) -> Platform:
    return load(path, OPTIONS.__getitem__, sorted(OPTIONS))


def _refused(path: Path) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        _load(path)
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value


def test_a_manifest_becomes_a_platform(write: Write) -> None:
    path = write()
    platform = _load(path)
    root = PurePath(path.parent)
    assert platform.name == "edtech"
    assert platform.root == root
    assert [each.id for each in platform.databases] == [
        "user/postgres",
        "courses/dynamodb",
        "tutor-matching/neo4j",
    ]
    assert platform.databases[0].options == Postgres(models="services.user.models:Base")
    assert platform.databases[2].directory == root / "services/tutor-matching/neo4j"
    assert platform.references == (
        Reference(
            Field(DatabaseId("courses/dynamodb"), "courses.teacher_id"),
            Field(DatabaseId("user/postgres"), "users.id"),
            at=Location(str(root / "seedbed.toml"), 11, 1),
        ),
    )
    assert platform.environments == (
        EnvironmentPattern(
            "dev-*", account="111111111111", region="eu-central-1", ephemeral=True, files="upload"
        ),
        EnvironmentPattern(
            "prod",
            account="333333333333",
            protected=True,
            access="task",
            settings={"user/postgres": {"host": "db.internal"}},
        ),
    )


def test_what_a_cdk_app_is_told_stands_in_the_environment(write: Write) -> None:
    path = write(
        "[environments.prod]",
        """[environments.prod.task]
image = "seedbed:1"
architecture = "arm64"
[environments.prod.graph]
image = "neo4j:2"
on_nfs = true
[environments.prod.cdk]
context = {colour = "blue"}
[environments.prod]""",
    )
    prod = next(each for each in _load(path).environments if each.pattern == "prod")
    assert prod.named("prod").context == {
        "image": "seedbed:1",
        "architecture": "arm64",
        "graph-image": "neo4j:2",
        "graph-on-nfs": "accepted",
        "colour": "blue",
    }


@pytest.mark.parametrize(
    ("environment", "said", "files"),
    [
        ('"dev-*"', "", "upload"),
        ('"dev-*"', "image", "image"),
        ("prod", "", "image"),
        ("prod", "image", "image"),
    ],
)
def test_a_task_has_uploaded_files_where_all_may_be_deleted(
    environment: str, said: str, files: str, write: Write
) -> None:
    section = f"[environments.{environment}]"
    task = f"[environments.{environment}.task]\n" + (f'files = "{said}"\n' if said else "")
    found = _load(write(section, task + section)).environments
    name = environment.strip('"')
    assert next(each for each in found if each.pattern == name).named("dev-1").files == files


def test_uploaded_files_are_refused_elsewhere(write: Write) -> None:
    path = write("[environments.prod]", '[environments.prod.task]\nfiles = "upload"\n[environments.prod]')
    with pytest.raises(ManifestError, match="prod cannot have files uploaded by whoever calls") as refused:
        _load(path)
    assert refused.value.at
    assert refused.value.at.line == 1 + path.read_text()[: path.read_text().index("files =")].count("\n")


def test_a_directory_is_taken_from_the_manifests_own(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("[services.courses.dynamodb]", '[services.courses.dynamodb]\ndirectory = "../db/./courses/"')
    monkeypatch.chdir(path.parent)
    assert _load(Path("seedbed.toml")).databases[1].directory == PurePath(path.parent.parent / "db/courses")


def test_the_example_of_the_reference_page_is_a_manifest(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/manifest.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    path = tmp_path / "seedbed.toml"
    path.write_text(example)
    assert len(_load(path).databases) == 3


def test_every_key_is_on_the_reference_page() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/manifest.md").read_text()
    for section in (
        PlatformSection,
        ReferenceSection,
        EnvironmentSection,
        TaskSection,
        GraphSection,
        AppSection,
    ):
        for key in section.__struct_encode_fields__:
            assert f"`{key}`" in page or f"*.{key}" in page, key


def test_only_the_engines_that_are_used_are_asked_for(write: Write) -> None:
    asked: list[str] = []

    def options(name: str) -> type[Any]:
        asked.append(name)
        return OPTIONS[name]

    load(write(), options, sorted(OPTIONS))
    assert asked == ["postgres", "dynamodb", "neo4j"]


# (what stands in the manifest, what is written instead, line, words of the error)
_REFUSED = [
    ('name = "edtech"', 'nmae = "edtech"', 2, "unknown key nmae in [platform]|did you mean name?"),
    ('name = "edtech"', "", 1, "platform.name is missing"),
    ('name = "edtech"', 'name = "Ed Tech"', 2, "lower-case letters|found 'Ed Tech'"),
    ('name = "edtech"', 'name = "edtech\\n"', 2, "lower-case letters"),
    ("[platform]", "[plattform]", 1, "unknown key plattform at the top level|did you mean platform?"),
    ("[platform]", "platform = 1\n[x]", 1, "expected [platform], found the number 1"),
    ("models = ", "modles = ", 5, "unknown key modles in [services.user.postgres]|did you mean models?"),
    ("models = ", "zzz = ", 5, "unknown key zzz|one of directory, models, schemas, indexes"),
    ("models = ", "pool = ", 5, "services.user.postgres.pool is wrong|expected an integer, found a string"),
    ("models = ", "pool = 10 #", 5, "expected an integer <= 9, found the number 10"),
    ("models = ", "pool = 7 #", 4, "seven workers never agree"),
    (
        "models = ",
        "schemas = [\n'a',\n2,\n] #",
        7,
        "schemas[1] is wrong|expected a string, found the number 2",
    ),
    ("models = ", 'label = "y" #', 5, r"expected a string matching ^x\d+$, found 'y'"),
    ("models = ", "models = 1979-05-27 #", 5, "expected a string, found a date"),
    ("models = ", "models = true #", 5, "expected a string, found true"),
    ("models = ", "models = [] #", 5, "expected a string, found an array"),
    (
        "models = ",
        "indexes.fine = []\nindexes.bad = [{column = 'x', order = 'upp'}] #",
        6,
        "indexes.bad[0].order is wrong|expected one of down, up, found upp",
    ),
    ("models = ", "indexes.a = [{colum = 'x'}] #", 5, "unknown key colum in services|did you mean column?"),
    ("models = ", "directory = 1 #", 5, "directory is wrong|expected a string"),
    ("models = ", "directory = '/srv' #", 5, "an absolute path"),
    ("models = ", "directory = 'a\\b' #", 5, "written with /"),
    ("models = ", "directory = '' #", 5, "expected the path of a directory"),
    ("models = ", "directory = 'services/courses/dynamodb' #", 7, "shares its directory with user/postgres"),
    ("[services.courses.dynamodb]", "[services.courses.dynamodb]\ntabels = 1", 8, "did you mean tables?"),
    (
        "[services.courses.dynamodb]",
        "[services.courses.dynamo]",
        7,
        "no engine dynamo|did you mean dynamodb?",
    ),
    ("[services.courses.dynamodb]", "[services.courses]", 7, "the service courses has no database"),
    ("[services.courses.dynamodb]", "[services]\ncourses = 3", 8, "expected a table such as"),
    ("[services.courses.dynamodb]", "[services.courses]\ndynamodb = 3", 8, "found the number 3"),
    (
        "[services.courses.dynamodb]",
        "[services.Courses.dynamodb]",
        7,
        "Courses cannot be the name of a service",
    ),
    (
        "[services.courses.dynamodb]",
        "[services.seedbed.dynamodb]",
        7,
        "seedbed cannot be the name of a service|stacks and parameters of that name",
    ),
    ("[services.courses.dynamodb]", f"[services.{'x' * 33}.dynamodb]", 7, "at most 32 characters"),
    ('to   = "user', 'to   = "usr', 12, "there is no database usr/postgres|did you mean user/postgres?"),
    ("users.id", "users", 12, "references[0].to is wrong|expected service/engine:table.column"),
    ("users.id", "users .id", 12, "references[0].to is wrong"),
    ('to   = "user/postgres:users.id"', "", 10, "references[0].to is missing"),
    ("user/postgres:users.id", "courses/dynamodb:courses.teacher_id", 10, "points at itself"),
    ("[[references]]", "[references]", 10, "expected [[references]], found a table"),
    ('"111111111111"', "111111111111", 15, 'expected a string|put it in quotes: account = "111111111111"'),
    ('"111111111111"', '"1111"', 15, 'environments."dev-*".account is wrong|the 12 digits of an AWS account'),
    ("eu-central-1", "Frankfurt", 16, "an AWS region such as eu-central-1"),
    ("ephemeral = true", "ephemeral = false", 14, "dev-* is not declared ephemeral"),
    ("ephemeral = true", "ephemeral = true\nprotected = true", 18, "dev-* cannot be protected"),
    ("protected = true", "ephemeral = true", 21, "prod cannot be ephemeral"),
    ('"task"', '"taks"', 22, "expected one of direct, task, tunnel, found taks"),
    ("[environments.prod]", "[environments.sandbox]", 19, "`sandbox` cannot be declared"),
    ("[environments.prod]", '[environments."Prod!"]', 19, "cannot be the name of an environment"),
    ("[environments.prod]", "[environments.-prod]", 19, "cannot be the name of an environment"),
    ('"user/postgres"]', '"usr/postgres"]', 24, "there is no database usr/postgres|did you mean"),
    ('"user/postgres"]', '"postgres"]', 24, "expected service/engine, found 'postgres'"),
    ("db.internal", 'a"\nport = 5432 #', 26, "port is wrong|expected a string"),
    ("[platform]", "[platform", 1, "this is not TOML|Expected ']'"),
    ("db.internal", "db.internal\0", 25, "this is not TOML"),
    ("host = ", "a.b.c.d.e.f.g.h = ", 25, "nested too deep"),
    ("host = ", f"x = {'9' * 5000}\nhost = ", 0, "a number is too long to be read"),
]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"), _REFUSED, ids=[f"{each[1]!r:.40} for {each[0]}" for each in _REFUSED]
)
def test_what_is_wrong_is_said_with_its_line(write: Write, old: str, new: str, line: int, words: str) -> None:
    error = _refused(write(old, new))
    assert error.at is not None
    assert [word for word in words.split("|") if word not in str(error)] == [], str(error)
    assert error.at.line == line, str(error)


def test_a_manifest_without_a_platform_is_refused(write: Write) -> None:
    path = write()
    path.write_text("")
    assert "[platform] is missing" in str(_refused(path))


def test_a_reference_declared_twice_is_refused(write: Write) -> None:
    again = '[[references]]\nfrom = "courses/dynamodb:courses.teacher_id"\nto = "user/postgres:users.id"\n'
    error = _refused(write("", again))
    assert "declared twice" in error.what
    assert error.because == "line 10 says the same"


def test_names_of_a_reference_may_have_blanks(write: Write) -> None:
    (found,) = _load(write("users.id", "Order Details.Product Id")).references
    assert found.to.path == "Order Details.Product Id"


def test_a_field_refers_to_several_by_the_rows_that_are_meant(write: Write) -> None:
    each = '[[references]]\nfrom = "courses/dynamodb:notes.subject_id"\nto = "user/postgres:{}.id"\nwhen = {{{}}}\n\n'
    first = each.format("users", 'kind = "user"') + each.format(
        "teams", 'kind = ["team", "class"], open = "true"'
    )
    platform = _load(write("[[references]]", f"{first}[[references]]"))
    assert list(map(str, (each.from_ for each in platform.references))) == [
        "courses/dynamodb:notes.subject_id[kind=user]",
        "courses/dynamodb:notes.subject_id[kind=team|class][open=true]",
        "courses/dynamodb:courses.teacher_id",
    ]
    assert platform.references[1].from_.where == Where((("kind", ("team", "class")), ("open", ("true",))))
    again = each.format("users", 'kind = "user"') * 2
    assert "declared twice" in _refused(write("[[references]]", f"{again}[[references]]")).what
    same = (
        each.format("users", "")
        .replace("notes.subject_id", "x.id")
        .replace("user/postgres:users", "courses/dynamodb:x")
    )
    assert "points at itself" in _refused(write("[[references]]", f"{same}[[references]]")).what
    nothing = each.format("users", "kind = []")
    assert "when" in str(_refused(write("[[references]]", f"{nothing}[[references]]")))


def test_many_unknown_keys_are_told_at_once_and_five_are_listed(write: Write) -> None:
    error = _refused(write("models = ", "a = 1\nb = 1\nc = 1\nd = 1\ne = 1\nf = 1\nmodles = "))
    assert error.what == "there are 7 unknown keys"
    assert error.because.count(" in line ") == 5
    assert error.because.endswith("and 2 more")


def test_a_typo_is_told_before_what_it_caused(write: Write) -> None:
    error = _refused(write("to   =", "two  ="))
    assert "unknown key two" in error.what


@pytest.mark.parametrize(
    "setting",
    [
        'password = "hunter2"',
        'DB_PASSWORD = "hunter2"',
        'masterPassword = "hunter2"',
        "client_secret = 22222",
        'authToken = "hunter2"',
        'api_key = "hunter2"',
        'url = "postgresql://ana:hunter2@db/user"',
        'conninfo = "host=db password=hunter2"',
        'note = ["see https://ana:hunter2@db"]',
    ],
)
def test_credentials_are_refused_and_never_shown(write: Write, setting: str) -> None:
    error = _refused(write('host = "db.internal"', setting))
    assert "credentials do not belong in a file that is committed" in error.because
    assert error.at is not None
    assert error.at.line == 25
    assert "hunter2" not in str(error)
    assert "22222" not in str(error)


@pytest.mark.parametrize("key", ["secret_arn", "secretName", "url", "host", "passport", "tokenizer"])
def test_settings_that_only_say_where_a_secret_lies_are_welcome(write: Write, key: str) -> None:
    platform = _load(write("host = ", f'url2 = "postgresql://ana@db:5432/user"\n{key} = '))
    assert platform.environments[1].settings["user/postgres"][key] == "db.internal"


def test_an_unknown_key_that_names_a_secret_is_called_a_credential(write: Write) -> None:
    assert "would hold a credential" in _refused(write("models = ", 'password = "x" #')).what


def test_control_characters_never_reach_the_terminal(write: Write) -> None:
    assert "\x1b" not in str(_refused(write("models = ", '"\\u001b[31m" = 1 #')))


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["bare", "bom"])
def test_an_editors_habits_are_harmless(write: Write, mark: bytes, line_end: bytes) -> None:
    path = write("models", "modles")
    path.write_bytes(mark + path.read_bytes().replace(b"\n", line_end))
    error = _refused(path)
    assert error.at is not None
    assert (error.at.line, error.at.column) == (5, 1)
    fine = write()
    fine.write_bytes(mark + fine.read_bytes().replace(b"\n", line_end))
    assert _load(fine).name == "edtech"


def test_what_is_no_utf8_is_told_with_its_place(write: Write) -> None:
    path = write()
    path.write_bytes(b'[platform]\nname = "\xff"')
    error = _refused(path)
    assert "not UTF-8" in error.what
    assert str(error.at).endswith("seedbed.toml:2:9")


def test_a_file_beyond_a_megabyte_is_refused_unread(write: Write) -> None:
    path = write()
    path.write_bytes(b"#" * ((1 << 20) + 1))
    assert "too large" in _refused(path).what


@pytest.mark.parametrize("bomb", ["x." * 200_000 + "x = 1", "x = " + "[" * 100_000, "x = " + "{x=" * 100_000])
def test_a_bomb_is_a_clear_error_at_once(write: Write, bomb: str) -> None:
    # tomllib alone would be busy with the first one for minutes
    path = write("", bomb)
    assert "nested too deep" in _refused(path).what


def test_a_missing_manifest_is_a_clear_error(tmp_path: Path) -> None:
    assert "no such file" in _refused(tmp_path / "seedbed.toml").because
    assert "directory" in _refused(tmp_path).because


def test_errors_show_the_path_from_the_current_directory(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("models", "modles")
    monkeypatch.chdir(path.parent)
    assert str(_refused(path)).startswith("seedbed.toml:5:1: unknown key")


def test_an_engine_that_its_registry_refuses_is_told_at_its_line(write: Write) -> None:
    def refuse(name: str) -> type[Any]:
        raise UsageError(f"there is no engine {name!r}", because="it is not installed")

    with pytest.raises(ManifestError, match="there is no engine 'postgres'") as caught:
        load(write(), refuse)
    assert caught.value.at is not None
    assert caught.value.at.line == 4


def test_find_walks_up_to_the_closest_manifest(write: Write) -> None:
    path = write()
    below = path.parent / "services/user"
    below.mkdir(parents=True)
    assert find(below) == path
    assert find(path) == path


def test_find_says_where_it_looked(tmp_path: Path) -> None:
    if any((each / "seedbed.toml").exists() for each in tmp_path.parents):
        pytest.skip("there is a manifest above the directory for temporary files")
    with pytest.raises(ManifestError, match=re.escape("there is no seedbed.toml")) as caught:
        find(tmp_path)
    assert str(tmp_path) in caught.value.because
    assert "seedbed init" in caught.value.try_


_MARKS = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "'",
    '"',
    "'''",
    '"""',
    "\\",
    "\n",
    " ",
    "\0",
    "\x1b",
]
_VALUES = ["1", "1.5", "true", "nan", "2020-01-01", "x", '"x"', '"user/postgres:a.b"']
_NAMES = [
    "platform",
    "name",
    "services",
    "user",
    "postgres",
    "models",
    "directory",
    "references",
    "from",
    "to",
    "expectations",
    "query",
    "equal",
    "tolerance",
]
_MORE = ["environments", "dev-*", "prod", "targets", "user/postgres", "account", "access", "ephemeral"]
_HEADERS = [
    "[platform]\n",
    "[services.user.postgres]\n",
    "[[references]]\n",
    "[[expectations]]\n",
    '[environments."dev-*"]\n',
]
_FRAGMENTS = st.sampled_from(
    [*_MARKS, *_VALUES, *_NAMES, *_MORE, *_HEADERS, 'name="x"\n', "ephemeral=true\n"]
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=2 * settings().max_examples
)
@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(str.encode)
    | st.lists(_FRAGMENTS, max_size=30).map(lambda each: "".join(each).encode())
)
def test_junk_raises_nothing_but_a_manifest_error(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "seedbed.toml"
    path.write_bytes(junk)
    try:
        _load(path)
    except ManifestError as error:
        said = str(error)
    else:
        said = ""
    assert said.replace("\n", "").isprintable()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=2 * settings().max_examples
)
@given(st.integers(0, len(MANIFEST)), st.integers(0, 12), _FRAGMENTS | st.text(max_size=3))
def test_a_damaged_manifest_raises_nothing_but_a_manifest_error(
    tmp_path: Path, at: int, cut: int, put: str
) -> None:
    path = tmp_path / "seedbed.toml"
    path.write_bytes((MANIFEST[:at] + put + MANIFEST[at + cut :]).encode())
    line = 0
    try:
        _load(path)
    except ManifestError as error:
        line = error.at.line if error.at else -1
    assert 0 <= line <= path.read_bytes().count(b"\n") + 1
