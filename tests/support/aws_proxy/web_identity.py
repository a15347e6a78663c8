"""STS, as far as roles go that are taken on by a token of an OpenID provider, such as a job of GitHub Actions has.

::

    github = Issuer("https://token.actions.githubusercontent.com")
    sts = aws.add(WebIdentity([github]))
    sts.trust(role_arn, conditions("acme/shop", ["environment:prod"], "release"), taken=lambda token, user_id: ...)
    github.token(sub="repo:acme/shop:environment:prod", aud="sts.amazonaws.com")   # what a job would be given

The emulator behind it makes the credentials, and believes every token: what AWS refuses is refused here.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support.aws_proxy.faults import fault
from tests.support.aws_proxy.http import Response
from tests.support.aws_proxy.rules import Passage, Rule, on

Taken = Callable[[str, str], None]


class Issuer:
    """An OpenID provider, with a key of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key: RSAPrivateKey = generate_private_key(65537, 2048)

    @property
    def host(self) -> str:
        return self.url.removeprefix("https://")

    def token(self, **claims: Any) -> str:
        """Return a signed token: five minutes old at most, of this issuer, unless `claims` say otherwise."""
        now = int(time.time())
        body = {"iss": self.url, "iat": now, "exp": now + 300, **claims}
        signed = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(body)}"
        return f"{signed}.{_base64(self._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def has_signed(self, token: str) -> bool:
        signed, _, signature = token.rpartition(".")
        try:
            self._key.public_key().verify(_bytes(signature), signed.encode(), PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a role trusts. `audiences`: of the account's provider; `taken` is told the token and who that is then."""

    provider: str
    conditions: Mapping[str, Mapping[str, Any]]
    audiences: Sequence[str]
    longest: int
    taken: Taken


class WebIdentity(Rule):
    """Refuses to give a role for a token that it does not trust. `refused`: the code of each refusal."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        super().__init__(on("AssumeRoleWithWebIdentity"))
        self.refused: list[str] = []
        self.issuers = tuple(issuers)
        self._issuers = {each.url: each for each in issuers}
        self._trusts: dict[str, Trust] = {}

    def trust(
        self,
        role: str,
        conditions: Mapping[str, Mapping[str, Any]],
        taken: Taken,
        *,
        audiences: Sequence[str] = ("sts.amazonaws.com",),
        longest: int = 4 * 3600,
    ) -> None:
        """Have the role `role` trust tokens of the one provider that `conditions` are about."""
        (about,) = {key.rpartition(":")[0] for keys in conditions.values() for key in keys}
        self._trusts[role] = Trust(about, conditions, audiences, longest, taken)

    def act(self, passage: Passage) -> Response:
        call = passage.call
        try:
            trust = self._trusted(call.asked)
        except Refused as refused:
            self.refused.append(refused.code)
            status = 403 if refused.code == "AccessDenied" else 400
            return fault(call, refused.code, refused.message, status)
        answer = passage.onward(call.request)
        trust.taken(_of(answer, "SessionToken"), _of(answer, "AssumedRoleId"))
        return answer

    def _trusted(self, asked: Mapping[str, Any]) -> Trust:
        """Return the trust by which the role is given. Raises Refused, as STS refuses."""
        token = str(asked.get("WebIdentityToken", ""))
        try:
            claims = json.loads(_bytes(token.split(".")[1]))
        except (ValueError, IndexError):
            raise Refused("InvalidIdentityToken", "The ID Token provided is not a valid JWT") from None
        trust = self._trusts.get(str(asked["RoleArn"]))
        issuer = self._issuers.get(claims.get("iss", ""))
        if trust is None:
            raise Refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        if issuer is None or issuer.host != trust.provider:
            raise Refused(
                "InvalidIdentityToken",
                f"No OpenIDConnect provider found in your account for {claims.get('iss')}",
            )
        if not issuer.has_signed(token):
            raise Refused("InvalidIdentityToken", "Token signature could not be verified")
        if claims.get("aud") not in trust.audiences:
            raise Refused("InvalidIdentityToken", "Incorrect token audience")
        if claims["exp"] <= time.time():
            raise Refused("ExpiredTokenException", "Token expired")
        if int(asked.get("DurationSeconds", 3600)) > trust.longest:
            raise Refused(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            )
        if not _holds(trust, claims):
            raise Refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        return trust


class Refused(Exception):
    """STS gives no role, by the code that it has for that."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def _holds(trust: Trust, claims: Mapping[str, Any]) -> bool:
    """Return whether every condition holds; a key that is no claim of the token's fits nothing."""
    assert set(trust.conditions) <= {"StringEquals", "StringLike"}, trust.conditions
    return all(
        any(_fits(claims.get(key.rpartition(":")[2], ""), each, condition) for each in _listed(wanted))
        for condition, keys in trust.conditions.items()
        for key, wanted in keys.items()
    )


def _fits(claim: str, wanted: str, condition: str) -> bool:
    if condition == "StringEquals":
        return claim == wanted
    return re.fullmatch(re.escape(wanted).replace(r"\*", ".*").replace(r"\?", "."), claim) is not None


def _listed(wanted: str | Sequence[str]) -> Sequence[str]:
    return [wanted] if isinstance(wanted, str) else wanted


def _of(answer: Response, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)<", answer.body.decode())
    assert found is not None, answer.body
    return found[1]


def _encoded(part: Mapping[str, Any]) -> str:
    return _base64(json.dumps(part).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
