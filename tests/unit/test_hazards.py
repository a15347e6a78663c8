"""Hazards have one registry per engine, and one section of the documentation per code."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from seedbed.model.hazard import HazardRule, section
from tests.support.hazards_page import PAGE, page, rules

ROOT = Path(__file__).parents[2]
ENGINES = ROOT / "src" / "seedbed" / "engines"
RULES = rules()
CODES = [rule.code for known in RULES.values() for rule in known]
PREFIXES = {re.sub(r"\d+$", "", code) for code in CODES}
_CODE = re.compile(rf"\b(?:{'|'.join(sorted(PREFIXES))})\d{{3}}\b")


def test_a_code_belongs_to_one_hazard() -> None:
    assert [code for code, uses in Counter(CODES).items() if uses > 1] == []
    assert all(re.fullmatch(r"[A-Z]{2,3}[1-9]\d\d", code) for code in CODES)


@pytest.mark.parametrize("engine", RULES)
def test_the_codes_of_an_engine_are_sorted_and_have_one_prefix(engine: str) -> None:
    codes = [rule.code for rule in RULES[engine]]
    assert codes == sorted(codes)
    assert len({re.sub(r"\d+$", "", code) for code in codes}) == 1


@pytest.mark.parametrize("engine", RULES)
def test_every_rule_of_a_registry_is_among_its_rules(engine: str) -> None:
    from importlib import import_module

    registry = import_module(f"seedbed.engines.{engine}.rules.registry")
    named = {value.code for value in vars(registry).values() if isinstance(value, HazardRule)}
    assert named == {rule.code for rule in RULES[engine]}, "RULES at the end of rules/registry.py lists them"


@pytest.mark.parametrize("engine", RULES)
def test_a_rule_says_what_may_happen_and_what_to_do_in_clauses_that_messages_can_have(engine: str) -> None:
    for rule in RULES[engine]:
        for text in (rule.title, rule.why, rule.instead):
            assert text, rule.code
            assert not text.endswith((".", " ")), f"{rule.code}: {text!r}"
        assert not (rule.refused and rule.refused_if), rule.code


@pytest.mark.parametrize("engine", RULES)
def test_only_the_registry_of_an_engine_spells_a_code(engine: str) -> None:
    spelled = {
        f"{file.relative_to(ROOT).as_posix()}: {code}"
        for file in (ENGINES / engine).rglob("*.py")
        if file != ENGINES / engine / "rules" / "registry.py"
        for code in _CODE.findall(file.read_text(encoding="utf-8"))
    }
    assert spelled == set(), "refer to the rule in rules/registry.py instead"


@pytest.mark.parametrize("engine", RULES)
def test_every_rule_is_reported_somewhere(engine: str) -> None:
    """A rule whose name nothing but the registry mentions is dead."""
    from importlib import import_module

    registry = import_module(f"seedbed.engines.{engine}.rules.registry")
    names = [name for name, value in vars(registry).items() if isinstance(value, HazardRule)]
    code = "".join(
        file.read_text(encoding="utf-8")
        for file in (ENGINES / engine).rglob("*.py")
        if file != ENGINES / engine / "rules" / "registry.py"
    )
    assert [name for name in names if not re.search(rf"\bregistry\.{name}\b", code)] == []


def test_the_page_of_hazards_is_what_the_registries_say() -> None:
    old = PAGE.read_text(encoding="utf-8")
    assert page(old) == old, "run python -m tests.support.hazards_page"


def test_every_code_has_a_section_and_every_section_a_code() -> None:
    headings = re.findall(r"^### (\S+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(CODES)
    assert {section(code) for code in CODES} == {
        f"reference/hazards.md#{heading.lower()}" for heading in headings
    }


def test_no_page_speaks_of_a_code_that_does_not_exist() -> None:
    unknown = {
        f"{file.relative_to(ROOT).as_posix()}: {code}"
        for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        if file.name != "add-a-hazard-rule.md"  # which adds one
        for code in _CODE.findall(file.read_text(encoding="utf-8"))
        if code not in CODES
    }
    assert unknown == set()
