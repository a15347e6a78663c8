# Story 8. The application that writes both vectors is out; the one that writes only the former may still be. What has
# no vector of the new model gets one, also what is written while this runs.
# seedbed: index=lessons phase=migrate
"""lessons.embedding_base of every lesson."""

from hashlib import blake2b


def up(doc: dict) -> dict:
    if "embedding_base" not in doc:
        doc["embedding_base"] = embedding(words(doc))
    return doc


def down(doc: dict) -> dict:
    """What writers gave the new field goes with it; the texts are all that it was made of."""
    doc.pop("embedding_base", None)
    return doc


def words(doc: dict) -> list[str]:
    texts = [*doc.get("title", {}).values(), *doc.get("text", {}).values()]
    return " ".join(texts).casefold().split()


def embedding(words: list[str], model: bytes = b"base-2026-06", size: int = 64) -> list[float]:
    """Return where `words` lie in the space of the model, which this is a small stand-in for: the same ones always."""
    vector = [0.5] + [0.0] * (size - 1)  # half a one: what words add never takes it all away
    for word in words:
        digest = blake2b(word.encode(), digest_size=8, person=model).digest()
        for at in range(0, 8, 2):
            vector[digest[at] % size] += 1.0 if digest[at + 1] & 1 else -1.0
    length = sum(each * each for each in vector) ** 0.5
    return [round(each / length, 6) for each in vector]
