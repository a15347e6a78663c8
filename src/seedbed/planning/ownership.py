"""Which of the things that a migration names belong to another service: pure, and silent where it is not sure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from seedbed.model.ownership import Mention, Named


def word(name: str) -> str:
    """Return what a text that names `name` has in it, in lower case: "users" for "crm.users"."""
    return name.rpartition(".")[2].lower()


def unmade(asked: Named, own: Sequence[Named]) -> Iterator[Mention]:
    """Yield what `asked` needs and none of `own`, all migrations of its database, makes or may make."""
    made = frozenset[str]().union(*(each.makes for each in own))
    words = {word(each) for each in made}
    hidden = " ".join(text for each in own for text in each.hidden).lower()
    for mention in asked.needs:
        # A table that moved to another schema is still ours.
        is_made = any(
            each in made or (not mention.is_apart and word(each) in words) for each in mention.names
        )
        if not is_made and not _says(hidden, word(mention.name)):
            yield mention


def strangers(
    mentions: Sequence[Mention], owners: Mapping[str, Sequence[str]], present: Collection[str]
) -> Iterator[tuple[Mention, str, Sequence[str]]]:
    """Yield those of `mentions` that belong to others: with the name, and the databases whose migrations make it.

    `owners`: those databases, by name. `present`: which of the names the target has. What is there without having been
    made by a migration may be older than all of them, and is left alone unless it is apart.
    """
    for mention in mentions:
        for name in mention.names:
            if name in owners and (mention.is_apart or not any(each in present for each in mention.names)):
                yield mention, name, owners[name]
                break


def _says(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
