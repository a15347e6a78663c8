"""What a container has to be told so that it finds its database."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_secretsmanager as secretsmanager

from seedbed.cdk import graph
from seedbed.cdk.external import MEMBERS, ExternalGraph
from seedbed.cdk.graph import ServiceGraph
from seedbed.cdk.postgres import Postgres
from seedbed.cdk.search import Search
from seedbed.cdk.settings import across, named_id
from seedbed.engines.base import Variable
from seedbed.engines.neo4j import address as neo4j
from seedbed.engines.opensearch import address as opensearch
from seedbed.engines.postgres import address as postgres
from seedbed.environments.variables import prefixed

RDS_BUNDLE = "/etc/ssl/certs/rds-global-bundle.pem"

Server = Postgres | Search | ServiceGraph | ExternalGraph


def inject(
    container: ecs.ContainerDefinition,
    database: Server,
    *,
    is_prefixed: bool = False,
    ca_bundle: str = RDS_BUNDLE,
    for_migrations: bool = False,
) -> dict[str, str | None]:
    """Give `container` the variables that say where `database` is; return them, with None for what a secret says.

    PostgreSQL: DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD, DB_SSLROOTCERT, DB_PAUSES where it falls asleep,
    DB_READER where it has readers.
    The user is the application's, which changes no schema. `for_migrations`: it is seedbed's own, and DB_ADMIN_USER,
    DB_ADMIN_PASSWORD, DB_APP_USER and DB_APP_PASSWORD are there, too, with which it makes both logins.
    On a server of a base, there is no administrator: it is the base's own task that makes logins.
    OpenSearch: OPENSEARCH_ENDPOINT, OPENSEARCH_AUTH, OPENSEARCH_PREFIX in a domain of a base, with which the names of
    all that is the service's begin. Neo4j: NEO4J_URI, NEO4J_USERNAME, NEO4J_PASSWORD, NEO4J_DATABASE.
    Users and passwords, and all of an external Neo4j, are resolved by ECS when the task starts; they never stand in a
    template or a task definition.
    `is_prefixed`: USER_DB_HOST and so on, where one container serves several services.
    `ca_bundle`: where the container's image has AWS's certificates for PostgreSQL, which are at
    https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem. A file that is not there makes every connection
    fail, it never weakens one; "" is for an image without them: encrypted, but a driver that is told no more lets
    anybody answer. seedbed itself then fetches them, or refuses.
    """
    variables, plain, secret = _told(container, database, ca_bundle, for_migrations=for_migrations)
    given: dict[str, str | None] = {}
    for setting, value in plain.items():
        if value:
            seen = across(database, container, database.path, setting, value)
            name = _name(variables, database, setting, is_prefixed=is_prefixed)
            container.add_environment(name, seen)
            given[name] = seen
    for setting, source in secret.items():
        name = _name(variables, database, setting, is_prefixed=is_prefixed)
        container.add_secret(name, source)
        given[name] = None
    return given


_Told = tuple[tuple[Variable, ...], Mapping[str, str], Mapping[str, ecs.Secret]]


def _told(
    container: ecs.ContainerDefinition, database: Server, ca_bundle: str, *, for_migrations: bool
) -> _Told:
    """Return the engine's variables, the settings that stand in the open, and those that are members of a secret."""
    if isinstance(database, Search):
        plain = {"endpoint": database.endpoint, "auth": "aws", "prefix": database.prefix}
        return opensearch.VARIABLES, plain, {}
    if isinstance(database, ExternalGraph):
        secret = _seen_from(container, database, database.secret)
        members = {
            setting: ecs.Secret.from_secrets_manager(secret, each) for setting, each in MEMBERS.items()
        }
        return neo4j.VARIABLES, {}, members
    if isinstance(database, ServiceGraph):
        secret = _seen_from(container, database, database.secret)
        return neo4j.VARIABLES, {"uri": database.uri, "database": graph.DATABASE}, _login(secret)
    plain = {
        "host": database.host,
        "port": database.port,
        "name": database.name,
        "sslrootcert": ca_bundle,
        "pauses": database.pauses,
        "reader": database.reader,
    }
    secrets: dict[str, ecs.Secret] = {}
    for login, (name, secret) in database.logins(for_migrations=for_migrations).items():
        secrets |= _login(_seen_from(container, database, secret, name), login)
    return postgres.VARIABLES, plain, secrets


def _seen_from(
    container: ecs.ContainerDefinition, database: Server, secret: secretsmanager.ISecret, name: str = "secret"
) -> secretsmanager.ISecret:
    """Return a secret of `database` as the stack of `container` may name it; `name`: among those of `database`."""
    own = str(secret.secret_arn)
    arn = across(database, container, database.path, name, own)
    if arn == own:
        return secret
    here, id_ = Stack.of(container), named_id("Secret", "", of=f"{database.path}/{name}")
    found = here.node.try_find_child(id_)
    return found or secretsmanager.Secret.from_secret_complete_arn(here, id_, arn)


def _login(secret: secretsmanager.ISecret, prefix: str = "") -> dict[str, ecs.Secret]:
    return {
        f"{prefix}user": ecs.Secret.from_secrets_manager(secret, "username"),
        f"{prefix}password": ecs.Secret.from_secrets_manager(secret, "password"),
    }


def _name(variables: tuple[Variable, ...], database: Server, setting: str, *, is_prefixed: bool) -> str:
    name = next(each.name for each in variables if each.setting == setting)
    return prefixed(database.service, name) if is_prefixed else name
