"""Who we are in AWS, asked before anything else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.aws import EXTRA, clients, faults
from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

ATTEMPTS = 3  # a person is waiting for the first word

_lock = threading.Lock()
_callers: dict[Cloud, Caller] = {}


class Caller(Struct, frozen=True):
    """Whose credentials these are; `arn` names the role or user.

    `user_id`: what policies call `aws:userid`: the id of a user, or that of a role and the name of its session.
    """

    account: str
    arn: str
    user_id: str = ""


def caller(cloud: Cloud) -> Caller:
    """Return whose credentials `cloud` has, asked once per process.

    Raises NoCredentials, ExpiredCredentials, ClockSkew, Unreachable, Denied, Throttled.
    """
    with _lock:
        if cloud not in _callers:
            _callers[cloud] = _asked(cloud)
        return _callers[cloud]


def require_account(cloud: Cloud) -> Caller:
    """Return the caller if it belongs to the account that `cloud` has to be.

    Raises WrongAccount (Refused), and what `caller` raises. Nothing else is called before it.
    """
    who = caller(cloud)
    if cloud.account and who.account != cloud.account:
        raise faults.WrongAccount(
            f"the credentials belong to account {who.account}, not to {cloud.account}",
            because=f"they are {who.arn}, and the environment is declared in {cloud.account}",
            try_=f"use credentials of {cloud.account} (AWS_PROFILE), or select an environment of {who.account}",
        )
    return who


def forget() -> None:
    """Ask again next time, as after a change of credentials."""
    with _lock:
        _callers.clear()


def _asked(cloud: Cloud) -> Caller:
    require_extras(EXTRA)
    from botocore.exceptions import ClientError

    action = "sts:GetCallerIdentity"
    try:
        answer = clients.call(cloud, "sts", "GetCallerIdentity", attempts=ATTEMPTS)
    except ClientError as error:
        raise faults.of_exception(error, cloud, action=action) from None
    told = (str(answer.get(each, "")) for each in ("Account", "Arn", "UserId"))
    return Caller(*told)
