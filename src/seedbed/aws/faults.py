"""What goes wrong between us and AWS, each by its name: error codes and botocore's exceptions -> our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedbed.errors import AccessRefused, Refused, SeedbedError, Unavailable, Unreachable

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "ExpiredTokenError"}
)
UNKNOWN_KEY = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "AuthFailure",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
    }
)
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "OptInRequired"}
)
SKEWED = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
BAD_SIGNATURE = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSignature"})
THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "ThrottlingError",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException.Throttling",
        "PriorRequestNotComplete",
        "TransactionInProgressException",
        "SlowDown",
        "EC2ThrottledException",
    }
)
LARGEST_SKEW = 240.0  # seconds; AWS takes five minutes, and answers take their time


class ExpiredCredentials(Unreachable):
    """The credentials were good once."""


class NoCredentials(AccessRefused):
    """Nothing says who we are, or AWS does not know it."""


class Denied(Refused):
    """We are known there, and may not do this."""


class WrongAccount(Refused):
    """The credentials belong to another account than the one that the environment is declared in."""


class WrongRegion(Refused):
    """The caller's region is another one than the one that the environment is declared in."""


class Throttled(Unavailable):
    """AWS asked us to slow down for longer than we were willing to wait."""


class ClockSkew(Unreachable):
    """This machine's clock is so wrong that AWS refuses what we sign."""


def of_code(
    code: str, message: str, cloud: Cloud, *, action: str, server_date: str = ""
) -> SeedbedError | None:
    """Return the error that `code` stands for, whatever service said it; None for what only the service knows.

    `action`: as IAM names it ("sts:GetCallerIdentity"). `server_date`: the Date header of the answer.
    """
    said = _said(code, message)
    if code in EXPIRED:
        return expired(cloud, said)
    if code in SKEWED or code in BAD_SIGNATURE:
        return _signature(code, said, cloud, server_date)
    if code in UNKNOWN_KEY:
        return NoCredentials(
            f"AWS does not know the credentials for {where(cloud)}",
            because=said,
            try_="look which ones are meant: aws sts get-caller-identity; a temporary key also needs its session token",
        )
    if code in DENIED:
        return Denied(
            f"{action} is not allowed in {where(cloud)}",
            because=said,
            try_=f"let the role or user that you are do {action}, or become one that may",
        )
    if code in THROTTLED:
        return Throttled(
            f"AWS throttled {action} in {where(cloud)} for too long",
            because=said,
            try_="run again later, or with less in parallel",
        )
    return None


def of_exception(error: BaseException, cloud: Cloud, *, action: str) -> SeedbedError:
    """Return what an exception of botocore's means. Anything that is not its own is returned as Unreachable, too."""
    from botocore import exceptions as theirs

    if isinstance(error, theirs.ClientError):
        answer = error.response.get("Error", {})
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
        found = of_code(code, message, cloud, action=action, server_date=headers.get("date", ""))
        return found or Unreachable(
            f"{action} failed in {where(cloud)}", because=_said(code, message), try_="see what AWS says there"
        )
    said = _one_line(error)
    if isinstance(error, theirs.NoCredentialsError | theirs.PartialCredentialsError):
        return NoCredentials(
            f"there are no credentials for {where(cloud)}",
            because=said,
            try_="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; aws configure sso makes a profile",
        )
    if isinstance(
        error,
        theirs.SSOError | theirs.LoginError | theirs.NoAuthTokenError | theirs.TokenRetrievalError,
    ):
        return expired(cloud, said)
    if isinstance(error, theirs.ProfileNotFound):
        return NoCredentials(
            f"there is no AWS profile {cloud.profile!r}"
            if cloud.profile
            else "the AWS profile does not exist",
            because=said,
            try_="aws configure list-profiles, then AWS_PROFILE=one of them",
        )
    if isinstance(error, theirs.CredentialRetrievalError | theirs.MetadataRetrievalError):
        return Unreachable(
            f"the credentials for {where(cloud)} could not be fetched",
            because=said,
            try_="see whether what hands them out works (role, container, process): aws sts get-caller-identity",
        )
    return Unreachable(
        f"AWS does not answer in {where(cloud)}",
        because=f"{action}: {said}",
        try_="check the network, the proxy's settings and AWS_ENDPOINT_URL",
    )


def stranger(cloud: Cloud, action: str, error: Exception) -> Unreachable:
    """Return that what answered is not AWS: botocore could not read it."""
    said = "it lacks what AWS says there" if isinstance(error, LookupError) else _one_line(error)
    return Unreachable(
        f"what answers in {where(cloud)} is not AWS",
        because=f"the answer to {action} cannot be read: {said}",
        try_="check AWS_ENDPOINT_URL and the proxy's settings",
    )


def expired(cloud: Cloud, said: str) -> ExpiredCredentials:
    """Return that the credentials have expired, with how to get new ones."""
    login = f"aws sso login --profile {cloud.profile}" if cloud.profile else "aws sso login"
    way = (
        f"{login}, or get a new session token" if not cloud.access_key else "get a new key and session token"
    )
    return ExpiredCredentials(f"the credentials for {where(cloud)} have expired", because=said, try_=way)


def where(cloud: Cloud) -> str:
    """Return the place in words: `eu-central-1 of account 111111111111 at http://127.0.0.1:4566`."""
    place = f"{cloud.region} of account {cloud.account}" if cloud.account else cloud.region
    return f"{place} at {cloud.endpoint}" if cloud.endpoint else place


def _signature(code: str, said: str, cloud: Cloud, server_date: str) -> SeedbedError:
    """Return whether it was the clock or the key that spoiled the signature."""
    skew = _skew(server_date)
    is_late = any(words in said for words in ("Signature expired", "Signature not yet current"))
    if code in SKEWED or is_late or abs(skew) > LARGEST_SKEW:
        off = f"; it is {abs(skew):.0f} s {'fast' if skew > 0 else 'slow'}" if server_date else ""
        return ClockSkew(
            "this machine's clock is wrong, and AWS refuses what it signs",
            because=f"{said}{off}",
            try_="set the clock: switch time synchronisation on",
        )
    return NoCredentials(
        f"AWS does not accept our signature for {where(cloud)}",
        because=said,
        try_="check that AWS_SECRET_ACCESS_KEY belongs to AWS_ACCESS_KEY_ID, and nothing was cut off",
    )


def _skew(server_date: str) -> float:
    """Return how many seconds this machine is ahead of `server_date`; 0 where that says nothing."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        theirs = parsedate_to_datetime(server_date)
    except (TypeError, ValueError):
        return 0.0
    return (datetime.now(UTC) - theirs).total_seconds() if theirs.tzinfo else 0.0


def _said(code: str, message: str) -> str:
    words = " ".join(message.split())
    return f"{code}: {words}" if words else code


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
