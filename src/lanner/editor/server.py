"""The language server: what an editor asks over standard input and output, answered by `analysis`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import TextDocument

import lanner
from lanner.diagnostics import Diagnostic, Diagnostics, SourceFile, Span
from lanner.diagnostics.codes import Severity
from lanner.editor.analysis import Analysis, Kind
from lanner.rules.format import FormatError, format_rules

DELAY_S = 0.3
"""How long a text has to rest before it is checked: a check may take as long."""

_SEVERITIES = {Severity.ERROR: lsp.DiagnosticSeverity.Error, Severity.WARNING: lsp.DiagnosticSeverity.Warning}
_KINDS = {
    Kind.FIELD: lsp.CompletionItemKind.Field,
    Kind.MACRO: lsp.CompletionItemKind.Function,
    Kind.LIST: lsp.CompletionItemKind.Enum,
    Kind.OPERATOR: lsp.CompletionItemKind.Operator,
    Kind.MODIFIER: lsp.CompletionItemKind.Keyword,
    Kind.TRANSFORMER: lsp.CompletionItemKind.Function,
}

ReadFiles = Callable[[], Sequence[SourceFile]]
"""Reads the files that are loaded in front of the one that is edited."""


class RuleServer(LanguageServer):
    """Answers for the rule files that are open in an editor.

    Only standard output carries answers; nothing else may be written there.
    """

    def __init__(self, read_files: ReadFiles) -> None:
        super().__init__("lanner", lanner.__version__)
        self._read_files = read_files
        self._before: Sequence[SourceFile] | None = None
        self._waiting: dict[str, asyncio.Task[None]] = {}

    def forget_files(self) -> None:
        """Read the files in front anew when they are next needed: one of them may have been saved."""
        self._before = None

    def analysis(self, document: TextDocument) -> Analysis:
        """What can be told of an open document, with the files that are loaded before it in front."""
        if self._before is None:
            self._before = self._read_files()
        path = to_fs_path(document.uri) or document.uri
        names = [file.name for file in self._before]
        before = self._before[: names.index(path)] if path in names else self._before
        return Analysis(_file(document, path), before)

    def check_soon(self, uri: str) -> None:
        """Check a document when it has not changed for a moment."""
        if waiting := self._waiting.pop(uri, None):
            waiting.cancel()
        self._waiting[uri] = asyncio.get_running_loop().create_task(self._check_later(uri))

    def check(self, uri: str) -> None:
        """Check a document and tell the editor all of its problems."""
        document = self.workspace.get_text_document(uri)
        analysis = self.analysis(document)
        problems = [_problem(found, analysis.file) for found in analysis.problems()]
        self._publish(uri, document.version, problems)

    def close(self, uri: str) -> None:
        """Forget a document."""
        if waiting := self._waiting.pop(uri, None):
            waiting.cancel()
        self._publish(uri, None, [])

    async def _check_later(self, uri: str) -> None:
        await asyncio.sleep(DELAY_S)
        self._waiting.pop(uri, None)
        self.check(uri)

    def _publish(self, uri: str, version: int | None, problems: list[lsp.Diagnostic]) -> None:
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, problems, version))


def make_server(read_files: ReadFiles) -> RuleServer:
    """A server that is ready to be started."""
    server = RuleServer(read_files)
    features: dict[str, tuple[Callable[..., Any], object | None]] = {
        lsp.TEXT_DOCUMENT_DID_OPEN: (_opened, None),
        lsp.TEXT_DOCUMENT_DID_CHANGE: (_changed, None),
        lsp.TEXT_DOCUMENT_DID_SAVE: (_saved, None),
        lsp.TEXT_DOCUMENT_DID_CLOSE: (_closed, None),
        lsp.TEXT_DOCUMENT_COMPLETION: (_complete, lsp.CompletionOptions(trigger_characters=["%", "."])),
        lsp.TEXT_DOCUMENT_HOVER: (_hover, None),
        lsp.TEXT_DOCUMENT_FORMATTING: (_format, None),
    }
    for name, (answer, options) in features.items():
        server.feature(name, options)(answer)
    return server


# pygls gives a function whose first parameter is called `ls` the server.


def _opened(ls: RuleServer, params: lsp.DidOpenTextDocumentParams) -> None:
    ls.check(params.text_document.uri)


async def _changed(ls: RuleServer, params: lsp.DidChangeTextDocumentParams) -> None:
    ls.check_soon(params.text_document.uri)


def _saved(ls: RuleServer, params: lsp.DidSaveTextDocumentParams) -> None:
    ls.forget_files()
    ls.check(params.text_document.uri)


def _closed(ls: RuleServer, params: lsp.DidCloseTextDocumentParams) -> None:
    ls.close(params.text_document.uri)


def _complete(ls: RuleServer, params: lsp.CompletionParams) -> lsp.CompletionList:
    analysis = ls.analysis(ls.workspace.get_text_document(params.text_document.uri))
    offset = _offset(analysis.file, params.position)
    found = analysis.complete(offset)
    place = _range(Span(analysis.file, found.start, offset))
    items = [
        lsp.CompletionItem(
            word.text, kind=_KINDS[word.kind], detail=word.kind, documentation=word.detail or None,
            text_edit=lsp.TextEdit(place, word.text),
        )
        for word in found.words
    ]  # fmt: skip
    return lsp.CompletionList(is_incomplete=False, items=items)


def _hover(ls: RuleServer, params: lsp.HoverParams) -> lsp.Hover | None:
    analysis = ls.analysis(ls.workspace.get_text_document(params.text_document.uri))
    found = analysis.hover(_offset(analysis.file, params.position))
    if found is None:
        return None
    contents = lsp.MarkupContent(lsp.MarkupKind.Markdown, found.markdown)
    return lsp.Hover(contents, _range(Span(analysis.file, found.start, found.end)))


def _format(ls: RuleServer, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
    analysis = ls.analysis(ls.workspace.get_text_document(params.text_document.uri))
    file = analysis.file
    try:
        text = format_rules(file, Diagnostics()) if analysis.is_rule_file() else None
    except FormatError:
        text = None
    if text is None or text == file.text:
        return []
    return [lsp.TextEdit(_range(Span(file, 0, len(file.text))), text)]


# Places: the protocol counts UTF-16 units


def _file(document: TextDocument, name: str) -> SourceFile:
    """The text of a document; an empty one where the editor has not opened it, and it cannot be read."""
    try:
        return SourceFile(name, document.source)
    except (OSError, UnicodeError):
        return SourceFile(name, "")


def _problem(found: Diagnostic, file: SourceFile) -> lsp.Diagnostic:
    place = _range(found.span or Span(file, 0, 0))
    message = "\n".join(filter(None, [found.message, found.label, found.help and f"help: {found.help}"]))
    return lsp.Diagnostic(
        place,
        message,
        severity=_SEVERITIES[found.severity],
        code=found.code.code,
        source="lanner",
        related_information=[*_related(found, file)],
    )


def _related(found: Diagnostic, file: SourceFile) -> Iterable[lsp.DiagnosticRelatedInformation]:
    for label in found.related:
        uri = from_fs_path(label.span.file.name)
        if uri and label.span.file is not file:
            yield lsp.DiagnosticRelatedInformation(lsp.Location(uri, _range(label.span)), label.text)


def _range(span: Span) -> lsp.Range:
    return lsp.Range(_position(span.file, span.start), _position(span.file, span.end))


def _position(file: SourceFile, offset: int) -> lsp.Position:
    line, column = file.position(offset)
    start = file.line_starts[line - 1]
    return lsp.Position(line - 1, _units(file.text[start : start + column - 1]))


def _offset(file: SourceFile, position: lsp.Position) -> int:
    """The offset of a position; one beyond the end of its line, or of the text, is that end."""
    if position.line >= len(file.line_starts):
        return len(file.text)
    start = file.line_starts[position.line]
    units = 0
    for at, char in enumerate(file.line(position.line + 1)):
        if units >= position.character:
            return start + at
        units += _units(char)
    return start + len(file.line(position.line + 1))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
