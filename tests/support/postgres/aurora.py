"""An Aurora made of one PostgreSQL: what RDS answers, on a proxy; a cluster is a database, a snapshot a copy of it.

::

    with aurora(aws, server) as rds:
        rds.cluster("shop-prod-user", database)     # an endpoint of its own, behind which that database is
        rds.looks = 3                               # as often is something looked at before it is available

It refuses what RDS refuses: a snapshot of a cluster that is busy, a copy without its own network (the default security
group lets nobody in), one cluster or snapshot too many, the deletion of a cluster that has instances.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.aws_proxy import Call, Proxy, on
from tests.support.aws_proxy.faults import fault
from tests.support.aws_proxy.http import Response
from tests.support.wire.proxy import pump

GROUP, SUBNETS, PARAMETERS = "sg-of-the-service", "subnets-of-the-network", "parameters-of-seedbed"
DEFAULT = "sg-default"
_TLS, _GSS = 80877103, 80877104
_MODEL = botocore.session.get_session().get_service_model("rds")
_OPERATIONS = (
    *("CreateDBClusterSnapshot", "DescribeDBClusterSnapshots", "DeleteDBClusterSnapshot"),
    *("RestoreDBClusterFromSnapshot", "DescribeDBClusters", "DeleteDBCluster"),
    *("CreateDBInstance", "DescribeDBInstances", "DeleteDBInstance", "ModifyDBCluster", "ModifyDBInstance"),
)


class Refusal(Exception):
    """RDS says no, by the name of the error's shape."""


class Aurora:
    """See the module. `asked`: the operations that changed something, in order."""

    def __init__(self, aws: Proxy, server: EmbeddedServer) -> None:
        self.looks, self.most_clusters, self.most_snapshots = 2, 40, 100
        self.asked: list[str] = []
        self.clusters: dict[str, dict[str, Any]] = {}
        self.instances: dict[str, dict[str, Any]] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self._server, self._numbers, self._doors = server, count(1), list[socket.socket]()
        self._databases: dict[str, str] = {}  # by cluster or snapshot, which database it is
        self._ports: dict[str, int] = {}  # by name of a cluster: an endpoint is of a name, whoever has it
        self._lock = threading.RLock()
        for each in _OPERATIONS:
            aws.serve(on(each, service="rds"), self._serve)

    def cluster(self, name: str, database: str) -> Mapping[str, Any]:
        """Return a cluster that has `database`, with a writer and a reader."""
        members = [(f"{name}-writer", True), (f"{name}-reader", False)]
        for member, _ in members:
            self.instances[member] = {
                "DBInstanceIdentifier": member,
                "DBInstanceClass": "db.r7g.large",
                "cluster": name,
                "left": 0,
                "tags": {},
            }
        made = self._made(name, database, GROUP, SUBNETS, PARAMETERS)
        self.clusters[name] = made | {"left": 0, "protected": True}
        return self.clusters[name]

    def close(self) -> None:
        for each in self._doors:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for database in set(self._databases.values()):
            self._server.drop_database(database)

    # The calls

    def _serve(self, call: Call) -> Response:
        asked = _parsed(dict(parse_qsl(call.request.body.decode(), keep_blank_values=True)))
        with self._lock:
            try:
                told = getattr(self, f"_{call.operation}")(asked)
            except Refusal as refusal:
                if str(refusal) not in _MODEL.shape_names:  # not every refusal is in the model
                    return fault(call, str(refusal), f"RDS says {refusal}", 400)
                shape = _MODEL.shape_for(str(refusal))
                code = shape.metadata.get("error", {}).get("code", str(refusal))
                return fault(call, code, f"RDS says {refusal}", shape.metadata["error"]["httpStatusCode"])
            if not call.operation.startswith("Describe"):
                self.asked.append(call.operation)
        inner = _xml(told)
        body = f"<{call.operation}Response><{call.operation}Result>{inner}</{call.operation}Result></{call.operation}Response>"
        return Response(200, {"content-type": "text/xml"}, body.encode())

    def _CreateDBClusterSnapshot(self, asked: Any) -> Any:
        name, cluster = asked["DBClusterSnapshotIdentifier"], asked["DBClusterIdentifier"]
        if name in self.snapshots:
            raise Refusal("DBClusterSnapshotAlreadyExistsFault")
        if self._cluster(cluster)["status"] != "available":
            raise Refusal("InvalidDBClusterStateFault")
        if len(self.snapshots) >= self.most_snapshots:
            raise Refusal("SnapshotQuotaExceededFault")
        self._copied(cluster, name)
        self.snapshots[name] = {
            "of": cluster,
            "left": self.looks,
            "tags": _tags(asked),
            "at": datetime.now(UTC),
            "status": "available",
        }
        return {"DBClusterSnapshot": self._snapshot(name)}

    def _DescribeDBClusterSnapshots(self, asked: Any) -> Any:
        if name := asked.get("DBClusterSnapshotIdentifier"):
            if name not in self.snapshots:
                raise Refusal("DBClusterSnapshotNotFoundFault")
            self.snapshots[name]["left"] = max(0, self.snapshots[name]["left"] - 1)
        names = [name] if name else list(self.snapshots)
        return {"DBClusterSnapshots": ("DBClusterSnapshot", [self._snapshot(each) for each in names])}

    def _DeleteDBClusterSnapshot(self, asked: Any) -> Any:
        name = asked["DBClusterSnapshotIdentifier"]
        if name not in self.snapshots:
            raise Refusal("DBClusterSnapshotNotFoundFault")
        if self.snapshots[name]["left"]:
            raise Refusal("InvalidDBClusterSnapshotStateFault")
        self._server.drop_database(self._databases.pop(name))
        told = self._snapshot(name)
        del self.snapshots[name]
        return {"DBClusterSnapshot": told}

    def _RestoreDBClusterFromSnapshot(self, asked: Any) -> Any:
        name, snapshot = asked["DBClusterIdentifier"], asked["SnapshotIdentifier"]
        if name in self.clusters:
            raise Refusal("DBClusterAlreadyExistsFault")
        if snapshot not in self.snapshots:
            raise Refusal("DBClusterSnapshotNotFoundFault")
        if self.snapshots[snapshot]["left"]:
            raise Refusal("InvalidDBClusterSnapshotStateFault")
        if len(self.clusters) >= self.most_clusters:
            raise Refusal("DBClusterQuotaExceededFault")
        if asked.get("DBSubnetGroupName") != SUBNETS:  # the default one is of another network
            raise Refusal("DBSubnetGroupNotFoundFault")
        database = self._copied(snapshot, name)
        groups = asked.get("VpcSecurityGroupIds", {}).values() or [DEFAULT]
        parameters = asked.get("DBClusterParameterGroupName", "default.aurora-postgresql")
        made = self._made(name, database, next(iter(groups)), SUBNETS, parameters)
        self.clusters[name] = made | {"left": self.looks, "tags": _tags(asked)}
        return {"DBCluster": self._cluster(name)["told"]}

    def _DescribeDBClusters(self, asked: Any) -> Any:
        name = asked.get("DBClusterIdentifier")
        if name and name not in self.clusters:
            raise Refusal("DBClusterNotFoundFault")
        for each in [name] if name else list(self.clusters):
            self._look(self.clusters, each)
        names = [each for each in ([name] if name else list(self.clusters)) if each in self.clusters]
        if name and not names:
            raise Refusal("DBClusterNotFoundFault")
        return {"DBClusters": ("DBCluster", [self._cluster(each)["told"] for each in names])}

    def _DeleteDBCluster(self, asked: Any) -> Any:
        name = asked["DBClusterIdentifier"]
        if name not in self.clusters:
            raise Refusal("DBClusterNotFoundFault")
        ours = [each for each in self.instances.values() if each["cluster"] == name]
        if any(not each.get("goes") for each in ours) or self.clusters[name].get("goes"):
            raise Refusal("InvalidDBClusterStateFault")
        if self.clusters[name].get("protected"):
            raise Refusal("InvalidParameterCombination")
        assert asked["SkipFinalSnapshot"] == "true", "a final snapshot of a copy is nobody's wish"
        self.clusters[name] |= {"goes": True, "left": self.looks}
        return {"DBCluster": self._cluster(name)["told"]}

    def _ModifyDBCluster(self, asked: Any) -> Any:
        name, new = asked["DBClusterIdentifier"], asked.get("NewDBClusterIdentifier", "")
        if name not in self.clusters:
            raise Refusal("DBClusterNotFoundFault")
        if self._cluster(name)["status"] != "available":
            raise Refusal("InvalidDBClusterStateFault")
        if new in self.clusters or any(each.get("becomes") == new for each in self.clusters.values()):
            raise Refusal("DBClusterAlreadyExistsFault")
        assert asked.get("ApplyImmediately") == "true", "else it waits for the next maintenance window"
        if said := asked.get("DeletionProtection"):
            self.clusters[name] |= {"protected": said == "true"}
        if new:
            self.clusters[name] |= {"becomes": new, "left": self.looks}
        return {"DBCluster": self._cluster(name)["told"]}

    def _ModifyDBInstance(self, asked: Any) -> Any:
        name, new = asked["DBInstanceIdentifier"], asked["NewDBInstanceIdentifier"]
        if name not in self.instances:
            raise Refusal("DBInstanceNotFoundFault")
        if new in self.instances:
            raise Refusal("DBInstanceAlreadyExistsFault")
        if self._instance(name)["DBInstanceStatus"] != "available":
            raise Refusal("InvalidDBInstanceStateFault")
        assert asked.get("ApplyImmediately") == "true", "else it waits for the next maintenance window"
        self.instances[name] |= {"becomes": new, "left": self.looks}
        return {"DBInstance": self._instance(name)}

    def _CreateDBInstance(self, asked: Any) -> Any:
        name, cluster = asked["DBInstanceIdentifier"], asked["DBClusterIdentifier"]
        if name in self.instances:
            raise Refusal("DBInstanceAlreadyExistsFault")
        if self._cluster(cluster)["status"] != "available":
            raise Refusal("InvalidDBClusterStateFault")
        self.instances[name] = {
            "DBInstanceIdentifier": name,
            "DBInstanceClass": asked["DBInstanceClass"],
            "cluster": cluster,
            "left": self.looks,
            "tags": _tags(asked),
        }
        return {"DBInstance": self._instance(name)}

    def _DescribeDBInstances(self, asked: Any) -> Any:
        name = asked["DBInstanceIdentifier"]
        self._look(self.instances, name)
        if name not in self.instances:  # gone, or it has another name now
            raise Refusal("DBInstanceNotFoundFault")
        return {"DBInstances": ("DBInstance", [self._instance(name)])}

    def _DeleteDBInstance(self, asked: Any) -> Any:
        name = asked["DBInstanceIdentifier"]
        if name not in self.instances:
            raise Refusal("DBInstanceNotFoundFault")
        if self.instances[name].get("goes"):
            raise Refusal("InvalidDBInstanceStateFault")
        self.instances[name] |= {"goes": True, "left": self.looks}
        return {"DBInstance": self._instance(name)}

    # What they are about

    def _look(self, of: dict[str, dict[str, Any]], name: str) -> None:
        """Count a look: at the last of them something is available, or gone, or has its new name."""
        if name not in of:
            return
        of[name]["left"] = max(0, of[name]["left"] - 1)
        if of[name]["left"]:
            return
        if of[name].get("goes"):
            del of[name]
        elif new := of[name].pop("becomes", ""):
            of[new] = of.pop(name)
            if of is self.clusters:
                of[new] |= {"port": self._endpoint(new)}
                self._databases[new] = self._databases.pop(name)
                for each in self.instances.values():
                    each["cluster"] = new if each["cluster"] == name else each["cluster"]
            else:
                of[new] |= {"DBInstanceIdentifier": new}

    def _made(self, name: str, database: str, group: str, subnets: str, parameters: str) -> dict[str, Any]:
        self._databases[name] = database
        return {
            "port": self._endpoint(name, group),
            "group": group,
            "subnets": subnets,
            "parameters": parameters,
            "tags": {},
            "status": "",
        }

    def _copied(self, source: str, name: str) -> str:
        database = f"aurora_{id(self):x}_{next(self._numbers)}"
        self._server.create_from_template(database, self._databases[source])
        self._databases[name] = database
        return database

    def _cluster(self, name: str) -> dict[str, Any]:
        found = self.clusters[name]
        status = found["status"] or (
            "deleting"
            if found.get("goes")
            else "renaming"
            if found.get("becomes")
            else "creating"
            if found["left"]
            else "available"
        )
        members = [
            {
                "DBInstanceIdentifier": each["DBInstanceIdentifier"],
                "IsClusterWriter": str("reader" not in each["DBInstanceIdentifier"]).lower(),
            }
            for each in self.instances.values()
            if each["cluster"] == name
        ]
        told = {
            "DBClusterIdentifier": name,
            "Status": status,
            "Engine": "aurora-postgresql",
            "EngineVersion": "17.5",
            "Endpoint": "127.0.0.1",
            "Port": found["port"],
            "DeletionProtection": str(found.get("protected", False)).lower(),
            "BackupRetentionPeriod": 35,
            "DBSubnetGroup": found["subnets"],
            "DBClusterParameterGroup": found["parameters"],
            "VpcSecurityGroups": ("VpcSecurityGroupMembership", [{"VpcSecurityGroupId": found["group"]}]),
            "DBClusterMembers": ("DBClusterMember", members),
            "ServerlessV2ScalingConfiguration": {"MinCapacity": "0.5", "MaxCapacity": "8"},
            "TagList": ("Tag", [{"Key": key, "Value": value} for key, value in found["tags"].items()]),
        }
        return {"status": status, "told": told}

    def _instance(self, name: str) -> dict[str, Any]:
        found = self.instances[name]
        return {
            "DBInstanceIdentifier": name,
            "DBInstanceClass": found["DBInstanceClass"],
            "DBInstanceStatus": "deleting"
            if found.get("goes")
            else "renaming"
            if found.get("becomes")
            else "creating"
            if found["left"]
            else "available",
            "Engine": "aurora-postgresql",
            "PromotionTier": 1,
            "TagList": ("Tag", [{"Key": key, "Value": value} for key, value in found["tags"].items()]),
        }

    def _snapshot(self, name: str) -> dict[str, Any]:
        found = self.snapshots[name]
        return {
            "DBClusterSnapshotIdentifier": name,
            "DBClusterIdentifier": found["of"],
            "Status": "creating" if found["left"] else found["status"],
            "PercentProgress": 50 if found["left"] else 100,
            "SnapshotCreateTime": found["at"].isoformat(),
            "AllocatedStorage": 3,
            "DBClusterSnapshotArn": f"arn:aws:rds:eu-central-1:111111111111:cluster-snapshot:{name}",
            "TagList": ("Tag", [{"Key": key, "Value": value} for key, value in found["tags"].items()]),
        }

    # Its endpoints

    def _endpoint(self, name: str, group: str = GROUP) -> int:
        """Return the port of the cluster of that name; the default group lets nobody in."""
        if name not in self._ports:
            door = socket.create_server(("127.0.0.1", 0))
            self._doors.append(door)
            self._ports[name] = int(door.getsockname()[1])
            if group != DEFAULT:
                threading.Thread(target=self._accept, args=(door, name), daemon=True).start()
        return self._ports[name]

    def _accept(self, door: socket.socket, name: str) -> None:
        with suppress(OSError):
            while True:
                client, _ = door.accept()
                threading.Thread(target=self._carry, args=(client, name), daemon=True).start()

    def _carry(self, client: socket.socket, name: str) -> None:
        path = f"{self._server.socket_directory}/.s.PGSQL.{self._server.port}"
        with suppress(OSError, KeyError), client, socket.socket(socket.AF_UNIX) as server:
            database = self._databases[name]
            while (code := struct.unpack("!I", (message := _first(client))[4:8])[0]) in (_TLS, _GSS):
                client.sendall(b"N")
            server.connect(path)
            server.sendall(_renamed(message, database) if code >> 16 == 3 else message)
            pump(client, server)


def _first(client: socket.socket) -> bytes:
    length = client.recv(4, socket.MSG_WAITALL)
    if len(length) < 4:
        raise OSError("hung up")
    return length + client.recv(struct.unpack("!I", length)[0] - 4, socket.MSG_WAITALL)


def _renamed(message: bytes, database: str) -> bytes:
    """Return a start-up message that asks for `database`, whatever it asked for."""
    words = message[8:].rstrip(b"\0").split(b"\0")
    pairs = dict(zip(words[::2], words[1::2], strict=True)) | {b"database": database.encode()}
    body = message[4:8] + b"".join(key + b"\0" + value + b"\0" for key, value in pairs.items()) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def _parsed(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return a form's fields, those with dots in their names as mappings."""
    found: dict[str, Any] = {}
    for key, value in fields.items():
        *path, last = key.split(".")
        at = found
        for each in path:
            at = at.setdefault(each, {})
        at[last] = value
    return {key: _flat(value) for key, value in found.items()}


def _flat(value: Any) -> Any:
    """Leave out the names of members: `VpcSecurityGroupIds.VpcSecurityGroupId.1`."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
        return inner
    return value


def _tags(asked: Mapping[str, Any]) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in asked.get("Tags", {}).values()}


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{key}>{_xml(each)}</{key}>" for key, each in value.items())
    if isinstance(value, tuple):
        name, members = value
        return "".join(f"<{name}>{_xml(each)}</{name}>" for each in members)
    return escape(str(value))


@contextmanager
def aurora(aws: Proxy, server: EmbeddedServer) -> Iterator[Aurora]:
    found = Aurora(aws, server)
    try:
        yield found
    finally:
        found.close()
