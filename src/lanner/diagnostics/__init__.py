"""Problems as values: where they are, what they are, what to do; text and JSON are two views of the same value."""

from lanner.diagnostics.codes import CODES, Code, Severity
from lanner.diagnostics.diagnostic import Diagnostic, Diagnostics, Label
from lanner.diagnostics.source import MappedText, Piece, SourceFile, Span

__all__ = [
    "CODES",
    "Code",
    "Diagnostic",
    "Diagnostics",
    "Label",
    "MappedText",
    "Piece",
    "Severity",
    "SourceFile",
    "Span",
]
