"""The documentation that comes with Hearth, for search and for showing: Markdown files in one folder."""

from __future__ import annotations

import re
from pathlib import Path

from hearth.domain.catalog import DocPage

_PACKAGED = Path(__file__).parent / "docs"
_CHECKOUT = Path(__file__).parents[2] / "docs"
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TITLE = re.compile(r"^# +(.+?) *$", re.MULTILINE)
MAX_TEXT = 100_000
"""Characters of a page that are searched."""


def folder() -> Path:
    """Where the pages are: in the package, or beside it in a checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def load(where: Path) -> list[DocPage]:
    """The pages right in a folder, by name; none if there is no such folder."""
    pages = []
    for path in sorted(where.glob("*.md")):
        text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
        title = _TITLE.search(text)
        pages.append(DocPage(f"/docs/{path.stem}", title[1] if title else path.stem, text[:MAX_TEXT]))
    return pages
