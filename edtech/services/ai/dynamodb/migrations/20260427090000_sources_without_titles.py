# An answer names the lessons that it rests on. It copied their titles too, in whatever language they were; titles have
# languages now, and the page asks the courses service for them in the reader's. So this comes after courses knows.
# seedbed: phase=contract table=turns
# seedbed: after=courses/dynamodb:20260316093000
# seedbed: irreversible because "what a lesson was called when the answer was given is written nowhere else"
# seedbed: repeatable because "a source without a title stays as it is"
"""Remove the titles from turns.sources."""


def up(item: dict) -> dict:
    if any("title" in source for source in item.get("sources", ())):
        item["sources"] = [
            {name: value for name, value in source.items() if name != "title"} for source in item["sources"]
        ]
    return item
