"""`lanner lsp`: the language server for rule files, on standard input and output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from lanner.cli.messages import Failure
from lanner.diagnostics import SourceFile
from lanner.rules.files import read_rule_files, rule_paths


@click.command("lsp")
@click.option(
    "-r",
    "--rules",
    "rules_files",
    metavar="PATH",
    multiple=True,
    help="Rule file or folder that is loaded in front of the one that is edited, or `default`; repeatable.",
)
def lsp(*, rules_files: tuple[str, ...]) -> None:
    """Help an editor with rule files: problems, completion, hover and formatting, on standard input and output.

    It is started by the editor. Needs `lanner[lsp]`.
    """
    try:
        from lanner.editor.server import make_server  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        raise Failure("the language server needs the library pygls", "install `lanner[lsp]`") from None

    def read_files() -> Sequence[SourceFile]:
        return read_rule_files(Path(path).resolve() for path in rule_paths(rules_files))[0]

    # The library closes what it writes to.
    make_server(read_files).start_io(stdout=os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
