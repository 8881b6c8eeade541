"""Packages that are made for a test, and installed as pip would: a module beside metadata with its entry points."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, source: str, *names: str, attribute: str = "PLUGIN"
) -> None:
    """Install a package whose module has the same name, and whose entry points of these names lead to an attribute."""
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    points = "".join(f"{name} = {module}:{attribute}\n" for name in names or (package,))
    (metadata / "entry_points.txt").write_text(f"[lanner.sources]\n{points}")
    if str(folder) not in sys.path:
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, module, raising=False)


FEED = """
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lanner.sources.base import Delivery, Framing, SourceError
from lanner.sources.plugin import Finding, Plugin, Trouble, secret


class Options(msgspec.Struct, frozen=True, kw_only=True):
    pause_s: Annotated[float, Meta(description="How long to wait.", ge=0)] = 0.0
    key: Annotated[str, secret("Who we are.")] = ""
    mode: Annotated[Literal["fast", "slow"], Meta(description="How.")] = "fast"
    names: Annotated[list[str], Meta(description="Whom.")] = []
    level: Annotated[int, Meta(description="How much.", multiple_of=5)] = 5


class Feed:
    def __init__(self, params, options, context):
        self.params, self.options, self.context = params, options, context

    async def run(self, handle):
        self.context.started(f"feeding {self.params}", "")
        for number in range(3):
            line = '{"kind":"Event","auditID":"%d","stage":"ResponseComplete","verb":"get","user":{"username":"eve"}}'
            await handle(Delivery((line % number).encode(), Framing.LINES, self.params))
        self.context.tell(Trouble.GAP, "the end was cut off")
        self.context.tell(Trouble.GAP, "and another", 2)


def open_feed(params, options, context):
    if not params:
        raise SourceError("feed", "it has no `open_params`", "name whom to feed", action="open")
    if params == "broken":
        raise RuntimeError("no luck")
    return Feed(params, options, context)


async def check(params, options):
    return [
        Finding("feed", True, "there is enough"),
        Finding(f"key of {params}", bool(options.key), "it is there" if options.key else "it is missing", "set `key`"),
    ]


PLUGIN = Plugin(
    name="feed",
    description="A feed.",
    version="2.1.0",
    open=open_feed,
    open_params="whom to feed",
    options=Options,
    aliases={"wait": "pause_s"},
    check=check,
)
"""
"""A source of another package, which delivers three events of `eve`, and has lost some."""
