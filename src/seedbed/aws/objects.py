"""Objects of one bucket, as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedbed.aws import EXTRA, clients, faults
from seedbed.errors import SeedbedError, UsageError
from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

SERVICE = "s3"
_MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
# Another object is there; another write is under way; it is gone meanwhile.
_OTHERWISE = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409", *_MISSING})


class Object(Struct, frozen=True):
    """What an object holds, the ETag of that; when it was read, and written, by AWS's clock: to the second."""

    data: bytes
    etag: str
    at: datetime
    written: datetime


class Listed(Struct, frozen=True):
    """An object that is there: its key, and how many bytes it has."""

    key: str
    size: int


class Bucket(Struct, frozen=True):
    """One bucket. Raises what `faults` name; UsageError where the bucket does not exist."""

    cloud: Cloud
    name: str

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Write an object, in the place of one of that key."""
        require_extras(EXTRA)
        from botocore.exceptions import ClientError

        try:
            self._put(key, data, content_type)
        except ClientError as error:
            raise self._named(error, "PutObject") from None

    def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none."""
        found = self.read(key)
        return found.data if found else None

    def read(self, key: str) -> Object | None:
        """Return an object together with its ETag, None where there is none."""
        require_extras(EXTRA)
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = clients.call(self.cloud, SERVICE, "GetObject", Bucket=self.name, Key=key)
            date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
            at, written = parsedate_to_datetime(date), answer["LastModified"]
            return Object(answer["Body"].read(), str(answer["ETag"]), at, written)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code", "") in _MISSING:
                return None
            raise self._named(error, "GetObject") from None
        except BotoCoreError as error:  # while the body is read
            raise faults.of_exception(error, self.cloud, action=f"{SERVICE}:GetObject") from None

    def replace(self, key: str, data: bytes, etag: str, *, content_type: str) -> bool:
        """Write an object over the one with `etag`, or where none is (empty); return False where that is not so.

        A write whose answer was lost may have been made, and then says False.
        """
        require_extras(EXTRA)
        from botocore.exceptions import ClientError

        condition: dict[str, Any] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        try:
            self._put(key, data, content_type, **condition)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code", "") in _OTHERWISE:
                return False
            raise self._named(error, "PutObject") from None
        return True

    def below(self, prefix: str) -> Iterator[Listed]:
        """Yield what is there whose key begins with `prefix`, in the order of the keys: what was written last, too."""
        require_extras(EXTRA)
        from botocore.exceptions import ClientError

        where: dict[str, Any] = {"Bucket": self.name, "Prefix": prefix}
        while True:
            try:
                answer = clients.call(self.cloud, SERVICE, "ListObjectsV2", **where)
            except ClientError as error:
                raise self._named(error, "ListObjectsV2") from None
            for each in answer.get("Contents", ()):
                yield Listed(str(each["Key"]), int(each["Size"]))
            if not answer.get("IsTruncated"):
                return
            where["ContinuationToken"] = str(answer["NextContinuationToken"])

    def has(self, key: str) -> bool:
        """Return whether there is an object of that key."""
        require_extras(EXTRA)
        from botocore.exceptions import ClientError

        try:
            clients.call(self.cloud, SERVICE, "HeadObject", Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code", "") in _MISSING:
                return False
            raise self._named(error, "HeadObject") from None
        return True

    def delete(self, key: str) -> None:
        """Delete an object, which may be gone already."""
        require_extras(EXTRA)
        from botocore.exceptions import ClientError

        try:
            clients.call(self.cloud, SERVICE, "DeleteObject", Bucket=self.name, Key=key)
        except ClientError as error:
            raise self._named(error, "DeleteObject") from None

    def _put(self, key: str, data: bytes, content_type: str, **condition: Any) -> None:
        clients.call(
            self.cloud,
            SERVICE,
            "PutObject",
            Bucket=self.name,
            Key=key,
            Body=data,
            ContentType=content_type,
            **condition,
        )

    def _named(self, error: object, operation: str) -> SeedbedError:
        from botocore.exceptions import ClientError

        assert isinstance(error, ClientError)
        if error.response.get("Error", {}).get("Code", "") == "NoSuchBucket":
            return UsageError(
                f"the bucket {self.name} does not exist in {faults.where(self.cloud)}",
                because="AWS says NoSuchBucket, and the environment's parameters name it",
                try_="deploy the stack that makes it",
            )
        return faults.of_exception(error, self.cloud, action=f"{SERVICE}:{operation}")
