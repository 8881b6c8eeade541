"""What a rule's description tells beside what the rule detects: false positives and references.

They are paragraphs of `desc` that begin with these words, so that Falco loads and shows them like any description.
"""

from __future__ import annotations

from dataclasses import dataclass

_FALSE_POSITIVES = "False positives:"
_REFERENCES = "References:"


@dataclass(frozen=True, slots=True)
class Notes:
    """A description taken apart; what it does not have is empty."""

    summary: str
    false_positives: str = ""
    references: tuple[str, ...] = ()


def read_notes(desc: str) -> Notes:
    """Take a description apart."""
    summary: list[str] = []
    false_positives, references = "", ""
    for paragraph in filter(None, map(str.strip, desc.split("\n"))):
        if paragraph.startswith(_FALSE_POSITIVES):
            false_positives = paragraph[len(_FALSE_POSITIVES) :].strip()
        elif paragraph.startswith(_REFERENCES):
            references = paragraph[len(_REFERENCES) :]
        else:
            summary.append(paragraph)
    return Notes(" ".join(summary), false_positives, tuple(references.split()))
