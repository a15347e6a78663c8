"""A call whose refusals only its caller understands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from seedbed.aws import EXTRA, clients, faults
from seedbed.errors import SeedbedError
from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

Named = Callable[[str, str], SeedbedError | None]


def ask(cloud: Cloud, service: str, operation: str, *, named: Named, **parameters: Any) -> dict[str, Any]:
    """Call `operation` of `service` and return its answer.

    Raises what `named` returns for the code and the message of an error; what `faults` make of it where that is None.
    """
    require_extras(EXTRA)
    from botocore.exceptions import ClientError

    try:
        return clients.call(cloud, service, operation, **parameters)
    except ClientError as error:
        found = error.response.get("Error", {})
        code, said = str(found.get("Code", "")), " ".join(str(found.get("Message", "")).split())
        own = named(code, said)
        raise (own or faults.of_exception(error, cloud, action=f"{service}:{operation}")) from None
