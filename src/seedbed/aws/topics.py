"""Topics of SNS: telling whoever subscribed to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from seedbed.aws import faults
from seedbed.aws.asking import ask
from seedbed.errors import SeedbedError, UsageError

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

SERVICE = "sns"
_MOST = 200_000  # bytes of a message: SNS takes 256 KiB of all of it
_SUBJECT = 99  # characters


def publish(cloud: Cloud, topic: str, subject: str, text: str) -> None:
    """Publish a message to the topic with the ARN `topic`, in the region that this names; twice, if need be.

    `subject`: one line of ASCII. What is too long is cut. Raises UsageError where there is no such topic, and what
    `faults` name.
    """
    there = replace(cloud, region=topic.split(":")[3])

    def named(code: str, said: str) -> SeedbedError | None:
        if code == "NotFound":
            return UsageError(
                f"there is no topic {topic}", because=f"{SERVICE} says {code}: {said}", try_="check notify"
            )
        # SNS has a code of its own for it, beside that of all services
        return (
            faults.of_code("AccessDenied", said, there, action=f"{SERVICE}:Publish")
            if code == "AuthorizationError"
            else None
        )

    cut = text.encode()[:_MOST].decode(errors="ignore")
    ask(there, SERVICE, "Publish", named=named, TopicArn=topic, Subject=subject[:_SUBJECT], Message=cut)
