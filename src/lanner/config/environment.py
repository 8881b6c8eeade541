"""`${NAME}` in values: what the environment puts in.

Source: Falco 0.44, yaml_helper.h. Unlike there, what a variable holds is not looked through again, and a lone `$` does
not keep what follows it from being expanded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Table
from dataclasses import dataclass

from lanner.rules.nodes import Mapping, Node, Scalar, Sequence

_VARIABLE = re.compile(r"\$?\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Expanded(Scalar):
    """A text with values of the environment in it, and the names of the variables."""

    variables: tuple[str, ...] = ()


def expand(node: Node, environment: Table[str, str]) -> Node:
    """The node with `${NAME}` replaced in all values, by nothing where it is not set; `$${NAME}` gives `${NAME}`."""
    match node:
        case Scalar():
            return _expanded(node, environment) if "${" in node.text else node
        case Sequence():
            return Sequence(tuple(expand(item, environment) for item in node.items), node.span)
        case Mapping():
            return Mapping(tuple((key, expand(value, environment)) for key, value in node.pairs), node.span)


def _expanded(scalar: Scalar, environment: Table[str, str]) -> Scalar:
    names: list[str] = []

    def put_in(found: re.Match[str]) -> str:
        if found[0].startswith("$$"):
            return found[0][1:]
        names.append(found[1])
        return environment.get(found[1], "")

    return Expanded(_VARIABLE.sub(put_in, scalar.text), scalar.span, scalar.style, tuple(names))
