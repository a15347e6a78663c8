"""What a document of the present index is to be in the next one, and whether it is that there."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from seedbed.engines.kit.python_program import failure
from seedbed.engines.opensearch.files.programs import Function
from seedbed.engines.opensearch.running.reindex.pages import Stored
from seedbed.errors import Location, SeedbedError, StepFailed

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Becoming:
    """What documents become: the migration's own `function`, then `removed` fields taken out.

    `vectors`: paths whose numbers come back as 32 bits hold them.
    """

    def __init__(
        self, path: str, function: Function | None, removed: Sequence[str], vectors: Collection[str]
    ) -> None:
        self._path = path
        self._function = function
        self._removed = [each.split(".") for each in removed]
        self._vectors = [each.split(".") for each in vectors]

    @property
    def is_copy(self) -> bool:
        """Whether documents stay as they are, byte for byte."""
        return self._function is None and not self._removed

    @property
    def has_code(self) -> bool:
        """Whether somebody's own code says what documents become; it may be slow, and say another thing each time."""
        return self._function is not None

    def of(self, document: Stored) -> bytes | None:
        """Return what `document` becomes; None where the next index is not to have it. Raises StepFailed."""
        raw = bytes(document.source)
        if self.is_copy:
            return raw
        found: Any = _decode(raw)
        if self._function is not None:
            try:
                found = self._function(found)
            except Exception as error:
                raise failure(error, self._path, _named(document)) from error
            if found is None:
                return None
        self._require_object(found, document)
        for path in self._removed:
            _take_out(found, path)
        return self._encoded(found, document)

    def _require_object(self, found: Any, document: Stored) -> None:
        if not isinstance(found, dict):
            raise StepFailed(
                f"what became of the document {document.id!r} is no document",
                because=f"it is a {type(found).__name__}; a function returns a dict, or None",
                at=Location(self._path),
            )

    def _encoded(self, found: Any, document: Stored) -> bytes:
        try:
            return _encode(found)
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
            raise failure(_unfit(document, error), self._path, _named(document)) from None

    def is_same(self, one: bytes, other: bytes) -> bool:
        """Return whether two documents hold the same, however they are written."""
        if one == other:
            return True
        return bool(self._plain(one) == self._plain(other))

    def _plain(self, document: bytes) -> Any:
        found = _decode(document)
        for path in self._vectors:
            _round(found, path)
        return found


def _named(document: Stored) -> str:
    return f"the document {document.id!r}"


def _unfit(document: Stored, error: Exception) -> SeedbedError:
    return StepFailed(f"what became of the document {document.id!r} is no JSON", because=str(error))


def _take_out(value: Any, path: Sequence[str]) -> None:
    """Remove what is under `path`, in every object of a list too; also where a key has the dots itself."""
    if isinstance(value, list):
        for each in value:
            _take_out(each, path)
    elif isinstance(value, dict):
        value.pop(".".join(path), None)
        if len(path) > 1 and path[0] in value:
            _take_out(value[path[0]], path[1:])


def _round(value: Any, path: Sequence[str]) -> None:
    """Make the numbers under `path` what 32 bits hold of them."""
    if isinstance(value, list):
        for each in value:
            _round(each, path)
        return
    if not isinstance(value, dict):
        return
    for depth in range(1, len(path) + 1):
        key = ".".join(path[:depth])
        if key not in value:
            continue
        if depth < len(path):
            _round(value[key], path[depth:])
        elif isinstance(value[key], list) and all(isinstance(each, int | float) for each in value[key]):
            value[key] = list(array("f", value[key]))
