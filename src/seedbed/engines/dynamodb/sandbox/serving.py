"""ministack, as the sandbox wants it. Run by path: `python -P serving.py DIRECTORY`, with ministack's variables set.

Its own main program would choose neither a free port nor a moment to save. Here the socket is bound before anything
is told, so no port is ever somebody else's, and what changed is saved while it runs, so a kill loses seconds.
Standard library and ministack only: nothing of seedbed is imported.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SECONDS_BETWEEN_SAVES = 1.0
SHARE_OF_SAVING = 0.02  # of the time: it answers nobody meanwhile
LONGEST_SAVE_SECONDS = 1.0  # what takes longer is left to the end
KEEP_ALIVE_SECONDS = 75.0
READS = (b"BatchGetItem", b"Describe", b"GetItem", b"List", b"Query", b"Scan", b"TransactGetItems")


def main(directory: Path) -> None:
    """Serve until a signal says to stop."""
    listener = _listen(directory / "port")
    port = listener.getsockname()[1]
    os.environ.update(GATEWAY_PORT=str(port))  # read by ministack when it is imported
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app as ministack

    _with_expiry()
    _with_protected_tables()
    _with_full_buckets()
    _with_addresses_of_secrets()
    _with_rules_of_security_groups()
    _with_ways_out()
    _with_whole_containers()
    _with_whole_pipes()
    logging.getLogger("persistence").setLevel(logging.WARNING)  # a line for each service and save
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.loglevel = "WARNING"
    asyncio.run(serve(Kept(ministack, directory, port), config))  # type: ignore[arg-type]  # plain ASGI, wider than its type


def _with_expiry() -> None:
    """Let CloudFormation switch on what items expire by; ministack's own handlers leave it out."""
    from ministack.services import dynamodb
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    create, update = handlers["create"], handlers["update"]

    def settle(name: str, properties: Any) -> None:
        wanted = properties.get("TimeToLiveSpecification") or {}
        is_on = wanted.get("Enabled") in {True, "true"}
        if is_on or name in dynamodb._ttl_settings:
            known = dynamodb._ttl_settings.get(name, {})
            attribute = wanted.get("AttributeName") or known.get("AttributeName", "")
            specification = {"Enabled": is_on, "AttributeName": attribute}
            dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": specification})

    def created(logical_id: str, properties: Any, stack: str) -> Any:
        made = create(logical_id, properties, stack)
        settle(made[0], properties)
        return made

    def updated(name: str, old: Any, new: Any, stack: str, logical_id: str | None = None) -> Any:
        made = update(name, old, new, stack, logical_id)
        settle(made[0], new)
        return made

    handlers["create"], handlers["update"] = created, updated


def _with_protected_tables() -> None:
    """Let a table with deletion protection outlive its stack's deletion, which fails, as in AWS."""
    from ministack.services import dynamodb
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    delete = handlers["delete"]

    def deleted(name: str, properties: Any) -> None:
        if (dynamodb._tables.get(name) or {}).get("DeletionProtectionEnabled"):
            raise ValueError(
                f"Resource cannot be deleted as it is currently protected against deletion: {name}"
            )
        delete(name, properties)

    handlers["delete"] = deleted


def _with_full_buckets() -> None:
    """Let a bucket that holds something outlive its stack's deletion, which fails, as in AWS."""
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    delete = handlers["delete"]

    def deleted(name: str, properties: Any) -> None:
        if (s3._buckets.get(name) or {}).get("objects") or s3._bucket_has_versions(name):
            raise ValueError(
                "The bucket you tried to delete is not empty. You must delete all versions in the bucket. "
                "(Service: S3, Status Code: 409)"
            )
        delete(name, properties)

    handlers["delete"] = deleted


def _with_addresses_of_secrets() -> None:
    """Let a reference to a secret be its ARN, as in AWS; ministack's is its name, which no task definition can use."""
    from ministack.services import secretsmanager
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    def name(reference: str) -> str:
        _, secret = secretsmanager._resolve(reference)
        return secret["Name"] if secret else reference

    def created(logical_id: str, properties: Any, stack: str) -> Any:
        _, attributes = create(logical_id, properties, stack)
        return attributes["Arn"], attributes

    def updated(reference: str, old: Any, new: Any, stack: str, logical_id: str | None = None) -> Any:
        _, attributes = update(name(reference), old, new, stack, logical_id)
        return attributes["Arn"], attributes

    def deleted(reference: str, properties: Any) -> None:
        delete(name(reference), properties)

    handlers |= {"create": created, "update": updated, "delete": deleted}


def _with_rules_of_security_groups() -> None:
    """Let CloudFormation make what one security group may ask of another; ministack only knows rules in their group."""
    from ministack.services import ec2
    from ministack.services.cloudformation import provisioners

    def created(_logical_id: str, properties: Any, _stack: str) -> Any:
        group = properties["GroupId"]
        if group not in ec2._security_groups:
            raise ValueError(f"The security group '{group}' does not exist")
        (rule,) = provisioners._ec2_sg_permissions([properties])
        rule["SecurityGroupRuleId"] = ec2._sg_rule_id(group, False, rule)
        ec2._security_groups[group]["IpPermissions"].append(rule)
        return rule["SecurityGroupRuleId"], {"Id": rule["SecurityGroupRuleId"]}

    def deleted(rule: str, properties: Any) -> None:
        group = ec2._security_groups.get(properties["GroupId"])
        if group is not None:
            rules = group["IpPermissions"]
            group["IpPermissions"] = [each for each in rules if each.get("SecurityGroupRuleId") != rule]

    def updated(rule: str, old: Any, new: Any, stack: str) -> Any:
        deleted(rule, old)
        return created("", new, stack)

    handlers = {"create": created, "update": updated, "delete": deleted}
    provisioners._RESOURCE_HANDLERS["AWS::EC2::SecurityGroupIngress"] = handlers


def _with_ways_out() -> None:
    """Let CloudFormation make the NAT gateway of a network, and its address."""
    from ministack.services import ec2
    from ministack.services.cloudformation import provisioners

    def address_created(_logical_id: str, _properties: Any, _stack: str) -> Any:
        before = set(ec2._addresses)
        ec2._allocate_address({"Domain": ["vpc"]})
        (id_,) = set(ec2._addresses) - before
        address = ec2._addresses[id_]["PublicIp"]
        return address, {"AllocationId": id_, "PublicIp": address}

    def address_deleted(address: str, _properties: Any) -> None:
        for id_ in [key for key, each in ec2._addresses.items() if each["PublicIp"] == address]:
            del ec2._addresses[id_]

    def gateway_created(_logical_id: str, properties: Any, _stack: str) -> Any:
        before = set(ec2._nat_gateways)
        given = ("SubnetId", "AllocationId", "ConnectivityType")
        ec2._create_nat_gateway({key: [properties[key]] for key in given if key in properties})
        (id_,) = set(ec2._nat_gateways) - before
        return id_, {"NatGatewayId": id_}

    def gateway_deleted(id_: str, _properties: Any) -> None:
        ec2._nat_gateways.pop(id_, None)

    provisioners._RESOURCE_HANDLERS["AWS::EC2::EIP"] = {
        "create": address_created,
        "delete": address_deleted,
    }
    provisioners._RESOURCE_HANDLERS["AWS::EC2::NatGateway"] = {
        "create": gateway_created,
        "delete": gateway_deleted,
    }


def _with_whole_containers() -> None:
    """Keep everything that a stack says of a container; ministack loses secrets: it leaves their names as they are."""
    from ministack.services.cloudformation import provisioners

    normalise = provisioners._normalize_container_defs

    def normalised(containers: Any) -> Any:
        return [
            {name: value if name in _FREE else _as_the_api_says(value) for name, value in each.items()}
            for each in normalise(containers)
        ]

    provisioners._normalize_container_defs = normalised


_FREE = {"dockerLabels", "logConfiguration"}  # parts of a container whose keys are anybody's


def _as_the_api_says(value: Any) -> Any:
    """Return part of a template with its keys as calls have them: `valueFrom`, not `ValueFrom`."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _as_the_api_says(each) for key, each in value.items()}
    return [_as_the_api_says(each) for each in value] if isinstance(value, list) else value


def _with_whole_pipes() -> None:
    """Keep what a stack says of a pipe, and tell it; ministack forgets what is filtered, and how a target is called.

    A pipe that starts tasks starts none here, as nothing does in the sandbox: its records stay in the stream.
    """
    from ministack.services import pipes
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Pipes::Pipe"]
    create, update = handlers["create"], handlers["update"]
    describe, deliver = pipes._describe_response, pipes._deliver_batch

    def keep(made: Any, properties: Any) -> Any:
        kept = {name: _as_pipes_say(properties[name]) for name in _OF_PIPES if name in properties}
        pipes._pipes[made[0]].update(kept)
        return made

    def created(logical_id: str, properties: Any, stack: str) -> Any:
        return keep(create(logical_id, properties, stack), properties)

    def updated(name: str, old: Any, new: Any, stack: str, logical_id: str | None = None) -> Any:
        return keep(update(name, old, new, stack, logical_id), new)

    def described(pipe: Any) -> Any:
        return {**describe(pipe), **{name: pipe[name] for name in _OF_PIPES if name in pipe}}

    def delivered(pipe: Any, batch: Any) -> bool:
        is_task = pipes._arn_service(pipe.get("Target", "")) == "ecs"
        return False if is_task else deliver(pipe, batch)

    handlers["create"], handlers["update"] = created, updated
    pipes._describe_response, pipes._deliver_batch = described, delivered


_OF_PIPES = ("SourceParameters", "TargetParameters", "LogConfiguration")


def _as_pipes_say(value: Any) -> Any:
    """Return part of a template with its keys as the API of pipes has them: one alone is spelled another way."""
    if isinstance(value, dict):
        other = {"AwsvpcConfiguration": "awsvpcConfiguration"}
        return {other.get(key, key): _as_pipes_say(each) for key, each in value.items()}
    return [_as_pipes_say(each) for each in value] if isinstance(value, list) else value


class Kept:
    """ministack's application, whose state is saved again and again while it changes."""

    def __init__(self, ministack: Any, directory: Path, port: int) -> None:
        self.ministack = ministack
        self.directory = directory
        self.port = port
        self.changed = False
        self.saving: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.ministack.app(scope, receive, self._telling(send))
            return
        if not _is_local(scope):
            await _refuse(scope, send)
            return
        await self.ministack.app(scope, receive, _unshared(send))
        self.changed = self.changed or not _is_read(scope)

    def _telling(self, send: Send) -> Send:
        """Return a `send` that says where we are as soon as we are, and then begins the saving."""

        async def told(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                _write(self.directory / "port", str(self.port))
                _write(self.directory / "ready", "")
                if self.ministack.PERSIST_STATE:
                    self.saving = asyncio.create_task(self._save())

        return told

    async def _save(self) -> None:
        """Save whatever is held, whenever something may have changed, as long as that takes little time."""
        pause = SECONDS_BETWEEN_SAVES
        while True:
            await asyncio.sleep(pause)
            if self.changed:
                self.changed = False
                started = time.monotonic()
                self.ministack.save_all(self.ministack._build_persistence_save_dict())
                took = time.monotonic() - started
                if took > LONGEST_SAVE_SECONDS:
                    return
                pause = max(SECONDS_BETWEEN_SAVES, took / SHARE_OF_SAVING)


def _is_local(scope: Message) -> bool:
    """Return whether a program of this machine asks: a page of the web gives itself away by its host or origin.

    The host is its own where the page's name leads to this machine; the origin is its own where it just asks.
    """
    hosts = [f"//{value.decode('latin-1')}" for name, value in scope["headers"] if name == b"host"]
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    return bool(hosts) and all(map(_names_this_machine, [*hosts, *origins]))


def _names_this_machine(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


async def _refuse(scope: Message, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = b"the sandbox serves programs of this machine only: ask for 127.0.0.1 or localhost\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _unshared(send: Send) -> Send:
    """Return a `send` that lets no other site read an answer: ministack would let every one."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            kept = [each for each in headers if not bytes(each[0]).lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return sent


def _is_read(scope: Message) -> bool:
    """Return whether a request changes nothing for sure; a poll of CloudFormation does not count: it works on."""
    target: bytes = next((value for name, value in scope["headers"] if name == b"x-amz-target"), b"")
    service, _, operation = target.partition(b".")
    return service.startswith(b"DynamoDB") and operation.startswith(READS)


def _listen(last: Path) -> socket.socket:
    """Return a socket bound to this machine only, on the port of last time where it is free.

    What was deployed may hold the address: outputs of stacks, addresses of queues.
    """
    try:
        return socket.create_server(("127.0.0.1", int(last.read_text(encoding="ascii"))))
    except (OSError, ValueError):
        return socket.create_server(("127.0.0.1", 0))


def _write(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="ascii")
    new.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
