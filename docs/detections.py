"""The pages about the default rules: what they are, which known detections they cover, and which evasions they see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from docs.markup import code, page, table

from lanner import load_rules
from lanner.compiler.levels import full_level, needed_level
from lanner.compiler.load import LoadedRules, Rule
from lanner.rules.notes import read_notes

_DATA = Path(__file__).parent.parent / "src" / "lanner" / "data"
RULES = _DATA / "rules"
_TESTS = _DATA / "rule_tests"
_TABLES = Path(__file__).parent / "data"

SURVEYED: Mapping[str, str] = {
    "falco": "Falco",
    "sigma": "Sigma",
    "panther": "Panther",
    "elastic": "Elastic",
    "splunk": "Splunk",
    "stratus": "Stratus Red Team",
}
"""Whose detections were surveyed, by their names in the data."""


def default_rules() -> str:
    """What each default rule detects, needs, and raises by mistake."""
    loaded = _loaded()
    enabled = sum(rule.enabled for rule in loaded.rules)
    intro = (
        f"Lanner's own rules: {len(loaded.rules)}, of which {enabled} are enabled. They are used when no `-r` is "
        "given; `--profile strict` enables those with the tag `strict` too, `--profile activity` those with the tag "
        "`activity` as well. Rules that Falco's official rule file has too have the same names. The audit level is the "
        "least at which a rule can raise an alert; a second one is that at which it sees all it asks for. [Writing "
        "rules](../guide/writing-rules.md) shows how to adjust them, [Detections](detections.md) what they cover."
    )
    lists = table(("list", "items"), ((code(each.name), str(len(each.items))) for each in loaded.lists))
    parts = [
        f"## Lists\n\nOverride these to fit the rules to a cluster. Empty ones are there to be filled in.\n\n{lists}"
    ]
    for path in sorted(RULES.glob("*.yaml")):
        here = [rule for rule in loaded.rules if rule.place and Path(rule.place.file.name).name == path.name]
        head = ("rule", "priority", "audit level", "description", "false positives", "references", "tags")
        if here:
            parts.append(f"## {path.name}\n\n{table(head, map(_rule_row, here))}")
    return page("Default rules", intro, *parts)


def _rule_row(rule: Rule) -> tuple[str, ...]:
    notes = read_notes(rule.desc)
    priority = rule.priority.value if rule.enabled else f"{rule.priority.value}, disabled"
    levels = dict.fromkeys((needed_level(rule.condition).value, full_level(rule.condition).value))
    links = ", ".join(f"[{number}]({link})" for number, link in enumerate(notes.references, 1))
    tags = ", ".join(rule.tags)
    return rule.name, priority, ", ".join(levels), notes.summary, notes.false_positives, links, tags


def detections() -> str:
    """Which known detections the default rules cover, and which attempts to slip past rules they see."""
    rows = _read("detections.yaml")
    stateless = [row for row in rows if row["kind"] == "stateless"]
    covered = sum(bool(row.get("rules")) for row in stateless)
    intro = (
        f"What is known to be worth detecting in audit logs: {len(rows)} detections, those of "
        f"{', '.join(SURVEYED.values())}, and some that none of them has. {len(stateless)} ask for a single event, and "
        f"the default rules cover {covered} of them. The others count, compare events with each other or with the "
        "past; no rule over one event can do that, and they are listed as what they are."
    )
    shares = table(
        ("source", "of the detections over one event", "only there"),
        ((name, *map(str, _share(stateless, key))) for key, name in SURVEYED.items()),
    )
    return page(
        "Detections",
        intro,
        f"## Who has how many\n\nLanner has all {len(stateless)}.\n\n{shares}",
        f"## All detections\n\n{table(('detection', 'what', 'rules', 'test cases', 'who else has it'), _rows(rows))}",
        _evasions(),
    )


def _share(rows: Iterable[Mapping[str, Any]], source: str) -> tuple[int, int]:
    found = [row["others"] for row in rows if source in row["others"]]
    return len(found), sum(others == [source] for others in found)


def _rows(rows: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    cases = _cases()
    for row in rows:
        rules = row.get("rules", ())
        what = "; ".join(rules) if rules else f"stateful ({row['kind']})"
        tested = ", ".join(f"{name}: {number}" for name, number in _tests(rules, cases).items())
        others = ", ".join(SURVEYED[source] for source in row["others"]) or "nobody"
        yield code(row["id"]), row["title"], what, tested, others


def _tests(rules: Iterable[str], cases: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """How many cases of each file of rule tests are about one of the rules."""
    found: dict[str, int] = {}
    for (name, rule), number in cases.items():
        if rule in rules:
            found[name] = found.get(name, 0) + number
    return found


def _cases() -> Counter[tuple[str, str]]:
    """How many cases of the rule tests that ship are about each rule, by file and rule."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(_TESTS.glob("*.yaml")):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            rules = test.get("rule", ())
            for rule in [rules] if isinstance(rules, str) else rules:
                found[path.name, rule] += len(test["cases"])
    return found


def _evasions() -> str:
    rows = _read("evasions.yaml")
    evasions = [row for row in rows if row["kind"] == "evasion"]
    missed = sum(not row["falco"] for row in evasions)
    intro = (
        "Requests made to slip past Falco's official rules, and ordinary ones that only look like attacks. A real "
        f"Falco 0.44.1 was asked about each: of {len(evasions)} evasions it raises nothing on {missed}. Lanner's "
        "default rules raise NOTICE or above on every one, and nothing from WARNING on for what is harmless. The rule "
        "`Disallowed K8s User` is left out: it warns of every request of anyone who is not on its list."
    )
    head = ("kind", "case", "Falco's official rules", "Lanner's default rules")
    cells = ((row["kind"], row["case"], ", ".join(row["falco"]) or "nothing", row["lanner"]) for row in rows)
    return f"## Evasions and false positives\n\n{intro}\n\n{table(head, cells)}"


def _read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load((_TABLES / name).read_text(encoding="utf-8")))


def _loaded() -> LoadedRules:
    result = load_rules([RULES])
    if result.rules is None:
        raise ValueError([found.message for found in result.diagnostics])
    return result.rules
