"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="The server's data folder (default: $HEARTH_DATA or ./hearth-data)."),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]
ModelName = Annotated[str, typer.Argument(metavar="OWNER/NAME")]
