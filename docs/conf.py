"""How Sphinx makes the site of the documentation: `make docs` writes it to `site/`, and every warning is an error.

The pages need nothing from elsewhere: whatever a browser would load from another host is a warning too.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

project = "Lanner"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
nitpicky = True

myst_heading_anchors = 3

html_theme = "furo"
html_title = "Lanner"
html_copy_source = False
html_use_index = False
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["lanner.css"]

_REMOTE = {
    ".html": re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*\s(?:src|href)=[\"']?(?:https?:)?//[^>]*>"),
    ".css": re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\s;]*"),
}


def setup(app: Sphinx) -> None:
    """Look through the finished site."""
    app.connect("build-finished", _warn_of_remote)


def _warn_of_remote(app: Sphinx, exception: Exception | None) -> None:
    """Name whatever makes a browser load something from another host."""
    for suffix, pattern in _REMOTE.items():
        for path in sorted(Path(app.outdir).rglob(f"*{suffix}")):
            for found in pattern.findall(path.read_text(encoding="utf-8")):
                logging.getLogger(__name__).warning("%s loads from another host: %s", path.name, found)
