"""Deployments: changes of a database whose schema is infrastructure, made by updates of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from seedbed.model.migration import Phase

Template = Mapping[str, Any]  # a CloudFormation template as JSON says it


class Change(Struct, frozen=True):
    """One change of a database's infrastructure, for people: `what` reads "courses: add index by_teacher".

    Adding is `expand`, removing is `contract`. `wave`: which update of the stack carries it, counted from 1.
    `refused`: why no update can make it; empty where one can. `try_`: the way round.
    """

    phase: Phase
    what: str
    wave: int = 1
    refused: str = ""
    try_: str = ""


class Wave(Struct, frozen=True):
    """One update of a stack: the whole `template` after it, and what it changes.

    `waits_for`: what has to be ready before the next wave begins, in the engine's words ("courses.by_teacher").
    """

    template: Template
    changes: tuple[Change, ...]
    waits_for: tuple[str, ...] = ()


class Estimate(Struct, frozen=True):
    """What a migration is expected to cost on one target, before it starts; `lines` are for people.

    `quantities`: name -> number, for machines ("items", "read_units", "write_units", "seconds", "dollars").
    """

    version: str
    quantities: Mapping[str, float]
    lines: tuple[str, ...] = ()
