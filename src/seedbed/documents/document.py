"""What all documents have in common, and how one becomes JSON.

A document is a Struct: its tag is the `schema` that it names, its fields are those of the JSON, and the descriptions
of its fields are what the schemas and the page docs/reference/json.md say about them. A field may be added at any
time; the number in `schema` is raised when one changes its meaning or goes away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, to_builtins

from seedbed import __version__ as VERSION
from seedbed.support.texts import MISLEADING

__all__ = ["VERSION", "Document", "Part", "plain", "redacted", "says", "text"]


def says(description: str) -> Meta:
    """Return the annotation of a field that says what it means."""
    return Meta(description=description)


def _json_name(name: str) -> str:
    return name.rstrip("_")  # `try` is a word of Python's


class Part(Struct, frozen=True, forbid_unknown_fields=True, rename=_json_name):
    """An object inside a document."""


class Document(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=_json_name, tag_field="schema"
):
    """What all documents begin with. `commands`: those that write this one, with --json or to a file.

    `is_printed`: False for one that no command prints, and that lies where other runs find it.
    """

    commands: ClassVar[tuple[str, ...]] = ()
    is_printed: ClassVar[bool] = True

    seedbed: Annotated[str, says("The version of seedbed that wrote it.")]
    command: Annotated[
        str, says("The command that wrote it, without its options; empty where the call named none.")
    ]


def plain(value: object) -> Any:
    """Return a document, or anything inside one, as plain data: mappings, lists, texts, numbers."""
    return to_builtins(value)


def text(document: Document | Mapping[str, Any], *, ascii_only: bool = False) -> str:
    """Return `document` as JSON in UTF-8, with a line break at its end.

    ASCII where the stream has another encoding (ASCII is UTF-8, too), and for what UTF-8 cannot hold: a file's
    name that is not text. What a terminal obeys or nobody sees is written as `\\uXXXX`, which is the same value.
    """
    data = plain(document)
    import json  # most commands write none

    written = json.dumps(data, ensure_ascii=ascii_only, indent=2) + "\n"
    try:
        written.encode()
    except UnicodeEncodeError:
        return json.dumps(data, ensure_ascii=True, indent=2) + "\n"
    if written.isascii() and "\x7f" not in written:
        return written
    # The line breaks are those between values: those inside of one are escaped by now.
    return written.translate({code: json.dumps(chr(code))[1:-1] for code in MISLEADING - {ord("\n")}})


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Return plain data with every text in it redacted; keys are ours and stay."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redacted(each, redact) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [redacted(each, redact) for each in value]
    return value
