"""Backups and restores as AWS makes them: they take their time, and what is restored says what it comes from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.support.aws_proxy import Call, Proxy, on
from tests.support.aws_proxy.faults import fault
from tests.support.aws_proxy.http import Response


class BackupGuard:
    """What ministack leaves out of backups, on the way to it.

    A backup is AVAILABLE, and a table ACTIVE, when it was looked at `looks` times. Meanwhile a table's next backup is
    refused. A restored table has neither stream nor tags nor TTL, and no deletion protection.
    """

    def __init__(self, aws: Proxy, *, looks: int = 2) -> None:
        self.looks = looks
        self.sources: dict[str, str] = {}  # by restored table, the ARN of its backup
        self._seen: Counter[str] = Counter()
        aws.answer(lambda call: call.operation == "CreateBackup" and self._is_busy(call), _busy)
        aws.rewrite(on("RestoreTableFromBackup"), self._restored)
        aws.rewrite(on("DescribeTable"), self._described)
        aws.rewrite(on("ListBackups"), self._listed)
        aws.rewrite(on("DeleteTable"), self._deleted)

    def _is_busy(self, call: Call) -> bool:
        return any(
            0 < self._seen[arn] < self.looks
            for arn in self._seen
            if f"table/{call.asked['TableName']}/" in arn
        )

    def _restored(self, call: Call, answer: Response) -> Response:
        if answer.status == 200:
            asked = call.asked
            self.sources[asked["TargetTableName"]] = asked["BackupArn"]
            self._seen[asked["TargetTableName"]] = 0
        return answer

    def _deleted(self, call: Call, answer: Response) -> Response:
        if answer.status == 200:
            self.sources.pop(call.asked["TableName"], None)
        return answer

    def _described(self, call: Call, answer: Response) -> Response:
        name = call.asked["TableName"]
        if answer.status != 200 or name not in self.sources:
            return answer
        self._seen[name] += 1
        is_made = self._seen[name] > self.looks

        def change(told: Any) -> None:
            table = told["Table"]
            assert not table.get("StreamSpecification"), "ministack restored a stream, which AWS does not"
            table["TableStatus"] = "ACTIVE" if is_made else "CREATING"
            table["RestoreSummary"] = {
                "SourceBackupArn": self.sources[name],
                "RestoreDateTime": 1.0,
                "RestoreInProgress": not is_made,
            }

        return _changed(answer, change)

    def _listed(self, _: Call, answer: Response) -> Response:
        if answer.status != 200:
            return answer

        def change(told: Any) -> None:
            for each in told["BackupSummaries"]:
                self._seen[each["BackupArn"]] += 1
                is_made = self._seen[each["BackupArn"]] > self.looks
                each["BackupStatus"] = "AVAILABLE" if is_made else "CREATING"

        return _changed(answer, change)


def _busy(call: Call) -> Response:
    return fault(
        call, "BackupInUseException", "There is another ongoing conflicting backup control plane operation"
    )


def _changed(answer: Response, change: Callable[[Any], None]) -> Response:
    told = json.loads(answer.body)
    change(told)
    return answer.with_body(json.dumps(told).encode())
