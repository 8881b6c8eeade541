"""Source text and places in it.

A `Span` is a place in a file of the user. A `MappedText` is a text that was put together from pieces of such files
(a folded YAML scalar, a condition and what was appended to it), and can say for each of its parts where in the files
it stands.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, eq=False)
class SourceFile:
    """A file of the user: its name as it was given, and its decoded text without a byte order mark."""

    name: str
    text: str

    @cached_property
    def line_starts(self) -> Sequence[int]:
        """Offsets of the first character of each line, in order."""
        starts = [0]
        at = self.text.find("\n")
        while at != -1:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both 1-based; columns count characters."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its line break."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """The characters from `start` up to, not including, `end`; when both are equal, a place between characters."""

    file: SourceFile
    start: int
    end: int

    @property
    def text(self) -> str:
        """What stands there."""
        return self.file.text[self.start : self.end]

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of the first character, 1-based."""
        return self.file.position(self.start)

    @property
    def end_position(self) -> tuple[int, int]:
        """Line and column just behind the last character, 1-based."""
        return self.file.position(self.end)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a `MappedText`.

    `offsets[i]` is the offset in the file of the piece's character `i`; None where that is not known (a YAML escape, a
    text that Lanner wrote): then the piece as a whole stands for `span`.
    """

    at: int
    length: int
    span: Span
    offsets: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class MappedText:
    """A text and where its pieces come from; the pieces cover the text in order, without gaps."""

    text: str
    pieces: tuple[Piece, ...] = field(compare=False)

    @classmethod
    def whole(cls, text: str, span: Span) -> MappedText:
        """A text that stands for `span` as a whole."""
        return cls(text, (Piece(0, len(text), span),))

    @classmethod
    def literal(cls, text: str, name: str = "<condition>") -> MappedText:
        """A text that is its own source, such as a condition given on the command line."""
        span = Span(SourceFile(name, text), 0, len(text))
        return cls(text, (Piece(0, len(text), span, range(len(text))),))

    @classmethod
    def concat(cls, parts: Iterable[MappedText]) -> MappedText:
        """The parts one after the other."""
        texts: list[str] = []
        pieces: list[Piece] = []
        at = 0
        for part in parts:
            texts.append(part.text)
            pieces.extend(Piece(at + p.at, p.length, p.span, p.offsets) for p in part.pieces)
            at += len(part.text)
        return cls("".join(texts), tuple(pieces))

    def span(self, start: int, end: int) -> Span:
        """Where the characters from `start` to `end` of this text stand in the user's file.

        A range over several pieces is cut to the piece in which it starts. A place at the end of the text is the place
        behind its last character.
        """
        starts = [p.at for p in self.pieces]
        index = max(bisect_right(starts, start) - 1, 0)
        while index > 0 and self.pieces[index].length == 0:
            index -= 1
        piece = self.pieces[index]
        if piece.offsets is None or piece.length == 0:
            return piece.span
        first = min(start - piece.at, piece.length)
        last = min(end - piece.at, piece.length)
        if first >= piece.length:
            after = piece.offsets[piece.length - 1] + 1
            return Span(piece.span.file, after, after)
        begin = piece.offsets[first]
        return Span(piece.span.file, begin, max(piece.offsets[last - 1] + 1, begin) if last > first else begin)
