from pathlib import Path

import pytest
from benchmarks import rulesets
from benchmarks.material import load

import lanner

RULE = {"desc": "d", "output": "o", "priority": "NOTICE", "source": "k8s_audit"}
ITEMS: list[rulesets.Item] = [
    {"macro": "everything", "condition": "ka.verb exists"},
    {"rule": "Seen", "condition": "everything or ka.verb = get", **RULE},
    {"rule": "Made", "condition": "ka.verb = create\n", **RULE},
]


def load_file(path: Path) -> lanner.LoadResult:
    return lanner.load_rules([path])


def test_a_set_is_the_start_of_every_larger_one() -> None:
    small, large = rulesets.generate(ITEMS, 5), rulesets.generate(ITEMS, 40)

    assert [item["rule"] for item in small if "rule" in item][:3] == ["Seen", "Made", "Seen (tenant 1)"]
    assert large[: len(small)] == small


@pytest.mark.parametrize("scheme", rulesets.CONJUNCTS)
def test_every_generated_rule_has_a_name_and_condition_of_its_own(scheme: str) -> None:
    rules = [item for item in rulesets.generate(ITEMS, 200, scheme) if "rule" in item]

    assert len({rule["rule"] for rule in rules}) == len({rule["condition"] for rule in rules}) == 200


@pytest.mark.parametrize("scheme", rulesets.CONJUNCTS)
def test_generated_rules_load_without_a_word(scheme: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    rulesets.write(rulesets.generate(ITEMS, 50, scheme), path)

    loaded = load_file(path)

    assert not list(loaded.diagnostics)
    assert loaded.rules is not None
    assert len(loaded.rules.rules) == 50


def test_copies_of_the_default_rules_load(tmp_path: Path) -> None:
    items = rulesets.read_items(load_file_paths())
    originals = sum("rule" in item for item in items)
    path = tmp_path / "rules.yaml"
    rulesets.write(rulesets.generate(items, originals + 40), path)

    loaded = load_file(path)

    assert loaded.rules is not None
    assert len(loaded.rules.rules) == originals + 40


@pytest.mark.parametrize("scheme", rulesets.CONJUNCTS)
def test_copies_match_no_recorded_event(scheme: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    rulesets.write(rulesets.generate(ITEMS, 60, scheme), path)
    loaded = load_file(path).rules
    assert loaded is not None
    engine = lanner.Engine(lanner.compile_rules(loaded))

    alerts = engine.process(b"".join(load(None).lines)).alerts

    assert {alert.rule for alert in alerts} == {"Seen", "Made"}


def load_file_paths() -> tuple[Path, ...]:
    return tuple(sorted((Path(lanner.__file__).parent / "data" / "rules").glob("*.yaml")))
