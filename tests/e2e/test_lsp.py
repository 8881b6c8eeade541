"""The language server as an editor drives it: over its real standard input and output."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PROGRAM

BASE = "- list: bots\n  items: [kubelet]\n- macro: by_bot\n  condition: ka.user.name in (bots)\n"
GOOD = """\
# é😀
- rule: Pod Written
  desc: A pod was written.
  condition: not by_bot and ka.target.resource=pods
  output: "😀 pod %ka.target.name"
  priority: NOTICE
  source: k8s_audit
"""


class Editor:
    """Speaks the protocol."""

    def __init__(self, process: subprocess.Popen[bytes], uri: str) -> None:
        self.process = process
        self.uri = uri
        self.published: list[dict[str, Any]] = []
        self._id = 0
        self._version = 1

    def send(self, method: str, params: object, **more: object) -> None:
        text = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        self.process.stdin.flush()

    def ask(self, method: str, params: object) -> Any:
        self._id += 1
        self.send(method, params, id=self._id)
        while True:
            message = self.receive()
            if message.get("id") == self._id and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout
        size = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        assert size, "the server has ended"
        message: dict[str, Any] = json.loads(self.process.stdout.read(size))
        if message.get("method") == "textDocument/publishDiagnostics":
            self.published.append(message["params"])
        return message

    def problems(self) -> list[dict[str, Any]]:
        """The next problems that the server tells."""
        number = len(self.published)
        while len(self.published) == number:
            self.receive()
        found: list[dict[str, Any]] = self.published[-1]["diagnostics"]
        return found

    def open(self, text: str) -> list[dict[str, Any]]:
        document = {"uri": self.uri, "languageId": "yaml", "version": self._version, "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})
        return self.problems()

    def change(self, text: str) -> list[dict[str, Any]]:
        self._version += 1
        document = {"uri": self.uri, "version": self._version}
        self.send("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        return self.problems()

    def at(self, text: str, word: str) -> dict[str, Any]:
        """A place behind a word, in the protocol's UTF-16 units."""
        offset = text.index(word) + len(word)
        line = text.count("\n", 0, offset)
        start = text.rfind("\n", 0, offset) + 1
        units = len(text[start:offset].encode("utf-16-le")) // 2
        return {"textDocument": {"uri": self.uri}, "position": {"line": line, "character": units}}


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    base = tmp_path / "base.yaml"
    base.write_text(BASE)
    with subprocess.Popen(
        [*PROGRAM, "lsp", "-r", str(base)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        editor = Editor(process, (tmp_path / "rules.yaml").as_uri())
        capabilities = editor.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})[
            "capabilities"
        ]
        assert capabilities["hoverProvider"]
        assert capabilities["completionProvider"]["triggerCharacters"] == ["%", "."]
        editor.send("initialized", {})
        yield editor
        editor.ask("shutdown", None)
        editor.send("exit", None)
        assert process.wait(30) == 0
        assert process.stderr
        assert b"Traceback" not in process.stderr.read()


def marked(source: str, problem: dict[str, Any]) -> str:
    """What a problem of one line underlines."""
    start, end = problem["range"]["start"], problem["range"]["end"]
    units = source.split("\n")[start["line"]].encode("utf-16-le")
    text: str = units[2 * start["character"] : 2 * end["character"]].decode("utf-16-le")
    return text


def test_problems_come_and_go_while_the_text_changes(editor: Editor) -> None:
    assert editor.open(GOOD) == []
    text = GOOD.replace("%ka.target.name", "%ka.target.nam")
    (problem,) = editor.change(text)
    assert (problem["code"], problem["severity"], problem["source"]) == ("LN0302", 1, "lanner")
    assert marked(text, problem) == "%ka.target.nam"
    assert "did you mean `ka.target.name`?" in problem["message"]
    (problem,) = editor.change("- rule: [\n")
    assert problem["code"] == "LN0102"
    assert editor.change(GOOD) == []
    assert editor.change("kind: Pod\n") == []


def test_fields_macros_and_lists_are_offered_in_the_middle_of_a_word(editor: Editor) -> None:
    text = GOOD.replace("not by_bot", "not by")
    editor.open(text)
    found = editor.ask("textDocument/completion", editor.at(text, "not by"))
    items = {item["label"]: item for item in found["items"]}
    assert {"by_bot", "bots", "ka.user.name", "startswith"} <= items.keys()
    assert items["by_bot"]["textEdit"]["range"]["start"]["character"] == len("  condition: not ")
    text = GOOD.replace("%ka.target.name", "%ka.tar")
    editor.change(text)
    found = editor.ask("textDocument/completion", editor.at(text, "%ka.tar"))
    (item,) = [item for item in found["items"] if item["label"] == "ka.target.name"]
    assert item["textEdit"]["range"]["start"]["character"] == len('  output: "😀 pod %') + 1
    assert item["documentation"]


def test_a_macro_from_the_file_in_front_is_shown_expanded(editor: Editor) -> None:
    editor.open(GOOD)
    found = editor.ask("textDocument/hover", editor.at(GOOD, "not by_b"))
    assert "ka.user.name in (kubelet)" in found["contents"]["value"]
    assert editor.ask("textDocument/hover", editor.at(GOOD, "priority: NOT")) is None


def test_a_file_is_laid_out(editor: Editor) -> None:
    editor.open(GOOD)
    params = {"textDocument": {"uri": editor.uri}, "options": {"tabSize": 2, "insertSpaces": True}}
    (edit,) = editor.ask("textDocument/formatting", params)
    assert edit["newText"] == GOOD.replace("resource=pods", "resource = pods")
    editor.change("- rule: [\n")
    assert editor.ask("textDocument/formatting", params) == []


def test_closing_a_file_takes_its_problems_away(editor: Editor) -> None:
    assert len(editor.open(GOOD.replace("not by_bot", "not nobody"))) == 1
    editor.send("textDocument/didClose", {"textDocument": {"uri": editor.uri}})
    assert editor.problems() == []


def test_the_file_in_front_is_read_anew_when_something_was_saved(editor: Editor, tmp_path: Path) -> None:
    text = GOOD.replace("not by_bot", "not newer")
    assert len(editor.open(text)) == 1
    (tmp_path / "base.yaml").write_text(BASE.replace("by_bot", "newer"))
    editor.send("textDocument/didSave", {"textDocument": {"uri": editor.uri}})
    assert editor.problems() == []


def test_a_document_that_nobody_has_opened_is_empty(editor: Editor, tmp_path: Path) -> None:
    document = {"uri": (tmp_path / "none.yaml").as_uri()}
    place = {"textDocument": document, "position": {"line": 0, "character": 0}}
    assert editor.ask("textDocument/hover", place) is None
    assert editor.ask("textDocument/completion", place)["items"] == []
