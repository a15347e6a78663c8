"""Where databases live: environments."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from seedbed.errors import Refused
from seedbed.support.phrases import DAY

if TYPE_CHECKING:  # few commands read them
    from seedbed.model.release_rules import ReleaseRules

SANDBOX = "sandbox"
Access = Literal["direct", "task", "tunnel"]
Files = Literal["upload", "image"]

# Keys of what a CDK app is told, in `context`
IMAGE, ARCHITECTURE, GRAPH_IMAGE, GRAPH_ON_NFS = "image", "architecture", "graph-image", "graph-on-nfs"
CIDR, ZONES, STORAGE_KEY = "cidr", "zones", "storage-key"
CALLERS = "callers"
COLLECT = "collect"
WITHOUT = "without"  # said for one deployment, never by the manifest
ACCEPTED = "accepted"


class EnvironmentPattern(Struct, frozen=True):
    """An environment as declared: `pattern` is a name, or a family of names such as `dev-*`.

    `settings` holds what is known about single databases there, by database id (never a secret); `context` what a CDK
    app is told: images, and keys of its own. `verify_max_age`: seconds for which contracts take what `verify` found,
    where the environment is protected. `files`: where a task has the platform's files from: its caller, or its image.

    `is_base`: other environments lie in it. `base`: the name of the one that this lies in; empty: in none. `own`: what
    does not lie there, by engine or by database id. `ttl`: seconds after its last use or extension for which it is
    there to stay; 0: for ever. `releases`: what its releases keep to; None where the manifest knows no releases.
    `notify`: the ARN of a topic that a base tells what was collected; empty: there is none.
    """

    pattern: str
    account: str = ""
    region: str = ""
    ephemeral: bool = False
    protected: bool = False
    access: Access = "direct"
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)
    verify_max_age: float = DAY
    files: Files = "image"
    is_base: bool = False
    base: str = ""
    own: tuple[str, ...] = ()
    ttl: float = 0.0
    releases: ReleaseRules | None = None
    notify: str = ""

    def matches(self, name: str) -> bool:
        return fnmatchcase(name, self.pattern)

    def named(self, name: str) -> Environment:
        return Environment(
            name,
            self.account,
            self.region,
            self.ephemeral,
            self.protected,
            self.access,
            self.settings,
            self.context,
            self.verify_max_age,
            self.files,
            self.is_base,
            self.base,
            self.own,
            self.ttl,
            self.releases,
            self.notify,
        )


class Environment(Struct, frozen=True):
    """One environment, by its own name."""

    name: str
    account: str = ""
    region: str = ""
    ephemeral: bool = False
    protected: bool = False
    access: Access = "direct"
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)
    verify_max_age: float = DAY
    files: Files = "image"
    is_base: bool = False
    base: str = ""
    own: tuple[str, ...] = ()
    ttl: float = 0.0
    releases: ReleaseRules | None = None
    notify: str = ""

    @property
    def is_sandbox(self) -> bool:
        return self.name == SANDBOX

    @property
    def has_runs(self) -> bool:
        """Whether commands are carried out by its task; those about a base always are."""
        return not self.is_sandbox and (self.access == "task" or self.is_base)

    def lies_in_base(self, service: str, engine: str) -> bool:
        """Return whether a database lies on the base's server, where its engine can share one."""
        return bool(self.base) and not {engine, f"{service}/{engine}"} & set(self.own)

    @property
    def record_days(self) -> int:
        """Days that the record of a run stays, and all that belongs to it; 0: for ever."""
        return 0 if self.protected else 90


def is_dev_name(name: str) -> bool:
    """Return whether `name`, of an environment or a family of them, says that everything there may be deleted."""
    return name.startswith("dev")


def is_ephemeral(environment: Environment) -> bool:
    """Return whether everything in `environment` may be deleted.

    The one predicate that the manifest, `reset`, `destroy` and the CDK constructs ask: the embedded sandbox, or a
    name that starts with `dev`, declared ephemeral, and not protected. A name alone is never enough.
    """
    if environment.is_sandbox:
        return True
    return is_dev_name(environment.name) and environment.ephemeral and not environment.protected


def is_recorded(environment: Environment) -> bool:
    """Return whether the use of an environment is written down: it may be deleted, and there is a table for that."""
    if environment.is_sandbox or not is_ephemeral(environment):
        return False
    has_table = environment.base or environment.access == "task" or environment.context.get(IMAGE)
    return bool(has_table and environment.region)


def require_ephemeral(environment: Environment, command: str) -> None:
    """Raise Refused, in the name of `command`, unless everything in `environment` may be deleted."""
    if not is_ephemeral(environment):
        raise Refused(
            f"{command} refuses {environment.name}: it is not an ephemeral environment",
            because="its name has to start with dev, and the manifest has to declare it ephemeral",
            try_="there is no override",
        )


class ConnectionSettings(Struct, frozen=True):
    """How an application connects to a database: by variables of its environment, by settings that none carries."""

    variables: Mapping[str, str]
    settings: Mapping[str, str]
