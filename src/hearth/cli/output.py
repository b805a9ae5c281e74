"""How commands show things: a table or JSON on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Waiting:
    """One line on stderr that tells where a prediction waits, and goes when it does not any more. Where stderr is no
    terminal, the first of what it would tell is printed."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._status: Status | None = None
        self._told = False

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self.over()

    def show(self, sentence: str) -> None:
        if self._quiet:
            return
        if not err.is_terminal:
            if not self._told:
                err.print(Text(sentence))
        elif self._status is None:
            self._status = err.status(Text(sentence, style="dim"))
            self._status.start()
        else:
            self._status.update(Text(sentence, style="dim"))
        self._told = True

    def over(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def show_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Rows under headings; `empty` is the sentence for no rows."""
    if not rows:
        err.print(Text(empty))
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    (out if out.is_terminal else Console(width=200, highlight=False)).print(grid)


def when(iso: str | None) -> str:
    """An ISO time as `2 min ago`."""
    if not iso:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(iso.replace("Z", "+00:00"))).total_seconds()
    if seconds < 0:
        return "now"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds)} s ago"


def size(count: int | None) -> str:
    """Bytes as `12.3 MB`."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def line(text: str, limit: int = 60) -> str:
    """The text on one line, cut."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
