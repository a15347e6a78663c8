"""seedbed.toml -> `Platform`: every section checked by its type, then by what it means beside the others."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from msgspec import UnsetType

from seedbed.errors import Hint, Location, ManifestError, UsageError, call
from seedbed.manifest.durations import seconds
from seedbed.manifest.environments import broken_base, broken_rule
from seedbed.manifest.expectations import expectations, require_declared, share
from seedbed.manifest.sections import (
    ENVIRONMENT,
    IN_WORDS,
    NAME,
    EnvironmentSection,
    ExpectationSection,
    PlatformReleaseSection,
    PlatformSection,
    ReferenceSection,
    TaskSection,
)
from seedbed.model.environment import (
    ACCEPTED,
    ARCHITECTURE,
    CIDR,
    GRAPH_IMAGE,
    GRAPH_ON_NFS,
    IMAGE,
    ZONES,
    EnvironmentPattern,
)
from seedbed.model.names import RESERVED
from seedbed.model.platform import ALL, Database, DatabaseId, Field, Platform, Reference, Where
from seedbed.support.guess import did_you_mean, suggestion
from seedbed.support.phrases import shorten
from seedbed.toml.credentials import require_no_secrets
from seedbed.toml.lines import KeyPath
from seedbed.toml.problems import Unknown, convert, kind, require_known, unknown_keys
from seedbed.toml.text import Kind, Text, dotted, key_text, printable, read

if TYPE_CHECKING:  # few manifests have rules for releases
    from seedbed.manifest.releases import DeclaredRules
    from seedbed.model.release_rules import ReleaseRules

FILE = "seedbed.toml"
MANIFEST = Kind(translate_errors=IN_WORDS)
DIRECTORY = "directory"  # the one key of a database's section that is ours, not its engine's
_SECTIONS = ("platform", "services", "references", "expectations", "release", "environments")
_IS_NAME = re.compile(NAME)
_IS_ENVIRONMENT = re.compile(ENVIRONMENT)

EngineOptions = Callable[[str], type[Any]]


def find(start: Path) -> Path:
    """Return the seedbed.toml in `start` or the closest directory above it. Raises ManifestError."""
    here = Path(os.path.abspath(start))
    for directory in (here, *here.parents):
        if (directory / FILE).is_file():
            return directory / FILE
    raise ManifestError(
        f"there is no {FILE}",
        because=f"neither {printable(str(here))} nor any directory above it has one",
        try_=Hint("change to the platform's directory, or start one: ", call("init")),
    )


def load(path: Path, engine_options: EngineOptions, engine_names: Sequence[str] = ()) -> Platform:
    """Return the platform that the manifest at `path` declares; directories in it are absolute.

    `engine_options`: an engine's name -> its `msgspec.Struct`; asked only for engines that are used.
    `engine_names`: those that exist; where it is empty, `engine_options` itself refuses.
    Raises ManifestError, with file and line.
    """
    text = read(path, MANIFEST)
    root = PurePath(os.path.abspath(path)).parent
    require_no_secrets(text)
    _require_shape(text)
    sections = list(_database_sections(text, engine_names))
    options = _options(text, sections, engine_options)
    try:
        return _platform(text, root, sections, options)
    except ManifestError:
        # a mistyped key is more likely an error's cause than its effect, and one run tells about all of them
        require_known(text, _all_unknown(text, sections, options))
        raise


def _options(
    text: Text, sections: Sequence[tuple[str, str]], engine_options: EngineOptions
) -> dict[str, type[Any]]:
    options: dict[str, type[Any]] = {}
    for service, engine in sections:
        if engine not in options:
            try:
                options[engine] = engine_options(engine)
            except UsageError as error:
                at = ("services", service, engine)
                raise text.error(error.what, at=at, because=error.because, try_=error.try_) from None
    return options


def _platform(
    text: Text, root: PurePath, sections: Sequence[tuple[str, str]], options: Mapping[str, type[Any]]
) -> Platform:
    if not text.data.keys() <= set(_SECTIONS):
        require_known(text, _all_unknown(text, sections, options))
    if "platform" not in text.data:
        raise text.error("[platform] is missing", at=(), try_='[platform] with name = "…", at the top')
    platform: PlatformSection = convert(text, text.data["platform"], PlatformSection, ("platform",))
    databases = tuple(_database(text, root, *each, options[each[1]]) for each in sections)
    _require_distinct_names(text, databases)
    ids = {str(each.id) for each in databases}
    releases = _platform_rules(text, ids)
    return Platform(
        name=platform.name,
        root=root,
        databases=databases,
        references=_references(text, ids),
        expectations=expectations(text, ids),
        environments=_environments(text, ids, releases),
        releases=releases.of(None, protected=False) if releases and "release" in text.data else None,
    )


def _require_shape(text: Text) -> None:
    """Refuse sections that are no tables at all, so that everyone after this may walk them."""
    for name in ("platform", "services", "release", "environments"):
        if not isinstance(text.data.get(name, {}), dict):
            raise _not(text, (name,), text.data[name], f"[{name}]")
    for name in ("references", "expectations"):
        found = text.data.get(name, [])
        if not isinstance(found, list):
            raise _not(text, (name,), found, f"[[{name}]]")


def _not(text: Text, at: KeyPath, found: object, wanted: str) -> UsageError:
    return text.error(f"{dotted(at)} is wrong", at=at, because=f"expected {wanted}, found {kind(found)}")


def _database_sections(text: Text, engine_names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield service and engine of every [services.<service>.<engine>], in the manifest's order."""
    for service, engines in text.data.get("services", {}).items():
        at = ("services", service)
        _require_name(text, at, "a service")
        if service == RESERVED:
            raise text.error(
                f"{service} cannot be the name of a service",
                at=at,
                because="stacks and parameters of that name are those that migrate the others",
                try_=f"another name, such as {service}-api",
            )
        if not isinstance(engines, dict):
            raise _not(text, at, engines, f"a table such as [{dotted(at)}.ENGINE]")
        if not engines:
            raise text.error(
                f"the service {service} has no database", at=at, try_=f"[{dotted(at)}.ENGINE], or remove it"
            )
        for engine, section in engines.items():
            if engine_names and engine not in engine_names:
                raise _unknown_engine(text, (*at, engine), engine_names)
            if not isinstance(section, dict):
                raise _not(text, (*at, engine), section, f"[{dotted((*at, engine))}]")
            yield service, engine


def _require_name(text: Text, at: KeyPath, of: str) -> None:
    name = str(at[-1])
    if _IS_NAME.search(name) is None or len(name) > 32:
        raise text.error(
            f"{key_text(name)} cannot be the name of {of}",
            at=at,
            because=f"names have {IN_WORDS[NAME]}, and at most 32 characters",
            try_=f"{of} such as user or tutor-matching" if of == "a service" else "",
        )


def _unknown_engine(text: Text, at: KeyPath, engine_names: Sequence[str]) -> UsageError:
    engine = str(at[-1])
    return text.error(
        f"there is no engine {key_text(engine)}",
        at=at,
        because=f"the installed engines are {', '.join(engine_names)}",
        try_=suggestion(engine, engine_names, nothing=""),
    )


def _database(text: Text, root: PurePath, service: str, engine: str, type_: type[Any]) -> Database:
    at = ("services", service, engine)
    section: dict[str, Any] = dict(text.data["services"][service][engine])
    directory = section.pop(DIRECTORY, f"services/{service}/{engine}")
    problem = _directory_problem(directory)
    if problem:
        raise text.error(
            f"{dotted((*at, DIRECTORY))} is wrong",
            at=(*at, DIRECTORY),
            because=problem,
            try_=f'{DIRECTORY} = "services/{service}/{engine}", seen from the manifest',
        )
    if not type_.__struct_config__.forbid_unknown_fields:  # its engine is lenient, the manifest is not
        require_known(text, unknown_keys(section, type_, at))
    return Database(
        service=service,
        engine=engine,
        directory=PurePath(os.path.normpath(os.path.join(root, directory))),
        options=convert(text, section, type_, at),
    )


def _directory_problem(directory: object) -> str:
    if not isinstance(directory, str):
        return f"expected a string, found {kind(directory)}"
    if not directory or not directory.isprintable():
        return "expected the path of a directory"
    if "\\" in directory:
        return "a path in the manifest is written with / on every system"
    if os.path.isabs(directory) or directory.startswith("/"):
        return "an absolute path is right on one machine only; it is taken from the manifest's own directory"
    return ""


def _require_distinct_names(text: Text, databases: Sequence[Database]) -> None:
    owners: dict[PurePath, Database] = {}
    for each in databases:
        owner = owners.setdefault(each.directory, each)
        if owner is not each:
            raise text.error(
                f"{each.id} shares its directory with {owner.id}",
                at=("services", each.service, each.engine, DIRECTORY),
                because="the same migrations would run on both",
                try_=f"give {each.id} a directory of its own",
            )


def _references(text: Text, ids: set[str]) -> tuple[Reference, ...]:
    references: list[Reference] = []
    declared: dict[tuple[Field, Field], int] = {}
    for index, section in enumerate(text.data.get("references", ())):
        at = ("references", index)
        parsed: ReferenceSection = convert(text, section, ReferenceSection, at)
        for key, column in (("from", parsed.from_), ("to", parsed.to)):
            require_declared(text, (*at, key), column.partition(":")[0], ids)
        reference = _reference(parsed, text.location((*at, "from")))
        if parsed.from_ == parsed.to:
            raise text.error(
                "a reference points at itself",
                at=at,
                because=f"both ends are {reference.to}",
                try_="name the column that the id is found in, or remove the reference",
            )
        ends = reference.from_, reference.to
        if ends in declared:
            first = text.line(("references", declared[ends]))
            raise text.error(
                "a reference is declared twice",
                at=at,
                because=f"line {first} says the same",
                try_="remove one of them",
            )
        references.append(reference)
        declared[ends] = index
    return tuple(references)


def _reference(section: ReferenceSection, at: Location) -> Reference:
    where = Where(
        tuple(
            (name, (each,) if isinstance(each, str) else tuple(each)) for name, each in section.when.items()
        )
    )
    ends = _field(section.from_, where), _field(section.to)
    tolerated = share(section.tolerated) if isinstance(section.tolerated, str) else section.tolerated
    return Reference(*ends, section.optional, seconds(section.grace), float(tolerated), section.time, at)


def _field(column: str, where: Where = ALL) -> Field:
    database, _, path = column.partition(":")
    return Field(DatabaseId(database), path, where)


def _platform_rules(text: Text, ids: set[str]) -> DeclaredRules | None:
    """Return what [release] says, None where neither that is there nor an environment has rules of its own."""
    own = (each for each in text.data.get("environments", {}).values() if isinstance(each, dict))
    if "release" not in text.data and not any("release" in each for each in own):
        return None
    from seedbed.manifest.releases import DeclaredRules, platform_rules

    return platform_rules(text, ids) or DeclaredRules({})


def _rules(
    text: Text, section: EnvironmentSection, at: KeyPath, declared: DeclaredRules | None
) -> ReleaseRules | None:
    """Return what releases of an environment keep to, None where the manifest says nothing of them."""
    if declared is None or (isinstance(section.release, UnsetType) and "release" not in text.data):
        return None
    from seedbed.manifest.releases import rules_said

    own = {} if isinstance(section.release, UnsetType) else dict(rules_said(text, section.release, at))
    return declared.of(own, protected=section.protected)


def _environments(
    text: Text, ids: set[str], releases: DeclaredRules | None
) -> tuple[EnvironmentPattern, ...]:
    declared = tuple(
        _environment(text, pattern, ids, releases) for pattern in text.data.get("environments", {})
    )
    for each in declared:
        _require_base(text, each, declared)
    return declared


def _require_base(text: Text, declared: EnvironmentPattern, among: Sequence[EnvironmentPattern]) -> None:
    """Raise ManifestError where what `declared` says of a base cannot be."""
    if broken := broken_base(declared, among):
        key, what, because, try_ = broken
        raise text.error(what, at=("environments", declared.pattern, key), because=because, try_=try_)


def _environment(
    text: Text, pattern: str, ids: set[str], releases: DeclaredRules | None
) -> EnvironmentPattern:
    at = ("environments", pattern)
    if _IS_ENVIRONMENT.search(pattern) is None:
        because = f"expected {IN_WORDS[ENVIRONMENT]}"
        raise text.error(f"{key_text(pattern)} cannot be the name of an environment", at=at, because=because)
    section: EnvironmentSection = convert(text, text.data["environments"][pattern], EnvironmentSection, at)
    for database in section.targets:
        require_declared(text, (*at, "targets", database), database, ids)
    _require_own(text, section, (*at, "own"), ids)
    _require_network(text, section, (*at, "network"))
    declared = EnvironmentPattern(
        pattern=pattern,
        account=section.account,
        region=section.region,
        ephemeral=section.ephemeral,
        protected=section.protected,
        access="task" if section.base is True else section.access,
        settings=section.targets,
        context=_context(section),
        verify_max_age=seconds(section.verify_max_age),
        files=section.task.files or ("upload" if section.ephemeral else "image"),
        is_base=section.base is True,
        base=section.base if isinstance(section.base, str) else "",
        own=tuple(section.own),
        ttl=_lifetime(text, section, (*at, "ttl")),
        releases=_rules(text, section, (*at, "release"), releases),
        notify=section.notify or "",
    )
    broken = broken_rule(declared)
    if broken:
        key, what, because, try_ = broken
        raise text.error(what, at=(*at, key) if key else at, because=because, try_=try_)
    if declared.files == "upload" and not declared.ephemeral:
        raise text.error(
            f"{pattern} cannot have files uploaded by whoever calls",
            at=(*at, "task", "files"),
            because="only in an ephemeral environment may a task carry out what was never built and reviewed",
            try_='files = "image", and an image that has the platform\'s files',
        )
    return declared


def _lifetime(text: Text, section: EnvironmentSection, at: KeyPath) -> float:
    """Return for how many seconds an environment stays, 0 for ever. Raises ManifestError for no time at all."""
    if not section.ttl:
        return 0.0
    lasts = seconds(section.ttl)
    if not lasts:
        raise text.error(f"what lives for {section.ttl} ends as soon as it begins", at=at, try_='ttl = "3d"')
    return lasts


def _require_own(text: Text, section: EnvironmentSection, at: KeyPath, ids: set[str]) -> None:
    """Raise ManifestError where what has servers of its own is neither a database nor the engine of one."""
    engines = {each.partition("/")[2] for each in ids}
    for each in section.own:
        if each not in ids | engines:
            raise text.error(
                f"{shorten(each, 64)} is no database, and no engine of one",
                at=at,
                because=f"declared are {', '.join(sorted(ids | engines))}",
                try_=did_you_mean(each, sorted(ids | engines), otherwise="an engine, or service/engine"),
            )


def _require_network(text: Text, section: EnvironmentSection, at: KeyPath) -> None:
    """Raise ManifestError where the environment's network could not be made."""
    if not (section.network.cidr or section.network.zones):
        return
    from seedbed.model.network import wrong_addresses, wrong_zones

    cidr, zones = section.network.cidr, section.network.zones
    for key, wrong, example in (
        ("cidr", wrong_addresses(cidr) if cidr else "", 'cidr = "10.20.0.0/16"'),
        ("zones", wrong_zones(zones, section.region) if zones else "", 'zones = ["euc1-az1", "euc1-az2"]'),
    ):
        if wrong:
            raise text.error(
                f"{dotted((*at, key))} is wrong", at=(*at, key), because=wrong, try_=f"{example}, for example"
            )


def _context(section: EnvironmentSection) -> Mapping[str, str]:
    """Return what a CDK app is told in an environment, under the keys of `seedbed.cdk.platform_stacks`."""
    said = {
        IMAGE: section.task.image,
        ARCHITECTURE: section.task.architecture,
        GRAPH_IMAGE: section.graph.image,
        GRAPH_ON_NFS: ACCEPTED if section.graph.on_nfs else "",
        CIDR: section.network.cidr,
        ZONES: ",".join(section.network.zones),
    }
    usual = {ARCHITECTURE: TaskSection().architecture}
    return {
        **section.cdk.context,
        **{key: each for key, each in said.items() if each and each != usual.get(key)},
    }


def _all_unknown(
    text: Text, sections: Sequence[tuple[str, str]], options: Mapping[str, type[Any]]
) -> Iterator[Unknown]:
    data = text.data
    for name in data:
        if name not in _SECTIONS:
            yield Unknown((name,), _SECTIONS)
    yield from unknown_keys(data.get("platform", {}), PlatformSection, ("platform",))
    for service, engine in sections:
        section = {key: each for key, each in data["services"][service][engine].items() if key != DIRECTORY}
        for unknown in unknown_keys(section, options[engine], ("services", service, engine)):
            is_top = len(unknown.path) == 4
            yield Unknown(unknown.path, (DIRECTORY, *unknown.known)) if is_top else unknown
    yield from unknown_keys(data.get("references", []), list[ReferenceSection], ("references",))
    yield from unknown_keys(data.get("expectations", []), list[ExpectationSection], ("expectations",))
    yield from unknown_keys(data.get("release", {}), PlatformReleaseSection, ("release",))
    yield from unknown_keys(data.get("environments", {}), dict[str, EnvironmentSection], ("environments",))
