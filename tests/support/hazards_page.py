"""The generated parts of docs/reference/hazards.md: `python -m tests.support.hazards_page` writes them anew.

Each stands between two comments that name an engine, and explains all of its codes, from its registry.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from seedbed.engines import registry
from seedbed.engines.capabilities import SupportsHazards
from seedbed.model.hazard import HazardRule

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "hazards.md"

_PART = re.compile(
    r"(?P<begin><!-- (?P<engine>\w+): begin -->\n).*?(?P<end><!-- (?P=engine): end -->)", re.DOTALL
)


def rules() -> Mapping[str, Sequence[HazardRule]]:
    """Return the rules of all engines that have any, by the engine's name."""
    engines = {name: registry.load(name) for name in registry.names()}
    return {name: engine.hazards() for name, engine in engines.items() if isinstance(engine, SupportsHazards)}


def page(old: str) -> str:
    """Return the page with its generated parts as they should be. Raises AssertionError where one has no place."""
    found = rules()
    places = [part["engine"] for part in _PART.finditer(old)]
    assert sorted(places) == sorted(found), (
        "hazards.md has to have one place for each engine with hazards, `<!-- name: begin -->` and `<!-- name: end -->`:"
        f" there are places for {sorted(places)}, and {sorted(found)} have hazards"
    )
    return _PART.sub(
        lambda part: f"{part['begin']}{_section(found[part['engine']])}{part['end']}",
        old,
    )


def _section(known: Sequence[HazardRule]) -> str:
    rows = "".join(
        f"| [{rule.code}](#{rule.code.lower()}) | {_refused(rule)} | {rule.title} |\n" for rule in known
    )
    return (
        f"\n| code | refused | a migration that … |\n|---|---|---|\n{rows}\n"
        + "\n".join(map(_rule, known))
        + "\n"
    )


def _refused(rule: HazardRule) -> str:
    if rule.in_base:
        return "in a base"
    return "yes" if rule.refused else f"if {rule.refused_if}" if rule.refused_if else ""


def _rule(rule: HazardRule) -> str:
    wrapped = (
        textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) for text in _paragraphs(rule)
    )
    return "\n\n".join(wrapped) + "\n"


def _paragraphs(rule: HazardRule) -> Iterator[str]:
    yield f"### {rule.code}"
    yield f"**{_sentence(rule.title)}**"
    yield f"Why: {rule.why}."
    yield f"Instead: {rule.instead}."
    if rule.refused or rule.refused_if:
        case = f" if {rule.refused_if}" if rule.refused_if else ""
        yield f'Refused in protected environments{case}, unless the file declares `allow={rule.code} because "…"`.'
    if rule.in_base:
        allowed = (
            "whatever the file allows"
            if rule.final
            else f'unless the file declares `allow={rule.code} because "…"`'
        )
        yield (
            "Looked for, and refused, only where the environment lies in [a base](../explanation/a-shared-base.md) and"
            f" the database is not its own, {allowed}."
        )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
