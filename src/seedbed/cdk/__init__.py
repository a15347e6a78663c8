"""CDK constructs for the databases that seedbed migrates, and the app that makes them for a whole platform.

    from seedbed.cdk import run
    run(Path("seedbed.toml"))

is a CDK app: one stack per database of the environment that `cdk deploy -c environment=NAME` names. The constructs
behind it (`ServiceTables`, `ServicePostgres`, `ServiceSearch`, `ServiceGraph`, `ExternalGraph`, `Network`,
`ExistingNetwork`, `Control`, `MigrationTask`, `inject`) serve in apps of your own as well. `Base…`, `Shared…` are of a
base, and of environments that lie in one.
"""

from importlib.util import find_spec

from seedbed.support.extras import install_line

if find_spec("aws_cdk") is None:
    raise ImportError(f"seedbed.cdk needs the CDK: {install_line('cdk')}")

from seedbed.cdk.base import BasePostgres, BaseSearch
from seedbed.cdk.callers import Callers
from seedbed.cdk.control import Control
from seedbed.cdk.environment import chosen, require_unprotected_account
from seedbed.cdk.existing import ExistingNetwork
from seedbed.cdk.external import ExternalGraph
from seedbed.cdk.github import GithubRoles
from seedbed.cdk.graph import GraphSizes, ServiceGraph
from seedbed.cdk.injecting import RDS_BUNDLE, inject
from seedbed.cdk.network import Network
from seedbed.cdk.pipe import RunPipe
from seedbed.cdk.platform import platform_stacks, run
from seedbed.cdk.postgres import PostgresOptions, ServicePostgres, Sizes
from seedbed.cdk.schedule import Collection
from seedbed.cdk.search import SearchSizes, ServiceSearch
from seedbed.cdk.tables import ServiceTables
from seedbed.cdk.task import MigrationTask
from seedbed.cdk.within import BaseControl, BaseNetwork, SharedPostgres, SharedSearch

__all__ = [
    "RDS_BUNDLE",
    "BaseControl",
    "BaseNetwork",
    "BasePostgres",
    "BaseSearch",
    "Callers",
    "Collection",
    "Control",
    "ExistingNetwork",
    "ExternalGraph",
    "GithubRoles",
    "GraphSizes",
    "MigrationTask",
    "Network",
    "PostgresOptions",
    "RunPipe",
    "SearchSizes",
    "ServiceGraph",
    "ServicePostgres",
    "ServiceSearch",
    "ServiceTables",
    "SharedPostgres",
    "SharedSearch",
    "Sizes",
    "chosen",
    "inject",
    "platform_stacks",
    "require_unprotected_account",
    "run",
]
