"""Transform documents of the current index for the next one, and compare them."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from seedbed.engines.kit.python_program import failure
from seedbed.engines.opensearch.files.programs import Function
from seedbed.engines.opensearch.running.reindex.pages import StoredDocument
from seedbed.errors import Location, SeedbedError, StepFailed

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class DocumentTransform:
    """Applies the migration's own `function` to a document, then removes the fields `removed`.

    `vectors`: paths whose numbers are returned with 32 bits.
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
        """Whether documents stay the same, byte for byte."""
        return self._function is None and not self._removed

    @property
    def has_code(self) -> bool:
        """Whether the migration's own code transforms documents; it may be slow and need not be deterministic."""
        return self._function is not None

    def apply(self, document: StoredDocument) -> bytes | None:
        """Return the transformed `document`; None if the next index leaves it out. Raises StepFailed."""
        raw = bytes(document.source)
        if self.is_copy:
            return raw
        found: Any = _decode(raw)
        if self._function is not None:
            try:
                found = self._function(found)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # also SystemExit, and whatever else is no Exception
                raise failure(error, self._path, _named(document)) from error
            if found is None:
                return None
        self._require_object(found, document)
        for path in self._removed:
            _remove(found, path)
        return self._encoded(found, document)

    def _require_object(self, found: Any, document: StoredDocument) -> None:
        if not isinstance(found, dict):
            raise StepFailed(
                f"the function returned no document for {document.id!r}",
                because=f"it returned a value of type {type(found).__name__}; a function returns a dict, or None",
                at=Location(self._path),
            )

    def _encoded(self, found: Any, document: StoredDocument) -> bytes:
        try:
            return _encode(found)
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
            raise failure(_not_json(document, error), self._path, _named(document)) from None

    def is_same(self, one: bytes, other: bytes) -> bool:
        """Return whether two documents have equal values, however they are encoded."""
        if one == other:
            return True
        return bool(self._plain(one) == self._plain(other))

    def _plain(self, document: bytes) -> Any:
        found = _decode(document)
        for path in self._vectors:
            _round(found, path)
        return found


def _named(document: StoredDocument) -> str:
    return f"the document {document.id!r}"


def _not_json(document: StoredDocument, error: Exception) -> SeedbedError:
    return StepFailed(
        f"the function returned a document {document.id!r} that is not valid JSON", because=str(error)
    )


def _remove(value: Any, path: Sequence[str]) -> None:
    """Remove the value at `path`, in every object of a list too, also where a key contains the dots."""
    if isinstance(value, list):
        for each in value:
            _remove(each, path)
    elif isinstance(value, dict):
        value.pop(".".join(path), None)
        if len(path) > 1 and path[0] in value:
            _remove(value[path[0]], path[1:])


def _round(value: Any, path: Sequence[str]) -> None:
    """Round the numbers at `path` to 32 bits."""
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
