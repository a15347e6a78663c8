"""Where AWS is, and with what credentials."""

from __future__ import annotations

from msgspec import Struct

from seedbed.model.secret import Secret


class Cloud(Struct, frozen=True):
    """One account and region, and how to get in.

    `account`: the one that it has to be ("" if nobody said). `endpoint`: one URL that serves every AWS API (the
    sandbox, tests); "" is AWS itself. Without keys and profile, credentials come from where every AWS tool finds
    them: variables, SSO, the container's role.
    """

    region: str
    account: str = ""
    endpoint: str = ""
    profile: str = ""
    access_key: str = ""
    secret_key: Secret | None = None
    session_token: Secret | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(each for each in (self.secret_key, self.session_token) if each)
