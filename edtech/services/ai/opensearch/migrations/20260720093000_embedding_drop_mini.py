# Story 8: only the new model is asked and written. An open index keeps every field, so this is an index without it.
# seedbed: index=lessons version=3 phase=contract
# seedbed: irreversible because "the former model is switched off: what it made of a lesson cannot be made again"
"""lessons without embedding_mini; a lesson that the last of the former writers left without a vector gets one."""

from hashlib import blake2b


def up(doc: dict) -> dict:
    doc.pop("embedding_mini", None)
    if "embedding_base" not in doc:
        doc["embedding_base"] = embedding(words(doc))
    return doc


def words(doc: dict) -> list[str]:
    texts = [*doc.get("title", {}).values(), *doc.get("text", {}).values()]
    return " ".join(texts).casefold().split()


def embedding(words: list[str], model: bytes = b"base-2026-06", size: int = 64) -> list[float]:
    """Return where `words` lie in the space of the model, as 20260629090000_embedding_fill_base.py did."""
    vector = [0.5] + [0.0] * (size - 1)  # half a one: what words add never takes it all away
    for word in words:
        digest = blake2b(word.encode(), digest_size=8, person=model).digest()
        for at in range(0, 8, 2):
            vector[digest[at] % size] += 1.0 if digest[at + 1] & 1 else -1.0
    length = sum(each * each for each in vector) ** 0.5
    return [round(each / length, 6) for each in vector]
