"""What is done to a resource of a stack, in the words of CloudFormation's change sets."""

from __future__ import annotations

from enum import StrEnum


class ResourceAction(StrEnum):
    """What is done to a resource, in the words of CloudFormation's change sets."""

    ADD = "Add"
    MODIFY = "Modify"
    REMOVE = "Remove"


class Replacement(StrEnum):
    """Whether a resource that changes is made anew, in the words of CloudFormation's change sets.

    `UNKNOWN`: a template alone does not tell, of a type that holds nothing.
    """

    YES = "True"
    PERHAPS = "Conditional"
    NO = "False"
    UNKNOWN = "unknown"
