"""Credentials, as the one who signs needs them: fresh at every call, and without botocore where they are given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from seedbed.aws import EXTRA, faults
from seedbed.support.extras import require_extras
from seedbed.wire.signing import Keys

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud


class Chain:
    """Where the keys of one cloud come from. Thread-safe; temporary ones are refreshed as they grow old."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._given = _given(cloud)
        self._found: Callable[[], Any] | None = None
        self._lock = threading.Lock()

    def keys(self) -> Keys:
        """Return the keys to sign with now. Raises NoCredentials, ExpiredCredentials, MissingExtra."""
        if self._given:
            return self._given
        require_extras(EXTRA)
        from botocore.exceptions import BotoCoreError

        try:
            frozen = self._frozen()
        except BotoCoreError as error:
            raise faults.of_exception(error, self._cloud, action="finding credentials") from None
        return _checked(Keys(frozen.access_key, frozen.secret_key, frozen.token or ""), self._cloud)

    def renew(self) -> bool:
        """Forget the keys, so that the next ones are asked for anew; return whether that can change anything."""
        if self._given:
            return False
        with self._lock:
            self._found = None
        return True

    def _frozen(self) -> Any:
        with self._lock:
            if self._found is None:
                self._found = _credentials(self._cloud).get_frozen_credentials
            found = self._found
        return found()


def _given(cloud: Cloud) -> Keys | None:
    if not cloud.access_key:
        return None
    given = Keys(
        cloud.access_key,
        cloud.secret_key.reveal() if cloud.secret_key else "",
        cloud.session_token.reveal() if cloud.session_token else "",
    )
    return _checked(given, cloud)


def _checked(keys: Keys, cloud: Cloud) -> Keys:
    """Return `keys` if a header can carry them. Raises NoCredentials, showing none of them."""
    for name, value in zip(("key id", "key", "session token"), keys, strict=True):
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise faults.NoCredentials(
                f"the credentials for {faults.where(cloud)} are broken",
                because=f"the {name} has blanks, line ends or other characters that no key has",
                try_="copy it again, as one line",
            )
    return keys


def _credentials(cloud: Cloud) -> Any:
    """Return botocore's credentials. Raises NoCredentials, and what botocore raises."""
    from botocore.exceptions import NoCredentialsError
    from botocore.session import Session

    found = Session(profile=cloud.profile or None).get_credentials()
    if found is None:
        raise NoCredentialsError
    return found
