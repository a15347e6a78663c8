"""What environments cost: from their stacks, and from prices that AWS's price list told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import WrongAccount
from seedbed.aws.identity import require_account
from seedbed.aws.spending import spending
from seedbed.deployment import prices, templates
from seedbed.deployment.child import StopSignal
from seedbed.deployment.metering import inventory
from seedbed.errors import Hint, SeedbedError, UsageError, call
from seedbed.model.cost import CostEstimate, Inventory, Meter, Period, PriceTable, Spending
from seedbed.model.deployment import Template
from seedbed.model.environment import Environment
from seedbed.planning import costs
from seedbed.project.catalog import Catalog
from seedbed.project.targets import Targets

Tell = Callable[[str], None]
SPENT_DAYS = 30  # of which it is asked what was paid


class CostRequest(Struct, frozen=True):
    """Whose cost is asked for.

    `name`: the environment, "" for all that are there. `is_planned`: what the app makes now, not what is deployed.
    `assembly`: a cloud assembly that was synthesised before.
    """

    name: str = ""
    is_planned: bool = False
    assembly: Path | None = None


class Inventories(Struct, frozen=True):
    """What environments have, by name.

    `places`: accounts and regions that were looked at. `unseen`: accounts that the credentials are not of. `errors`:
    why others could not be looked at.
    """

    found: tuple[Inventory, ...]
    places: tuple[Cloud, ...]
    unseen: tuple[str, ...] = ()
    errors: tuple[SeedbedError, ...] = ()


class Costing(Struct, frozen=True):
    """Tells what the environments of a platform cost. `tell`: takes lines about what takes its time."""

    catalog: Catalog
    targets: Targets
    stop: StopSignal
    tell: Tell

    def inventories(self, request: CostRequest) -> Inventories:
        """Return what is asked for; of an environment in a base, with its base.

        Raises UsageError, Refused, Unavailable where one environment is asked for, and for a bad manifest.
        """
        return self._named(request) if request.name else self._all()

    def table(self, region: str) -> PriceTable:
        """Return the prices of a region that are known on this machine. Raises UsageError."""
        return prices.read(region)

    def refresh(self, found: Iterable[Inventory], today: date) -> None:
        """Ask AWS's price list for all that is metered in `found`, and keep its answers. Raises what AWS raises."""
        by_region: dict[str, set[Meter]] = {}
        for each in found:
            meters = by_region.setdefault(each.region, set())
            meters |= {one.meter for one in each.metered if one.meter is not None}
        for region, meters in sorted(by_region.items()):
            cloud = self.targets.cloud(Environment("", "", region))
            prices.refreshed(cloud, meters, prices.read(region), date=today.isoformat(), tell=self.tell)

    def estimates(self, found: Iterable[Inventory], period: Period) -> list[CostEstimate]:
        """Return what each comes to in a period, with the prices that are known. Raises UsageError."""
        return [costs.estimate(each, self.table(each.region), period) for each in found]

    def spending(self, cloud: Cloud, today: date, names: Collection[str] = ()) -> Spending:
        """Return what was paid in the 30 days before `today`, for `names` (none: all, and what has no environment).

        Each request costs money. Raises what AWS raises.
        """
        require_account(cloud)
        found = spending(cloud, self.catalog.platform.name, today - timedelta(days=SPENT_DAYS), today)
        if not names:
            return found
        return replace(found, spent=tuple(each for each in found.spent if each.environment in names))

    def _named(self, request: CostRequest) -> Inventories:
        environment = self.catalog.environment(request.name)
        if environment.is_sandbox:
            raise UsageError("the sandbox costs nothing", because="its servers run on this machine")
        _require_place(environment)
        cloud = self.targets.cloud(environment)
        wanted = [environment]
        if environment.base:
            wanted.append(self.catalog.environment(environment.base))
        there: Mapping[str, list[Template]] = {}
        if not (request.is_planned or request.assembly):
            there = templates.deployed(cloud, self.catalog.platform.name, {each.name for each in wanted})
        found = [self._inventory(each, cloud, there.get(each.name, []), request) for each in wanted]
        return Inventories(tuple(each for each in found if each), (cloud,))

    def _inventory(
        self, environment: Environment, cloud: Cloud, there: list[Template], request: CostRequest
    ) -> Inventory | None:
        """Return what an environment has: its own stacks, else those that the app would make.

        None for a base that an assembly of another environment was given for.
        """
        if there:
            return inventory(environment.name, environment.base, cloud.region, there, is_deployed=True)
        if request.assembly and environment.name != request.name:
            return None
        made = templates.planned(
            Path(self.catalog.platform.root),
            self.catalog.platform.name,
            environment,
            cloud,
            assembly=request.assembly,
            environ=self.targets.environ,
            stop=self.stop,
            tell=self.tell,
        )
        return inventory(environment.name, environment.base, cloud.region, made, is_deployed=False)

    def _all(self) -> Inventories:
        """Return what is deployed in the accounts and regions that environments are declared in.

        Raises WrongAccount where the credentials are of none of these.
        """
        found: list[Inventory] = []
        looked: list[Cloud] = []
        errors: list[SeedbedError] = []
        foreign: dict[str, WrongAccount] = {}
        for cloud in self._places():
            try:
                there = templates.deployed(cloud, self.catalog.platform.name)
            except WrongAccount as error:
                foreign[cloud.account] = error
                continue
            except SeedbedError as error:
                errors.append(error)
                continue
            looked.append(cloud)
            found += [
                inventory(name, self._base(name), cloud.region, each, is_deployed=True)
                for name, each in sorted(there.items())
            ]
        if not looked and not errors:
            raise next(iter(foreign.values()))
        return Inventories(tuple(found), tuple(looked), tuple(foreign), tuple(errors))

    def _base(self, name: str) -> str:
        """Return the base of an environment, "" for one that is not declared any more, or lies in none."""
        try:
            return self.catalog.environment(name).base
        except UsageError:
            return ""

    def _places(self) -> Collection[Cloud]:
        declared = [each.named(each.pattern) for each in self.catalog.platform.environments]
        places = {
            (each.account, each.region): self.targets.cloud(each)
            for each in declared
            if each.account and each.region
        }
        if not places:
            raise UsageError(
                "no environment has an account and a region",
                because="stacks are looked for where environments are declared",
                try_=Hint("add both to the manifest, or name an environment: ", call("env cost", "dev-ana")),
            )
        return [places[each] for each in sorted(places)]


def _require_place(environment: Environment) -> None:
    if not environment.region:
        raise UsageError(
            f"{environment.name} has no region",
            because="prices are those of a region, and the manifest does not say in which it is",
            try_=f"region in the section of {environment.name}",
        )
