"""What may be tried: each way round a protected environment, as calls of a command that should not get by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.json import encode
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.documents.plan import PlanDocument
from seedbed.model.release import StepName
from seedbed.planning.reviewed import decoded
from seedbed.releases.records import encoded
from tests.support.bypass.site import ENV, OTHER, WHO, Site
from tests.support.bypass.verbs import Verb
from tests.support.postgres.wire import connected

OWN, THEIRS = (
    "own.json",
    "other.json",
)  # plans that were made before: of none of the releases, of another environment
NOWHERE = "http://127.0.0.1:9"  # nothing answers there


@dataclass(frozen=True)
class Attempt:
    """One call. `arrange`: what is done before it; `kind`: of its caller."""

    words: tuple[str, ...]
    kind: str
    env: Mapping[str, str] = field(default_factory=dict)
    arrange: Callable[[Site], None] = lambda _: None


@dataclass(frozen=True)
class Way:
    """A way round. `title`: its column; `text`: what is tried; `of`: the calls, none where there is nothing to try."""

    title: str
    text: str
    of: Callable[[Site, Verb], Iterator[Attempt]]


def _call(verb: Verb, *more: str, env: Mapping[str, str] | None = None, **given: object) -> Attempt:
    arrange = given.pop("arrange", lambda _: None)
    kind = str(given.pop("kind", verb.kind))
    words = (*verb.path, *verb.words, *more)
    return Attempt(words, kind, env or {}, arrange)  # type: ignore[arg-type]


def _best(site: Site, verb: Verb, env: Mapping[str, str] | None = None, kind: str = "") -> Attempt:
    """Return a call that would do what the command is there for."""
    if not verb.takes_plan:
        return _call(verb, *verb.best, env=env, arrange=verb.arrange, kind=kind or verb.kind)
    words = tuple(each for each in verb.words if each not in {"--kind", "reference"})
    if not site.is_released or verb.name == "deploy":
        return Attempt((*verb.path, *words, OWN), kind or verb.kind, env or {})
    return Attempt((*verb.path, *words, "plan.json"), kind or verb.kind, env or {}, _its_turn)


def _its_turn(site: Site) -> None:
    """Have the release take its first step, which was approved, and have its plan in a file."""
    site.file("plan.json", site.plan_of(StepName.EXPAND))
    site.approved(StepName.EXPAND)
    site.taking(StepName.EXPAND)


def _as_meant(site: Site, verb: Verb) -> Iterator[Attempt]:
    yield _best(site, verb)


def _plain(_: Site, verb: Verb) -> Iterator[Attempt]:
    yield _call(verb)


def _yes(_: Site, verb: Verb) -> Iterator[Attempt]:
    if verb.has("--yes"):
        yield _call(verb, "--yes")


def _unreviewed(_: Site, verb: Verb) -> Iterator[Attempt]:
    if verb.has("--unreviewed"):
        yield _call(verb, "--unreviewed")


def _with_plan(verb: Verb, plan: str, arrange: Callable[[Site], None]) -> Attempt:
    words = tuple(each for each in verb.words if each not in {"--kind", "reference"})
    return Attempt((*verb.path, *words, plan), verb.kind, {}, arrange)


def _of_plans(*made: tuple[str, Callable[[Site], None], bool]) -> Callable[[Site, Verb], Iterator[Attempt]]:
    """Return the calls with plan files: their names, what makes them, and whether they are about releases alone."""

    def calls(site: Site, verb: Verb) -> Iterator[Attempt]:
        for plan, arrange, about_releases in made:
            if verb.takes_plan and (site.is_released or not about_releases):
                yield _with_plan(verb, plan, arrange)

    return calls


def _ready(site: Site) -> None:
    """Have everything there that a plan needs to be carried out, and that plan in `plan.json`."""
    if site.is_released:
        _its_turn(site)
    else:
        site.file("plan.json", (site.root / OWN).read_bytes())


def _history_moved(site: Site) -> None:
    _ready(site)
    with connected(site.contents.server, site.contents.database) as connection:
        connection.execute("DELETE FROM seedbed.migrations_history WHERE version = '20260101000002'")


def _edited(change: Callable[[PlanDocument], PlanDocument]) -> Callable[[Site], None]:
    def arrange(site: Site) -> None:
        _ready(site)
        plan = site.root / "plan.json"
        plan.write_bytes(encode(change(decoded(plan.read_bytes(), str(plan)))))

    return arrange


def _emptied(plan: PlanDocument) -> PlanDocument:
    return replace(plan, databases=tuple(replace(each, actions=()) for each in plan.databases))


def _signed(plan: PlanDocument) -> PlanDocument:
    """Return a plan with the digest of what it shows, as whoever edits it can make it."""
    return replace(plan, digest=plan.digest_of_content())


def _of_release(number: int) -> Callable[[PlanDocument], PlanDocument]:
    return lambda plan: _signed(replace(plan, release=number))


def _early(site: Site) -> None:
    """Have a plan of the release whose step is not taken, though it is approved."""
    site.file("plan.json", site.plan_of(StepName.EXPAND))
    site.approved(StepName.EXPAND)


def _contract(site: Site) -> None:
    """Have the plan of the contract while the first step is taken."""
    _its_turn(site)
    site.approved(StepName.CONTRACT)
    site.file("plan.json", site.plan_of(StepName.CONTRACT))


def _forged(site: Site) -> None:
    """Have the record say that the step is taken, which nobody approved."""
    site.file("plan.json", site.plan_of(StepName.EXPAND))
    site.taking(StepName.EXPAND)


def _own_approval(site: Site) -> None:
    """Have who opened the release approve it, past the command."""
    _its_turn(site)
    home = f"approvals/{ENV}/0001/expand/"
    (given,) = site.store.approvals(1)
    site.control.bucket.delete(home + WHO[rights.APPROVE])
    site.control.bucket.put(home + WHO[rights.RELEASE], encoded(given))


def _unprotected(site: Site, verb: Verb) -> Iterator[Attempt]:
    more = tuple(each for each in ("--yes",) if verb.has(each))
    yield _call(verb, *more, arrange=lambda it: it.write(protected=False))


def _no_releases(site: Site, verb: Verb) -> Iterator[Attempt]:
    if verb.takes_plan and site.is_released:
        yield _with_plan(verb, OWN, lambda it: it.write(release=""))


def _account(site: Site, verb: Verb) -> Iterator[Attempt]:
    other = {"AWS_ACCESS_KEY_ID": "444444444444"}
    yield _best(site, verb, other)
    best = _best(site, verb)

    def arrange(it: Site) -> None:
        best.arrange(it)
        it.write(account="444444444444", release=it.rules)

    yield Attempt(best.words, best.kind, other, arrange)


def _region(site: Site, verb: Verb) -> Iterator[Attempt]:
    yield _best(site, verb, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"})


def _role(site: Site, verb: Verb) -> Iterator[Attempt]:
    if not site.by_task and not verb.name.startswith(("release", "runs")) and verb.name != "deploy":
        return  # the way to the database is the password
    for kind in (rights.READ, rights.APPROVE, rights.RUN, rights.DEPLOY):
        if kind not in verb.may:
            yield _best(site, verb, kind=kind)


def _database(site: Site, verb: Verb) -> Iterator[Attempt]:
    if not site.by_task and not verb.is_local:
        yield _best(site, verb, {"USER_DB_NAME": site.contents.elsewhere})


def _variables(site: Site, verb: Verb) -> Iterator[Attempt]:
    elsewhere = site.contents.elsewhere
    (site.root / "evil").mkdir(exist_ok=True)
    yield _call(
        verb,
        env={
            "SEEDBED_ENV": OTHER,
            "SEEDBED_RELEASES": "evil",
            "SEEDBED_RELEASE": "1",
            "SEEDBED_CONTROL_TABLE": "evil",
            "SEEDBED_CONTROL_BUCKET": "evil",
            "SEEDBED_FILES": "upload",
            "PGHOST": "127.0.0.1",
            "PGPORT": "9",
            "PGDATABASE": elsewhere,
            "PGSERVICE": "evil",
            "PGOPTIONS": "-c search_path=evil",
            "PGUSER": "evil",
            "PGSYSCONFDIR": "evil",
        },
    )
    yield _call(verb, env={"HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE, "ALL_PROXY": NOWHERE, "CI": "true"})


def _other_table(site: Site, verb: Verb) -> Iterator[Attempt]:
    """Yield a call that is told of another table, where a release is as somebody would like it to be."""
    if not verb.takes_plan or not site.is_released:
        return
    table, bucket = site.decoy()
    there = {"SEEDBED_ENV": ENV, "SEEDBED_CONTROL_TABLE": table, "SEEDBED_CONTROL_BUCKET": bucket}
    attempt = _with_plan(verb, "plan.json", _in_decoy)
    yield Attempt(attempt.words, "anybody", there, attempt.arrange)  # who may do everything there


def _in_decoy(site: Site) -> None:
    """Have the plan of the release in a file; that its step is taken and approved, only the other table says."""
    site.file("plan.json", site.plan_of(StepName.EXPAND))


def _of_task(site: Site, verb: Verb) -> Iterator[Attempt]:
    if not site.by_task or verb.is_local:
        return

    def arrange(it: Site) -> None:
        evil = it.root.parent / "evil"
        evil.mkdir(exist_ok=True)
        (evil / "sitecustomize.py").write_text("import os; os._exit(0)\n")
        it.hostile.update(
            {
                "PYTHONPATH": str(evil),
                "PYTHONSTARTUP": str(evil / "sitecustomize.py"),
                "PYTHONHOME": "",
                "SEEDBED_ENV": OTHER,
                "SEEDBED_CONTROL_TABLE": "evil",
                "SEEDBED_FILES": "upload",
                "USER_DB_NAME": it.contents.elsewhere,
                "DB_NAME": it.contents.elsewhere,
                "DB_HOST": "evil",
                "PGOPTIONS": "-c search_path=evil",
                "PGHOST": "evil",
                "AWS_ENDPOINT_URL": NOWHERE,
                "HTTPS_PROXY": NOWHERE,
                "HTTP_PROXY": NOWHERE,
                "SSL_CERT_FILE": "evil",
            }
        )

    yield _call(verb, arrange=arrange)


def _local(site: Site, verb: Verb) -> Iterator[Attempt]:
    if site.by_task and verb.has("--local"):
        yield _call(verb, *verb.best, "--local", env=site.contents.variables)


def _files(site: Site, verb: Verb) -> Iterator[Attempt]:
    if not verb.takes_plan:
        return

    def edited(it: Site) -> None:
        _ready(it)
        it.pending.write_text(it.pending.read_text().replace("ADD note text", "ADD note text, ADD more text"))

    def linked(it: Site) -> None:
        edited(it)
        file, there = it.pending, it.root.parent / "elsewhere.sql"
        there.write_text(file.read_text())
        file.unlink()
        file.symlink_to(there)

    for arrange in (edited, linked):
        yield _with_plan(verb, "plan.json", arrange)


def prepare(site: Site) -> None:
    """Make the plans that are there before anything is tried, and have the site as it is now kept."""
    kind = rights.RELEASE
    for name, env, more in ((ENV, {}, ("--assembly", "cdk.out")), (OTHER, site.contents.other_variables, ())):
        out = OWN if name == ENV else THEIRS
        made = site.call("plan", "-e", name, "--through", "expand", "--out", out, *more, kind=kind, env=env)
        assert made.code == 0, made.everything
    Path(site.root / "dump.jsonl").write_text("{}\n")
    site.keep()


WAYS = (
    Way(
        "as meant",
        "as it is there to be called, by who may: with its plan, when its turn has come",
        _as_meant,
    ),
    Way("plain", "without a plan, and nothing confirmed", _plain),
    Way("`--yes`", "confirmed by `--yes`", _yes),
    Way("`--unreviewed`", "for emergencies", _unreviewed),
    Way("other plan", "a plan of another environment", _of_plans((THEIRS, lambda _: None, False))),
    Way(
        "stale plan",
        "a plan that was made before the history was changed",
        _of_plans(("plan.json", _history_moved, False)),
    ),
    Way(
        "edited plan",
        "a plan out of which actions were taken: with its former digest, and with one that fits",
        _of_plans(
            ("plan.json", _edited(_emptied), False),
            ("plan.json", _edited(lambda plan: _signed(_emptied(plan))), False),
        ),
    ),
    Way("plan of no release", "a reviewed plan that names none", _of_plans((OWN, lambda _: None, True))),
    Way(
        "other release",
        "the plan of the step that is taken, renumbered for another release, and for none",
        _of_plans(("plan.json", _edited(_of_release(2)), True), ("plan.json", _edited(_of_release(0)), True)),
    ),
    Way(
        "not its turn",
        "a plan of the release, approved: of a step that is not taken, and of a later one",
        _of_plans(("plan.json", _early, True), ("plan.json", _contract, True)),
    ),
    Way(
        "record by hand",
        "the record says that the step is taken: it was not approved, or by who opened the release",
        _of_plans(("plan.json", _forged, True), ("plan.json", _own_approval, True)),
    ),
    Way("other table", "`SEEDBED_CONTROL_TABLE` leads to another record", _other_table),
    Way("other files", "the files changed after the plan was made, or became links to others", _files),
    Way("`protected = false`", "in the caller's manifest", _unprotected),
    Way("no `[release]`", "in the caller's manifest, and a plan that names none", _no_releases),
    Way("other account", "credentials of another account, and a manifest that says so as well", _account),
    Way("other region", "`AWS_REGION`", _region),
    Way("wrong role", "callers of the other kinds: `read`, `approve`, `run`, `deploy`", _role),
    Way("other database", "`DB_NAME` leads to another environment's", _database),
    Way(
        "variables",
        "`SEEDBED_…`, `PG…` and proxies that lead elsewhere, in the caller's environment",
        _variables,
    ),
    Way("in the task", "those, `PYTHON…`, `DB_…` and `AWS_…` in the environment of the task", _of_task),
    Way("`--local`", "past the task", _local),
)
