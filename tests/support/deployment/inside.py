"""What is inside an account's network: a real server behind each name that its stacks gave out.

::

    with inside(world, tasks, authority, Servers(postgres=…, neo4j=…, opensearch=…)) as there:
        ...                     # a task of `tasks` finds the servers of the stacks that there are when it starts

A task gets to a server only where that one's security group lets the task's in. PostgreSQL asks for passwords, and for
those of the secrets; its TLS is that of the authority. OpenSearch takes what a task's role signed, and may ask. Neo4j
has TLS and any certificate, and is there if its own task could start.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from botocore.credentials import Credentials
from psycopg import sql

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.fargate import Fargate, Task
from tests.support.fargate.images import Network
from tests.support.fargate.upstream import LogStream, Upstream
from tests.support.opensearch.signed import signed
from tests.support.postgres.wire import connected, forwarding
from tests.support.servers import Settings
from tests.support.wire.tls import secured, to_port

_ALWAYS_THERE = "postgres"
_POSTGRES, _HTTPS, _BOLT = 5432, 443, 7687
_ASKS = "local all postgres trust\nlocal all all scram-sha-256\n"


class Authority:
    """Who vouches for the servers: `bundle` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.bundle = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(self.bundle)

    def vouched(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        return context


@dataclass(frozen=True, slots=True)
class Servers:
    """What answers in the names of the stacks: a PostgreSQL for all clusters, a Neo4j and an OpenSearch for one.

    `graphs`: a Neo4j for each environment of a base, by its name; those that it does not name have `neo4j`.
    """

    postgres: EmbeddedServer | None = None
    neo4j: Settings = field(default_factory=dict)
    opensearch: Settings = field(default_factory=dict)
    graphs: Mapping[str, Settings] = field(default_factory=dict)


def ask_for_passwords(server: EmbeddedServer) -> None:
    """Have a server let in whoever has a password, and its own superuser."""
    (server.data_directory / "pg_hba.conf").write_text(_ASKS)
    with connected(server, "postgres") as connection:
        connection.execute("SELECT pg_reload_conf()")


class Inside:
    """See the module. `doors`: ports, by the names that lead there."""

    def __init__(
        self, world: World, tasks: Fargate, authority: Authority, servers: Servers, closing: ExitStack
    ) -> None:
        self._upstream = Upstream(world)
        self._world, self._tasks, self._servers = world, tasks, servers
        self._authority, self._closing = authority, closing
        self.doors: dict[str, int] = {}
        self._databases: set[str] = set()
        self._graphs_started: set[str] = set()
        self._finding = threading.Lock()  # two tasks may start at once

    def vouch(self, authority: Authority) -> None:
        """Have all servers show certificates of another authority from now on."""
        self._authority = authority
        self.doors.clear()

    def there(self, task: Task) -> Network:
        """Return what a task finds."""
        asked = task.asked["networkConfiguration"]["awsvpcConfiguration"]
        mine = asked.get("securityGroups", ())
        with self._finding:
            return {
                **{each["Endpoint"]: self._postgres(each, task) for each in self._clusters(mine)},
                **{each["Endpoints"]["vpc"]: self._opensearch(each) for each in self._domains(mine)},
                **dict(self._graphs(mine)),
            }

    def admin(self, name: str) -> str:
        """Return who administrates the database `name`: one server has them all, and their logins in common.

        The cluster of a base has no database but `postgres`, and its administrator makes the others.
        """
        return f"{name}_admin"

    # --- PostgreSQL

    def _clusters(self, mine: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        for each in self._upstream.service("rds").describe_db_clusters()["DBClusters"]:
            groups = [group["VpcSecurityGroupId"] for group in each["VpcSecurityGroups"]]
            if self._lets_in(groups, mine, _POSTGRES):
                yield each

    def _postgres(self, cluster: Mapping[str, Any], task: Task) -> Mapping[str, str]:
        host, server = cluster["Endpoint"], self._servers.postgres
        name = cluster.get("DatabaseName") or _ALWAYS_THERE
        assert server is not None
        if name not in self._databases:
            self._make(server, name, self._password(host))
            self._databases.add(name)
        if host not in self.doors:
            tls = self._authority.vouched("localhost")
            self.doors[host] = self._closing.enter_context(forwarding(server, tls))
        found = {"HOST": "localhost", "PORT": str(self.doors[host])}
        if any(each["name"].endswith("DB_ADMIN_USER") for each in task.container.get("secrets", ())):
            found["ADMIN_USER"] = self.admin(name)
        return found

    def _make(self, server: EmbeddedServer, name: str, password: str) -> None:
        """Make a database and its administrator, who is no superuser, as RDS does."""
        who = sql.Identifier(self.admin(name))
        with connected(server, "postgres") as connection:
            login = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}")
            connection.execute(login.format(who, sql.Literal(password)))
            if name == _ALWAYS_THERE:
                for each in (_ALWAYS_THERE, "template1"):
                    connection.execute(
                        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(each), who)
                    )
            else:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), who))

    def _password(self, host: str) -> str:
        """Return the administrator's password: that of the secret which is attached to the cluster."""
        secrets = self._upstream.service("secretsmanager")
        for each in secrets.list_secrets(MaxResults=100)["SecretList"]:
            said = json.loads(secrets.get_secret_value(SecretId=each["ARN"])["SecretString"])
            if said.get("host") == host:
                return str(said["password"])
        raise AssertionError(f"no secret is attached to {host}")

    # --- OpenSearch

    def _domains(self, mine: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        service = self._upstream.service("opensearch")
        for each in service.list_domain_names()["DomainNames"]:
            domain = service.describe_domain(DomainName=each["DomainName"])["DomainStatus"]
            if self._lets_in(domain["VPCOptions"]["SecurityGroupIds"], mine, _HTTPS):
                yield domain

    def _opensearch(self, domain: Mapping[str, Any]) -> Mapping[str, str]:
        host = domain["Endpoints"]["vpc"]
        if host not in self.doors:
            endpoint = self._servers.opensearch["endpoint"]
            serve = signed(endpoint, self._known, domain["ARN"], self._world.region)
            tls = self._authority.vouched("localhost")
            self.doors[host] = self._closing.enter_context(secured(tls, serve))
        return {"ENDPOINT": f"https://localhost:{self.doors[host]}", "CA": str(self._authority.bundle)}

    def _known(self, key: str) -> tuple[Credentials, Sequence[Mapping[str, Any]]] | None:
        found = self._tasks.credentials.get(key)
        if found is None:
            return None
        return Credentials(key, found.secret, found.token), self._tasks.allowed(found.role)

    # --- Neo4j

    def _graphs(self, mine: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
        ecs = self._upstream.service("ecs")
        for cluster in ecs.list_clusters()["clusterArns"]:
            arns = ecs.list_services(cluster=cluster)["serviceArns"]
            for each in ecs.describe_services(cluster=cluster, services=arns)["services"] if arns else ():
                groups = each["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"]
                if each["desiredCount"] and self._lets_in(groups, mine, _BOLT):
                    yield self._graph(each["taskDefinition"])

    def _graph(self, definition: str) -> tuple[str, Mapping[str, str]]:
        found = self._upstream.definition(definition)
        container, role = found["containerDefinitions"][0], found["executionRoleArn"]
        host = next(each["value"] for each in container["environment"] if each["name"] == "CERTIFICATE_NAME")
        if host not in self._graphs_started:
            for each in container["secrets"]:
                self._upstream.secret(each["valueFrom"], role, "graph")
            self._upstream.require_image(container["image"], role, "graph")
            LogStream(self._upstream, container["logConfiguration"], container["name"], "graph", role)
            self._graphs_started.add(host)
        if host not in self.doors:
            _, _, environment, *_ = host.split(".")
            graph = self._servers.graphs.get(environment, self._servers.neo4j)
            port = int(graph["uri"].rpartition(":")[2])
            tls = self._authority.vouched(host)
            self.doors[host] = self._closing.enter_context(secured(tls, to_port(port)))
        return host, {"URI": f"bolt+ssc://localhost:{self.doors[host]}"}

    def _lets_in(self, groups: Sequence[str], mine: Sequence[str], port: int) -> bool:
        """Return whether one of a server's `groups` lets one of `mine` connect to a port."""
        found = self._upstream.service("ec2").describe_security_groups(GroupIds=list(groups))
        return any(
            pair["GroupId"] in mine and rule["FromPort"] <= port <= rule["ToPort"]
            for group in found["SecurityGroups"]
            for rule in group["IpPermissions"]
            for pair in rule["UserIdGroupPairs"]
        )


@contextmanager
def inside(world: World, tasks: Fargate, authority: Authority, servers: Servers) -> Iterator[Inside]:
    """Have what `tasks` starts find the servers of an account's stacks."""
    with ExitStack() as closing:
        found = Inside(world, tasks, authority, servers, closing)
        tasks.inside = found.there
        yield found
