# Courses get addresses that people can read. The release that brings by_slug and by_category writes a slug with every
# new course; this fills those that are there. It waits for both indexes, because the website asks them from the moment
# it ends.
# seedbed: phase=migrate table=courses needs=courses.by_slug,courses.by_category
# seedbed: repeatable because "a course that has a slug keeps it"
"""Fill courses.slug from the title."""

import re
import unicodedata


def slug(item: dict) -> str:
    """Return the title in small ASCII letters, and eight digits of the id: two courses may be called the same."""
    title = unicodedata.normalize("NFKD", item["title"].get(item["language"], ""))
    words = re.findall(r"[a-z0-9]+", title.encode("ascii", "ignore").decode().lower())
    return "-".join([*words, item["course_id"].replace("-", "")[:8]])


def up(item: dict) -> dict:
    if "slug" not in item:
        item["slug"] = slug(item)
    return item


def down(item: dict) -> dict:
    """A slug that somebody chose stays: it may be printed on paper."""
    if item.get("slug") == slug(item):
        del item["slug"]
    return item
