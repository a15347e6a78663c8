"""A dict of an item that remembers which of its attributes were looked at.

What a function has looked at is what its result depends on: the write of that result is conditioned on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self, final

Raw = Mapping[str, Any]  # an item as the server says it: attribute -> {type: value}
_MISSING: Final = object()


@final
class _Unread:
    """Stands for a value that nobody has asked for: code that goes round the dict's methods meets it, loudly."""

    def __repr__(self) -> str:
        return "<an attribute that was not read>"


UNREAD: Final = _Unread()


class RecordedItem(dict[str, Any]):
    """An item as a dict. Asking for one attribute records that one, there or not; asking for more records all.

    `raw` is never changed; values are made from it when they are asked for, so that what a function does to them
    shows in comparison with it. Storing and deleting are no looks.
    """

    __slots__ = ("_convert", "_raw", "_seen", "has_read_everything")
    __hash__ = None

    def __init__(self, raw: Raw, convert: Callable[[Any], Any]) -> None:
        super().__init__(dict.fromkeys(raw, UNREAD))
        self._raw = raw
        self._convert = convert
        self._seen: set[str] = set()
        self.has_read_everything = False

    @property
    def reads(self) -> frozenset[str]:
        """The attributes that were looked at, those that the item does not have among them."""
        return frozenset(self._seen | self._raw.keys()) if self.has_read_everything else frozenset(self._seen)

    def stored(self) -> Iterator[tuple[str, Any]]:
        """Yield what is in the dict now without it counting as a look; UNREAD for what nobody asked for."""
        yield from super().items()

    def _value(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value is UNREAD:
            value = self._convert(self._raw[name])
            super().__setitem__(name, value)
        return value

    def _read_everything(self) -> None:
        self.has_read_everything = True
        for name in list(super().keys()):
            self._value(name)

    def _look(self, name: object) -> None:
        if isinstance(name, str):
            self._seen.add(name)

    def __getitem__(self, name: str) -> Any:
        self._look(name)
        return self._value(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._look(name)
        return self._value(name) if super().__contains__(name) else default

    def __contains__(self, name: object) -> bool:
        self._look(name)
        return super().__contains__(name)

    def pop(self, name: str, default: Any = _MISSING) -> Any:
        self._look(name)
        if not super().__contains__(name):
            if default is _MISSING:
                raise KeyError(name)
            return default
        value = self._value(name)
        super().__delitem__(name)
        return value

    def setdefault(self, name: str, default: Any = None) -> Any:
        self._look(name)
        if not super().__contains__(name):
            super().__setitem__(name, default)
        return self._value(name)

    def __delitem__(self, name: str) -> None:
        self._look(name)
        super().__delitem__(name)

    def popitem(self) -> tuple[str, Any]:
        self._read_everything()
        return super().popitem()

    def __iter__(self) -> Iterator[str]:
        self._read_everything()
        return super().__iter__()

    def __reversed__(self) -> Iterator[str]:
        self._read_everything()
        return super().__reversed__()

    def __len__(self) -> int:
        self._read_everything()
        return super().__len__()

    def keys(self) -> Any:
        self._read_everything()
        return super().keys()

    def values(self) -> Any:
        self._read_everything()
        return super().values()

    def items(self) -> Any:
        self._read_everything()
        return super().items()

    def copy(self) -> dict[str, Any]:
        """Return a plain dict: what is done to it is no longer watched, and need not be."""
        self._read_everything()
        return dict(super().items())

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        from copy import deepcopy

        return deepcopy(self.copy(), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (self.copy(),)

    def __eq__(self, other: object) -> bool:
        self._read_everything()
        return super().__eq__(other.copy() if isinstance(other, RecordedItem) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __ior__(self, other: Any) -> Self:  # type: ignore[override]  # as dict has it
        self.update(other)
        return self

    def __repr__(self) -> str:
        self._read_everything()
        return super().__repr__()
