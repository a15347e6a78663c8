"""botocore's clients, made once for each place: with our timeouts, retries, credentials and endpoint."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from seedbed.aws import EXTRA, faults
from seedbed.aws.awaited import awaited
from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

CONNECT_TIMEOUT = 5  # seconds
READ_TIMEOUT = 10  # seconds
ATTEMPTS = 5
# What takes its time: answers about templates and change sets, and to objects of a gigabyte.
_SLOW = {"cloudformation": 30, "s3": 20}
_FEWEST = {"s3": 3}  # attempts, so that one that is silent is given up within a minute

_lock = threading.Lock()
_clients: dict[tuple[Cloud, str, int], Any] = {}


def client(cloud: Cloud, service: str, *, attempts: int = ATTEMPTS) -> Any:
    """Return the client of `service` ("sts", "ssm") for `cloud`; the same one each time, thread-safe.

    What its calls raise is for `calling` to put into words. Raises NoCredentials, MissingExtra.
    """
    require_extras(EXTRA)
    with _lock:  # sessions of botocore are not thread-safe
        key = (cloud, service, attempts)
        if key not in _clients:
            _clients[key] = _made(cloud, service, attempts)
        return _clients[key]


def _made(cloud: Cloud, service: str, attempts: int) -> Any:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        return _session(cloud.profile, bool(cloud.access_key), _surroundings()).create_client(
            service,
            region_name=cloud.region,
            endpoint_url=cloud.endpoint or None,
            aws_access_key_id=cloud.access_key or None,
            aws_secret_access_key=cloud.secret_key.reveal()
            if cloud.access_key and cloud.secret_key
            else None,
            aws_session_token=cloud.session_token.reveal()
            if cloud.access_key and cloud.session_token
            else None,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=_SLOW.get(service, READ_TIMEOUT),
                retries={
                    "mode": "standard",
                    "total_max_attempts": min(attempts, _FEWEST.get(service, attempts)),
                },
                user_agent_extra="seedbed",
                ignore_configured_endpoint_urls=True,  # those of single services: an address names one for all
                proxies=_proxies(cloud, service),
            ),
        )
    except BotoCoreError as error:
        raise faults.of_exception(error, cloud, action=f"{service}:*") from None


@cache
def _session(profile: str, has_keys: bool, _: tuple[tuple[str, str], ...]) -> Any:
    """Return the session of all clients that have the same surroundings: to make one takes longer than a client."""
    from botocore.session import Session

    # With keys of its own, a cloud is not to depend on a profile that the surroundings name, and that may not exist.
    session = Session({"profile": (None, None, None, None)}) if has_keys else Session(profile=profile or None)
    session.register_component("data_loader", _data(session.get_config_variable("data_path")))
    return session


def _surroundings() -> tuple[tuple[str, str], ...]:
    """Return the variables that botocore may read: what is found by them is found once."""
    return tuple(
        sorted(each for each in os.environ.items() if each[0] == "HOME" or each[0].startswith("AWS_"))
    )


@cache
def _data(path: str | None) -> Any:
    """Return what reads botocore's files about services and regions, one for all clients: each is read once."""
    from botocore.loaders import create_loader

    return create_loader(path)


def _proxies(cloud: Cloud, service: str) -> dict[str, str] | None:
    """Return no proxies for what is reached straight; None leaves to botocore the one that the variables name.

    Raises UsageError for one that seedbed's other clients could not use.
    """
    from seedbed.wire.endpoint import endpoint
    from seedbed.wire.proxies import proxy

    there = endpoint(cloud.endpoint or f"https://{service}.{cloud.region}.amazonaws.com")
    return None if proxy(there) else {}


def call(
    cloud: Cloud, service: str, operation: str, *, attempts: int = ATTEMPTS, **parameters: Any
) -> dict[str, Any]:
    """Call `operation` ("GetCallerIdentity") of `service` and return its answer.

    Raises what `faults` make of it; `ClientError` itself where only the service's own caller knows what it means.
    """
    require_extras(EXTRA)
    from botocore import xform_name
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    ask = getattr(client(cloud, service, attempts=attempts), xform_name(operation))
    action = f"{service}:{operation}"
    try:
        with awaited(service, operation, cloud.region):
            answer: dict[str, Any] = ask(**parameters)
    except ClientError as error:
        found = error.response.get("Error", {})
        named = faults.of_exception(error, cloud, action=action)
        if faults.of_code(found.get("Code", ""), "", cloud, action=action) is None and not _is_server_side(
            error
        ):
            raise
        raise named from None
    except BotoCoreError as error:
        raise faults.of_exception(error, cloud, action=action) from None
    except (ResponseParserError, LookupError, UnicodeDecodeError) as error:
        raise faults.stranger(cloud, action, error) from None
    return answer


def _is_server_side(error: Any) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return isinstance(status, int) and status >= 500
