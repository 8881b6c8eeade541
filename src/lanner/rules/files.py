"""Rule files to text."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from lanner.diagnostics import Diagnostics, SourceFile

DEFAULT_RULES = "default"
"""What stands for the rules that come with Lanner where rule files are named; a file of this name is `./default`."""

MAX_FILE_BYTES = 64 * 1024 * 1024
"""A file beyond this is no rule file."""


def rule_paths(names: Iterable[str | Path]) -> list[str | Path]:
    """The files and folders that rule files are named by, with the folder of Lanner's own for `DEFAULT_RULES`."""
    return [str(files("lanner") / "data" / "rules") if name == DEFAULT_RULES else name for name in names]


def read_rule_files(paths: Iterable[str | Path]) -> tuple[list[SourceFile], Diagnostics]:
    """Read rule files; of a folder its `*.yaml` and `*.yml` files, in the order of their names.

    Diagnostics: LN0101.
    """
    diagnostics = Diagnostics()
    read: list[SourceFile] = []
    for path in map(Path, paths):
        try:
            found = sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
        except OSError as problem:
            _unreadable(path, problem.strerror or "unknown error", diagnostics)
            continue
        for each in found:
            file = _read(each, diagnostics)
            if file:
                read.append(file)
    return read, diagnostics


def _read(path: Path, diagnostics: Diagnostics) -> SourceFile | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else None
        _unreadable(path, reason or str(problem), diagnostics)
        return None
    if len(data) > MAX_FILE_BYTES:
        _unreadable(path, f"larger than {MAX_FILE_BYTES // 2**20} MiB", diagnostics)
        return None
    return decoded(str(path), data, diagnostics)


def decoded(name: str, data: bytes, diagnostics: Diagnostics) -> SourceFile | None:
    """The bytes of a file as text, without a byte order mark; None when they are none.

    Diagnostics: LN0101.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        _unreadable(name, f"line {line} is not UTF-8 text", diagnostics)
        return None
    if "\0" in text:
        _unreadable(name, "it holds a NUL character", diagnostics)
        return None
    return SourceFile(name, text)


def _unreadable(path: Path | str, reason: str, diagnostics: Diagnostics) -> None:
    message = f"cannot read `{path}`: {reason[:1].lower()}{reason[1:]}"
    diagnostics.add("LN0101", message, file=str(path))
