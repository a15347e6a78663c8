"""The documents that there are, and the JSON Schema (draft 2020-12) of each: generated from its type.

A schema names what has to be there and says nothing against more: a reader that ignores unknown fields outlives us.
What is read back, a plan file, is decoded with its type, and that one takes nothing unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

from seedbed.documents.bundle import BundleDocument
from seedbed.documents.coming_up import UpDocument
from seedbed.documents.cost import CostDocument
from seedbed.documents.deployment import DeploymentDocument
from seedbed.documents.doctor import DoctorDocument
from seedbed.documents.document import Document
from seedbed.documents.environments import ConnectionsDocument, EnvironmentsDocument
from seedbed.documents.errors import ErrorDocument
from seedbed.documents.going_down import DownDocument
from seedbed.documents.image import ImageDocument
from seedbed.documents.init import InitDocument
from seedbed.documents.inventory import CollectionDocument
from seedbed.documents.lifetimes import LifetimeDocument
from seedbed.documents.outcome import OutcomeDocument
from seedbed.documents.plan import PlanDocument
from seedbed.documents.reading import ReadingDocument
from seedbed.documents.release import (
    ApprovalDocument,
    ReadinessDocument,
    ReleaseDocument,
    ReleasesDocument,
)
from seedbed.documents.runs import RunsDocument
from seedbed.documents.sharing import SharesDocument
from seedbed.documents.snapshot import CopyDocument, DrillDocument, SnapshotsDocument, SwapDocument
from seedbed.documents.state import StateDocument
from seedbed.documents.status import StatusDocument
from seedbed.documents.usage import UsageDocument
from seedbed.documents.verification import VerificationDocument
from seedbed.documents.verified import VerifiedDocument
from seedbed.support.json_schema import json_schema

_TYPES: tuple[type[Document], ...] = (
    PlanDocument,
    DeploymentDocument,
    StatusDocument,
    VerificationDocument,
    VerifiedDocument,
    UsageDocument,
    ReadingDocument,
    OutcomeDocument,
    EnvironmentsDocument,
    ConnectionsDocument,
    CostDocument,
    LifetimeDocument,
    UpDocument,
    DownDocument,
    CollectionDocument,
    SharesDocument,
    SnapshotsDocument,
    CopyDocument,
    SwapDocument,
    DrillDocument,
    ReleaseDocument,
    ReleasesDocument,
    ReadinessDocument,
    ApprovalDocument,
    RunsDocument,
    DoctorDocument,
    InitDocument,
    ImageDocument,
    BundleDocument,
    StateDocument,
    ErrorDocument,
)
# By the name in the middle of `schema`: seedbed/plan/1.
DOCUMENTS: Mapping[str, type[Document]] = {
    str(each.__struct_config__.tag).split("/")[1]: each for each in _TYPES
}
COMMANDS = tuple(sorted({command for each in _TYPES for command in each.commands}))


def commands(document: type[Document]) -> tuple[str, ...]:
    """Return the commands that print `document`; an error, all of them do."""
    return document.commands or (COMMANDS if document.is_printed else ())


def written_by(command: str) -> tuple[str, ...]:
    """Return the names of the documents that `command` may write."""
    return tuple(name for name, each in DOCUMENTS.items() if command in commands(each))


def schema(name: str) -> dict[str, Any]:
    """Return the schema of the document `name`, as plain JSON. Raises KeyError where there is none."""
    document = DOCUMENTS[name]
    whole = json_schema(document, name, title=f"seedbed {name}")
    whole["properties"]["schema"]["description"] = "What the document looks like."
    if document.commands:  # an error may be about a call that named no command
        whole["properties"]["command"]["enum"] = list(document.commands)
    completed: dict[str, Any] = _completed(whole)
    return completed


def _completed(known: Any) -> Any:
    """Return a part of a schema with what msgspec cannot know: every field is written always, and more may come."""
    if isinstance(known, list):
        return [_completed(each) for each in known]
    if not isinstance(known, dict):
        return known
    done = {key: _completed(each) for key, each in known.items() if key not in {"discriminator", "default"}}
    if "properties" in known:
        done.pop("additionalProperties", None)
        done["required"] = list(known["properties"])
    if len(known.get("enum", ())) == 1:
        done["const"] = done.pop("enum")[0]
    if isinstance(description := known.get("description"), str):
        done["description"] = " ".join(cleandoc(description).split())
    return done
