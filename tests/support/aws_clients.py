"""Clients of an emulator of AWS, made once for each account there."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session

_session = Session()  # it keeps what it read about services, which takes longer than most calls
_making = threading.Lock()


@cache
def client(service: str, region: str, endpoint: str, account: str, *, tries: int = 5) -> Any:
    """Return a client of a service, for the account whose number is its access key."""
    with _making:  # proxies ask too, from threads of their own
        return _session.create_client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=account,
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": tries}),
        )
