# What is said in a turn was one text. Pictures and quotations have come, so it is a list of parts now.
# seedbed: phase=migrate table=turns from=1 to=2
"""turns.text -> turns.content."""


def up(item: dict) -> dict:
    text = item.pop("text")
    if "content" not in item:  # a way back leaves it beside the text where the text is not all
        item["content"] = [{"type": "text", "text": text}]
    return item


def down(item: dict) -> dict:
    """A turn of one text comes back exactly. Of others, the old code can show the text; the parts stay beside it."""
    texts = [part["text"] for part in item["content"] if part["type"] == "text"]
    item["text"] = "\n\n".join(texts)
    if len(item["content"]) == len(texts) == 1:
        del item["content"]
    return item
