"""What there is of a platform in one account and region: environments by the tags of stacks, with their records.

Whether an environment is there is told by CloudFormation alone. What lies in a base and has no stack any more is found
by what is in the base: records, parts of shared servers, secrets of logins.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from seedbed.aws import secrets
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import Denied, WrongAccount, WrongRegion
from seedbed.aws.identity import require_account
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.deployment.reading import reads
from seedbed.deployment.stacks import Stacks, StackStatus
from seedbed.documents.inventory import ThereEntry
from seedbed.engines.sharing import SharedServer
from seedbed.errors import Refused, SeedbedError, UsageError
from seedbed.manifest.environments import environment as declared
from seedbed.manifest.environments import is_pattern
from seedbed.model.environment import Environment, is_dev_name
from seedbed.model.lifetime import EnvironmentRecord, Inhabited, Prospect, prospect
from seedbed.model.names import RESERVED, callers_stack, login_secrets, stack_name, stack_tags
from seedbed.model.platform import Platform
from seedbed.model.sharing import Share
from seedbed.project.targets import Targets
from seedbed.remote.control import Control
from seedbed.remote.environments import Environments
from seedbed.remote.place import control_of
from seedbed.remote.records import who


class Found(Struct, frozen=True):
    """An environment that is there. `records`: where its record lies, if anywhere. `stacks`: by CloudFormation.

    `shares`, `secrets`: what it has in the base, as far as that was looked at. `callers`: the stack with the policies
    of its callers, which outlives it, so that it is not there by that; empty: it has none.
    """

    there: Inhabited
    stacks: tuple[StackStatus, ...] = ()
    records: Environments | None = None
    shares: tuple[tuple[SharedServer, Share], ...] = ()
    secrets: tuple[str, ...] = ()
    callers: str = ""

    @property
    def is_listed_only(self) -> bool:
        """Whether nothing is there but the copy of a record that is gone; where it was looked at closely."""
        return not (self.stacks or self.there.left or self.there.record)


def sites(platform: Platform, *, every: bool = False) -> list[Environment]:
    """Return an environment for each account and region that ephemeral ones, or bases, are declared in.

    `every`: for those of all others, too.
    """
    found: dict[tuple[str, str], Environment] = {}
    for each in platform.environments:
        if each.account and each.region and (every or each.ephemeral or each.is_base):
            found.setdefault((each.account, each.region), each.named(each.pattern))
    return list(found.values())


def failures(errors: Sequence[SeedbedError], places: int) -> list[SeedbedError]:
    """Return those of `errors`, met in some of `places`, by which a look has failed.

    That the credentials are not of an account, or not for a region, is no failure beside one that was looked at: others
    look there. The task of a base has credentials of its own account, and rights in its own region.
    """
    if len(errors) == places:
        return list(errors)
    return [each for each in errors if not isinstance(each, WrongAccount | WrongRegion)]


def entry(found: Found, outlook: Prospect, cloud: Cloud) -> ThereEntry:
    """Return an environment as a document has it."""
    unsettled = [
        f"{each.name} {each.status}"
        for each in found.stacks
        if not each.status.endswith("_COMPLETE") or each.must_go
    ]
    return ThereEntry.of(found.there, outlook, cloud.account, cloud.region, unsettled)


def look(targets: Targets, where: Environment) -> list[ThereEntry]:
    """Return what there is where `where` is declared, as any caller may see it. Raises what `Inventory.found` does."""
    inventory = Inventory(targets, where)
    found = inventory.found()
    protected = protected_beside(inventory.platform, inventory.cloud.account)
    now = next((each.records.now() for each in found if each.records), time.time())
    return [entry(each, prospect(each.there, now, protected=protected), inventory.cloud) for each in found]


def protected_beside(platform: Platform, account: str) -> str:
    """Return a protected environment that is declared in `account`, or in none; empty where there is none."""
    found = (
        each.pattern for each in platform.environments if each.protected and each.account in {"", account}
    )
    return next(found, "")


class Inventory:
    """What there is where `where` is declared.

    `closely`: by each record itself, with runs under way and secrets, as the collector has to know; else by the
    list that any caller may read. `servers`: the shared servers of the base that can be reached from here.
    """

    def __init__(
        self,
        targets: Targets,
        where: Environment,
        *,
        closely: bool = False,
        servers: Sequence[SharedServer] = (),
    ) -> None:
        self.targets = targets
        self.platform = targets.catalog.platform
        self.closely = closely
        self.servers = servers
        self.cloud = targets.cloud(where)
        self.stacks = Stacks(self.cloud)

    def found(self) -> list[Found]:
        """Return the environments that are there, by name. Raises Unavailable, Refused, and what AWS raises."""
        require_account(self.cloud)
        stacks, callers = self._stacks()
        bases = self._bases()
        listed = {base: records.listed() for base, records in bases.items()}
        shares = self._shares()
        secrets_ = self._secrets(stacks) if self.closely and bases else {}
        names = {*stacks, *shares, *secrets_, *(name for each in listed.values() for name in each)}
        return [
            replace(
                self._found(
                    name, stacks.get(name, []), bases, listed, shares.get(name, []), secrets_.get(name, [])
                ),
                callers=callers.get(name, ""),
            )
            for name in sorted(names)
        ]

    def _stacks(self) -> tuple[dict[str, list[StackStatus]], dict[str, str]]:
        """Return the stacks of the platform's environments, by the tag that names those, and those of callers.

        By the latter nothing is there: policies outlive what they are about.
        """
        found: dict[str, list[StackStatus]] = {}
        callers: dict[str, str] = {}
        for each in self.stacks.all():
            name = each.tags.get("environment", "")
            wanted = stack_tags(self.platform.name, name)
            if (
                name
                and each.exists
                and not each.is_nested
                and {k: each.tags.get(k) for k in wanted} == wanted
            ):
                if each.name == callers_stack(self.platform.name, name):
                    callers[name] = each.name
                else:
                    found.setdefault(name, []).append(each)
        return found, callers

    def _bases(self) -> dict[str, Environments]:
        """Return the records of each base that is deployed here."""
        found = {}
        for each in self.platform.environments:
            if each.is_base and (each.account, each.region) == (self.cloud.account, self.cloud.region):
                with suppress(UsageError):  # it was never deployed
                    found[each.pattern] = self._records(each.named(each.pattern))
        return found

    def _records(self, environment: Environment) -> Environments:
        facts = control_of(self.cloud, self.platform.name, environment)
        return Environments(Table(self.cloud, facts["table"]))

    def _shares(self) -> dict[str, list[tuple[SharedServer, Share]]]:
        found: dict[str, list[tuple[SharedServer, Share]]] = {}
        for server in self.servers:
            for share in server.listed():
                if share.platform == self.platform.name:
                    found.setdefault(share.environment, []).append((server, share))
        return found

    def _secrets(self, stacks: Collection[str]) -> dict[str, list[str]]:
        """Return the secrets of logins of environments that have no stack: the others go with theirs."""
        found: dict[str, list[str]] = {}
        with suppress(Denied):  # it takes a right of its own, which the base's task has
            for each in secrets.named(self.cloud, login_secrets(self.platform.name).rstrip("*")):
                parts = each.split("/")
                if len(parts) == 5 and is_dev_name(parts[1]) and parts[1] not in stacks:
                    found.setdefault(parts[1], []).append(each)
        return found

    def _found(
        self,
        name: str,
        stacks: Sequence[StackStatus],
        bases: Mapping[str, Environments],
        listed: Mapping[str, Mapping[str, EnvironmentRecord]],
        shares: Sequence[tuple[SharedServer, Share]],
        secrets_: Sequence[str],
    ) -> Found:
        environment = self._declared(name)
        base = environment.base if environment is not None else ""
        records = bases.get(base) or self._own(name, stacks, environment)
        former_stack, former, run = self._former(name, stacks, environment)
        there = Inhabited(
            name=name,
            environment=environment,
            elsewhere=environment is not None and self._is_elsewhere(environment, bases),
            stacks=tuple(each.name for each in stacks),
            protected=tuple(each.name for each in stacks if each.is_kept),
            left=()
            if stacks
            else (*(str(share) for _, share in shares), *(f"secret {each}" for each in secrets_)),
            record=self._record(name, records, listed.get(base)),
            recorded=records is not None,
            under_way=run or (self._under_way(name, environment) if records is not None else ""),
            bases=self._bases_of(name, stacks) if base and self.closely else None,
            former_stack=former_stack,
            former=former,
        )
        return Found(there, tuple(stacks), records, tuple(shares), tuple(secrets_))

    def _declared(self, name: str) -> Environment | None:
        try:
            return None if is_pattern(name) else declared(self.platform, name)
        except UsageError:
            return None

    def _is_elsewhere(self, environment: Environment, bases: Mapping[str, Environments]) -> bool:
        here = (environment.account, environment.region) == (self.cloud.account, self.cloud.region)
        return not here or bool(environment.base and environment.base not in bases)

    def _own(
        self, name: str, stacks: Sequence[StackStatus], environment: Environment | None
    ) -> Environments | None:
        """Return the records of an environment with a table of its own, None where it has none."""
        if environment is None or environment.base or not self._has_control(name, stacks):
            return None
        with suppress(UsageError, Denied):  # it is half gone; another's parameters are not for every caller
            return self._records(environment)
        return None

    def _bases_of(self, name: str, stacks: Sequence[StackStatus]) -> tuple[str, ...]:
        """Return the base that the stacks of an environment read of, if they do; the first one that does tells it."""
        task = stack_name(self.platform.name, name, RESERVED, "task")  # what reads most is asked first
        for each in sorted(stacks, key=lambda one: one.name != task):
            template = None
            with suppress(Refused):  # another app's: no JSON, or a name that the base's task has no right to
                template = self.stacks.template(each.name)
            parts = [where.split("/") for where in reads(template).values()]
            bases = {at[2] for at in parts if at[:2] == ["", self.platform.name] and at[3:4] == [RESERVED]}
            if found := bases - {name}:
                return tuple(sorted(found))
        return ()

    def _former(
        self, name: str, stacks: Sequence[StackStatus], environment: Environment | None
    ) -> tuple[str, EnvironmentRecord | None, str]:
        """Return the stack of records of its own that an environment in a base has, its record there, and a run.

        Of one that was moved into a base: whoever does not know that goes on writing there.
        """
        if environment is None or not environment.base or not self._has_control(name, stacks):
            return "", None, ""
        before, stack = replace(environment, base=""), self._control(name)
        with suppress(UsageError, Denied):  # the base's task reads the records of its base alone
            return stack, self._records(before).about(name), self._under_way(name, before)
        return stack, None, ""

    def _control(self, name: str) -> str:
        return stack_name(self.platform.name, name, "seedbed", "control")

    def _has_control(self, name: str, stacks: Sequence[StackStatus]) -> bool:
        return self._control(name) in {each.name for each in stacks}

    def _record(
        self,
        name: str,
        records: Environments | None,
        listed: Mapping[str, EnvironmentRecord] | None,
    ) -> EnvironmentRecord | None:
        if records is None:
            return None
        if listed is not None and not self.closely:
            return listed.get(name)
        with suppress(UsageError):  # its table goes with its stacks
            return records.about(name)
        return None

    def _under_way(self, name: str, environment: Environment | None) -> str:
        """Return which run is carried out in an environment now; empty where none is heard of, or was looked for."""
        if environment is None or not self.closely:
            return ""
        with suppress(UsageError):
            facts = control_of(self.cloud, self.platform.name, environment)
            control = Control(Table(self.cloud, facts["table"]), Bucket(self.cloud, facts["bucket"]), name)
            run = control.run(control.writing()) if control.writing() else None
            if run is not None and not run.is_over and control.is_fresh(run.beat):
                return f"{run.ask.command} of {who(run.ask.by)} is under way there"
        return ""
