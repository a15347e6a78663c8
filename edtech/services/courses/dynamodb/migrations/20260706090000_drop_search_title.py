# The search box asked for titles that begin with a word, in small letters, which courses kept in search_title. Since
# OpenSearch answers it, nothing reads that attribute any more.
# seedbed: phase=contract table=courses
# seedbed: repeatable because "there is nothing to remove from an item that has lost it"
"""Remove courses.search_title."""


def up(item: dict) -> dict:
    item.pop("search_title", None)
    return item


def down(item: dict) -> dict:
    """It followed from the title, and does again."""
    item["search_title"] = item["title"][item["language"]].casefold()
    return item
