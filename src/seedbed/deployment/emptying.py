"""Emptying the bucket of an environment that is to go: CloudFormation deletes none that holds anything.

Nothing is noted down. Whoever was killed while it emptied is started again, and goes on with what is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from seedbed.aws import clients, faults
from seedbed.aws.cloud import Cloud
from seedbed.deployment.stacks import Stacks, StackStatus
from seedbed.errors import Refused, Unreachable

_BUCKET = "AWS::S3::Bucket"
_TOLD = 10_000  # things that are deleted between two lines about them
_GONE = "NoSuchBucket"


def empty(
    stacks: Stacks, current: StackStatus, tell: Callable[[str], None], check: Callable[[], None]
) -> None:
    """Delete all objects, their former versions and unfinished uploads in the buckets of a stack.

    `check` raises to end it between two requests. Raises Refused where that is not allowed, Unreachable.
    """
    for bucket in stacks.physical_ids(current, _BUCKET):
        _Bucket(stacks.cloud, bucket).empty(tell, check)


class _Bucket:
    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name

    def empty(self, tell: Callable[[str], None], check: Callable[[], None]) -> None:
        done = told = 0
        for things in self._versions():
            check()
            self._delete(things)
            done += len(things)
            if not told or done - told >= _TOLD:
                tell(f"emptying bucket {self.name}: {done} deleted")
                told = done
        for upload in self._uploads():
            check()
            self._asked("AbortMultipartUpload", Key=upload["Key"], UploadId=upload["UploadId"])

    def _versions(self) -> Iterator[list[dict[str, str]]]:
        """Yield what is there, at most 1,000 things at a time, until there is nothing."""
        more: dict[str, str] = {}
        while (page := self._asked("ListObjectVersions", **more)) is not None:
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if found:
                yield [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
            if not page.get("IsTruncated"):
                return
            more = {
                "KeyMarker": page["NextKeyMarker"],
                "VersionIdMarker": page.get("NextVersionIdMarker", "null"),
            }

    def _uploads(self) -> Iterator[Mapping[str, str]]:
        more: dict[str, str] = {}
        while (page := self._asked("ListMultipartUploads", **more)) is not None:
            yield from page.get("Uploads", ())
            if not page.get("IsTruncated"):
                return
            more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def _delete(self, things: Sequence[Mapping[str, str]]) -> None:
        answer = self._asked("DeleteObjects", Delete={"Objects": list(things), "Quiet": True})
        for each in (answer or {}).get("Errors", ()):
            code, said = str(each.get("Code", "")), str(each.get("Message", ""))
            raise self._named(code, f"{each.get('Key')}: {said}", "DeleteObjectVersion")

    def _asked(self, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """Return the answer; None where the bucket, or what is asked for in it, is gone."""
        try:
            return clients.call(self.cloud, "s3", operation, Bucket=self.name, **parameters)
        except faults.Denied as error:
            raise self._denied(error.because) from None
        except Exception as error:
            found = getattr(error, "response", {}).get("Error", {})
            if not found:
                raise
            code = str(found.get("Code", ""))
            if code in {_GONE, "NoSuchUpload"}:
                return None
            raise self._named(code, str(found.get("Message", "")), operation) from None

    def _named(self, code: str, said: str, operation: str) -> Exception:
        found = faults.of_code(code, said, self.cloud, action=f"s3:{operation}")
        if isinstance(found, faults.Denied):
            return self._denied(found.because)
        return found or Unreachable(
            f"bucket {self.name} cannot be emptied",
            because=f"{operation}: {code}: {said}",
            try_="the same command again goes on with what is left",
        )

    def _denied(self, because: str) -> Refused:
        return Refused(
            f"bucket {self.name} may not be emptied",
            because=because,
            try_="take a role that may (docs/how-to/give-rights.md: dev, deploy), or with another login: "
            f"aws s3 rm s3://{self.name} --recursive; then the same command again",
        )
