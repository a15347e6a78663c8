"""Items -> the ids that one of their attributes holds, and the text of their keys. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from seedbed.engines.dynamodb.running.transform.values import Item
from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.errors import StepFailed
from seedbed.model.ids import Ids, number_text, same_id

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


class ItemIds:
    """Reads the ids of items of one table at `path`: "attribute", or "attribute.member" within maps, lists included.

    Each element of a list or set is an id. An attribute that is missing or NULL is no id; of an empty list nothing is
    known.
    """

    def __init__(self, path: str, shape: TableShape) -> None:
        self.name, *inner = path.split(".")
        self.inner = tuple(inner)
        self.keys = (*shape.key.partition, *shape.key.sort)
        self._types = shape.key_types
        self._path = f"{shape.name}.{path}"

    def block(self, items: Sequence[Item]) -> Ids:
        """Return the ids of `items`, with the keys of their items. Raises StepFailed for what is no id."""
        texts: list[str] = []
        rows: list[str] = []
        empty = 0
        for item in items:
            row = ""
            for text in self._texts(item.get(self.name), self.inner):
                if text is None:
                    empty += 1
                else:
                    row = row or self.row(item)
                    texts.append(text)
                    rows.append(row)
        return Ids(texts=texts, rows=rows, empty=empty)

    def of(self, item: Item) -> Iterator[str]:
        """Yield the ids of one item, each as the one text that it has."""
        return (same_id(text) for text in self._texts(item.get(self.name), self.inner) if text is not None)

    def is_any_in(self, items: Sequence[Item]) -> bool:
        """Return whether one of `items` has an id."""
        return any(next(self.of(each), None) is not None for each in items)

    def row(self, item: Item) -> str:
        """Return the key of `item`: {"conversation_id":"c","turn":"3"}."""
        return _encode({name: next(iter(item[name].values())) for name in self.keys}).decode()

    def key(self, row: str) -> Item:
        """Return the key that `row` made a text of."""
        return {name: {self._types[name]: text} for name, text in _decode(row).items()}

    def _texts(self, value: Mapping[str, Any] | None, inner: Sequence[str]) -> Iterator[str | None]:
        """Yield the ids within an attribute value, None for each that is missing."""
        if value is None:
            yield None
            return
        ((kind, held),) = value.items()
        match kind:
            case "L":
                for each in held:
                    yield from self._texts(each, inner)
            case "M" if inner:
                yield from self._texts(held.get(inner[0]), inner[1:])
            case "NULL":
                yield None
            case _ if inner:
                yield None
            case "S" | "B":
                yield held
            case "N":
                yield number_text(held)
            case "SS" | "BS":
                yield from held
            case "NS":
                yield from map(number_text, held)
            case "BOOL":
                yield str(held).lower()
            case _:
                raise StepFailed(
                    f"{self._path} is a map, not an id",
                    because=f"its members are {', '.join(sorted(held)) or 'none'}",
                    try_="name one of them in the reference of seedbed.toml: table.attribute.member",
                )
