"""The state document of an environment in its bucket: read by whoever plans, replaced by every run that ends.

Runs may end at once. Each writes only over what it has read (a condition on the ETag), and reads again otherwise: so
none loses what another one saw.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from seedbed.aws.faults import Denied
from seedbed.aws.objects import Bucket
from seedbed.documents.state import StateDocument
from seedbed.documents.state import read as read_document
from seedbed.errors import Busy, Hint, Refused, Unavailable, call

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud
    from seedbed.model.environment import Environment

_ATTEMPTS = 12
_LONGEST = 1.0  # seconds between two attempts


def key(environment: str) -> str:
    """Return the key under which the document of an environment lies in its bucket."""
    return f"state/{environment}/state.json"


def state(bucket: Bucket, environment: str) -> StateDocument:
    """Return what `as_of` returns, without the time."""
    return as_of(bucket, environment)[0]


def as_of(bucket: Bucket, environment: str) -> tuple[StateDocument, datetime]:
    """Return what runs left of `environment`, and what time it is by AWS's clock.

    Raises Unavailable where no run has left anything, Refused where it cannot be read.
    """
    try:
        found = bucket.read(key(environment))
    except Denied as error:
        error.because += "; so says S3 of what is not there yet, too, where s3:ListBucket is missing"
        raise
    if found is None:
        raise Unavailable(
            f"nothing is known of the databases of {environment} yet",
            because="they are reached in their network only, and no run there has left what it saw",
            try_=Hint("ask them, by a run in the network: ", call("status", "--fresh", about_all=True)),
        )
    document = read_document(found.data, _place(bucket, environment))
    if document.environment != environment:
        raise Refused(
            f"the state document is not that of {environment}",
            because=f"{_place(bucket, environment)} says {document.environment}",
            try_=Hint("deploy the stack that makes the bucket: ", call("deploy", about_all=True)),
        )
    return document, found.at


def leave(bucket: Bucket, document: StateDocument, redact: Callable[[str], str] = str) -> StateDocument:
    """Write `document` over what is there, and return what stands there now.

    What another version of seedbed wrote, and this one cannot read, is replaced. Raises what `seedbed.aws` raises; Busy
    where others write all the time.
    """
    left = _changed(bucket, document.environment, document.over, redact)
    assert left is not None
    return left


def mark(bucket: Bucket, environment: str, changed: Collection[str]) -> None:
    """Write into what is there that a deployment begins to change the stacks of the databases `changed`.

    Raises what `leave` raises.
    """

    def marked(known: StateDocument | None, now: datetime) -> StateDocument | None:
        # AWS tells the time to the second: what was looked at within this one was looked at before.
        at = now + timedelta(seconds=1)
        return known.marked(changed, at) if known and known.environment == environment else None

    _changed(bucket, environment, marked, str)


def remove(bucket: Bucket, environment: str) -> None:
    """Take away what runs left of an environment that is gone; there may be nothing. Raises what `seedbed.aws` raises.

    In a bucket of its own it goes with that. In that of a base it would tell for ever what was applied there.
    """
    bucket.delete(key(environment))


def now(bucket: Bucket, environment: str) -> datetime:
    """Return the time by AWS's clock; that of this machine where nothing is in the bucket yet."""
    found = bucket.read(key(environment))
    return found.at if found else datetime.now(UTC)


def _changed(
    bucket: Bucket,
    environment: str,
    change: Callable[[StateDocument | None, datetime], StateDocument | None],
    redact: Callable[[str], str],
) -> StateDocument | None:
    """Write what `change` makes of what is there (None: nothing, or nothing that can be read), and return that."""
    for attempt in range(_ATTEMPTS):
        found = bucket.read(key(environment))
        known = _known(found.data, _place(bucket, environment)) if found else None
        changed = change(known, found.at if found else datetime.now(UTC))
        if changed is None or changed == known:
            return changed
        if bucket.replace(
            key(environment),
            changed.written(redact),
            found.etag if found else "",
            content_type="application/json",
        ):
            return changed
        time.sleep(random.uniform(0, min(_LONGEST, 0.05 * 2**attempt)))
    raise Busy(
        f"{_place(bucket, environment)} is written by others all the time", try_="run the command again"
    )


def _known(data: bytes, place: str) -> StateDocument | None:
    try:
        return read_document(data, place)
    except Refused:
        return None


def _place(bucket: Bucket, environment: str) -> str:
    return f"s3://{bucket.name}/{key(environment)}"


def bucket_of(cloud: Cloud, platform: str, environment: Environment) -> Bucket:
    """Return where the state document of an environment is, for one who may read that and nothing else.

    Raises UsageError where the environment was never deployed, Refused for credentials of another account, and what
    `seedbed.aws` raises.
    """
    from seedbed.aws.identity import require_account
    from seedbed.remote.place import control_of

    require_account(cloud)
    return Bucket(cloud, control_of(cloud, platform, environment)["bucket"])
