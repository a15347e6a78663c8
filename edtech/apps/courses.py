"""The courses service: the catalogue."""

from typing import Any

import botocore.session

TABLE = "courses-courses-{environment}"


class Catalogue:
    """The table of courses. Account, region and endpoint are those of AWS's own variables."""

    def __init__(self, environment: str) -> None:
        self._table = TABLE.format(environment=environment)
        self._dynamodb = botocore.session.get_session().create_client("dynamodb")

    def by_slug(self, slug: str) -> dict[str, Any] | None:
        """Return the course behind an address of the website."""
        found = self._dynamodb.query(
            TableName=self._table,
            IndexName="by_slug",
            KeyConditionExpression="slug = :slug",
            ExpressionAttributeValues={":slug": {"S": slug}},
        )["Items"]
        if not found:
            return None
        key = {"course_id": found[0]["course_id"]}
        return self._dynamodb.get_item(TableName=self._table, Key=key)["Item"]

    def rename(self, course_id: str, language: str, title: str) -> None:
        """Give a course a title in one language."""
        self._dynamodb.update_item(
            TableName=self._table,
            Key={"course_id": {"S": course_id}},
            UpdateExpression="SET title.#language = :title",
            ExpressionAttributeNames={"#language": language},
            ExpressionAttributeValues={":title": {"S": title}},
        )

    def remove(self, course_id: str) -> None:
        """Take a course out of the catalogue."""
        self._dynamodb.delete_item(TableName=self._table, Key={"course_id": {"S": course_id}})
