"""What environments in a base hold and are, past seedbed: to be compared, and to be searched for what should be gone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import neo4j
import urllib3
from psycopg import sql

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.deployment.canaries import places
from tests.support.deployment.releases import Shop
from tests.support.postgres.wire import connected
from tests.support.servers import Settings

_DATABASES = "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles ORDER BY 1"
_TABLES = (
    "SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2"
)
_OBJECTS = (
    "SELECT n.nspname, c.relname, c.relkind::text, pg_get_userbyid(c.relowner), c.relacl::text FROM pg_class AS c "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_toast' ORDER BY 1, 2"
)
_NODES = "MATCH (n) RETURN labels(n) AS labels, properties(n) AS properties"
_RELATIONSHIPS = "MATCH (a)-[r]->(b) RETURN type(r) AS type, properties(r) AS properties, properties(a) AS a, properties(b) AS b"
_SCHEMA = "SHOW INDEXES YIELD name, type, labelsOrTypes, properties, owningConstraint"


def contents(
    shop: Shop, environment: str, server: EmbeddedServer, graph: Settings, search: Settings
) -> dict[str, Any]:
    """Return all that the databases of an environment hold, by the name of what holds it.

    A table, a label or an index by its number of rows and their digest.
    """
    found: dict[str, Any] = {}
    for name in on_server(server, environment):
        if name.endswith("_db"):
            found |= {f"{name}: {each}": value for each, value in _of_database(server, name)}
    for each in shop.tables():
        if each.endswith(f"-{environment}"):
            found[f"table {each}"] = _told(shop.ask("dynamodb", "Scan", TableName=each)["Items"])
    with neo4j.GraphDatabase.driver(graph["uri"], auth=None) as driver:
        for what in (_NODES, _RELATIONSHIPS, _SCHEMA):
            found[what] = _told([each.data() for each in driver.execute_query(what).records])
    for name in on_domain(search, environment):
        found[f"index {name}"] = _told(_asked(search, f"{name}/_search?size=9999")["hits"]["hits"])
        found[f"definition of {name}"] = _asked(search, name)[name]
    return found


def counts(found: Mapping[str, Any], environment: str) -> dict[str, int]:
    """Return how many rows `contents` found in each table, label and index, by names without the environment."""
    plain = environment.replace("-", "_")
    return {
        name.replace(environment, "…").replace(plain, "…"): value[0]
        for name, value in found.items()
        if isinstance(value, tuple)
    }


def on_server(server: EmbeddedServer, environment: str) -> list[str]:
    """Return the databases and logins of an environment."""
    with connected(server, "postgres") as connection:
        found = [name for (name,) in connection.execute(_DATABASES)]
    return [each for each in found if each.startswith(f"{environment.replace('-', '_')}_")]


def on_domain(search: Settings, environment: str) -> list[str]:
    """Return the indexes of an environment."""
    found = _asked(search, "_all?expand_wildcards=all")
    return sorted(each for each in found if each.startswith(f"{environment}."))


def account(shop: Shop, *but: str) -> dict[str, str]:
    """Return what AWS keeps, by where; but what is in places whose name has one of `but` in it."""
    found = {where: told for where, told in places(shop) if not any(each in where for each in but)}
    for each in shop.ask("secretsmanager", "ListSecrets")["SecretList"]:
        value = shop.ask("secretsmanager", "GetSecretValue", SecretId=each["ARN"])["SecretString"]
        found[f"secret {each['Name']}"] = value
    for each in shop.ask("ec2", "DescribeSecurityGroups")["SecurityGroups"]:
        found[f"rules of {each['GroupName']}"] = repr((each["IpPermissions"], each["IpPermissionsEgress"]))
    for each in shop.ask("iam", "ListRoles")["Roles"]:
        names = shop.ask("iam", "ListRolePolicies", RoleName=each["RoleName"])["PolicyNames"]
        asked = [
            shop.ask("iam", "GetRolePolicy", RoleName=each["RoleName"], PolicyName=one)["PolicyDocument"]
            for one in names
        ]
        found[f"role {each['RoleName']}"] = repr(asked)
    return found


def _of_database(server: EmbeddedServer, name: str) -> Iterator[tuple[str, Any]]:
    with connected(server, name) as connection:
        for schema, table in connection.execute(_TABLES).fetchall():
            asked = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table))
            yield f"{schema}.{table}", _told([row for (row,) in connection.execute(asked)])
        yield "objects", connection.execute(_OBJECTS.encode()).fetchall()


def _asked(search: Settings, path: str) -> Any:
    urllib3.request("POST", f"{search['endpoint']}/_refresh")
    return urllib3.request("GET", f"{search['endpoint']}/{path}").json()


def _told(rows: list[Any]) -> tuple[int, str]:
    lines = sorted(json.dumps(each, sort_keys=True, default=str) for each in rows)
    return len(lines), sha256("\n".join(lines).encode()).hexdigest()
