"""Formulas keep their truth however they are put together and reduced."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.compiler.formula import (
    AllOf,
    AnyOf,
    Formula,
    Inverse,
    all_of,
    any_of,
    atoms,
    demands,
    from_condition,
    inverse,
    reduce,
)
from lanner.condition import And, Check, Expr, Field, Literal, MacroName, Not, Or

NUMBERS = range(4)
TRUTHS = [dict(enumerate(values)) for values in itertools.product((False, True), repeat=len(NUMBERS))]

formulas: st.SearchStrategy[Formula] = st.recursive(
    st.booleans() | st.sampled_from(NUMBERS),
    lambda inner: st.one_of(
        inner.map(inverse), st.lists(inner, max_size=4).map(all_of), st.lists(inner, max_size=4).map(any_of)
    ),
    max_leaves=10,
)


def truth(formula: Formula, values: dict[int, bool]) -> bool:
    match formula:
        case bool():
            return formula
        case int():
            return values[formula]
        case Inverse():
            return not truth(formula.part, values)
        case AllOf():
            return all(truth(part, values) for part in formula.parts)
        case AnyOf():
            return any(truth(part, values) for part in formula.parts)


@given(st.lists(formulas, max_size=4))
def test_formulas_put_together_are_true_where_their_parts_say(parts: list[Formula]) -> None:
    for values in TRUTHS:
        known = [truth(part, values) for part in parts]
        assert truth(all_of(parts), values) is all(known)
        assert truth(any_of(parts), values) is any(known)
        assert [truth(inverse(part), values) for part in parts] == [not each for each in known]


@given(formulas, st.dictionaries(st.sampled_from(NUMBERS), st.booleans()))
def test_what_is_left_is_true_where_the_whole_is(formula: Formula, known: dict[int, bool]) -> None:
    left = reduce(formula, known, {})
    assert not set(atoms(left)) & set(known)
    for values in TRUTHS:
        assert truth(left, {**values, **known}) is truth(formula, {**values, **known})


@given(formulas)
def test_nothing_known_changes_nothing_and_all_known_leaves_a_truth(formula: Formula) -> None:
    assert atoms(reduce(formula, {}, {})) == atoms(formula)
    for values in TRUTHS:
        assert reduce(formula, values, {}) is truth(formula, values)


@given(formulas)
def test_a_formula_is_false_where_a_demand_of_it_is_not_met(formula: Formula) -> None:
    wants, forbids = demands(formula)
    for values in TRUTHS:
        if truth(formula, values):
            assert all(values[atom] for atom in wants)
            assert not any(values[atom] for atom in forbids)


def test_the_parts_of_a_conjunction_are_its_demands() -> None:
    assert demands(all_of([0, inverse(1), any_of([2, 3]), inverse(all_of([2, 3])), 2])) == ([0, 2], [1])
    assert (demands(3), demands(inverse(0)), demands(True)) == (([3], []), ([], [0]), ([], []))


@given(formulas)
def test_no_formula_holds_a_truth_or_what_could_be_flatter(formula: Formula) -> None:
    def check(node: Formula, *, is_top: bool) -> None:
        match node:
            case bool():
                assert is_top
            case Inverse():
                assert not isinstance(node.part, Inverse)
                check(node.part, is_top=False)
            case AllOf() | AnyOf():
                assert len(node.parts) > 1
                for part in node.parts:
                    assert type(part) is not type(node)
                    check(part, is_top=False)

    check(formula, is_top=True)


def test_atoms_come_from_left_to_right_as_often_as_they_stand_there() -> None:
    assert atoms(AllOf((3, AnyOf((1, Inverse(3))), 0))) == [3, 1, 3, 0]
    assert atoms(True) == []
    assert atoms(5) == [5]


def test_atom_zero_is_no_truth() -> None:
    assert all_of([0, True]) == 0
    assert all_of([0, True]) is not False
    assert any_of([1, False]) is not True
    assert reduce(1, {0: True}, {}) == 1


def check(name: str) -> Check:
    return Check(Field("ka.verb"), "=", Literal(name))


def test_a_condition_becomes_a_formula_over_its_checks() -> None:
    numbers = {"a": 0, "b": 1, "c": True}
    condition = And((check("a"), Not(Or((check("b"), Not(check("a"))))), check("c")))
    found = from_condition(condition, lambda each: numbers[each.right.text], {})  # type: ignore[union-attr]  # a literal
    for values in TRUTHS:
        assert truth(found, values) is (values[0] and not (values[1] or not values[0]))


def test_what_conditions_share_is_looked_at_once() -> None:
    seen: list[Check] = []

    def number(each: Check) -> Formula:
        seen.append(each)
        return len(seen)

    shared: Expr = check("a")
    for _ in range(25):
        shared = Or((And((shared, check("b"))), And((shared, check("c")))))
    from_condition(shared, number, {})
    assert len(seen) == 51


def test_a_macro_that_is_left_is_refused() -> None:
    with pytest.raises(ValueError, match="macro `m` is not resolved"):
        from_condition(MacroName("m"), lambda each: True, {})
