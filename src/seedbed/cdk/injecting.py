"""What a container has to be told so that it finds its database."""

from __future__ import annotations

from aws_cdk import aws_ecs as ecs

from seedbed.cdk.postgres import ServicePostgres
from seedbed.engines.postgres.address import VARIABLES
from seedbed.environments.variables import prefixed

RDS_BUNDLE = "/etc/ssl/certs/rds-global-bundle.pem"


def inject(
    container: ecs.ContainerDefinition,
    database: ServicePostgres,
    *,
    is_prefixed: bool = False,
    ca_bundle: str = RDS_BUNDLE,
) -> None:
    """Give `container` DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD and DB_SSLROOTCERT of `database`.

    User and password are resolved by ECS when the task starts; they never stand in a template or a task definition.
    `is_prefixed`: USER_DB_HOST and so on, where one container serves several services.
    `ca_bundle`: where the container's image has AWS's certificates, which are at
    https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem. A file that is not there makes every connection
    fail, it never weakens one; "" is for an image without them: encrypted, but nobody proves who answers.
    """
    plain = {
        "host": database.host,
        "port": str(database.port),
        "name": database.name,
        "sslrootcert": ca_bundle,
    }
    for fact, value in plain.items():
        if value:
            container.add_environment(_variable(database, fact, is_prefixed=is_prefixed), value)
    for fact, key in (("user", "username"), ("password", "password")):
        secret = ecs.Secret.from_secrets_manager(database.attached, key)
        container.add_secret(_variable(database, fact, is_prefixed=is_prefixed), secret)


def _variable(database: ServicePostgres, fact: str, *, is_prefixed: bool) -> str:
    name = next(each.name for each in VARIABLES if each.fact == fact)
    return prefixed(database.service, name) if is_prefixed else name
