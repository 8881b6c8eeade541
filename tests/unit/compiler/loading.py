"""Rules from short texts, for the tests of this folder."""

from textwrap import indent

from lanner.compiler.load import LoadedRules, LoadResult, Rule, load
from lanner.diagnostics import SourceFile


def rule(condition: str, output: str = "x", *, name: str = "A", source: str = "k8s_audit", extra: str = "") -> str:
    """The item of a rule; condition and output are written as literal blocks."""
    return (
        f"- rule: {name}\n  desc: d\n  priority: info\n  source: {source}\n"
        f"  condition: |-\n{indent(condition, '    ')}\n  output: |-\n{indent(output, '    ')}\n{extra}"
    )


def load_text(*texts: str) -> LoadResult:
    """Each text as a file."""
    return load([SourceFile(f"{number}.yaml", text) for number, text in enumerate(texts)])


def problems(result: LoadResult) -> list[tuple[str, str]]:
    """Code and underlined text of each problem."""
    return [(found.code.code, found.span.text if found.span else "") for found in result.diagnostics]


def loaded(*texts: str) -> LoadedRules:
    """The rules of texts without errors."""
    result = load_text(*texts)
    assert result.rules is not None, problems(result)
    return result.rules


def only_rule(*texts: str) -> Rule:
    """The one rule of texts without errors."""
    (found,) = loaded(*texts).rules
    return found
