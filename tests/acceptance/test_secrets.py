"""No password is ever shown: not by a command that works, not by one that fails, not by one that crashes."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg
import pytest
from psycopg import sql

from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.model.secret import Redactor, Secret
from tests.support.postgres.wire import connected, free_port, pgbouncer, wait_until
from tests.support.projects import ProjectFiles, Ran, clean_environment, run, start

FIRST, LAST = "hUshQ7", "tAilZ9"  # whatever a spelling does to the rest, these stay what they are
PASSWORD = f"{FIRST}%@:/'\"\\ %41%zz%%  é {LAST}"
SLEEP = "SELECT pg_sleep(600);"
_LOOKS = 10


# What must not be found


def spellings() -> list[str]:
    """Return how the password might be written. Made here, not by the product: it is the product that is asked."""
    raw = PASSWORD.encode()
    found = [FIRST, LAST, PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), quote_plus(PASSWORD)]
    found += [repr(PASSWORD), ascii(PASSWORD), repr(raw), json.dumps(PASSWORD), PASSWORD.replace("'", "''")]
    found += [raw.hex(), raw.hex(" "), PASSWORD[::-1]]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found.append(encode(raw).decode())
        # Inside of something longer, base64 of the password stands at one of three offsets; its ends belong to others.
        found += [encode(b"\0" * lead + raw).decode()[4:-4] for lead in (1, 2)]
    return found


SPELLINGS = [each.strip("'\"").lower() for each in spellings()]


def leaks(text: str) -> list[str]:
    low = text.lower()
    return [each for each in SPELLINGS if each in low]


class Watch:
    """Looks at the command lines of all processes, again and again, until it is stopped.

    A program gets its command line when it starts: those that have been looked at before are looked at less often.
    """

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._looks: Counter[str] = Counter()
        self.rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            for process in filter(str.isdigit, os.listdir("/proc")):
                if self._looks[process] < _LOOKS or self.rounds % _LOOKS == 0:
                    with suppress(OSError), open(f"/proc/{process}/cmdline", "rb") as file:
                        self.seen.add(file.read().replace(b"\0", b" ").decode("utf-8", "replace"))
                    self._looks[process] += 1
            self.rounds += 1

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope="module", autouse=True)
def watch() -> Iterator[Watch]:
    """While all of these tests run."""
    with Watch() as watching:
        yield watching
    shown = [each for each in watching.seen if leaks(each)]
    assert shown == []
    if Path("/proc/self/cmdline").exists():
        assert any("seedbed" in each for each in watching.seen)


# Where


@pytest.fixture(scope="module")
def server(servers_home: Path) -> Iterator[EmbeddedServer]:
    """A PostgreSQL that asks everybody but its superuser for a password."""
    with embedded(servers_home / "secrets") as running:
        rules = f"local all {running.user} trust\nlocal all all scram-sha-256\n"
        (running.data_directory / "pg_hba.conf").write_text(rules)
        with connected(running, "postgres") as connection:
            connection.execute("SELECT pg_reload_conf()")
        wait_until(lambda: not _lets_in(running), "the server asks for passwords")
        yield running


def _lets_in(server: EmbeddedServer) -> bool:
    settings = {**server.dsn("postgres"), "user": "nobody_at_all"}
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(**settings)  # type: ignore[arg-type]
    return "does not exist" in str(caught.value)


@dataclass
class Site:
    """A project, a database that is its own, and a role with the password of all passwords."""

    files: ProjectFiles
    server: EmbeddedServer
    name: str
    by: str = "DB_PASSWORD"
    settings: dict[str, str] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        settings = self.settings
        if self.by == "DB_PASSWORD":
            bare = {f"DB_{key.upper()}": value for key, value in settings.items()}
            return {**bare, "DB_PASSWORD": PASSWORD, **self.more}
        encoded = quote(PASSWORD, safe="")
        if self.by == "DB_URL, lower case":
            encoded = "".join(
                each if each.isalnum() and each.isascii() else quote(each, safe="").lower()
                for each in PASSWORD
            )
        place = f"{quote(settings['host'], safe='')}:{settings['port']}/{settings['name']}"
        return {"DB_URL": f"postgresql://{settings['user']}:{encoded}@{place}", **self.more}

    def run(self, *arguments: str) -> list[Ran]:
        """Run a command for people and for machines, as talkative as it gets; neither shows the password."""
        return [self.run_once(*arguments), self.run_once(*arguments, "--json")]

    def run_once(self, *arguments: str) -> Ran:
        ran = run(self.files.root, "-v", "-v", *arguments, env=self.env)
        self.check(ran.everything)
        return ran

    def check(self, text: str) -> None:
        """Insist that neither `text` nor any file that seedbed has written holds the password."""
        assert leaks(text) == [], text
        for path in self.files.root.rglob("*"):
            ours = "services" in path.parts or "hook" in path.parts
            if path.is_file() and not ours:
                assert leaks(path.read_bytes().decode("utf-8", "replace")) == [], path

    def codes(self, *arguments: str) -> set[int]:
        return {each.code for each in self.run(*arguments)}


@pytest.fixture
def site(tmp_path: Path, server: EmbeddedServer) -> Iterator[Site]:
    name = f"s_{uuid.uuid4().hex[:12]}"
    with connected(server, "postgres") as connection:
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
            sql.Identifier(name), sql.Literal(PASSWORD)
        )
        connection.execute(create)
        connection.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
    settings = {"host": server.socket_directory, "port": str(server.port), "user": name, "name": name}
    files = ProjectFiles(tmp_path)
    files.tables(1)
    yield Site(files, server, name, settings=settings)
    with connected(server, "postgres") as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE {name}".encode())


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


WAYS = ["DB_PASSWORD", "DB_URL", "DB_URL, lower case"]


# Commands that work


@pytest.mark.parametrize("by", WAYS[:2])
def test_the_password_is_right_and_every_command_that_works_keeps_it_to_itself(site: Site, by: str) -> None:
    site.by = by
    plan = str(site.files.root / "plan.json")
    site.files.seed("t1.csv", "id\n1\n")
    site.files.tables(2)
    assert site.codes("plan", "-e", "dev-ana", "--out", plan) == {0}
    for arguments in (
        ["apply", plan, "-e", "dev-ana"],
        ["status", "-e", "dev-ana"],
        ["seed", "-e", "dev-ana"],
        ["doctor", "-e", "dev-ana"],
        ["repair", "20260101000001", "-e", "dev-ana", "--checksum"],
        ["revert", "-e", "dev-ana", "--dry-run"],
        ["revert", "-e", "dev-ana"],
        ["apply", "-e", "dev-ana", "--dry-run"],
        ["reset", "-e", "dev-ana", "--yes"],
    ):
        codes = site.codes(*arguments)
        # What is done is done: the second time, for machines, reset meets a target that nobody knows.
        assert codes <= ({0, 3} if arguments[0] == "reset" else {0}), arguments


def test_a_migration_that_holds_the_password_itself_is_planned_and_applied_without_showing_it(
    site: Site,
) -> None:
    pw = literal(PASSWORD)
    site.files.migration("20260201000001_role", f"ALTER ROLE {site.name} PASSWORD {pw};")
    site.files.migration(
        "20260201000002_said",
        f"DO $x$ BEGIN RAISE NOTICE '%', {pw}; RAISE WARNING '%', {pw} || ' again'; END $x$;",
    )
    plan = str(site.files.root / "plan.json")
    assert site.codes("plan", "-e", "dev-ana", "--out", plan) == {0}
    assert site.codes("apply", plan, "-e", "dev-ana") == {0}
    assert site.codes("status", "-e", "dev-ana") == {0}


# Commands that fail


def migrate(text: str, options: str = "") -> Callable[[Site], Sequence[str]]:
    def prepare(site: Site) -> Sequence[str]:
        site.files.migration(
            "20260201000001_bad", text.replace("PASSWORD", literal(PASSWORD)), options=options
        )
        return ["apply", "-e", "dev-ana"]

    return prepare


def seeding(name: str, text: str) -> Callable[[Site], Sequence[str]]:
    def prepare(site: Site) -> Sequence[str]:
        assert site.codes("apply", "-e", "dev-ana") == {0}
        quoted = text.replace("CELL", '"' + PASSWORD.replace('"', '""') + '"').replace(
            "PASSWORD", literal(PASSWORD)
        )
        site.files.seed(name, quoted)
        return ["seed", "-e", "dev-ana"]

    return prepare


def wrong_password(site: Site) -> Sequence[str]:
    with connected(site.server, "postgres") as connection:
        connection.execute(f"ALTER ROLE {site.name} PASSWORD 'another'".encode())
    return ["apply", "-e", "dev-ana"]


def elsewhere(site: Site) -> Sequence[str]:
    site.settings |= {"host": "127.0.0.1", "port": str(free_port())}
    return ["apply", "-e", "dev-ana"]


def no_such_host(site: Site) -> Sequence[str]:
    site.settings["host"] = "nowhere.invalid"
    return ["status", "-e", "dev-ana"]


def no_such_database(site: Site) -> Sequence[str]:
    site.settings["name"] = "no_such_database"
    return ["apply", "-e", "dev-ana"]


def no_such_environment(site: Site) -> Sequence[str]:
    return ["apply", "-e", "nowhere"]


def no_such_bundle(site: Site) -> Sequence[str]:
    site.settings |= {"host": "127.0.0.1", "port": str(free_port())}
    site.more["DB_SSLROOTCERT"] = "/nowhere/ca.pem"
    return ["apply", "-e", "dev-ana"]


def weak_tls(site: Site) -> Sequence[str]:
    site.settings["host"] = "db.example.com"
    site.more["DB_SSLMODE"] = "disable"
    return ["apply", "-e", "dev-ana"]


def both_url_and_parts(site: Site) -> Sequence[str]:
    site.more |= {"DB_URL": f"postgresql://a:{quote(PASSWORD, safe='')}@h/d", "DB_HOST": "h"}
    return ["apply", "-e", "dev-ana"]


def several_targets(site: Site) -> Sequence[str]:
    site.files.manifest(["payment", "user"])
    return ["apply", "-e", "dev-ana"]


def foreign(site: Site) -> Sequence[str]:
    assert site.codes("apply", "-e", "staging") == {0}
    return ["apply", "-e", "dev-ana"]


def stale(site: Site) -> Sequence[str]:
    plan = str(site.files.root / "plan.json")
    assert site.codes("plan", "-e", "dev-ana", "--out", plan) == {0}
    site.files.migration("20260101000001_t1", f"SELECT {literal(PASSWORD)};")
    return ["apply", plan, "-e", "dev-ana"]


def edited(site: Site) -> Sequence[str]:
    assert site.codes("apply", "-e", "dev-ana") == {0}
    next((site.files.root / "services").rglob("*_t1.sql")).write_text(
        f"-- migrate:up\nSELECT {literal(PASSWORD)};\n"
    )
    return ["apply", "-e", "dev-ana"]


FAILING: Mapping[str, tuple[Callable[[Site], Sequence[str]], set[int]]] = {
    "wrong password": (wrong_password, {3}),
    "closed port": (elsewhere, {4}),
    "unknown host": (no_such_host, {4}),
    "unknown database": (no_such_database, {3}),
    "unknown environment": (no_such_environment, {2}),
    "missing CA bundle": (no_such_bundle, {4}),
    "TLS switched off": (weak_tls, {2}),
    "a URL and its parts": (both_url_and_parts, {2}),
    "bare variables for several": (several_targets, {2}),
    "foreign target": (foreign, {3}),
    "stale plan": (stale, {3}),
    "edited file": (edited, {3}),
    "a value quoted by the server": (migrate("SELECT (PASSWORD)::integer;"), {5, 7}),
    "a value quoted step by step": (migrate("SELECT (PASSWORD)::integer;", "transaction:false"), {5, 7}),
    "a row quoted by the server": (
        migrate("CREATE TABLE u (v text UNIQUE); INSERT INTO u VALUES (PASSWORD), (PASSWORD);"),
        {5, 7},
    ),
    "raised as an error": (migrate("DO $x$ BEGIN RAISE EXCEPTION '%', PASSWORD; END $x$;"), {5, 7}),
    "a syntax error": (migrate("SELEKT PASSWORD;"), {2}),
    "a syntax error at it": (migrate("SELECT 1 PASSWORD;"), {2}),
    "a refused statement": (migrate("COMMENT ON TABLE t1 IS PASSWORD; COMMIT;"), {2}),
    "seed: a cell that is not a number": (seeding("t1.csv", "id\nCELL\n"), {2, 5, 7}),
    "seed: a column that is not there": (seeding("t1.csv", "id,CELL\n1,2\n"), {2, 5, 7}),
    "seed: a statement that fails": (
        seeding("t1.sql", "INSERT INTO t1 VALUES ((PASSWORD)::bigint);"),
        {2, 5, 7},
    ),
}


CONNECTING = ["wrong password", "closed port", "unknown host", "missing CA bundle", "TLS switched off"]


@pytest.mark.parametrize(
    ("failing", "by"),
    [(each, "DB_PASSWORD") for each in FAILING] + [(each, by) for each in CONNECTING for by in WAYS[1:]],
)
def test_a_command_that_fails_keeps_the_password_to_itself(site: Site, failing: str, by: str) -> None:
    site.by = by
    prepare, codes = FAILING[failing]
    arguments = prepare(site)
    ran = site.run_once(*arguments, "--json")
    assert ran.code in codes, ran.everything
    assert ran.document["schema"]
    if not codes <= {2, 3}:  # then there is an outcome, and people are shown another one
        assert site.run_once(*arguments).code in codes


RAW = [
    PASSWORD,  # as it is: a % that escapes nothing, an @, a slash
    PASSWORD.replace("%", "%25"),  # half encoded
    PASSWORD.replace("%", ""),
    quote(PASSWORD, safe="") + "%",
    quote(PASSWORD, safe="") + "%zz",
    "x/" + PASSWORD.replace("%", ""),
    "1/" + quote(PASSWORD, safe=""),
    "x#" + PASSWORD.replace("%", "").replace("/", ""),
    "x?" + PASSWORD.replace("%", "").replace("/", "") + "=1",
    "x@h/d?" + quote(PASSWORD, safe="") + "=1&b",
    f"%FF{FIRST}",
    f"%00{FIRST}",
]


@pytest.mark.parametrize("number", range(len(RAW)))
def test_a_badly_encoded_url_is_refused_without_being_shown(
    tmp_path: Path, server: EmbeddedServer, number: int
) -> None:
    """Some are no mistake but another password: then nobody listens there."""
    site = Site(ProjectFiles(tmp_path), server, "")
    site.files.tables(1)
    site.more = {"DB_URL": f"postgresql://app:{RAW[number]}@127.0.0.1:1/orders", "DB_PASSWORD": ""}
    ran = site.run_once("apply", "-e", "dev-ana", "--json")
    assert ran.code in {2, 4}, ran.everything


@pytest.mark.parametrize("url", [f"mysql://a:{PASSWORD}@h/d", f"{PASSWORD}", f"postgresql://{PASSWORD}"])
def test_what_is_no_url_is_refused_without_being_shown(
    tmp_path: Path, server: EmbeddedServer, url: str
) -> None:
    site = Site(ProjectFiles(tmp_path), server, "", more={"DB_URL": url, "DB_PASSWORD": ""})
    assert site.run_once("status", "-e", "dev-ana", "--json").code == 2


def test_a_pool_in_between_does_not_get_to_show_it(site: Site) -> None:
    with pgbouncer(site.server, "transaction") as port:
        site.settings |= {"host": "127.0.0.1", "port": str(port)}
        assert site.codes("apply", "-e", "dev-ana") == {3}


# Interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_run_that_is_interrupted_keeps_the_password_to_itself(site: Site, number: signal.Signals) -> None:
    site.files.migration("20260201000001_sleep", f"SELECT {literal(PASSWORD)}, pg_sleep(600);")
    given = ("-v", "-v", "apply", "-e", "dev-ana", "--json")
    with start(site.files.root, *given, env=clean_environment(site.env)) as process:
        try:
            wait_until(lambda: _is_asleep(site), "the run is at work")
            process.send_signal(number)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode in {130, 143}, said
    site.check(said)


def _is_asleep(site: Site) -> bool:
    with connected(site.server, site.name) as connection:
        query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        return connection.execute(query).rowcount == 1


# Crashing

HOOK = """
import base64, importlib, threading, urllib.parse


def crash(*arguments, **keywords):
    password = {password!r}
    secret = eval({spelling!r})
    raise {kind}


module, _, name = {place!r}.rpartition(":")
holder = importlib.import_module(module)
*path, last = name.split(".")
for each in path:
    holder = getattr(holder, each)
setattr(holder, last, crash)
"""
CRASHES = {
    "before connecting": (
        "seedbed.engines.postgres.wire.connection:_keywords",
        "password",
        "RuntimeError(secret)",
    ),
    "with a repr": (
        "seedbed.engines.postgres.wire.connection:_keywords",
        "repr(password)",
        "RuntimeError(secret)",
    ),
    "with a key": ("seedbed.engines.postgres.wire.connection:_keywords", "password", "KeyError(secret)"),
    "with bytes": (
        "seedbed.engines.postgres.store.history:HistoryTable.read",
        "password.encode()",
        "ValueError(secret)",
    ),
    "with a URL": (
        "seedbed.engines.postgres.store.history:HistoryTable.read",
        "'postgresql://a:' + urllib.parse.quote(password, safe='') + '@h/d'",
        "ValueError(secret)",
    ),
    "with base64": (
        "seedbed.execution.executing:_groups",
        "base64.b64encode(b'user:' + password.encode()).decode()",
        "ValueError(secret)",
    ),
    "in the report": (
        "seedbed.report.text.outcome:outcome_text",
        "{'password': password}",
        "RuntimeError(secret)",
    ),
    "with nothing said": ("seedbed.execution.executing:_groups", "password", "AssertionError"),
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_with_the_password_in_its_hands_keeps_it_to_itself(site: Site, crash: str) -> None:
    place, spelling, kind = CRASHES[crash]
    hook = site.files.root / "hook"
    hook.mkdir()
    text = HOOK.format(password=PASSWORD, spelling=spelling, kind=kind, place=place)
    (hook / "sitecustomize.py").write_text(text, encoding="utf-8")
    site.more["PYTHONPATH"] = os.pathsep.join(filter(None, [str(hook), os.environ.get("PYTHONPATH", "")]))
    ran = site.run_once("apply", "-e", "dev-ana")
    assert ran.code == 1, ran.everything
    assert "Traceback" in ran.err
    assert "this is a bug in seedbed" in ran.err


# The mask


@pytest.mark.parametrize("value", ["''''", "    ", "\\\\\\\\", "pass word", "a'b\\c\"d", "\udcff\udcfe1234"])
def test_a_secret_of_any_kind_is_masked_and_ordinary_words_are_not(value: str) -> None:
    mask = Redactor([Secret(value)])
    line = "it's an 'ordinary' line  with two \\ things"
    assert mask(line) == line
    assert value not in mask(f"<{value}>")


def test_a_secret_as_several_layers_write_it_is_masked() -> None:
    mask = Redactor([Secret(PASSWORD), Secret(f"postgresql://a:{PASSWORD}@h/d")])
    doubled = PASSWORD.replace("'", "''")
    layers = [
        doubled,
        " ".join(doubled.split()),
        repr(doubled),
        json.dumps(repr(PASSWORD)),
        repr(PASSWORD.encode()),
    ]
    layers += [quote(PASSWORD), quote_plus(PASSWORD), ascii(PASSWORD), PASSWORD.replace("'", "'\\''")]
    for each in layers:
        assert leaks(mask(f"before {each} after")) == []


# The test itself


@pytest.mark.parametrize(
    "shown",
    [
        PASSWORD,
        repr(PASSWORD),
        json.dumps({"password": PASSWORD}),
        quote(PASSWORD, safe="").lower(),
        base64.b64encode(b"user:" + PASSWORD.encode()).decode(),
        base64.b64encode(b"x" + PASSWORD.encode() + b"yz").decode(),
        base64.urlsafe_b64encode(PASSWORD.encode()).decode(),
    ],
)
def test_this_test_would_notice(shown: str) -> None:
    assert leaks(f"before {shown} after")
